"""Surfaces that give light, and the places of their pixels between the layers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.render.lens.layers import Layer
from any2bokeh.render.lens.model import (
    FADE_PX,
    FIRST_LAYER_OFFSET,
    FIRST_LAYER_RISE,
    IN_FOCUS_PX,
    ROUNDING,
)


@dataclass(frozen=True, eq=False)
class Surface:
    """Something that gives light: ``linear 3 H W``, its share of each pixel and its CoC (``H W``)."""

    linear: Tensor
    coverage: Tensor
    coc: Tensor


def layer_positions(coc: Tensor, layers: list[Layer]) -> Tensor:
    """Where each pixel lies between the layers: index of the nearer one plus the share of the farther one.

    ``coc`` is any shape in pixels; beyond the outermost layers it is clamped. Shares are linear in
    radius, next to the layer in focus as ``FIRST_LAYER_RISE`` says. Up to ``IN_FOCUS_PX`` a pixel is wholly
    in focus; its blur sets in over ``FADE_PX``.
    """
    radii = torch.tensor([layer.radius_px for layer in layers], device=coc.device)
    index = torch.bucketize(coc, radii, right=True).clamp(1, max(len(layers) - 1, 1)) - 1
    if len(layers) == 1:
        return torch.zeros_like(coc)
    low, high = radii[index], radii[index + 1]
    share = ((coc - low) / (high - low)).clamp(0, 1)
    onset = ((coc.abs() - IN_FOCUS_PX) / FADE_PX).clamp(0, 1)
    of_first = ((FIRST_LAYER_RISE * coc.abs() - FIRST_LAYER_OFFSET) * onset).clamp(0, 1)
    share = torch.where((low == 0) & (high == 1), of_first, share)
    share = torch.where((high == 0) & (low == -1), 1 - of_first, share)
    position = index + share
    whole = position.round()  # rounding of the CoC must not reach for another layer
    return torch.where((position - whole).abs() < ROUNDING, whole, position)
