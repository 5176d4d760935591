"""What the matrix-factorisation models (ALS, BPR, AdaptiveBPR) return."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Embeddings(NamedTuple):
    """Score of item i for user u: `users[u] @ items[i] + item_biases[i]`."""

    users: NDArray[np.float32]
    """(n_users, dim), C-contiguous; row order of X."""
    items: NDArray[np.float32]
    """(n_items, dim), C-contiguous; column order of X."""
    item_biases: NDArray[np.float32]
    """(n_items,); zeros where the model has none."""
