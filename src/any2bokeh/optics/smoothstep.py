"""The smooth way from 0 to 1."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Share = TypeVar("Share", float, Tensor, NDArray[np.float32], NDArray[np.float64])


def smoothstep(share: Share, two: Any = 2, three: Any = 3) -> Share:
    """Return ``3 x^2 - 2 x^3`` of shares from 0 to 1: it begins and ends without a bend.

    Compiled code gives ``two`` and ``three`` in single precision: by whole numbers numba computes in double.
    """
    result: Share = share * share * (three - two * share)
    return result
