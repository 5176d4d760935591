"""EASE: a linear item-item model in closed form (Steck 2019, "Embarrassingly Shallow Autoencoders")."""

from typing import Any, Literal

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.linalg import LinAlgError
from scipy.sparse.linalg import splu

from training.blas import Matrix
from training.config import FitConfig
from training.progress import track
from training.spd_inverse import invert_spd
from training.threads import limit_threads
from training.top_weights import keep_largest

SOLVED_TOGETHER = 256
TOLERANCE = 0.01
"""How far rounding may carry the diagonal of the inverse out of its bounds before the fit is refused."""


class Config(FitConfig):
    """Hyperparameters of EASE."""

    lambd: float = Field(0.1, gt=0)
    """L2 penalty on the weights; the best value grows with the interactions, from 80 to some thousands."""
    sparse_inv: bool = False
    """Invert with a sparse factorisation, for logs in which few pairs of items share a user."""
    serve_top_k: int | None = Field(None, ge=1)
    """Keep this many weights of every row, the largest in absolute value; none keeps all."""
    serve_columns: int | None = Field(None, ge=1)
    """Beside the `serve_top_k` largest, serve all weights on this many columns, those of the items that are most
    often among a user's best hundred, rounded to 4 bits: far less recall is lost, and scoring stays fast."""
    precision: Literal["float32", "float64"] = "float32"
    """Of the weights and, when dense, of the inversion; float64 needs twice the memory and the time."""

    @model_validator(mode="after")
    def _columns_need_k(self) -> "Config":
        if self.serve_columns is not None and self.serve_top_k is None:
            raise ValueError("serve_columns needs serve_top_k, the weights of a row that are kept exactly; try 64")
        return self


@numba.njit(parallel=True, cache=True)
def _add_gram(G, column_starts, users, column_values, row_starts, items, row_values):  # type: ignore[no-untyped-def]
    """Add XᵀX to the lower triangle of G; X comes by column and by row, with sorted items."""
    for i in numba.prange(G.shape[0]):
        for e in range(column_starts[i], column_starts[i + 1]):
            u = users[e]
            for f in range(row_starts[u], row_starts[u + 1]):
                j = items[f]
                if j > i:
                    break
                G[i, j] += column_values[e] * row_values[f]


@numba.njit(parallel=True, cache=True)
def _scale_columns(A, factors):  # type: ignore[no-untyped-def]
    """Multiply every column of A by its factor."""
    for i in numba.prange(len(A)):
        for j in range(A.shape[1]):
            A[i, j] *= factors[j]


def fit(X: sp.csr_array, config: Config) -> Matrix | sp.csr_array:
    """Minimise ‖X − XB‖² + λ‖B‖² subject to diag(B) = 0; X is (n_users, n_items), W = B (n_items, n_items).

    With a multiplier γ_j for every constraint B_jj = 0, the Lagrangian ‖X − XB‖² + λ‖B‖² + 2 γᵀdiag(B) is
    stationary where (XᵀX + λI) B = XᵀX − diagMat(γ). With P = (XᵀX + λI)⁻¹ and XᵀX = P⁻¹ − λI this is
    B = I − P diagMat(λ + γ). The constraint reads 1 = P_jj (λ + γ_j), which fixes γ, and

        B = I − P diagMat(1 / diag(P)),   that is   B_ij = −P_ij / P_jj for i ≠ j, and 0 on the diagonal.

    λ > 0 makes XᵀX + λI positive definite, so P exists and the stationary point is the minimum.

    W[i, j] is the weight of history item i on candidate j, in `config.precision`. Dense: one n_items² array,
    built, inverted and scaled in place. Sparse: CSR, as after pruning with `serve_top_k`. Raises ValueError
    where X is empty or not finite, or λ too small for the precision.
    """
    if not np.isfinite(X.data).all():
        raise ValueError("the interactions hold values that are not finite: wanted finite weights")
    if X.shape[1] == 0:
        raise ValueError(f"an interaction matrix of shape {X.shape}: wanted at least one item")
    with limit_threads(config.threads):
        W = _sparse_weights(X, config) if config.sparse_inv else _dense_weights(X, config)
        return W if config.serve_top_k is None else keep_largest(W, config.serve_top_k)


def _dense_weights(X: sp.csr_array, config: Config) -> Matrix:
    G = lower_gram(X, np.dtype(config.precision))
    penalised = np.einsum("ii->i", G)
    penalised += config.lambd
    diagonal = penalised.copy()
    try:
        P = invert_spd(G)
    except LinAlgError as error:
        raise _too_small(config, str(error)) from error
    P_diagonal = np.diagonal(P).copy()
    _check_diagonal(P_diagonal, diagonal, config)
    _scale_columns(P, -1 / P_diagonal)
    np.fill_diagonal(P, 0)
    return P


def lower_gram(X: sp.csr_array, dtype: np.dtype[Any]) -> Matrix:
    """XᵀX in one (n_items, n_items) array; the upper triangle is left zero."""
    rows = X if X.has_sorted_indices else X.sorted_indices()
    columns = rows.tocsc()
    G = np.zeros((X.shape[1], X.shape[1]), dtype)
    _add_gram(
        G,
        columns.indptr, columns.indices, columns.data.astype(dtype),
        rows.indptr, rows.indices, rows.data.astype(dtype),
    )  # fmt: skip
    return G


def _check_diagonal(P_diagonal: NDArray[Any], diagonal: NDArray[Any], config: Config) -> None:
    """1 / A_jj ≤ P_jj ≤ 1 / λ for P = A⁻¹ and A ≥ λI: a diagonal outside has lost its digits to rounding."""
    highest = P_diagonal.max() * config.lambd
    lowest = (P_diagonal * diagonal).min()
    # written so that NaN fails
    if not (highest <= 1 + TOLERANCE and lowest >= 1 - TOLERANCE):
        raise _too_small(config, f"the diagonal of the inverse is out of its bounds by {highest}, {lowest}")


def _too_small(config: Config, seen: str) -> ValueError:
    remedy = "raise lambd" if config.precision == "float64" else "raise lambd or set precision=float64"
    return ValueError(
        f"lambd = {config.lambd:g} is too small to invert the item-item matrix in {config.precision} ({seen}): {remedy}"
    )


def _sparse_weights(X: sp.csr_array, config: Config) -> sp.csr_array:
    """The same from a sparse LU factorisation in float64, a few columns of P at a time."""
    n = X.shape[1]
    columns = sp.csc_array(X, dtype=np.float64)
    A = sp.csc_array(columns.T @ columns + config.lambd * sp.eye_array(n))
    # symmetric positive definite: no pivoting, and an ordering of AᵀA's graph would only add fill
    factors = splu(A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True})
    blocks = []
    for low in track(range(0, n, SOLVED_TOGETHER), "inverting"):
        own = np.arange(low, min(low + SOLVED_TOGETHER, n))
        unit = np.zeros((n, own.size))
        unit[own, own - low] = 1
        P = factors.solve(unit)
        W = P / -P[own, own - low]
        W[own, own - low] = 0
        blocks.append(sp.csc_array(W.astype(config.precision)))
    return sp.csr_array(sp.hstack(blocks))
