"""The scene cut into planes by distance from the focal plane (MPI), as the paper's network sees it."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from any2bokeh.errors import SettingsError

Sampling = Literal["power", "linear"]


def disparity_difference(disparity: Tensor, focus_disparity: float | Tensor) -> Tensor:
    """Distance of each pixel from the focal plane, ``|d - d_f|``, in disparity; same shape, 0..1."""
    return (disparity - focus_disparity).abs()


def plane_thresholds(
    focus_disparity: float, *, planes: int = 4, alpha: float = 1.0, sampling: Sampling = "power"
) -> list[float]:
    """The ``planes - 1`` distances from the focal plane at which one plane ends and the next begins.

    ``power``: ``(i/N) ** (1 / d_f**alpha)``, all 0 for a focal plane at 0. ``linear``:
    ``(i/N) / d_f``, all infinite there. A near focal plane (large d_f) gets thick planes with
    ``power`` and thin ones with ``linear``. Raises ``SettingsError`` for a focus outside 0..1.
    """
    if not 0 <= focus_disparity <= 1:
        raise SettingsError(f"The focal plane must be a disparity from 0 to 1, got {focus_disparity:g}.")
    steps = [i / planes for i in range(1, planes)]
    if sampling == "linear":
        return [step / focus_disparity if focus_disparity else math.inf for step in steps]
    sharpness = focus_disparity**alpha
    return [step ** (1 / sharpness) if sharpness else 0.0 for step in steps]


def plane_labels(
    disparity: Tensor, focus_disparity: float | Tensor, thresholds: Sequence[float | Tensor]
) -> Tensor:
    """The plane of each pixel: 0 around the focal plane, ``len(thresholds)`` farthest from it.

    A label is the number of thresholds strictly below ``|d - d_f|``. Same shape as ``disparity``, uint8.
    For frames that differ in focus, it and each threshold are ``T 1 1 1``.
    """
    difference = disparity_difference(disparity, focus_disparity)
    labels = torch.zeros_like(difference, dtype=torch.uint8)
    for threshold in thresholds:
        labels += difference > threshold
    return labels


def plane_masks(labels: Tensor, planes: int = 4) -> Tensor:
    """``T N H W`` bool masks of labels ``T 1 H W``: mask i holds the pixels of planes 0..i."""
    levels = torch.arange(planes, device=labels.device, dtype=labels.dtype)
    return labels <= levels[:, None, None]
