"""Ramps made steps again, compiled: the rule of ``ramps.snap_ramps``, where there are steps at all."""

import numpy as np

from any2bokeh.arrays import Bytes, Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.window_max import window_max
from any2bokeh.render.lens.edges import EDGE_STEP_PX
from any2bokeh.render.lens.ramps import AXES, BEYOND_PX, LEAST_RISE, STEADY, WINDOW_PX

DOWN = np.array([axis[0] for axis in AXES])
ACROSS = np.array([axis[1] for axis in AXES])


@compiled
def mark_ramps(coc: Floats, top: int, bottom: int, on_ramp: Bytes) -> int:
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
def snap_rows(coc: Floats, on_ramp: Bytes, top: int, bottom: int, snapped: Floats) -> None:
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
    own = coc[y, x]
    for axis in range(len(DOWN)):
        down, across = DOWN[axis], ACROSS[axis]
        previous, following = _at(coc, y - down, x - across), _at(coc, y + down, x + across)
        if (following - own) * (own - previous) <= 0:
            continue
        first, last = _at(coc, y - 2 * down, x - 2 * across), _at(coc, y + 2 * down, x + 2 * across)
        as_third = _steady_rise(previous - first, own - previous, following - own)
        as_second = _steady_rise(own - previous, following - own, last - following)
        for rise in (as_third, as_second):
            if abs(rise) < least_rise:
                continue
            before = _at(coc, y - BEYOND_PX * down, x - BEYOND_PX * across)
            after = _at(coc, y + BEYOND_PX * down, x + BEYOND_PX * across)
            sign = np.float32(1 if rise > 0 else -1)
            if abs(rise) >= max((first - before) * sign, (after - last) * sign):
                return True
    return False


@compiled
def _steady_rise(first: np.float32, second: np.float32, third: np.float32) -> np.float32:
    """The sum of three steps in one direction none of which is much smaller than the others, else 0."""
    smallest = min(min(abs(first), abs(second)), abs(third))
    largest = max(max(abs(first), abs(second)), abs(third))
    is_one_way = (first > 0) == (second > 0) and (second > 0) == (third > 0)
    is_steady = is_one_way and smallest > 0 and smallest >= np.float32(STEADY) * largest
    return first + second + third if is_steady else np.float32(0)


@compiled
def _at(coc: Floats, y: int, x: int) -> np.float32:
    """The value at a place, or at the border beside it."""
    value: np.float32 = coc[min(max(y, 0), coc.shape[0] - 1), min(max(x, 0), coc.shape[1] - 1)]
    return value
