"""SLIM: a sparse, non-negative item-item matrix by elastic-net regression (Ning & Karypis, ICDM 2011)."""

import os
import warnings
from typing import Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from training.config import FitConfig
from training.slim_cd import solve_cd
from training.slim_kernels import Penalty

FLOAT32_TOLERANCE = 1e-6


class Config(FitConfig):
    """Hyperparameters of SLIM; the objective is scikit-learn's ElasticNet, so both solvers share them."""

    alpha: float = Field(0.1, gt=0)
    """Strength of the penalty, on the scale of one user: it is multiplied by their number."""
    l1_ratio: float = Field(0.01, ge=0, le=1)
    """Share of the penalty that is L1, which makes weights zero; the rest is L2, which makes them small."""
    solver: Literal["cd", "sklearn"] = "cd"
    """Our own coordinate descent, or scikit-learn's ElasticNet item by item (the slower reference)."""
    num_processes: int | None = Field(None, ge=1, le=1024)
    """Worker processes of the sklearn solver; none means one for each core. The cd solver uses threads."""
    tolerance: float = Field(1e-4, ge=1e-12, lt=1)
    """A column is solved when no step, times √(‖x_k‖² + L2), exceeds half this share of ‖x_j‖; sklearn: its `tol`.
    The cd solver works in float32 and takes values below 2e-6 for 2e-6."""
    max_sweeps: int = Field(10_000, ge=1)
    """Safety limit on the passes over one column; a column that reaches it is reported."""


def fit(X: sp.csr_matrix, config: Config, initial: sp.csr_matrix | None = None) -> sp.csr_matrix:
    """Return W (n_items × n_items, CSR, float32); W[i, j] = weight of history item i on candidate j.

    X: (n_users × n_items), no negative values. Column j of W minimises, over w ≥ 0 with w_j = 0,
    1/(2·n_users)·‖x_j − X w‖² + alpha·l1_ratio·‖w‖₁ + ½·alpha·(1 − l1_ratio)·‖w‖². Multiplied by n_users
    that is ½wᵀ(G + β·I)w − (G_j − λ)ᵀw with G = XᵀX, λ = n_users·alpha·l1_ratio and
    β = n_users·alpha·(1 − l1_ratio). A weight whose co-occurrence G_ij is at most λ is 0.

    `initial` is an earlier W over the same items to start from (the cd solver only; the result is the same).
    Raises ValueError for unusable X or initial; warns if columns did not converge in `max_sweeps`.
    """
    columns = sp.csc_matrix(X, dtype=np.float32)
    n_users, n_items = columns.shape
    if min(n_users, n_items) == 0:
        raise ValueError(f"X is {n_users} users × {n_items} items; at least one of each is needed")
    if not np.isfinite(columns.data).all() or (columns.data < 0).any():
        raise ValueError("X holds negative or non-finite values; SLIM needs finite weights ≥ 0: check the weighting")
    if config.solver == "cd":
        W, failed = solve_cd(columns, _penalty(columns, config), config.threads, _initial(initial, n_items))
    else:
        from training.slim_sklearn import solve_sklearn  # scikit-learn takes a second to import

        processes = config.num_processes or os.cpu_count() or 1
        parameters = {"alpha": config.alpha, "l1_ratio": config.l1_ratio}
        parameters |= {"tol": config.tolerance, "max_iter": config.max_sweeps}
        W, failed = solve_sklearn(columns, parameters, processes)
    if failed:
        warnings.warn(
            f"SLIM: {failed} of {n_items} columns still moved by more than {config.tolerance:g} after "
            f"{config.max_sweeps} sweeps; raise max_sweeps, tolerance or alpha",
            RuntimeWarning,
            stacklevel=2,
        )
    return W


def _penalty(X: sp.csc_matrix, config: Config) -> Penalty:
    total = X.shape[0] * config.alpha
    l1, l2 = total * config.l1_ratio, total * (1 - config.l1_ratio)
    tolerance = max(config.tolerance / 2, FLOAT32_TOLERANCE)
    return Penalty(l1, l2, tolerance, config.max_sweeps, skip=True)


def _initial(W: sp.csr_matrix | None, n_items: int) -> sp.csc_matrix:
    if W is None:
        return sp.csc_matrix((n_items, n_items), dtype=np.float32)
    if W.shape != (n_items, n_items):
        raise ValueError(
            f"initial is {W.shape}, wanted {(n_items, n_items)}: the W of an earlier fit on the same items"
        )
    return sp.csc_matrix(W)
