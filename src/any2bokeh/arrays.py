"""Names for the types of arrays: one for each kind of number."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Integers32 = NDArray[np.int32]
