"""The aperture's image: the shape of a point of light that is out of focus, anywhere in the frame.

An aperture is what several circles have in common: one for a disc, one for each blade of an iris, and one
for the rim of the lens where that cuts the aperture off. So every line across it is one piece; only one that
is given as a picture may have any shape. Towards the
corners the rim cuts off more of it: the frame is divided into zones in which the aperture is seen alike.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from any2bokeh.render.lens.layers import Layer
from any2bokeh.render.lens.model import NARROW_CELLS
from any2bokeh.render.lens.picture_kernels import picture_kernels
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.settings.render_settings import LensSettings

SUBROWS = 32  # lines across each row of pixels: coverage is right to about 1/1000
STRAIGHT = 1e-4  # roundness of a blade that is drawn as a straight one: off by 1/10,000 of the radius
ZONE_STEP = 0.5  # cells by which an outline may jump from one zone to the next
FEWEST_ZONES = 4  # zones along half of the frame's diagonal

Circle = tuple[float, float, float]  # center to the right and down, and radius, in radii of the disc
Offset = tuple[float, float]  # to the right and down, in radii of the disc


def aperture_kernel(radius_x_px: float, radius_y_px: float, settings: LensSettings) -> Tensor:
    """The aperture's image in the middle of the frame: ``kh kw``, as ``aperture_kernels``."""
    return aperture_kernels(radius_x_px, radius_y_px, settings, ((0.0, 0.0),))[0]


@lru_cache(maxsize=64)
def aperture_kernels(
    radius_x_px: float, radius_y_px: float, settings: LensSettings, offsets: tuple[Offset, ...]
) -> Tensor:
    """The aperture's images as area coverage of pixels, each summing to 1: ``Z kh kw`` float32, odd sizes.

    In each, the lens's rim is displaced against the aperture by one of Z ``offsets`` and cuts it off; each of
    them moves by half of that, so that the rest stays in the middle. The radii are
    those of the disc, in pixels along x and y: they differ where pixels are not square. A polygon or an oval
    has the area of the disc of that radius, so that shapes gather the same light; a picture is as large as
    it takes to blur as much as that disc. Where the disc's radius is below 0.01 pixel, the image is a single
    1.
    """
    if max(radius_x_px, radius_y_px) < 0.01:
        return torch.ones(len(offsets), 1, 1)
    squeeze = math.sqrt(settings.anamorphic)
    radius_x_px, radius_y_px = max(radius_x_px / squeeze, 1e-6), max(radius_y_px * squeeze, 1e-6)
    if isinstance(settings.aperture, AperturePicture):
        radii_px = radius_x_px, radius_y_px
        light = picture_kernels(radii_px, settings.aperture, settings.rotation_deg, offsets)
        return light / light.sum((1, 2), keepdim=True)
    reach = corner_reach(settings)
    half_x, half_y = math.ceil(radius_x_px * reach - 0.5), math.ceil(radius_y_px * reach - 0.5)
    y = (torch.arange((2 * half_y + 1) * SUBROWS, dtype=torch.float64) + 0.5) / SUBROWS - (half_y + 0.5)
    low, high = (end * radius_x_px for end in _ends(y / radius_y_px, settings, offsets))  # Z lines
    left = torch.arange(-half_x, half_x + 1, dtype=torch.float64) - 0.5
    covered = torch.minimum(high[..., None], left + 1) - torch.maximum(low[..., None], left)
    coverage = covered.clamp(0, 1).reshape(len(offsets), -1, SUBROWS, len(left)).mean(2).float()  # Z kh kw
    if coverage.shape[2] > NARROW_CELLS:
        coverage = _with_short_ends(_with_short_ends(coverage).flip(2)).flip(2)
    return coverage / coverage.sum((1, 2), keepdim=True)


def corner_reach(settings: LensSettings) -> float:
    """Radius of the circle around the aperture, in radii of the disc of its area, before it is squeezed."""
    if isinstance(settings.aperture, AperturePicture):
        return settings.aperture.reach
    if settings.aperture == "disc":
        return 1.0
    angle = math.pi / settings.blades
    blade_radius = 1 / max(settings.roundness, STRAIGHT)  # of a polygon of radius 1
    half_side = math.sin(angle)
    beyond_side = blade_radius**2 * math.asin(half_side / blade_radius) - half_side * math.sqrt(
        blade_radius**2 - half_side**2
    )
    area = settings.blades * (math.sin(2 * angle) / 2 + beyond_side)
    return math.sqrt(math.pi / area)


def widest_reach(settings: LensSettings) -> float:
    """How far the aperture reaches along its longer axis, in radii of the disc of its area."""
    return corner_reach(settings) * math.sqrt(settings.anamorphic)


