"""The aperture's image: what a point of light becomes when it is out of focus."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from any2bokeh.settings import LensSettings

NARROW = 5  # pixels: a narrower image keeps its exact ends
SUBSAMPLES = 32  # per pixel and axis: coverage is right to about 1/1000


@lru_cache(maxsize=1024)
def aperture_kernel(radius_x_px: float, radius_y_px: float, settings: LensSettings) -> Tensor:
    """The aperture's image as area coverage of pixels, summing to 1: ``kh kw`` float32, odd sizes.

    The radii are those of the circumscribed ellipse, in pixels along x and y: they differ where
    pixels are not square. A polygon has the area of the disc of that radius, so that shapes gather
    the same light. A radius below 0.01 pixel is a single 1.
    """
    half_x, half_y = math.ceil(radius_x_px - 0.5), math.ceil(radius_y_px - 0.5)
    if settings.aperture == "polygon":
        reach = _polygon_reach(settings.blades)
        half_x, half_y = math.ceil(radius_x_px * reach - 0.5), math.ceil(radius_y_px * reach - 0.5)
    if max(radius_x_px, radius_y_px) < 0.01:
        return torch.ones(1, 1)
    x = _subsamples(half_x) / max(radius_x_px, 1e-6)
    y = _subsamples(half_y)[:, None] / max(radius_y_px, 1e-6)
    inside = _inside(x, y, settings).float()
    coverage = torch.nn.functional.avg_pool2d(inside[None, None], SUBSAMPLES)[0, 0]
    if coverage.shape[1] > NARROW:
        coverage = _with_short_ends(_with_short_ends(coverage).flip(1)).flip(1)
    return coverage / coverage.sum()


def _with_short_ends(coverage: Tensor) -> Tensor:
    """Rows of coverage whose left ends are one pixel partly covered, where they were two: the same area.

    A row is then a box but for the flat ends of the shape, which a running sum blurs by in four steps.
    """
    first = (coverage > 0).int().argmax(1, keepdim=True)
    outer, inner = coverage.gather(1, first), coverage.gather(1, first + 1)
    is_short = coverage.gather(1, first + 2) == 1
    total = torch.where(is_short, outer + inner, inner)
    result = coverage.scatter(1, first + 1, total.clamp(max=1))
    return result.scatter(1, first, torch.where(is_short, (total - 1).clamp(min=0), outer))


def _polygon_reach(blades: int) -> float:
    """Circumscribed radius of the regular polygon whose area is that of the unit disc."""
    return math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))


def _subsamples(half: int) -> Tensor:
    """Positions of subsamples over pixels ``-half..half``, in pixels from the middle of the central one."""
    count = (2 * half + 1) * SUBSAMPLES
    return (torch.arange(count, dtype=torch.float64) + 0.5) / SUBSAMPLES - (half + 0.5)


def _inside(x: Tensor, y: Tensor, settings: LensSettings) -> Tensor:
    """Whether points (x right, y down, in units of the disc's radius) lie inside the aperture."""
    if settings.aperture == "disc":
        return x * x + y * y <= 1
    inradius = _polygon_reach(settings.blades) * math.cos(math.pi / settings.blades)
    inside = (x + y).isfinite()
    for blade in range(settings.blades):
        normal = math.radians(settings.rotation_deg) + 2 * math.pi * (blade + 0.5) / settings.blades
        inside &= x * math.cos(normal) - y * math.sin(normal) <= inradius  # y points down
    return inside
