"""The image of an aperture that is given as a picture: each pixel gets the light that falls on it."""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from any2bokeh.settings.aperture_picture import AperturePicture


class PlacedPicture(NamedTuple):
    """An aperture's picture, turned: ``light h w`` in cells of ``pitch``; edges of the first cell.

    Lengths are in radii of the disc that blurs as much, from the center of the light.
    """

    light: Tensor
    pitch: float
    left: float
    top: float

    @property
    def reach(self) -> tuple[float, float]:
        """How far it reaches across and down."""
        down, across = (side * self.pitch for side in self.light.shape)
        return max(-self.left, self.left + across), max(-self.top, self.top + down)


def picture_kernels(
    radii_px: tuple[float, float],
    picture: AperturePicture,
    rotation_deg: float,
    offsets: tuple[tuple[float, float], ...],
) -> Tensor:
    """The aperture's images, as ``aperture.aperture_kernels``: ``Z kh kw`` float32, not normalized.

    ``radii_px`` are those of the disc that blurs as much, along x and y. A cell of the picture is a small
    rectangle of even light: a pixel gets the part of it that lies on the pixel, exactly.
    """
    placed = placed_picture(picture, rotation_deg)
    # The rim of the lens is a circle around all light; where it is displaced, so is the light, by half.
    has_rim = any(offset != (0.0, 0.0) for offset in offsets)
    reach_x, reach_y = (picture.reach, picture.reach) if has_rim else placed.reach
    moves = -torch.tensor(offsets, dtype=torch.float64) / 2  # Z 2
    across = _shares(placed.light.shape[1], placed.pitch, placed.left + moves[:, 0], reach_x, radii_px[0])
    down = _shares(placed.light.shape[0], placed.pitch, placed.top + moves[:, 1], reach_y, radii_px[1])
    light = placed.light.float().expand(len(offsets), -1, -1)
    if has_rim:
        light = light * _inside_rim(placed, picture.reach, offsets)
    return down @ light @ across.mT


@lru_cache(maxsize=8)
def placed_picture(picture: AperturePicture, rotation_deg: float) -> PlacedPicture:
    """The picture in units of the disc, turned counter-clockwise on the display around its light's center."""
    light = torch.from_numpy(picture.light)
    (x, y), radius = picture.middle, picture.radius
    if rotation_deg % 360:
        # As many cells to each side of the center as its farthest light is away.
        side = 2 * math.ceil(picture.reach * radius) + 1
        steps = torch.arange(side, dtype=torch.float64) - side // 2
        angle = math.radians(rotation_deg)
        right, below = steps[None, :], steps[:, None]
        source_x = x + math.cos(angle) * right - math.sin(angle) * below
        source_y = y + math.sin(angle) * right + math.cos(angle) * below
        height, width = light.shape
        places = torch.stack([2 * source_x / width - 1, 2 * source_y / height - 1], dim=-1)
        light = grid_sample(light[None, None], places[None], align_corners=False)[0, 0]
        x = y = side / 2
    return PlacedPicture(light, 1 / radius, -x / radius, -y / radius)


def _shares(cells: int, pitch: float, start: Tensor, reach: float, radius_px: float) -> Tensor:
    """How much of each cell lies on each pixel of a line: ``Z pixels cells``; pixels are around the middle.

    The cells begin at ``start``, ``Z``, and are ``pitch`` long, in radii.
    """
    half = max(math.ceil(radius_px * reach - 0.5), 0)
    pixels = torch.arange(-half, half + 1, dtype=torch.float64)[:, None] - 0.5
    low = (start[:, None, None] + pitch * torch.arange(cells, dtype=torch.float64)) * radius_px
    high = low + pitch * radius_px
    shares = (torch.minimum(high, pixels + 1) - torch.maximum(low, pixels)).clamp(min=0) / (pitch * radius_px)
    return shares.float()


def _inside_rim(placed: PlacedPicture, radius: float, offsets: tuple[tuple[float, float], ...]) -> Tensor:
    """How much of each cell the displaced rim lets through: ``Z h w``."""
    height, width = placed.light.shape
    x = placed.left + placed.pitch * (torch.arange(width) + 0.5)
    y = placed.top + placed.pitch * (torch.arange(height) + 0.5)
    moved = torch.tensor(offsets, dtype=torch.float32)
    distance = torch.hypot(x[None, None, :] - moved[:, :1, None], y[None, :, None] - moved[:, 1:, None])
    return ((radius - distance) / placed.pitch + 0.5).clamp(0, 1)
