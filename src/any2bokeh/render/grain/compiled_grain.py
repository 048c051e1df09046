"""Grain added to a frame, where it was blurred, as much as the blur took away."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats, Integers
from any2bokeh.jit import compiled

PATCH_PX = 128  # every square of the frame takes its grain from a place of its own in the tile
FADE_PX = 4  # over which the grain of a square gives way to the next one's, so that no grid of seams shows
CELL_PX = 4  # of the grid on which the cover of blurred things in front is known
FRONT_PX = 0.5  # radius from which on something in front of the focal plane covers its surroundings
REACH_CELLS = 8  # a disc farther than that is cut into larger cells
FNV_START, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
MIX_1, MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # of MurmurHash3
SHIFT = np.uint64(33)


class GrainSource(NamedTuple):
    """``tiles R 3 T T`` for blur radii ``radii_px R``, and ``sigma 3 L``, by level of luma from 0 to 1."""

    tiles: Floats
    radii_px: Floats
    sigma: Floats


class GrainPlaces(NamedTuple):
    """The grain that each pixel of a frame takes.

    ``radius_px H W`` is that of the blur. ``places P Q 2`` are where in the tile each square of the frame
    begins. ``cover`` and ``cover_px``, on a grid of ``cell_px``, are the share of blurred things in front of
    the focal plane, and their radius.
    """

    radius_px: Floats
    places: Integers
    cover: Floats
    cover_px: Floats
    cell_px: int


@compiled
def find_places(sharp: NDArray[np.uint32], seed: int, side: int, places: Integers) -> None:
    """Draw the places of all squares of ``sharp H W``, the bits of a picture, in a tile of ``side`` pixels.

    They follow from the seed and from the pixels of the square: a picture that is repeated, or a square of it
    whose noise a codec has frozen, has the same grain again, any other one fresh grain.
    """
    height, width = sharp.shape
    for row in range(places.shape[0]):
        for column in range(places.shape[1]):
            key = FNV_START
            for y in range(row * PATCH_PX, min((row + 1) * PATCH_PX, height)):
                for x in range(column * PATCH_PX, min((column + 1) * PATCH_PX, width)):
                    key = (key ^ np.uint64(sharp[y, x])) * FNV_PRIME
            key ^= np.uint64((seed * places.shape[0] + row) * places.shape[1] + column)
            key = (key ^ (key >> SHIFT)) * MIX_1
            key = (key ^ (key >> SHIFT)) * MIX_2
            key ^= key >> SHIFT
            places[row, column, 0] = np.int64(key % np.uint64(side))
            places[row, column, 1] = np.int64((key >> SHIFT) % np.uint64(side))


@compiled
def find_cover(coc_px: Floats, cell_px: int, cover: Floats, cover_px: Floats) -> None:
    """Spread things in front of the focal plane over their discs, on a grid of cells; ``coc_px H W``.

    ``cover`` becomes the share that they hide, ``cover_px`` their radius, weighed by that share.
    """
    height, width = coc_px.shape
    rows, columns = cover.shape
    cover[:], cover_px[:] = 0, 0
    for row in range(rows):
        for column in range(columns):
            count, total = 0, np.float32(0)
            bottom, right = min((row + 1) * cell_px, height), min((column + 1) * cell_px, width)
            for y in range(row * cell_px, bottom):
                for x in range(column * cell_px, right):
                    if coc_px[y, x] < -FRONT_PX:
                        count += 1
                        total -= coc_px[y, x]
            if not count:
                continue
            radius_px = total / np.float32(count)
            pixels = (bottom - row * cell_px) * (right - column * cell_px)
            reach = radius_px / np.float32(cell_px)
            steps, squared = int(reach), reach * reach
            cells = 0
            for down in range(-steps, steps + 1):
                for across in range(-steps, steps + 1):
                    if np.float32(down * down + across * across) <= squared:
                        cells += 1
            share = np.float32(count) / np.float32(pixels * cells)
            for down in range(max(-steps, -row), min(steps, rows - 1 - row) + 1):
                for across in range(max(-steps, -column), min(steps, columns - 1 - column) + 1):
                    if np.float32(down * down + across * across) <= squared:
                        cover[row + down, column + across] += share
                        cover_px[row + down, column + across] += share * radius_px
    for row in range(rows):
        for column in range(columns):
            if cover[row, column] > 0:
                cover_px[row, column] /= cover[row, column]
                cover[row, column] = min(cover[row, column], np.float32(1))


@compiled
def _step_of(radii_px: Floats, radius_px: np.float32) -> tuple[int, np.float32]:
    """The number of the tile from which on a radius lies, and its share of the next one."""
    step = 1
    while step < len(radii_px) - 1 and radii_px[step] < radius_px:
        step += 1
    low, high = radii_px[step - 1], radii_px[step]
    return step - 1, min((radius_px - low) / (high - low), np.float32(1))


@compiled
def _wave_at(
    tiles: Floats, places: Integers, y: int, x: int, step: int, share: np.float32, part: np.float32
) -> tuple[np.float32, np.float32, np.float32]:
    """The grain of luma and both colors at a pixel: ``part`` of that between tile ``step`` and the next.

    At the upper and left edge of a square the grain of the square before fades out.
    """
    one, half = np.float32(1), np.float32(0.5)
    patch_row, row, patch_column, column = y // PATCH_PX, y % PATCH_PX, x // PATCH_PX, x % PATCH_PX
    above, left = int(row < FADE_PX and patch_row > 0), int(column < FADE_PX and patch_column > 0)
    down_share = (np.float32(row) + half) / np.float32(FADE_PX) if above else one
    across_share = (np.float32(column) + half) / np.float32(FADE_PX) if left else one
    luma, blue, red = np.float32(0), np.float32(0), np.float32(0)
    for i in range(above + 1):
        for j in range(left + 1):
            weight = np.sqrt(
                (one - down_share if i else down_share) * (one - across_share if j else across_share)
            )
            place = places[patch_row - i, patch_column - j]
            down = (place[0] + row + i * PATCH_PX) % tiles.shape[-1]
            across = (place[1] + column + j * PATCH_PX) % tiles.shape[-1]
            first, second = tiles[step, :, down, across], tiles[step + 1, :, down, across]
            near, far = weight * part * (one - share), weight * part * share
            luma += near * first[0] + far * second[0]
            blue += near * first[1] + far * second[1]
            red += near * first[2] + far * second[2]
    return luma, blue, red


@compiled
def _hidden_share(places: GrainPlaces, y: int, x: int) -> tuple[np.float32, np.float32]:
    """The share of a pixel that blurred things in front hide, and their radius."""
    rows, columns = places.cover.shape
    half = np.float32(0.5)
    down = min(
        max((np.float32(y) + half) / np.float32(places.cell_px) - half, np.float32(0)), np.float32(rows - 1)
    )
    across = min(
        max((np.float32(x) + half) / np.float32(places.cell_px) - half, np.float32(0)),
        np.float32(columns - 1),
    )
    row, column = min(int(down), rows - 2), min(int(across), columns - 2)
    below, right = down - np.float32(row), across - np.float32(column)
    share, weighed = np.float32(0), np.float32(0)
    for i in range(2):
        for j in range(2):
            weight = (below if i else 1 - below) * (right if j else 1 - right)
            part = weight * places.cover[row + i, column + j]
            share += part
            weighed += part * places.cover_px[row + i, column + j]
    return share, weighed / max(share, np.float32(1e-6))


@compiled
def add_grain_rows(
    source: GrainSource, grain: GrainPlaces, sharp: Floats, rows: tuple[int, int], codes: Floats
) -> None:
    """Add grain to some rows of ``codes 3 H W``, where they differ from ``sharp 3 H W``.

    Untouched pixels stay as they are.
    """
    levels = source.sigma.shape[1]
    zero, one = np.float32(0), np.float32(1)
    for y in range(rows[0], rows[1]):
        red, green, blue = codes[0, y], codes[1, y], codes[2, y]
        own_red, own_green, own_blue = sharp[0, y], sharp[1, y], sharp[2, y]
        for x in range(codes.shape[2]):
            if (red[x] == own_red[x]) & (green[x] == own_green[x]) & (blue[x] == own_blue[x]):
                continue
            step, share = _step_of(source.radii_px, grain.radius_px[y, x])
            hidden, hidden_px = _hidden_share(grain, y, x)
            is_hidden = hidden > np.float32(0.01) and hidden_px > grain.radius_px[y, x]
            own = one  # the part of the grain for the pixel's own blur, beside that for things over it
            if is_hidden:  # under a share, so much of the amplitude is left as is not hidden
                own = one - np.sqrt(max(one - (one - hidden) * (one - hidden), zero))
            wave = _wave_at(source.tiles, grain.places, y, x, step, share, own)
            if is_hidden:
                step, share = _step_of(source.radii_px, hidden_px)
                over = _wave_at(source.tiles, grain.places, y, x, step, share, one - own)
                wave = wave[0] + over[0], wave[1] + over[1], wave[2] + over[2]
            luma = np.float32(0.2126) * red[x] + np.float32(0.7152) * green[x] + np.float32(0.0722) * blue[x]
            level = min(max(luma * np.float32(levels) - np.float32(0.5), zero), np.float32(levels - 1))
            bin = min(int(level), levels - 2)
            between = level - np.float32(bin)
            sigma = source.sigma[:, bin : bin + 2]
            luma_grain = wave[0] * (sigma[0, 0] + between * (sigma[0, 1] - sigma[0, 0]))
            blue_grain = wave[1] * (sigma[1, 0] + between * (sigma[1, 1] - sigma[1, 0]))
            red_grain = wave[2] * (sigma[2, 0] + between * (sigma[2, 1] - sigma[2, 0]))
            red[x] += luma_grain + red_grain
            blue[x] += luma_grain + blue_grain
            green[x] += luma_grain - (
                np.float32(0.2126 / 0.7152) * red_grain + np.float32(0.0722 / 0.7152) * blue_grain
            )
