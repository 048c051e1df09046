"""What every depth network is given and what it gives back, checked."""

import torch
from torch import Tensor

from any2bokeh.errors import DisparityError, ShapeError


def check_pictures(pictures: Tensor) -> None:
    """Raise ``ShapeError`` unless ``pictures`` are ``T 3 H W``."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ShapeError(f"pictures must be T 3 H W, got {tuple(pictures.shape)}")


def check_disparity(disparity: Tensor, dtype: torch.dtype) -> None:
    """Raise ``DisparityError`` if a network in ``dtype`` returned values that are not numbers."""
    if not bool(disparity.isfinite().all()):
        raise DisparityError(
            f"The depth network returned values that are not numbers in {dtype}.", hint="`dtype=float32`"
        )
