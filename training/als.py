"""Alternating least squares for implicit feedback, weighted (iALS) or plain.

`loss="ials"` minimises (Rendle et al. 2021, "Revisiting the Performance of iALS on Item Recommendation
Benchmarks"; the idea is Hu, Koren & Volinsky 2008)

    Σ over observed c·(1 − ŷ)² + alpha0·Σ over all cells ŷ²
    + lambd·(Σ_u (n_u + alpha0·n_items)^nu·‖w_u‖² + Σ_i (n_i + alpha0·n_users)^nu·‖h_i‖²)

The confidence c of an observed cell is its value in X, its target is 1; n_u and n_i are the numbers of
observed cells of the row and of the column, whatever their values. That is also irspack's convention, so
parameters published for it carry over. `loss="plain"` minimises
Σ over all cells (x − ŷ)² + lambd·(Σ_u ‖w_u‖² + Σ_i ‖h_i‖²), an unobserved x being 0.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from threadpoolctl import threadpool_limits

from service.array_types import Floats
from training.als_solve import MAX_STEPS, HalfStep, Weights, plain_half_step, slices, weighted_half_step
from training.config import FitConfig
from training.embeddings import Embeddings
from training.progress import track

INITIAL_SCALE = 0.1
"""Standard deviation of an initial score's factor: the factors are drawn from N(0, scale/√dim)."""


class Config(FitConfig):
    """Hyperparameters of ALS."""

    dim: int = Field(64, ge=1, le=8192)
    """Number of factors of a user and of an item."""
    max_iter: int = Field(100, ge=1, le=100_000)
    """Number of sweeps; each solves all users and then all items."""
    alpha0: float = Field(0.1, ge=0, le=1e6)
    """Weight of every cell's squared score, which pulls unobserved cells towards 0 (not for loss=plain)."""
    lambd: float = Field(0.01, gt=0, le=1e9)
    """L2 regularisation; for loss=plain it acts unscaled, so good values are far larger."""
    nu: float = Field(1.0, ge=0, le=4)
    """How much more frequent users and items are regularised; 0 treats all alike (not for loss=plain)."""
    loss: Literal["ials", "plain"] = "ials"
    """ials: observed cells weighted by their value, target 1; plain: X itself is fitted, all cells alike."""
    cg_steps: int = Field(3, ge=1, le=MAX_STEPS)
    """Conjugate gradient steps for each row and sweep (not for loss=plain, which is solved exactly)."""


def fit(X: sp.csr_array | sp.csr_matrix, config: Config) -> Embeddings:
    """Factorise X (n_users × n_items, float32) into Embeddings without biases.

    The last half-step solves all users to convergence, so that `service.cg.fold_in_als.fold_in` of a user's
    training row gives that user's vector. The item factors come out with a diagonal Gram matrix. Users and
    items with nothing observed get zero vectors. The same seed gives the same model on
    any number of threads.
    Raises ValueError when X is empty or, for loss=ials, has a value that is not above 0.
    """
    by_user: sp.csr_array[np.float32] = sp.csr_array(X).astype(np.float32, copy=False)
    check(by_user, config)
    by_item = sp.csr_array(by_user.T)
    users, items = initial(by_user.shape[0], 0, config), initial(by_user.shape[1], 1, config)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(config.threads) as pool:
        for _ in track(range(config.max_iter), "als"):
            users, items = half_step(pool, by_user, users, items, config)
            items, users = half_step(pool, by_item, items, users, config)
        users, items = half_step(pool, by_user, users, items, config, MAX_STEPS)
    return Embeddings(users, items, np.zeros(len(items), np.float32))


def half_step(
    pool: Executor, X: sp.csr_array, rows: Floats, columns: Floats, config: Config, steps: int = 0
) -> HalfStep:
    """Solve the rows of X for the columns' factors; MAX_STEPS steps mean to convergence."""
    if config.loss == "plain":
        return plain_half_step(pool, X, columns, config.lambd)
    weights = Weights(config.alpha0, config.lambd, config.nu)
    return weighted_half_step(pool, X, rows, columns, weights, steps or config.cg_steps)


def initial(n: int, stream: int, config: Config) -> Floats:
    """(n, dim) random factors; users and items draw from streams of their own."""
    draws = np.random.default_rng([config.seed, stream]).standard_normal((n, config.dim), np.float32)
    return draws * np.float32(INITIAL_SCALE / np.sqrt(config.dim))


def check(X: sp.csr_array, config: Config) -> None:
    """Refuse what cannot be fitted."""
    if not X.nnz:
        raise ValueError(f"als: X of shape {X.shape} has no interactions; at least one is needed, check the input")
    if not np.isfinite(X.data).all():
        raise ValueError("als: X holds NaN or infinite values; all must be finite, remove those interactions")
    if config.loss == "ials" and X.data.min() <= 0:
        raise ValueError(
            f"als: X holds the value {X.data.min():g}, but a confidence must be above 0; "
            "drop these cells, or use loss=plain"
        )


def objective(X: sp.csr_array | sp.csr_matrix, model: Embeddings, config: Config) -> float:
    """Value of the objective in the module's docstring, from Gram matrices and the observed cells only."""
    W, H = model.users.astype(np.float64), model.items.astype(np.float64)
    everywhere = float(((W.T @ W) * (H.T @ H)).sum())
    by_user, by_item = (W * W).sum(1), (H * H).sum(1)
    observed = 0.0
    for part in slices(X.shape[0]):
        cells = sp.coo_array(X[part])
        scores = np.einsum("td,td->t", W[part][cells.row], H[cells.col])
        plain = cells.data.astype(np.float64) * (cells.data - 2 * scores)
        observed += float((plain if config.loss == "plain" else cells.data * (1 - scores) ** 2).sum())
    if config.loss == "plain":
        return observed + everywhere + config.lambd * float(by_user.sum() + by_item.sum())
    n_users, n_items = X.shape
    user_scale = (np.diff(X.indptr) + config.alpha0 * n_items) ** config.nu
    item_scale = (np.bincount(X.indices, minlength=n_items) + config.alpha0 * n_users) ** config.nu
    reg = config.lambd * float(by_user @ user_scale + by_item @ item_scale)
    return observed + config.alpha0 * everywhere + reg
