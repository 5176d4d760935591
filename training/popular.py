"""Popular: items by how many users (binary) or requests (count) had them."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from service.array_types import Floats
from training.config import FitConfig


class Config(FitConfig):
    """Nothing beyond the common keys: `weighting` says what is summed."""


def fit(X: sp.csr_array, config: Config) -> Floats:
    """Return the popularity (n_items,) of each item: the sum of its column of X (users × items)."""
    del config
    total: NDArray[Any] = X.sum(axis=0)
    return total.astype(np.float32)
