"""The types of arrays, one name for one dtype; what an array is about, its docstring says."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Integers = NDArray[np.integer]
"""Of any width."""
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
