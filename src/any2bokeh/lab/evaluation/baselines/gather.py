"""A naive blur: the baseline that a lens has to beat.

Each pixel becomes the mean of the picture over a disc of its own circle of confusion, in code values,
whatever it shows there, as a simple shader does: objects in focus bleed into the blur around them, edges of
blurred objects stay hard, and bright points stay dim.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.coc import CocScale


def gather_own_discs(picture: Tensor, disparity: Tensor, scale: CocScale) -> Tensor:
    """``3 H W``, each pixel the mean of ``picture`` over the disc of its circle of confusion."""
    return gather_discs(picture, scale.coc(disparity).abs())


def gather_discs(picture: Tensor, radius_px: Tensor) -> Tensor:
    """``3 H W``, each pixel the mean of ``picture`` over a disc of its own radius (``1 H W``) around it.

    Of each row that the disc crosses, as much counts as lies within the disc; the picture is continued beyond
    its border as in a mirror.
    """
    image = picture.permute(1, 2, 0).contiguous().numpy()
    radius = radius_px[0].contiguous().numpy()
    reach = math.ceil(float(radius.max()) + 0.5)
    padded = np.pad(image, ((0, 0), (reach, reach), (0, 0)), mode="symmetric")
    sums = np.zeros((image.shape[0], padded.shape[1] + 1, 3))
    np.cumsum(padded, axis=1, out=sums[:, 1:])
    blurred = np.empty_like(image)
    _gather(image, radius, sums, reach, blurred)
    return torch.from_numpy(blurred).permute(2, 0, 1).contiguous()


@compiled
def _area_above(y: float, radius: float) -> float:
    """Half the area of the part of a disc that lies above the line at ``y`` from its middle."""
    if y <= -radius:
        return 0.0
    if y >= radius:
        return math.pi / 2 * radius * radius
    return (
        y * math.sqrt(radius * radius - y * y) + radius * radius * (math.asin(y / radius) + math.pi / 2)
    ) / 2


@compiled
def _gather(image: Floats, radius: Floats, sums: NDArray[np.float64], reach: int, blurred: Floats) -> None:
    """Fill ``blurred``, ``H W 3``; ``sums[y, i]`` is the sum of row y up to before column ``i - reach``."""
    height, width = radius.shape
    for y in range(height):
        for x in range(width):
            r = radius[y, x]
            if r <= 0.5:  # within the pixel itself
                for c in range(3):
                    blurred[y, x, c] = image[y, x, c]
                continue
            red = green = blue = length = 0.0
            # The disc is cut into rows, dy from its center; each counts as a span as wide as its area.
            rows = int(r + 0.5)
            above = _area_above(-rows - 0.5, r)
            for dy in range(-rows, rows + 1):
                below = _area_above(dy + 0.5, r)
                half, above = below - above, below
                row = y + dy
                # Mirrored at the upper and lower border, as ``sums`` is at the sides.
                while row < 0 or row >= height:
                    row = -1 - row if row < 0 else 2 * height - 1 - row
                start, stop = x + reach + 0.5 - half, x + reach + 0.5 + half
                # A span is the difference of two running sums, each read between two columns.
                first, last = int(start), int(stop)
                before, after = start - first, stop - last
                line = sums[row]
                low, high = line[first], line[last]
                low_next, high_next = line[first + 1], line[min(last + 1, len(line) - 1)]
                red += high[0] + after * (high_next[0] - high[0]) - low[0] - before * (low_next[0] - low[0])
                green += high[1] + after * (high_next[1] - high[1]) - low[1] - before * (low_next[1] - low[1])
                blue += high[2] + after * (high_next[2] - high[2]) - low[2] - before * (low_next[2] - low[2])
                length += 2 * half
            blurred[y, x, 0] = red / length
            blurred[y, x, 1] = green / length
            blurred[y, x, 2] = blue / length
