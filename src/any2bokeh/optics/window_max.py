"""The largest value around each element of an image, line by line."""

import math

import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled


@compiled
def window_max(image: Floats, y: int, radius: int, sign: int, out: Floats) -> None:
    """Fill ``out`` with the largest ``sign * image`` in the square around each element of line ``y``.

    The square has sides of ``2 radius + 1``; ``sign`` is 1, or -1 for minus the smallest value.
    """
    height, width = image.shape
    factor = np.float32(sign)
    columns = np.full(width + 2 * radius, np.float32(-math.inf))
    inner = columns[radius:]
    # The square is separable: first the maximum of each column x over the lines, then along x. The border of
    # ``columns`` stays at minus infinity, so places outside the image never win.
    for line in range(max(y - radius, 0), min(y + radius + 1, height)):
        values = image[line]
        for x in range(width):
            inner[x] = np.maximum(inner[x], factor * values[x])
    for x in range(width):
        out[x] = columns[x]
    for step in range(1, 2 * radius + 1):
        shifted = columns[step:]
        for x in range(width):
            out[x] = np.maximum(out[x], shifted[x])
