"""A blurred disparity map: found by how steep its edges are, and deblurred around them.

Wide surfaces need no deblurring, as steps between them are known by their middle. Thin things do: blur takes
their disparity. Van Cittert's iterations (1931) give it back.
"""

import math
from functools import lru_cache

import numpy as np

from any2bokeh.arrays import Floats, Integers
from any2bokeh.depth.edge_rings import REACH_PX, STEEPNESS_BINS, Rings, span_around
from any2bokeh.jit import compiled

LEAST_EDGE_PX = 50  # pixels beside edges: fewer tell nothing
SHARP = 0.8  # a pixel beside an edge lies off its middle by this share of half the step: the map is sharp
SIGMAS_PX = np.arange(0.4, 3, 0.05)  # of blur that is told apart
ITERATIONS = 6


def find_blur_px(steepness: Integers) -> float:
    """Sigma of a map's blur, 0 if it is sharp, of how steep its edges are."""
    total = steepness.sum()
    if total < LEAST_EDGE_PX:
        return 0.0
    median = (np.searchsorted(np.cumsum(steepness), total / 2) + 0.5) / STEEPNESS_BINS
    if median > SHARP:
        return 0.0
    # The middle of a pixel beside a blurred step is half a pixel from it.
    steeper = [sigma for sigma in SIGMAS_PX if math.erf(0.5 / sigma / math.sqrt(2)) > median]
    return float(steeper[-1]) if steeper else float(SIGMAS_PX[0])


def deblur_edges(disparity: Floats, rings: Rings, sigma_px: float) -> Floats:
    """``disparity H W`` with the Gaussian blur taken off in the rings around edges."""
    deblurred = np.empty_like(disparity)
    _deblur(disparity, rings, _deblurring_kernel(sigma_px), round(2 + sigma_px), deblurred)
    return deblurred


@lru_cache(maxsize=8)
def _deblurring_kernel(sigma_px: float) -> Floats:
    """The sum of (1 - G)^k for k up to ITERATIONS, G being the Gaussian: all iterations in one."""
    reach = math.ceil(3 * sigma_px)
    places = np.arange(-reach, reach + 1)
    kernel = np.zeros((len(places), len(places)))
    kernel[reach, reach] = ITERATIONS + 1
    for power in range(1, ITERATIONS + 1):
        line = np.exp(-(places**2) / (2 * power * sigma_px**2))  # G to a power is a wider Gaussian
        blurred = np.outer(line, line) / line.sum() ** 2
        kernel += (-1) ** power * math.comb(ITERATIONS + 1, power + 1) * blurred
    normalized: Floats = (kernel / kernel.sum()).astype(np.float32)
    return normalized


@compiled
def _deblur(disparity: Floats, rings: Rings, kernel: Floats, deep: int, deblurred: Floats) -> None:
    """Fill ``deblurred H W``: in rings the map through ``kernel``.

    It overshoots beside wide surfaces: where there is a pixel of its own side at ring ``deep`` or beyond, it
    stays within the disparities around. Thin things have none; their disparity was lost to blur.
    """
    height, width = disparity.shape
    reach = len(kernel) // 2
    for y in range(height):
        for x in range(width):
            deblurred[y, x] = disparity[y, x]
            if rings[y, x] == 0:
                continue
            total = np.float32(0)
            for row in range(-reach, reach + 1):
                line = disparity[min(max(y + row, 0), height - 1)]
                for column in range(-reach, reach + 1):
                    total += kernel[row + reach, column + reach] * line[min(max(x + column, 0), width - 1)]
            low, high = span_around(disparity, y, x)
            if _is_wide(disparity, rings, y, x, np.float32(0.5) * (low + high), deep):
                total = min(total, high) if rings[y, x] > 0 else max(total, low)
            deblurred[y, x] = min(max(total, np.float32(0)), np.float32(1))


@compiled
def _is_wide(disparity: Floats, rings: Rings, y: int, x: int, middle: np.float32, deep: int) -> bool:
    """Whether the side of a pixel has one at ring ``deep`` or beyond within REACH_PX."""
    height, width = disparity.shape
    is_near = rings[y, x] > 0
    for row in range(max(y - REACH_PX, 0), min(y + REACH_PX + 1, height)):
        for column in range(max(x - REACH_PX, 0), min(x + REACH_PX + 1, width)):
            if (disparity[row, column] > middle) == is_near:
                ring = abs(rings[row, column])
                if ring == 0 or ring >= deep:
                    return True
    return False
