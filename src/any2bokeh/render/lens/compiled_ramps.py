"""Ramps made steps again, compiled: the rule of ``ramps.snap_ramps``, where there are steps at all."""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.jit import compiled
from any2bokeh.render.lens.edges import EDGE_STEP_PX
from any2bokeh.render.lens.ramps import AXES, BEYOND_PX, LEAST_RISE, STEADY, WINDOW_PX
from any2bokeh.window_max import window_max

Floats = NDArray[np.float32]
Marks = NDArray[np.uint8]

DOWN = np.array([axis[0] for axis in AXES])
ACROSS = np.array([axis[1] for axis in AXES])


@compiled
def mark_ramps(coc: Floats, top: int, bottom: int, on_ramp: Marks) -> int:
    """Fill rows of ``on_ramp H W``, 1 where a pixel of ``coc`` lies on a ramp, else 0. Return how many."""
    width = coc.shape[1]
    farthest, minus_nearest = np.empty(width, np.float32), np.empty(width, np.float32)
    found = 0
    for y in range(top, bottom):
        window_max(coc, y, WINDOW_PX, 1, farthest)
        window_max(coc, y, WINDOW_PX, -1, minus_nearest)
        mark = on_ramp[y]
        for x in range(width):
            span = farthest[x] + minus_nearest[x]
            mark[x] = span >= EDGE_STEP_PX and _is_on_ramp(coc, y, x, np.float32(LEAST_RISE) * span)
            found += mark[x]
    return found


@compiled
def snap_rows(coc: Floats, on_ramp: Marks, top: int, bottom: int, snapped: Floats) -> None:
    """Fill rows of ``snapped H W``: ``coc``, but pixels on ramps or beside them at a ramp's nearer end."""
    height, width = coc.shape
    for y in range(top, bottom):
        own, out = coc[y], snapped[y]
        above, here, below = on_ramp[max(y - 1, 0)], on_ramp[y], on_ramp[min(y + 1, height - 1)]
        for x in range(width):
            out[x] = own[x]
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            beside = above[left] | above[x] | above[right] | below[left] | below[x] | below[right]
            if beside | here[left] | here[x] | here[right]:
                out[x] = _nearer_end(coc, y, x)


@compiled
def _nearer_end(coc: Floats, y: int, x: int) -> np.float32:
    """The smallest or largest value around a pixel, whichever is closer; its own if both are one surface."""
    height, width = coc.shape
    own: np.float32 = coc[y, x]
    nearest, farthest = own, own
    for row in range(max(y - WINDOW_PX, 0), min(y + WINDOW_PX + 1, height)):
        for column in range(max(x - WINDOW_PX, 0), min(x + WINDOW_PX + 1, width)):
            nearest, farthest = min(nearest, coc[row, column]), max(farthest, coc[row, column])
    if farthest - nearest < EDGE_STEP_PX:
        return own
    return nearest if own - nearest <= farthest - own else farthest


@compiled
def _is_on_ramp(coc: Floats, y: int, x: int, least_rise: np.float32) -> bool:
    """Whether a pixel lies within three steady steps along an axis that rise enough, and go no farther."""
    values = np.empty(5, np.float32)
    for axis in range(len(DOWN)):
        for place in range(5):
            values[place] = _at(coc, y + (place - 2) * DOWN[axis], x + (place - 2) * ACROSS[axis])
        for first in range(2):  # the pixel is the third or the second of the four
            rise = values[first + 3] - values[first]
            sign = np.float32(1 if rise > 0 else -1)
            smallest, largest = np.float32(np.inf), np.float32(0)
            for step in range(first, first + 3):
                size = sign * (values[step + 1] - values[step])
                smallest, largest = min(smallest, size), max(largest, size)
            if smallest <= 0 or smallest < np.float32(STEADY) * largest or abs(rise) < least_rise:
                continue
            before = _at(coc, y - BEYOND_PX * DOWN[axis], x - BEYOND_PX * ACROSS[axis])
            after = _at(coc, y + BEYOND_PX * DOWN[axis], x + BEYOND_PX * ACROSS[axis])
            if abs(rise) >= max((values[0] - before) * sign, (after - values[4]) * sign):
                return True
    return False


@compiled
def _at(coc: Floats, y: int, x: int) -> np.float32:
    """The value at a place, or at the border beside it."""
    value: np.float32 = coc[min(max(y, 0), coc.shape[0] - 1), min(max(x, 0), coc.shape[1] - 1)]
    return value
