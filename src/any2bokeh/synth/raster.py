"""Textures drawn into texels once, with coarser copies for when they are seen from afar."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.synth.scenes import Plane

SUBSAMPLES = 2  # per texel and axis
BLOCK_TEXELS = 96  # drawn at a time, so that paintings of many things look only at those nearby


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """A plane's colour and coverage in texels.

    ``levels`` are ``1 4 h w`` linear colour times coverage, and coverage; each has half the texels of
    the one before. ``texel_m`` is the size of one in the first. Coordinates count half sizes of the
    patch from its centre, x right, y up; beyond it the patch is mirrored.
    """

    levels: tuple[Tensor, ...]
    texel_m: float

    def level(self, footprint_m: Tensor) -> Tensor:
        """The level (int, any shape) whose texels are nearest in size to what a sample stands for.

        Finer detail than the samples could show is not in it, so it cannot alias.
        """
        return (footprint_m / self.texel_m).log2().round().clamp(0, len(self.levels) - 1).int()

    def at(self, x: Tensor, y: Tensor, level: int | Tensor) -> Tensor:
        """Colour times coverage, and coverage, ``4 R`` at coordinates ``x``, ``y``, of one level or ``R``."""
        if isinstance(level, int):
            return self._read(level, x, y)
        colour = torch.empty(4, len(x), device=x.device, dtype=x.dtype)
        for i in range(int(level.min()), int(level.max()) + 1):
            here = (level == i).nonzero()[:, 0]
            colour[:, here] = self._read(i, x[here], y[here])
        return colour

    def _read(self, level: int, x: Tensor, y: Tensor) -> Tensor:
        grid = torch.stack([x, -y], -1)[None, None]  # rows of texels go down
        texels = self.levels[level]
        read = F.grid_sample(texels, grid, "bilinear", "reflection", align_corners=False)
        return read[0, :, 0]


def draw(plane: Plane, device: torch.device) -> Raster:
    """The plane's texture (one patch of it, if it has ``patch_m``), area-sampled into texels."""
    width_m, height_m = plane.patch_m or plane.size_m
    texel_m = max(width_m, height_m) / plane.texels
    columns, rows = max(1, round(width_m / texel_m)), max(1, round(height_m / texel_m))
    x, y = _positions(columns, width_m), -_positions(rows, height_m)
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
    """Middles of the subsamples of ``count`` texels, in metres from the centre."""
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
