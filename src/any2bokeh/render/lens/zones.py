"""Parts of the frame in which the aperture is seen alike: towards the corners the lens's rim cuts it off."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from torch import Tensor

from any2bokeh.render.lens.aperture import Offset, aperture_kernels
from any2bokeh.render.lens.layers import Layer
from any2bokeh.settings.render_settings import LensSettings

STEP = 0.5  # cells by which an outline may jump from one zone to the next
FEWEST = 4  # zones along half of the frame's diagonal


@dataclass(frozen=True)
class Extent:
    """What is drawn: the frame and ``margin_px`` around it, ``height`` x ``width`` pixels in all."""

    height: int
    width: int
    margin_px: int
    pixel_aspect: float

    @property
    def half_diagonal(self) -> float:
        """From the frame's centre to its corner, in pixel heights."""
        frame_width, frame_height = self.width - 2 * self.margin_px, self.height - 2 * self.margin_px
        return math.hypot(frame_width * self.pixel_aspect, frame_height) / 2


class Zones(NamedTuple):
    """Squares of ``side_px``, ``down`` x ``across``, and the aperture's image in each, ``Z kh kw``."""

    side_px: int
    down: int
    across: int
    kernels: Tensor


@lru_cache(maxsize=256)
def zone_kernels(layer: Layer, extent: Extent, settings: LensSettings) -> Zones:
    """The aperture's images for a layer, in its cells. Sides are powers of two and hold whole cells.

    The farther from the lens's axis, the more its rim is seen displaced towards the axis, in the corner of
    the frame by ``cats_eye`` radii. Images are centred and sum to 1: nothing moves, nothing darkens.
    Behind the focal plane the aperture is upright, before it it is upside down.
    """
    offsets: tuple[Offset, ...] = ((0.0, 0.0),)
    side = 1 << max(extent.height, extent.width).bit_length()
    down = across = 1
    if settings.cats_eye > 0 and layer.radius_px != 0:
        jumps = settings.cats_eye * abs(layer.radius_px) / layer.cell_px / STEP
        side = 1 << int(math.log2(max(extent.half_diagonal / max(jumps, FEWEST), layer.cell_px)))
        down, across = -(-extent.height // side), -(-extent.width // side)
        scale = settings.cats_eye / extent.half_diagonal
        rows = [scale * (extent.height / 2 - (zone + 0.5) * side) for zone in range(down)]
        columns = [scale * (extent.width / 2 - (zone + 0.5) * side) for zone in range(across)]
        offsets = tuple((x * extent.pixel_aspect, y) for y in rows for x in columns)
    radius = layer.aperture_radius_px / layer.cell_px
    kernels = aperture_kernels(round(radius / extent.pixel_aspect, 4), round(radius, 4), settings, offsets)
    return Zones(side, down, across, kernels if layer.radius_px >= 0 else kernels.flip(1, 2))
