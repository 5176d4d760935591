"""One half-step of ALS: all rows solved while the columns stay fixed.

Every row w of the factor matrix solves (alpha0·G + reg·I + Σ c·h·hᵀ) w = Σ c·h, where h are the factors of
its observed columns and G = HᵀH is the Gram matrix of all columns. Here H is first turned into the
eigenbasis of G, which changes no score as both sides turn with it. Then alpha0·G + reg·I is a diagonal D:
a conjugate gradient step costs O(observed·dim) instead of O(dim²), and D is at the same time the exact
preconditioner for everything unobserved, so that few steps do (a row with n observed columns is solved
exactly after n). That needs no dim × dim system for each row and no n_rows × n_columns array.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numba import njit
from scipy.linalg import eigh

from service.array_types import Floats, Integers

MAX_STEPS = 1000
"""Bound of the steps of a row that is solved to convergence."""
TOLERANCE = np.float32(1e-12)
"""Converged: the squared preconditioned residual fell to this share of where it began."""


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def add_observed(columns: Integers, confidence: Floats, H: Floats, target: np.float32, x: Floats, out: Floats) -> None:
    """Out += Σ over observed columns of c·(target − h·x)·h; four columns share the passes over x and out."""
    for t in range(0, columns.size - 3, 4):
        h0, h1, h2, h3 = H[columns[t]], H[columns[t + 1]], H[columns[t + 2]], H[columns[t + 3]]
        s0 = s1 = s2 = s3 = np.float32(0)
        for k in range(x.size):
            s0 += h0[k] * x[k]
            s1 += h1[k] * x[k]
            s2 += h2[k] * x[k]
            s3 += h3[k] * x[k]
        f0, f1 = confidence[t] * (target - s0), confidence[t + 1] * (target - s1)
        f2, f3 = confidence[t + 2] * (target - s2), confidence[t + 3] * (target - s3)
        for k in range(x.size):
            out[k] += f0 * h0[k] + f1 * h1[k] + f2 * h2[k] + f3 * h3[k]
    for t in range(columns.size - columns.size % 4, columns.size):
        h = H[columns[t]]
        score = np.float32(0)
        for k in range(x.size):
            score += h[k] * x[k]
        factor = confidence[t] * (target - score)
        for k in range(x.size):
            out[k] += factor * h[k]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def solve_row(columns: Integers, confidence: Floats, H: Floats, D: Floats, w: Floats, steps: int, work: Floats) -> None:
    """Preconditioned conjugate gradient on (D + Σ c·h·hᵀ) w = Σ c·h, in place from the w given."""
    r, p, q = work[0], work[1], work[2]
    for k in range(w.size):
        r[k] = -D[k] * w[k]
    add_observed(columns, confidence, H, np.float32(1), w, r)
    rz = np.float32(0)
    for k in range(w.size):
        p[k] = r[k] / D[k]
        rz += p[k] * r[k]
    enough = rz * TOLERANCE
    for _ in range(steps):
        if rz <= enough:
            return
        for k in range(w.size):
            q[k] = -D[k] * p[k]  # q is minus the matrix times p
        add_observed(columns, confidence, H, np.float32(0), p, q)
        pq = np.float32(0)
        for k in range(w.size):
            pq -= p[k] * q[k]
        length, before, rz = rz / pq, rz, np.float32(0)
        for k in range(w.size):
            w[k] += length * p[k]
            r[k] += length * q[k]
            rz += r[k] * r[k] / D[k]
        for k in range(w.size):
            p[k] = r[k] / D[k] + rz / before * p[k]


@njit(nogil=True, cache=True, error_model="numpy")
def solve_rows(
    rows: Integers,
    indptr: Integers,
    indices: Integers,
    data: Floats,
    H: Floats,
    unobserved: Floats,
    reg: Floats,
    W: Floats,
    steps: int,
) -> None:
    """Solve the listed rows of W, each on its own; a row with nothing observed becomes zero."""
    D = np.empty_like(unobserved)
    work = np.empty((3, D.size), np.float32)
    for row in rows:
        seen = slice(indptr[row], indptr[row + 1])
        if seen.start == seen.stop:
            W[row] = np.float32(0)
            continue
        for k in range(D.size):
            D[k] = unobserved[k] + reg[row]
        solve_row(indices[seen], data[seen], H, D, W[row], steps, work)


class Weights(NamedTuple):
    """The parameters of the weighted objective; see training.als.Config."""

    alpha0: float
    lambd: float
    nu: float


class HalfStep(NamedTuple):
    """Factors after a half-step, in one common basis."""

    rows: Floats
    columns: Floats


def weighted_half_step(
    pool: Executor, X: sp.csr_array, rows: Floats, columns: Floats, weights: Weights, steps: int
) -> HalfStep:
    """Half-step of the weighted objective from the rows given; `steps` conjugate gradient steps each."""
    (W, H), values = eigenbasis(pool, rows, columns)
    observed = np.diff(X.indptr)
    reg = weights.lambd * (observed + weights.alpha0 * X.shape[1]) ** weights.nu
    unobserved = np.float32(weights.alpha0) * values
    rest = (X.indptr, X.indices, X.data, H, unobserved, reg.astype(np.float32), W, steps)
    for done in [pool.submit(solve_rows, block, *rest) for block in blocks(observed)]:
        done.result()
    return HalfStep(W, H)


def plain_half_step(pool: Executor, X: sp.csr_array, columns: Floats, lambd: float) -> HalfStep:
    """Exact half-step of the plain objective: W = X·H·(HᵀH + lambd·I)⁻¹, a diagonal inverse here."""
    (_, H), values = eigenbasis(pool, columns[:0], columns)
    inverse = np.float32(1) / (values + np.float32(lambd))
    parts = pool.map(lambda part: (X[part] @ H) * inverse, slices(X.shape[0]))
    return HalfStep(np.concatenate(list(parts)), H)


def eigenbasis(pool: Executor, rows: Floats, columns: Floats) -> tuple[HalfStep, Floats]:
    """Turn both sides into the eigenbasis of columnsᵀ·columns; also returns its eigenvalues.

    The products run in slices on the pool, the BLAS being held to one thread: its own threads wait by
    spinning, and the slices make the sums the same for any number of threads.
    """
    gram: Floats = reduce(np.add, pool.map(lambda part: columns[part].T @ columns[part], slices(len(columns))))
    # up to twice as fast as numpy's; with few rows this is half of the time of a sweep
    values, vectors = eigh(gram, driver="evd", overwrite_a=True, check_finite=False)
    basis: Floats = vectors.astype(np.float32, copy=False)
    return turn(pool, HalfStep(rows, columns), basis), np.maximum(values, 0, dtype=np.float32)


def turn(pool: Executor, sides: HalfStep, vectors: Floats) -> HalfStep:
    """Both sides @ vectors, slice by slice on the pool."""
    turned = HalfStep(np.empty_like(sides.rows), np.empty_like(sides.columns))
    parts = [(given[part], out[part]) for given, out in zip(sides, turned, strict=True) for part in slices(len(given))]
    for _ in pool.map(lambda pair: np.matmul(pair[0], vectors, out=pair[1]), parts):
        pass
    return turned


def blocks(observed: Integers, rows_each: int = 256) -> list[Integers]:
    """Blocks of rows for the threads to take in turn; long rows are dealt out evenly, so that all end together."""
    order = np.argsort(-observed, kind="stable")
    count = max(1, -(-order.size // rows_each))
    return [order[first::count] for first in range(count)]


def slices(n_rows: int, rows_each: int = 512) -> Iterator[slice]:
    """Consecutive slices that cover all rows: small enough that a thousand rows occupy two threads."""
    return (slice(start, start + rows_each) for start in range(0, n_rows, rows_each))
