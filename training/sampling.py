"""Random draws for the pairwise models: a counter-based generator, weighted choice, a user's positives.

Every draw is a pure function of (key, counter) (splitmix64, Steele et al. 2014), so the triplets of an
epoch are the same whatever the number of threads that draw them.
"""

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, csr_matrix

from service.array_types import Doubles, Floats, Ints, Longs

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
LOW_32 = np.uint64(0xFFFFFFFF)
_GENERATOR = np.random.default_rng()
S_27, S_30, S_31, S_32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


class Choice(NamedTuple):
    """Weighted choice among `size` things in O(1) by Walker's alias method; empty arrays mean uniform."""

    size: int
    threshold: NDArray[np.uint32]
    """(size,); slot k stands for itself where 32 random bits are below threshold[k]."""
    alias: NDArray[np.uint32]
    """(size,); what slot k stands for otherwise."""


class Interactions(NamedTuple):
    """The stored entries of X in row order, and the choice among them in proportion to their values."""

    choice: Choice
    users: Ints
    items: Ints
    indptr: Longs
    """(n_users + 1,); the sorted positives of user u are items[indptr[u] : indptr[u + 1]]."""


@nb.njit(cache=True, nogil=True)
def random_bits(key: Any, counter: Any) -> Any:
    """64 random bits of stream `key` at position `counter`, both uint64."""
    z = key + counter * GOLDEN
    z = (z ^ (z >> S_30)) * MIX_1
    z = (z ^ (z >> S_27)) * MIX_2
    return z ^ (z >> S_31)


@nb.njit(cache=True, nogil=True)
def choose(choice: Any, bits: Any) -> Any:
    """Index in [0, choice.size) picked by 64 random bits: the high half the slot, the low half the coin."""
    slot = np.int64(((bits >> S_32) * np.uint64(choice.size)) >> S_32)
    if choice.threshold.size and (bits & LOW_32) >= choice.threshold[slot]:
        return np.int64(choice.alias[slot])
    return slot


@nb.njit(cache=True, nogil=True)
def contains(row: Any, item: Any) -> Any:
    """Whether the sorted `row` holds `item`: a binary search without unpredictable branches."""
    low, length = 0, row.size
    while length > 1:
        half = length >> 1
        low += half if row[low + half] <= item else 0
        length -= half
    return row.size > 0 and row[low] == item


@nb.njit(cache=True, nogil=True)
def absent(row: Any, rank: Any) -> Any:
    """The `rank`-th smallest (from 0) non-negative integer that the sorted `row` does not hold."""
    low, high = 0, row.size
    while low < high:
        middle = (low + high) >> 1
        if row[middle] - middle <= rank:
            low = middle + 1
        else:
            high = middle
    return rank + low


@nb.njit(cache=True)
def _fill_alias(scaled: Any, threshold: Any, alias: Any) -> None:
    """Vose's construction from weights scaled to mean 1, which are overwritten."""
    heaviest = np.argmax(scaled)
    small, large = np.empty(scaled.size, np.int64), np.empty(scaled.size, np.int64)
    n_small = n_large = 0
    for k in range(scaled.size):
        # What rounding leaves over at the end stands for itself, but nothing of weight 0 ever does.
        alias[k] = heaviest
        threshold[k] = LOW_32 if scaled[k] > 0 else 0
        if scaled[k] < 1.0:
            small[n_small] = k
            n_small += 1
        else:
            large[n_large] = k
            n_large += 1
    while n_small and n_large:
        n_small -= 1
        s, g = small[n_small], large[n_large - 1]
        threshold[s] = np.uint32(min(scaled[s] * 4294967296.0, 4294967295.0))
        alias[s] = g
        scaled[g] -= 1.0 - scaled[s]
        if scaled[g] < 1.0:
            n_large -= 1
            small[n_small] = g
            n_small += 1


def make_choice(weights: Doubles | Floats) -> Choice:
    """Choice of k with probability weights[k] / sum of weights; ValueError unless finite, ≥ 0, some > 0."""
    scaled = np.asarray(weights, dtype=np.float64)
    total = scaled.sum()
    if scaled.ndim != 1 or not np.isfinite(total) or total <= 0 or scaled.min() < 0:
        raise ValueError(
            f"weights of shape {scaled.shape} with sum {total} cannot be sampled; pass a vector of finite, "
            "non-negative weights of which one at least is positive"
        )
    empty = np.empty(0, np.uint32)
    if scaled.min() == scaled.max():
        return Choice(scaled.size, empty, empty)
    threshold, alias = np.empty(scaled.size, np.uint32), np.empty(scaled.size, np.uint32)
    _fill_alias(scaled * (scaled.size / total), threshold, alias)
    return Choice(scaled.size, threshold, alias)


def make_interactions(X: csr_array | csr_matrix) -> Interactions:
    """The entries of X, (n_users, n_items); ValueError where there are none, or values below 0."""
    if not X.nnz:
        raise ValueError(f"X of shape {X.shape} holds no interactions; pass events to learn from")
    X = X if X.has_canonical_format else X.copy()
    X.sum_duplicates()
    users = np.repeat(np.arange(X.shape[0], dtype=np.int32), np.diff(X.indptr))
    return Interactions(make_choice(X.data), users, X.indices.astype(np.int32), X.indptr.astype(np.int64))


def stream_key(seed: int) -> np.uint64:
    """Key of the random stream that belongs to a seed."""
    return np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


def sample_triplet_popularity(item_ids: ArrayLike, user_ids: ArrayLike) -> tuple[int, int, int]:
    """Draw (user, positive item, negative item) from a list of interactions, given as two aligned columns.

    The user and the positive are those of one random interaction, the negative is the item of another, so
    each comes as often as it stands in the list. The negative may be a positive of the user: check it.
    """
    items, users = np.asarray(item_ids), np.asarray(user_ids)
    if items.ndim != 1 or items.shape != users.shape or not items.size:
        raise ValueError(
            f"item_ids of shape {items.shape} and user_ids of shape {users.shape} are no interactions; "
            "pass two vectors of the same length, at least 1"
        )
    drawn, other = _GENERATOR.integers(items.size, size=2)
    return users[drawn].item(), items[drawn].item(), items[other].item()
