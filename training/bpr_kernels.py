"""Stochastic gradient steps of Bayesian personalised ranking (Rendle et al. 2009)."""

import math
from typing import Any

import numba as nb
import numpy as np

from training.sampling import choose, contains, random_bits

# Lets LLVM vectorise the sum of products, without assuming that numbers stay finite.
FASTMATH = {"reassoc", "contract", "nsz", "arcp"}
BATCH = 512


@nb.njit(cache=True, boundscheck=True)
def optimizer_step(
    user_vectors: Any,
    item_vectors: Any,
    user_idx: Any,
    pos_item_idx: Any,
    neg_item_idx: Any,
    lr: Any,
    lambd: Any,
) -> None:
    """One descent step on −ln σ(x_ui − x_uj) + λ/2·‖Θ‖² without biases; updates both matrices in place.

    user_vectors is (n_users, dim), item_vectors (n_items, dim). All gradients are taken at the values from
    before the step. IndexError for an index out of range.
    """
    p, q_i, q_j = user_vectors[user_idx], item_vectors[pos_item_idx], item_vectors[neg_item_idx]
    margin = 0.0
    for k in range(p.size):
        margin += p[k] * (q_i[k] - q_j[k])
    pull = 1.0 / (1.0 + math.exp(margin))
    for k in range(p.size):
        user, positive, negative = p[k], q_i[k], q_j[k]
        p[k] += lr * (pull * (positive - negative) - lambd * user)
        q_i[k] += lr * (pull * user - lambd * positive)
        q_j[k] += lr * (-pull * user - lambd * negative)


@nb.njit(cache=True, nogil=True, fastmath=FASTMATH)
def biased_step(P: Any, Q: Any, b: Any, u: Any, i: Any, j: Any, lr: Any, lambd: Any, bias_lambd: Any) -> None:
    """The same step for the score P[u] @ Q[i] + b[i]; all arrays, lr and the penalties are float32."""
    p, q_i, q_j = P[u], Q[i], Q[j]
    margin = b[i] - b[j]
    for k in range(p.size):
        margin += p[k] * (q_i[k] - q_j[k])
    pull = lr / (np.float32(1.0) + math.exp(margin))
    keep, keep_bias = np.float32(1.0) - lr * lambd, np.float32(1.0) - lr * bias_lambd
    for k in range(p.size):
        user, positive, negative = p[k], q_i[k], q_j[k]
        p[k] = keep * user + pull * (positive - negative)
        q_i[k] = keep * positive + pull * user
        q_j[k] = keep * negative - pull * user
    b[i] = keep_bias * b[i] + pull
    b[j] = keep_bias * b[j] - pull


@nb.njit(cache=True, nogil=True)
def draw_triplets(interactions: Any, items: Any, key: Any, start: Any, stop: Any, skip: Any, triplets: Any) -> Any:
    """Draw triplets number start … stop − 1 into the rows of `triplets`; returns how many were kept.

    With `skip`, one whose negative is a positive of its user is left out; without, one of two equal items.
    """
    kept = 0
    for t in range(start, stop):
        n = choose(interactions.choice, random_bits(key, np.uint64(2 * t)))
        j = choose(items, random_bits(key, np.uint64(2 * t + 1)))
        u, i = interactions.users[n], interactions.items[n]
        drop = i == j
        if skip:
            drop = contains(interactions.items[interactions.indptr[u] : interactions.indptr[u + 1]], j)
        if not drop:
            triplets[kept, 0], triplets[kept, 1], triplets[kept, 2] = u, i, j
            kept += 1
    return kept


@nb.njit(cache=True, nogil=True)
def train_triplets(P: Any, Q: Any, b: Any, triplets: Any, lr: Any, lambd: Any, bias_lambd: Any) -> None:
    """A step for each row (user, positive, negative) of the int32 array `triplets`, none where one is −1."""
    for t in range(triplets.shape[0]):
        if triplets[t, 2] >= 0:
            biased_step(P, Q, b, triplets[t, 0], triplets[t, 1], triplets[t, 2], lr, lambd, bias_lambd)


@nb.njit(cache=True, nogil=True)
def train_range(
    P: Any,
    Q: Any,
    b: Any,
    interactions: Any,
    items: Any,
    key: Any,
    start: Any,
    stop: Any,
    lr: Any,
    lambd: Any,
    bias_lambd: Any,
    skip: Any,
) -> Any:
    """Draw triplets number start … stop − 1 and step on each that is kept; returns how many were skipped."""
    triplets = np.empty((BATCH, 3), np.int32)
    skipped = 0
    for low in range(start, stop, BATCH):
        high = min(low + BATCH, stop)
        kept = draw_triplets(interactions, items, key, low, high, skip, triplets)
        train_triplets(P, Q, b, triplets[:kept], lr, lambd, bias_lambd)
        skipped += high - low - kept
    return skipped
