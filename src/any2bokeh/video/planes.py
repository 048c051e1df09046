"""Planes of samples in the form that compiled loops read fastest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def with_padding(plane: NDArray[Any]) -> NDArray[Any]:
    """The plane with what lies between its lines, which makes it contiguous, as compiled loops like it."""
    pitch = plane.strides[0] // plane.itemsize
    if pitch < plane.shape[1]:  # stored upside down
        return np.ascontiguousarray(plane)
    return np.lib.stride_tricks.as_strided(plane, (len(plane), pitch), (plane.strides[0], plane.itemsize))
