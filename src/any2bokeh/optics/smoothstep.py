"""The smooth way from 0 to 1."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Share = TypeVar("Share", float, Tensor, NDArray[np.float32], NDArray[np.float64])


def smoothstep(share: Share) -> Share:
    """Return ``3 x^2 - 2 x^3`` of shares from 0 to 1: it begins and ends without a bend."""
    result: Share = share * share * (3 - 2 * share)
    return result
