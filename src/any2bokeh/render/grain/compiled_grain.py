"""Grain added to a frame, where it was blurred, as much as the blur took away."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Floats, Integers
from any2bokeh.jit import compiled

PATCH_PX = 128  # every square of the frame takes its grain from a place of its own in the tile


class GrainSource(NamedTuple):
    """``tiles R 3 T T`` for blur radii ``radii_px R``, and ``sigma 3 L``, by level of luma from 0 to 1."""

    tiles: Floats
    radii_px: Floats
    sigma: Floats


@compiled
def add_grain_rows(
    source: GrainSource,
    sharp: Floats,
    radius_px: Floats,
    places: Integers,
    origin: tuple[int, int],
    rows: tuple[int, int],
    codes: Floats,
) -> None:
    """Add grain to some rows of ``codes 3 H W``, where they differ from ``sharp 3 H W``.

    ``radius_px H W`` is that of the blur. ``places P Q 2`` are where in the tile each square of the frame
    begins; the first one begins ``origin`` pixels before the frame. Untouched pixels stay as they are.
    """
    side, levels = source.tiles.shape[3], source.sigma.shape[1]
    for y in range(rows[0], rows[1]):
        red, green, blue = codes[0, y], codes[1, y], codes[2, y]
        own_red, own_green, own_blue = sharp[0, y], sharp[1, y], sharp[2, y]
        patch_row, row = (y + origin[0]) // PATCH_PX, (y + origin[0]) % PATCH_PX
        for x in range(codes.shape[2]):
            if (red[x] == own_red[x]) & (green[x] == own_green[x]) & (blue[x] == own_blue[x]):
                continue
            radius = radius_px[y, x]
            step = 1
            while step < len(source.radii_px) - 1 and source.radii_px[step] < radius:
                step += 1
            low, high = source.radii_px[step - 1], source.radii_px[step]
            share = min((radius - low) / (high - low), np.float32(1))
            luma = np.float32(0.2126) * red[x] + np.float32(0.7152) * green[x] + np.float32(0.0722) * blue[x]
            level = min(
                max(luma * np.float32(levels) - np.float32(0.5), np.float32(0)), np.float32(levels - 1)
            )
            bin = min(int(level), levels - 2)
            between = level - np.float32(bin)
            patch_column, column = (x + origin[1]) // PATCH_PX, (x + origin[1]) % PATCH_PX
            down = (places[patch_row, patch_column, 0] + row) % side
            across = (places[patch_row, patch_column, 1] + column) % side
            first = source.tiles[step - 1, :, down, across]
            second = source.tiles[step, :, down, across]
            sigma = source.sigma[:, bin : bin + 2]
            luma_grain = (first[0] + share * (second[0] - first[0])) * (
                sigma[0, 0] + between * (sigma[0, 1] - sigma[0, 0])
            )
            blue_grain = (first[1] + share * (second[1] - first[1])) * (
                sigma[1, 0] + between * (sigma[1, 1] - sigma[1, 0])
            )
            red_grain = (first[2] + share * (second[2] - first[2])) * (
                sigma[2, 0] + between * (sigma[2, 1] - sigma[2, 0])
            )
            red[x] += luma_grain + red_grain
            blue[x] += luma_grain + blue_grain
            green[x] += luma_grain - (
                np.float32(0.2126 / 0.7152) * red_grain + np.float32(0.0722 / 0.7152) * blue_grain
            )
