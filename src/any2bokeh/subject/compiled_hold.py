"""Holding a subject, compiled: each pixel of a frame is moved once, by maps that are smaller than it."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Bytes, Floats, Integers
from any2bokeh.jit import compiled


class SmallMaps(NamedTuple):
    """What each pixel's disparity is compared with, ``h w`` each, smaller than the frame.

    ``limit`` is the largest disparity, ``background`` that of the surroundings; ``near`` is 1 where a
    subject's disparity may run over its outline, ``occluders`` (of a size of their own) 1 where something
    covers it.
    """

    limit: Floats
    background: Floats
    near: Bytes
    occluders: Bytes


class Held(NamedTuple):
    """Where the subject is held: its disparity, and by what share others are moved behind the limit.

    Between ``foot`` and 0 the limit is that of the ground at its feet. Points that are nearer than
    ``focus`` by ``drop`` are no part of it.
    """

    focus: np.float32
    doubt: np.float32
    foot: np.float32
    drop: np.float32


@compiled
def hold_rows(disparity: Floats, mask: Floats, maps: SmallMaps, held: Held, moved: Floats) -> None:
    """Fill ``moved H W``: ``disparity`` with the subject of ``mask`` held, others moved."""
    height, width = disparity.shape
    (rows, row_shares), (columns, shares) = (
        _places(height, len(maps.limit)),
        _places(width, maps.limit.shape[1]),
    )
    limits, backgrounds = np.empty(width, np.float32), np.empty(width, np.float32)
    # y and x count pixels of the frame; the small maps are read between their samples, row by row.
    for y in range(height):
        _read_row(maps.limit, rows[y], row_shares[y], columns, shares, limits)
        _read_row(maps.background, rows[y], row_shares[y], columns, shares, backgrounds)
        near = maps.near[y * len(maps.near) // height]
        own, share, out = disparity[y], mask[y], moved[y]
        for x in range(width):
            value, limit, background = own[x], limits[x], backgrounds[x]
            # The subject's disparity that bleeds over its outline falls back to the background.
            is_its_own = value > (held.focus + background) / 2 and value < held.focus + held.drop
            if limit < held.foot and is_its_own and near[x * len(near) // width]:
                value = min(background, value)
            value -= held.doubt * max(value - limit, np.float32(0))
            out[x] = held.focus if share[x] >= np.float32(0.5) else value
    # Last, so that an occluder keeps its own disparity whatever the pass above did with it.
    if maps.occluders.size:
        for y in range(height):
            covers, own, share, out = (
                maps.occluders[y * len(maps.occluders) // height],
                disparity[y],
                mask[y],
                moved[y],
            )
            for x in range(width):
                if covers[x * len(covers) // width] and share[x] < np.float32(0.5):
                    out[x] = own[x]


@compiled
def _places(size: int, small: int) -> tuple[Integers, Floats]:
    """Where pixels along an axis lie in a small map: behind which sample, and how far towards the next."""
    before, share = np.empty(size, np.int64), np.empty(size, np.float32)
    for pixel in range(size):
        # Centers of pixels and samples coincide at both ends, hence the two halves.
        place = max((pixel + 0.5) * small / size - 0.5, 0.0)
        before[pixel] = int(place)
        share[pixel] = place - before[pixel]
    return before, share


@compiled
def _read_row(
    image: Floats, row: int, share: np.float32, columns: Integers, shares: Floats, out: Floats
) -> None:
    """Fill ``out`` with a small map between two of its rows, interpolated."""
    last = image.shape[1] - 1
    above, below = image[row], image[min(row + 1, len(image) - 1)]
    line = np.empty(last + 2, np.float32)
    for x in range(last + 1):
        line[x] = above[x] + share * (below[x] - above[x])
    line[last + 1] = line[last]
    for x in range(len(out)):
        left = line[columns[x]]
        out[x] = left + shares[x] * (line[columns[x] + 1] - left)
