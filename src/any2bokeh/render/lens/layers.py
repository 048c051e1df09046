"""The scene cut into layers of equal blur: which layers there are, and how large each is drawn."""

import math
from dataclasses import dataclass

from any2bokeh.render.lens.model import (
    BOX_VARIANCE,
    FULL_SIZE_RADIUS_PX,
    LARGEST_RADIUS_CELLS,
)


@dataclass(frozen=True)
class Layer:
    """One layer: its signed radius, the side of its cells, how far its neighbor towards focus is [px]."""

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


def plan_layers(nearest_px: float, farthest_px: float) -> list[Layer]:
    """The layers from ``nearest_px`` (most negative) to ``farthest_px``, nearest first.

    Cells are 2 px beyond ``FULL_SIZE_RADIUS_PX``, and double when the radius is ``LARGEST_RADIUS_CELLS`` of
    them, so that no aperture is wider than 17. Layers are 1 px apart up to 16 px, 2 px up to 64 px, and a
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
        limit_px = FULL_SIZE_RADIUS_PX if last.cell_px == 1 else LARGEST_RADIUS_CELLS * last.cell_px
        cell = last.cell_px * 2 if last.radius_px >= limit_px else last.cell_px
        spacing = 1.0 if cell <= 2 else max(2.0, cell / 4)
        layers.append(Layer(last.radius_px + spacing, cell, spacing))
    return layers
