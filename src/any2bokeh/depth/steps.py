"""Where a disparity map has steps, and the slopes of the surfaces beside them, found line by line."""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.window_max import window_max

STEP = 0.02  # surfaces closer than this are one: under 0.4 px of blur radius at K = 20
RAMP = 0.01  # a slope this much steeper, per sample, than its surroundings is a ramp between surfaces
FLAT_REACH = 2  # samples; how far around one the flattest ground is looked for
RADIUS = 3  # samples; an estimator's ramp is 3 to 4 samples wide, so both its ends are within reach

# Planes of a map's samples: R'G'B' of the picture there (0 to 2), disparity, its slopes per
# sample, and 1 if the sample lies on a surface (0 in a ramp).
VALUE, ALONG_Y, ALONG_X, ON_SURFACE = 3, 4, 5, 6
PLANES = 7


@compiled
def find_steps(disparity: Floats, samples: Floats, is_cell: NDArray[np.bool_]) -> None:
    """Say which samples of a map ``h w`` (2 or more each way) lie around steps.

    Fills the planes of ``samples`` from VALUE on, within a border of RADIUS.
    """
    height, width = disparity.shape
    jump, steepness = np.empty_like(disparity), np.empty_like(disparity)
    # First pass, y and x of the map: slopes, the largest difference to a neighbor, and the values themselves.
    # ``samples`` has a border, so line y of the map is its line y + RADIUS.
    for y in range(height):
        along_y, along_x = samples[ALONG_Y, y + RADIUS, RADIUS:], samples[ALONG_X, y + RADIUS, RADIUS:]
        _measure_slopes(disparity, y, along_y, along_x, jump[y], steepness[y])
        values = samples[VALUE, y + RADIUS, RADIUS:]
        for x in range(width):
            values[x] = disparity[y, x]
    flattest, is_high = np.empty_like(disparity), np.empty_like(disparity)
    for y in range(height):
        flat, on_surface = flattest[y], samples[ON_SURFACE, y + RADIUS, RADIUS:]
        window_max(steepness, y, FLAT_REACH, -1, flat)
        for x in range(width):
            flat[x] = -flat[x]
            # A ramp is steep against the flattest ground around it, so a slanted floor is none.
            limit = np.float32(RAMP) + np.float32(2) * flat[x]
            on_surface[x] = np.float32(steepness[y, x] <= limit)
            is_high[y, x] = np.float32(jump[y, x] > limit)
    beside, highest, lowest = (
        np.empty_like(disparity[0]),
        np.empty_like(disparity[0]),
        np.empty_like(disparity[0]),
    )
    # Last pass: a step needs a high jump beside it and two surfaces farther apart than the slope explains.
    for y in range(height):
        window_max(is_high, y, 1, 1, beside)
        window_max(disparity, y, RADIUS, 1, highest)
        window_max(disparity, y, RADIUS, -1, lowest)
        for x in range(width):
            limit = np.float32(STEP) + np.float32(2 * RADIUS) * flattest[y, x]
            is_cell[y, x] = (beside[x] > 0) & (highest[x] + lowest[x] > limit)


@compiled
def _measure_slopes(
    disparity: Floats, y: int, along_y: Floats, along_x: Floats, jump: Floats, steepness: Floats
) -> None:
    """Fill lines with the slopes at line y, the largest one-sided difference, and the steeper slope."""
    height, width = disparity.shape
    here, upper, lower = disparity[y], min(max(y, 1), height - 1), min(y + 1, height - 1)
    over_upper, of_upper, over_lower, of_lower = (
        disparity[upper - 1],
        disparity[upper],
        disparity[lower - 1],
        disparity[lower],
    )
    left = np.empty(width + 1, np.float32)  # the differences to the samples on the left
    right, following = left[1:], here[1:]
    for x in range(width - 1):
        right[x] = following[x] - here[x]
    left[0], left[width] = left[1], left[width - 1]
    for x in range(width):
        # The slope is the smaller one-sided difference: it stays that of the surface right up to a step.
        above, below = of_upper[x] - over_upper[x], of_lower[x] - over_lower[x]
        slope_y, slope_x = _smaller(above, below), _smaller(left[x], right[x])
        along_y[x], along_x[x], steepness[x] = slope_y, slope_x, np.maximum(abs(slope_y), abs(slope_x))
        jump_y, jump_x = np.maximum(abs(above), abs(below)), np.maximum(abs(left[x]), abs(right[x]))
        jump[x] = np.maximum(jump_y, jump_x)


@compiled
def _smaller(before: np.float32, after: np.float32) -> np.float32:
    """The smaller of two one-sided differences, 0 at a peak."""
    zero = np.float32(0)
    rising: np.float32 = np.maximum(np.minimum(before, after), zero)
    falling: np.float32 = np.minimum(np.maximum(before, after), zero)
    return rising + falling
