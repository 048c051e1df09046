"""Textures drawn into texels, with coarser copies for the distance, and the light that falls on them."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.lab.synthesis.stage import Plane, Stage, plane_pose

SUBSAMPLES = 2  # per texel and axis
BLOCK_TEXELS = 96  # drawn at a time, so that paintings of many things look only at those nearby

NODES = 33  # of a light map along each side of a plane; light between them is interpolated
GRAZING = 0.4  # share of the light that does not ask for the angle: real things are not quite flat


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """A plane's color and coverage in texels.

    ``levels`` are ``1 4 h w`` linear color times coverage, and coverage, the lowest row first; each has
    half the texels of the one before. ``texel_m`` is the size of one in the first. Places count half
    sizes of the patch from its center, x right, y up; beyond it the patch is mirrored.
    """

    levels: tuple[Tensor, ...]
    texel_m: float

    def level(self, footprint_m: float) -> int:
        """The level whose texels are nearest in size to a sample's footprint.

        Finer detail than the samples could show is not in it, so it cannot alias.
        """
        halvings = round(math.log2(max(footprint_m / self.texel_m, 1)))
        return min(halvings, len(self.levels) - 1)

    def level_of_each(self, footprint_m: Tensor) -> Tensor:
        """The level of each of ``R`` samples, int."""
        return (footprint_m / self.texel_m).log2().round().clamp(0, len(self.levels) - 1).int()

    def at(self, places: Tensor, level: int | Tensor) -> Tensor:
        """Color times coverage, and coverage, ``4 R`` at places ``2 R`` (x, y), of one level or ``R``."""
        if isinstance(level, int):
            return read_grid(self.levels[level], places, "reflection")
        color = torch.empty(4, places.shape[1], device=places.device, dtype=places.dtype)
        for i in range(int(level.min()), int(level.max()) + 1):
            here = (level == i).nonzero()[:, 0]
            if len(here):
                read = read_grid(self.levels[i], places.index_select(1, here), "reflection")
                color.index_copy_(1, here, read)
        return color


def read_grid(grid: Tensor, places: Tensor, beyond: str) -> Tensor:
    """Values ``C R`` between those of a grid ``1 C h w`` at places ``2 R``; -1 and 1 are its outer edges."""
    return F.grid_sample(grid, places.t()[None, None], "bilinear", beyond, align_corners=False)[0, :, 0]


def draw_raster(plane: Plane, device: torch.device) -> Raster:
    """The plane's texture (one patch of it, if it has ``patch_m``), area-sampled into texels."""
    width_m, height_m = plane.patch_m or plane.size_m
    texel_m = max(width_m, height_m) / plane.texels
    columns, rows = max(1, round(width_m / texel_m)), max(1, round(height_m / texel_m))
    x, y = _positions(columns, width_m), _positions(rows, height_m)
    texels = torch.empty(1, 4, rows, columns)
    for top in range(0, rows, BLOCK_TEXELS):
        for left in range(0, columns, BLOCK_TEXELS):
            block_x = x[left * SUBSAMPLES : (left + BLOCK_TEXELS) * SUBSAMPLES]
            block_y = y[top * SUBSAMPLES : (top + BLOCK_TEXELS) * SUBSAMPLES, None]
            shape = (len(block_y), len(block_x))
            painted = plane.texture.paint(block_x.expand(shape), block_y.expand(shape))
            painted = torch.cat([painted[:3] * painted[3:], painted[3:]])
            texels[0, :, top : top + BLOCK_TEXELS, left : left + BLOCK_TEXELS] = F.avg_pool2d(
                painted, SUBSAMPLES
            )
    return Raster(levels=tuple(level.to(device) for level in _halvings(texels)), texel_m=texel_m)


def _positions(count: int, length_m: float) -> Tensor:
    """Middles of the subsamples of ``count`` texels, in meters from the center."""
    subsamples = count * SUBSAMPLES
    return ((torch.arange(subsamples) + 0.5) / subsamples - 0.5) * length_m


def _halvings(texels: Tensor) -> list[Tensor]:
    """``1 4 h w`` and its copies at half the size, down to a single texel."""
    levels = [texels]
    while max(texels.shape[2:]) > 1:
        rows, columns = (math.ceil(side / 2) for side in texels.shape[2:])
        texels = F.interpolate(texels, (rows, columns), mode="area")
        levels.append(texels)
    return levels


def light_map(stage: Stage, plane: Plane, time_s: float) -> Tensor:
    """Light on a plane at the middles of a grid over it: ``1 3 NODES NODES`` float32, lower row first.

    An emissive plane, and one on a stage without lights, has the same light everywhere: ``1 3 1 1``.
    """
    if plane.emission is not None:
        return torch.full((1, 3, 1, 1), plane.emission)
    light = np.array(stage.ambient)[:, None, None]
    if stage.lights:
        pose = plane_pose(plane, time_s)
        place = (np.arange(NODES) + 0.5) / NODES - 0.5
        across = place[None, :, None] * plane.size_m[0] * pose.across
        points = pose.origin + across + place[:, None, None] * plane.size_m[1] * pose.up  # NODES NODES 3
        for lamp in stage.lights:
            way = points - np.array(lamp.position.at(time_s))
            square = (way * way).sum(-1)
            facing = np.abs(way @ pose.forward) / np.sqrt(square).clip(min=1e-6)
            strength = (GRAZING + (1 - GRAZING) * facing) / (square + lamp.radius_m**2)
            light = light + np.array(lamp.color)[:, None, None] * strength
    return torch.from_numpy(light[None].astype(np.float32))
