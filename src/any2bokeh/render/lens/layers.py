"""The scene cut into layers of equal blur: which layers there are, and how a pixel is shared between two."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FULL_SIZE_RADIUS_PX = 6  # up to here layers are blurred at full size
LARGEST_RADIUS = 8  # of an aperture in cells, before they double
ROUNDING = 1e-4  # shares of a layer below this are rounding
IN_FOCUS_PX = 0.5  # a circle of confusion below this blurs nothing
FADE_PX = 0.1
BOX_VARIANCE = 1 / 12  # of a pixel's own area, in px^2 along one axis; a disc of radius r has r^2 / 4


@dataclass(frozen=True)
class Layer:
    """One layer: its signed radius, the side of its cells, how far its neighbour towards focus is [px]."""

    radius_px: float
    cell_px: int
    spacing_px: float

    @property
    def aperture_radius_px(self) -> float:
        """The radius to draw so that the blur measures ``radius_px``.

        The sharp picture is averaged over pixels already, and drawing into pixels (and back from
        larger cells) averages again: the variance of that comes off the disc's. Coarse cells take
        off half of it, between a true second moment and a true rim.
        """
        cell = self.cell_px**2
        if cell == 1:
            added = BOX_VARIANCE
        else:  # averaging into cells, drawing in cells, bilinear interpolation back
            added = 0.5 * ((cell - 1) * BOX_VARIANCE + cell * BOX_VARIANCE + cell * 2 * BOX_VARIANCE)
        return math.sqrt(max(self.radius_px**2 - 4 * added, 0.0))


@dataclass(frozen=True, eq=False)
class Surface:
    """Something that gives light: ``linear 3 H W``, its share of each pixel and its CoC (``H W``)."""

    linear: Tensor
    coverage: Tensor
    coc: Tensor


def plan_layers(nearest_px: float, farthest_px: float) -> list[Layer]:
    """The layers from ``nearest_px`` (most negative) to ``farthest_px``, nearest first.

    Cells are 2 px beyond ``FULL_SIZE_RADIUS_PX``, and double when the radius is ``LARGEST_RADIUS`` of them,
    so that no aperture is wider than 17. Layers are 1 px apart up to 16 px, 2 px up to 64 px, and a
    quarter of a cell beyond, so that the rim of a disc is right to 1 px, or 2 % of its radius. There is
    always a layer at 0.
    """
    near = [Layer(-layer.radius_px, layer.cell_px, layer.spacing_px) for layer in _ladder(-nearest_px)]
    return near[:0:-1] + _ladder(farthest_px)


def _ladder(reach_px: float) -> list[Layer]:
    """Layers from 0 up to at least ``reach_px``."""
    layers = [Layer(0.0, 1, 1.0)]
    while layers[-1].radius_px < reach_px:
        last = layers[-1]
        limit_px = FULL_SIZE_RADIUS_PX if last.cell_px == 1 else LARGEST_RADIUS * last.cell_px
        cell = last.cell_px * 2 if last.radius_px >= limit_px else last.cell_px
        spacing = 1.0 if cell <= 2 else max(2.0, cell / 4)
        layers.append(Layer(last.radius_px + spacing, cell, spacing))
    return layers


def layer_positions(coc: Tensor, layers: list[Layer]) -> Tensor:
    """Where each pixel lies between the layers: index of the nearer one plus the share of the farther one.

    ``coc`` is any shape in pixels; beyond the outermost layers it is clamped. Shares are linear in
    radius, but next to the layer in focus they are linear in the variance of the blur. Up to
    ``IN_FOCUS_PX`` a pixel is wholly in focus; its blur sets in over ``FADE_PX``.
    """
    radii = torch.tensor([layer.radius_px for layer in layers], device=coc.device)
    index = torch.bucketize(coc, radii, right=True).clamp(1, max(len(layers) - 1, 1)) - 1
    if len(layers) == 1:
        return torch.zeros_like(coc)
    low, high = radii[index], radii[index + 1]
    share = ((coc - low) / (high - low)).clamp(0, 1)
    onset = ((coc.abs() - IN_FOCUS_PX) / FADE_PX).clamp(0, 1)
    of_first = (coc**2 * onset).clamp(0, 1)  # share of a layer at +-1
    share = torch.where((low == 0) & (high == 1), of_first, share)
    share = torch.where((high == 0) & (low == -1), 1 - of_first, share)
    position = index + share
    whole = position.round()  # rounding of the CoC must not reach for another layer
    return torch.where((position - whole).abs() < ROUNDING, whole, position)
