"""Rings around the steps of a disparity map: how far each pixel is from an edge, and on which side."""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.optics.window_max import window_max

REACH_PX = 4  # rings on each side of an edge
LEAST_STEEPNESS = 0.16  # of an edge's step, between two pixels; a slope within the reach has 0.125
STEEPNESS_BINS = 40  # of how far pixels beside an edge lie off its middle

Rings = NDArray[np.int8]


@compiled
def find_rings(disparity: Floats, step: np.float32, rings: Rings, steepness: Integers) -> int:
    """Fill ``rings H W``: distance [px] from the edge, below 0 on its farther side, 0 away from edges.

    Return how many pixels lie in rings; count in ``steepness`` those beside an edge, by the share of half the
    step that they lie off its middle.
    """
    height, width = disparity.shape
    highest, minus_lowest = np.empty(width, np.float32), np.empty(width, np.float32)
    count = 0
    for y in range(height):
        window_max(disparity, y, REACH_PX, 1, highest)
        window_max(disparity, y, REACH_PX, -1, minus_lowest)
        line = rings[y]
        # By vector instructions: few pixels pass this test.
        for x in range(width):
            line[x] = highest[x] + minus_lowest[x] >= step
        for x in range(width):
            if line[x] == 0:
                continue
            high, low = highest[x], -minus_lowest[x]
            ring = _ring(disparity, y, x, high, low)
            line[x] = ring
            count += ring != 0
            if abs(ring) == 1:
                off_middle = abs(disparity[y, x] + disparity[y, x] - high - low) / (high - low)
                steepness[min(int(off_middle * np.float32(STEEPNESS_BINS)), STEEPNESS_BINS - 1)] += 1
    return count


@compiled
def _ring(disparity: Floats, y: int, x: int, high: np.float32, low: np.float32) -> int:
    """The ring of a pixel around which disparity spans ``low`` to ``high``; 0 if that is a slope."""
    height, width = disparity.shape
    bottom, right = min(y + REACH_PX + 1, height), min(x + REACH_PX + 1, width)
    middle, least = np.float32(0.5) * (high + low), np.float32(LEAST_STEEPNESS) * (high - low)
    is_near, is_steep, distance = disparity[y, x] > middle, False, REACH_PX
    for row in range(max(y - REACH_PX, 0), bottom):
        for column in range(max(x - REACH_PX, 0), right):
            value = disparity[row, column]
            if (value > middle) != is_near:
                distance = min(distance, max(abs(row - y), abs(column - x)))
            if column + 1 < right:
                is_steep |= abs(disparity[row, column + 1] - value) >= least
            if row + 1 < bottom:
                is_steep |= abs(disparity[row + 1, column] - value) >= least
    if not is_steep:
        return 0
    return distance if is_near else -distance


@compiled
def span_around(disparity: Floats, y: int, x: int) -> tuple[np.float32, np.float32]:
    """The lowest and the highest disparity within REACH_PX."""
    height, width = disparity.shape
    low, high = disparity[y, x], disparity[y, x]
    for row in range(max(y - REACH_PX, 0), min(y + REACH_PX + 1, height)):
        for column in range(max(x - REACH_PX, 0), min(x + REACH_PX + 1, width)):
            low, high = min(low, disparity[row, column]), max(high, disparity[row, column])
    return low, high
