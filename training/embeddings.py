"""What the matrix-factorisation models (ALS, BPR, AdaptiveBPR) return."""

from typing import NamedTuple

from service.array_types import Floats


class Embeddings(NamedTuple):
    """Score of item i for user u: `users[u] @ items[i] + item_biases[i]`."""

    users: Floats
    """(n_users, dim), C-contiguous; row order of X."""
    items: Floats
    """(n_items, dim), C-contiguous; column order of X."""
    item_biases: Floats
    """(n_items,); zeros where the model has none."""
