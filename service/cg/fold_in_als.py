"""Fold-in for ALS: the vector of a user that training never saw, from a history, in closed form.

It solves the same normal equations as a half-step of training (`training.als` states the objective), so a
user's training row gives the vector that training ended with. In the eigenbasis of the item Gram matrix
alpha0·HᵀH + reg·I is a diagonal D, and the system is as large as the shorter of history and dimension.
"""

from typing import Literal, NamedTuple

import numpy as np

from service.array_types import Floats, Integers


class GramBasis(NamedTuple):
    """Eigendecomposition of the Gram matrix of all item factors; made once for each model."""

    values: Floats
    """(dim,) eigenvalues, not below 0."""
    vectors: Floats
    """(dim, dim), an eigenvector in each column."""


def gram_basis(item_factors: Floats) -> GramBasis:
    """Decompose item_factorsᵀ·item_factors; item_factors is (n_items, dim)."""
    values, vectors = np.linalg.eigh(item_factors.T @ item_factors)
    return GramBasis(np.maximum(values, np.float32(0)), vectors)


def fold_in(
    item_factors: Floats,
    basis: GramBasis,
    items: Integers,
    weights: Floats,
    *,
    alpha0: float,
    lambd: float,
    nu: float,
    loss: Literal["ials", "plain"] = "ials",
) -> Floats:
    """Vector (dim,) of a user with these distinct items; an empty history gives zeros.

    `weights` are what the user's row of X would hold at `items`: binary, counts or log-counts as in training.
    Raises ValueError when items and weights differ in length or, for loss=ials, a weight is not above 0.
    """
    if items.shape != weights.shape:
        raise ValueError(f"{items.size} items but {weights.size} weights; give one weight for each item")
    if items.size == 0:
        return np.zeros(item_factors.shape[1], np.float32)
    H = item_factors[items] @ basis.vectors
    weights = weights.astype(np.float32, copy=False)
    if loss == "plain":
        exact: Floats = basis.vectors @ ((weights @ H) / (basis.values + np.float32(lambd)))
        return exact
    if weights.min() <= 0:
        raise ValueError(f"a weight is {weights.min():g}, but confidences must be above 0; leave that item out")
    reg = lambd * (items.size + alpha0 * len(item_factors)) ** nu
    D = np.float32(alpha0) * basis.values + np.float32(reg)
    vector: Floats = basis.vectors @ solve(H, weights, D)
    return vector


def solve(H: Floats, c: Floats, D: Floats) -> Floats:
    """Solve (D + Hᵀ·diag(c)·H) w = Hᵀ·c for w, with H (n, dim) and D the diagonal (dim,)."""
    if len(H) > D.size:
        return np.linalg.solve((H.T * c) @ H + np.diag(D), H.T @ c)
    # the dual: w = D⁻¹·Hᵀ·(diag(1/c) + H·D⁻¹·Hᵀ)⁻¹·1, an n × n system
    scaled = H / D
    return np.linalg.solve(scaled @ H.T + np.diag(1 / c), np.ones_like(c)) @ scaled
