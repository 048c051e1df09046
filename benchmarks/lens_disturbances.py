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


def noisy(disparity: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """With independent noise in each pixel."""
    return (disparity + sigma * torch.randn(disparity.shape, generator=generator)).clamp(0, 1)


def reduce(disparity: Tensor, picture: Tensor, factor: int) -> Tensor:
    """Averaged down to a fraction of the size, and brought back as a track of that size is."""
    height, width = (side // factor for side in disparity.shape[1:])
    return upsample_disparity(interpolate(disparity[None], (height, width), mode="area")[0], picture)


def grow(disparity: Tensor, by_px: int) -> Tensor:
    """Near things larger on each side."""
    for _ in range(by_px):
        disparity = max_pool2d(pad(disparity[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    return disparity


DISTURBANCES: dict[str, Disturb] = {
    "exact": lambda disparity, picture, generator: disparity,
    "blurred, sigma 1 px": lambda disparity, picture, generator: soften(disparity, 1),
    "blurred, sigma 2 px": lambda disparity, picture, generator: soften(disparity, 2),
    "half the size": lambda disparity, picture, generator: reduce(disparity, picture, 2),
    "a quarter of the size": lambda disparity, picture, generator: reduce(disparity, picture, 4),
    "near objects 1 px larger": lambda disparity, picture, generator: grow(disparity, 1),
    "near objects 2 px larger": lambda disparity, picture, generator: grow(disparity, 2),
    "near objects 1 px smaller": lambda disparity, picture, generator: -grow(-disparity, 1),
    "near objects 2 px smaller": lambda disparity, picture, generator: -grow(-disparity, 2),
    "noise of 0.005": lambda disparity, picture, generator: noisy(disparity, 0.005, generator),
    "noise of 0.01": lambda disparity, picture, generator: noisy(disparity, 0.01, generator),
    "8 bits": lambda disparity, picture, generator: (disparity * 255).round() / 255,
}