def _circles(settings: LensSettings) -> list[Circle]:
    """The circles that the aperture has in common, without the lens's rim."""
    reach = corner_reach(settings)
    if settings.aperture == "disc":
        return [(0.0, 0.0, reach)]
    angle, radius = math.pi / settings.blades, reach / max(settings.roundness, STRAIGHT)
    beyond = math.sqrt(radius**2 - (reach * math.sin(angle)) ** 2) - reach * math.cos(angle)
    circles = []
    for blade in range(settings.blades):
        normal = math.radians(settings.rotation_deg) + angle * (2 * blade + 1)
        circles.append((-beyond * math.cos(normal), beyond * math.sin(normal), radius))  # y points down
    return circles


def _ends(y: Tensor, settings: LensSettings, offsets: tuple[Offset, ...]) -> tuple[Tensor, Tensor]:
    """Where lines across the aperture at ``y`` begin and end: ``Z len(y)`` each, in radii of the disc.

    A line that misses it ends before it begins.
    """
    halves = torch.tensor(offsets, dtype=torch.float64)[:, :, None] / 2  # Z 2 1
    move_x, move_y = halves[:, 0], halves[:, 1]
    low = torch.full((len(offsets), len(y)), -math.inf, dtype=torch.float64)
    high = -low
    circles = [(x - move_x, down - move_y, radius) for x, down, radius in _circles(settings)]
    for center_x, center_y, radius in [*circles, (move_x, move_y, corner_reach(settings))]:
        square = radius**2 - (y - center_y) ** 2
        half = square.clamp(min=0).sqrt()
        low = torch.where(square >= 0, torch.maximum(low, center_x - half), math.inf)
        high = torch.where(square >= 0, torch.minimum(high, center_x + half), -math.inf)
    return low, high


def _with_short_ends(coverage: Tensor) -> Tensor:
    """Rows of coverage whose left ends are one pixel partly covered, where they were two: the same area.

    A row is then a box but for the flat ends of the shape, which a running sum blurs by in four steps.
    """
    first = (coverage > 0).int().argmax(2, keepdim=True).clamp(max=coverage.shape[2] - 3)
    outer, inner = coverage.gather(2, first), coverage.gather(2, first + 1)
    is_short = coverage.gather(2, first + 2) == 1
    total = torch.where(is_short, outer + inner, inner)
    result = coverage.scatter(2, first + 1, total.clamp(max=1))
    return result.scatter(2, first, torch.where(is_short, (total - 1).clamp(min=0), outer))


@dataclass(frozen=True)
class DrawnExtent:
    """The drawn pixels: the frame and ``margin_px`` around it, ``height`` x ``width`` pixels in all."""

    height: int
    width: int
    margin_px: int
    pixel_aspect: float

    @property
    def half_diagonal(self) -> float:
        """From the frame's center to its corner, in pixel heights."""
        frame_width, frame_height = self.width - 2 * self.margin_px, self.height - 2 * self.margin_px
        return math.hypot(frame_width * self.pixel_aspect, frame_height) / 2


class Zones(NamedTuple):
    """Squares of ``side_px``, ``down`` x ``across``, and the aperture's image in each, ``Z kh kw``."""

    side_px: int
    down: int
    across: int
    kernels: Tensor


@lru_cache(maxsize=256)
def zone_kernels(layer: Layer, extent: DrawnExtent, settings: LensSettings) -> Zones:
    """The aperture's images for a layer, in its cells. Sides are powers of two and hold whole cells.

    The farther from the lens's axis, the more its rim is seen displaced towards the axis, in the corner of
    the frame by ``cats_eye`` radii. Images are centered and sum to 1: nothing moves, nothing darkens.
    Behind the focal plane the aperture is upright, before it it is upside down.
    """
    offsets: tuple[Offset, ...] = ((0.0, 0.0),)
    side = 1 << max(extent.height, extent.width).bit_length()
    down = across = 1
    if settings.cats_eye > 0 and layer.radius_px != 0:
        jumps = settings.cats_eye * abs(layer.radius_px) / layer.cell_px / ZONE_STEP
        side = 1 << int(math.log2(max(extent.half_diagonal / max(jumps, FEWEST_ZONES), layer.cell_px)))
        down, across = -(-extent.height // side), -(-extent.width // side)
        scale = settings.cats_eye / extent.half_diagonal
        rows = [scale * (extent.height / 2 - (zone + 0.5) * side) for zone in range(down)]
        columns = [scale * (extent.width / 2 - (zone + 0.5) * side) for zone in range(across)]
        offsets = tuple((x * extent.pixel_aspect, y) for y in rows for x in columns)
    radius = layer.aperture_radius_px / layer.cell_px
    kernels = aperture_kernels(round(radius / extent.pixel_aspect, 4), round(radius, 4), settings, offsets)
    return Zones(side, down, across, kernels if layer.radius_px >= 0 else kernels.flip(1, 2))
