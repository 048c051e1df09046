"""Disparity that is not quite right, for ``lens_quality.py``."""

from collections.abc import Callable

import torch
from torch import Tensor

from any2bokeh.lab.compact.wrong_disparity import grow, noisy, reduce, shrink, soften

Disturb = Callable[[Tensor, Tensor, torch.Generator], Tensor]  # disparity 1 H W, picture 3 H W

DISTURBANCES: dict[str, Disturb] = {
    "exact": lambda disparity, picture, generator: disparity,
    "blurred, sigma 1 px": lambda disparity, picture, generator: soften(disparity, 1),
    "blurred, sigma 2 px": lambda disparity, picture, generator: soften(disparity, 2),
    "half the size": lambda disparity, picture, generator: reduce(disparity, picture, 2),
    "a quarter of the size": lambda disparity, picture, generator: reduce(disparity, picture, 4),
    "near objects 1 px larger": lambda disparity, picture, generator: grow(disparity, 1),
    "near objects 2 px larger": lambda disparity, picture, generator: grow(disparity, 2),
    "near objects 1 px smaller": lambda disparity, picture, generator: shrink(disparity, 1),
    "near objects 2 px smaller": lambda disparity, picture, generator: shrink(disparity, 2),
    "noise of 0.005": lambda disparity, picture, generator: noisy(disparity, 0.005, generator),
    "noise of 0.01": lambda disparity, picture, generator: noisy(disparity, 0.01, generator),
    "8 bits": lambda disparity, picture, generator: (disparity * 255).round() / 255,
}
