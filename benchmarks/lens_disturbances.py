"""Disparity that is not quite right, for ``lens_quality.py``."""

from collections.abc import Callable

import cv2
import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, pad

from any2bokeh.depth.upsample import upsample_disparity

Disturb = Callable[[Tensor, Tensor, torch.Generator], Tensor]  # disparity 1 H W, picture 3 H W


def soften(disparity: Tensor, sigma_px: float) -> Tensor:
    """Blurred by a Gaussian."""
    return torch.from_numpy(cv2.GaussianBlur(disparity[0].numpy(), (0, 0), sigma_px))[None]


def halve(disparity: Tensor, picture: Tensor) -> Tensor:
    """Averaged down to half the size, and brought back as a track of that size is."""
    height, width = (side // 2 for side in disparity.shape[1:])
    return upsample_disparity(interpolate(disparity[None], (height, width), mode="area")[0], picture)


def grow(disparity: Tensor) -> Tensor:
    """Near things a pixel larger on each side."""
    return max_pool2d(pad(disparity[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]


DISTURBANCES: dict[str, Disturb] = {
    "exact": lambda disparity, picture, generator: disparity,
    "blurred, sigma 1 px": lambda disparity, picture, generator: soften(disparity, 1),
    "blurred, sigma 2 px": lambda disparity, picture, generator: soften(disparity, 2),
    "half the size": lambda disparity, picture, generator: halve(disparity, picture),
    "near objects 1 px larger": lambda disparity, picture, generator: grow(disparity),
    "near objects 1 px smaller": lambda disparity, picture, generator: -grow(-disparity),
    "noise of 0.005": lambda disparity, picture, generator: (
        disparity + 0.005 * torch.randn(disparity.shape, generator=generator)
    ).clamp(0, 1),
    "8 bits": lambda disparity, picture, generator: (disparity * 255).round() / 255,
}
