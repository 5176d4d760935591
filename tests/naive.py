"""Slow, obvious twins of the fast code: loops over plain arrays, compared on random input."""

import math


def recall(ranked: list[int], positives: list[int], k: int) -> float:
    """Hits in the top k over positives; −1 is padding in the list, an unknown item in the positives."""
    return sum(item >= 0 and item in ranked[:k] for item in positives) / len(positives)


def ndcg(ranked: list[int], positives: list[int], k: int) -> float:
    """Binary-gain NDCG."""
    gain = sum(
        1 / math.log2(rank + 2) for rank, item in enumerate(ranked[:k]) if item >= 0 and item in positives
    )
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(positives))))
