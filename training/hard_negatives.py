"""Draws of AdaptiveBPR: each triplet's user and positive, and a negative weighted by the model's own scores.

The weight of item j for user u is exp(score(u, j) / temperature), and 0 where j is a positive of u. A row of
weights is drawn from by sums over blocks of 64 items: a binary search for the block, then a walk inside it.
"""

from typing import Any

import numba as nb
import numpy as np

from training.bpr_kernels import FASTMATH
from training.sampling import absent, choose, contains, random_bits

WIDTH = 64
NONE = -1
"""Stands for the negative of a triplet that has none."""
LOWEST = np.float32(-1e30)
LOG2_E = np.float32(1.4426950408889634)
UNIT = 1.0 / (1 << 53)
S_11, S_32 = np.uint64(11), np.uint64(32)


@nb.njit(cache=True, nogil=True)
def positives_of(interactions: Any, user: Any) -> Any:
    """The sorted items of a user."""
    return interactions.items[interactions.indptr[user] : interactions.indptr[user + 1]]


@nb.njit(cache=True, nogil=True)
def draw_positives(interactions: Any, key: Any, first: Any, triplets: Any) -> None:
    """Fill users and positives: triplet t is draw first + t, an interaction in proportion to its value."""
    for t in range(triplets.shape[0]):
        n = choose(interactions.choice, random_bits(key, np.uint64(2 * (first + t))))
        triplets[t, 0], triplets[t, 1] = interactions.users[n], interactions.items[n]


@nb.njit(cache=True, nogil=True)
def draw_fixed_negatives(interactions: Any, items: Any, key: Any, first: Any, triplets: Any) -> Any:
    """Fill the negatives from one distribution for all users; returns how many triplets got NONE.

    A uniform choice is made among the user's negatives; any other may hit a positive, which gives NONE.
    """
    skipped = 0
    for t in range(triplets.shape[0]):
        positives = positives_of(interactions, triplets[t, 0])
        bits = random_bits(key, np.uint64(2 * (first + t) + 1))
        if items.threshold.size:
            j = choose(items, bits)
            j = NONE if contains(positives, j) else j
        elif positives.size < items.size:
            j = absent(positives, np.int64(((bits >> S_32) * np.uint64(items.size - positives.size)) >> S_32))
        else:
            j = NONE
        skipped += j == NONE
        triplets[t, 2] = j
    return skipped


@nb.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _exponentiate(row: Any, shift: Any, factor: Any) -> None:
    """row ← exp2((row − shift) · factor) to 2e-7, in steps that LLVM turns into SIMD; (row − shift) ≤ 0."""
    bits = np.empty(WIDTH, np.int32)
    power = bits.view(np.float32)
    for low in range(0, row.size, WIDTH):
        part = row[low : low + WIDTH]
        for k in range(part.size):
            x = max((part[k] - shift) * factor, np.float32(-126.0))
            whole = np.floor(x)
            bits[k] = (np.int32(whole) + np.int32(127)) << np.int32(23)
            part[k] = x - whole
        for k in range(part.size):
            f = part[k]
            p = np.float32(1.89375e-3)
            p = p * f + np.float32(8.94959e-3)
            p = p * f + np.float32(5.586034e-2)
            p = p * f + np.float32(2.4014182e-1)
            p = p * f + np.float32(6.9315449e-1)
            part[k] = (p * f + np.float32(9.999999e-1)) * power[k]


@nb.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _sum(part: Any) -> Any:
    total = np.float32(0.0)
    for k in range(part.size):
        total += part[k]
    return total


@nb.njit(cache=True, nogil=True, fastmath=FASTMATH)
def _maximum(row: Any) -> Any:
    """The largest element, by one running maximum for each place in a block: a single one is no SIMD."""
    tops = np.full(WIDTH, LOWEST)
    for low in range(0, row.size, WIDTH):
        part = row[low : low + WIDTH]
        for k in range(part.size):
            tops[k] = part[k] if part[k] > tops[k] else tops[k]
    return tops.max()


@nb.njit(cache=True, nogil=True, fastmath=FASTMATH)
def weigh(scores: Any, biases: Any, positives: Any, temperature: Any, sums: Any) -> None:
    """Turn a user's scores into weights, 0 at the positives; `sums` become running sums over blocks."""
    for k in range(scores.size):
        scores[k] += biases[k]
    for item in positives:
        scores[item] = LOWEST
    _exponentiate(scores, _maximum(scores), LOG2_E / temperature)
    for item in positives:
        scores[item] = 0
    total = 0.0
    for block in range(sums.size):
        total += _sum(scores[block * WIDTH : (block + 1) * WIDTH])
        sums[block] = total


@nb.njit(cache=True, nogil=True)
def pick(weights: Any, sums: Any, bits: Any) -> Any:
    """Index drawn in proportion to `weights`, whose running sums by block are `sums`; never of weight 0."""
    target = np.float64(bits >> S_11) * UNIT * sums[-1]
    block = min(np.searchsorted(sums, target, side="right"), sums.size - 1)
    left = target - (sums[block - 1] if block else 0.0)
    chosen = NONE
    for k in range(block * WIDTH, min((block + 1) * WIDTH, weights.size)):
        if weights[k] > 0:
            chosen = k
            left -= weights[k]
            if left < 0:
                break
    return chosen


@nb.njit(cache=True, nogil=True)
def draw_hard_negatives(
    scores: Any,
    biases: Any,
    temperature: Any,
    users: Any,
    order: Any,
    bounds: Any,
    interactions: Any,
    key: Any,
    first: Any,
    triplets: Any,
) -> Any:
    """Fill the negatives of the triplets of some users; returns how many got NONE.

    Row r of `scores` (overwritten by weights) belongs to users[r], whose triplets are
    order[bounds[r] : bounds[r + 1]].
    """
    sums = np.empty((biases.size + WIDTH - 1) // WIDTH, np.float64)
    skipped = 0
    for r in range(users.size):
        positives = positives_of(interactions, users[r])
        mine = order[bounds[r] : bounds[r + 1]]
        if positives.size == biases.size:
            skipped += mine.size
            for t in mine:
                triplets[t, 2] = NONE
            continue
        weigh(scores[r], biases, positives, temperature, sums)
        for t in mine:
            triplets[t, 2] = pick(scores[r], sums, random_bits(key, np.uint64(2 * (first + t) + 1)))
    return skipped
