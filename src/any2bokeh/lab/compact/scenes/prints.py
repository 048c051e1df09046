"""Prints: pictures of fallen leaves, which have edges at all sizes as photographs have.

A dead leaves model (Lee, Mumford and Huang, "Occlusion models for natural images", 2001): shapes whose sizes
follow a power law lie over each other. Networks learn from it more than from smooth noise (Baradad et al.,
"Learning to see by looking at noise", 2021).
"""

from collections.abc import Iterator
from functools import cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats

SIDE, COUNT = 256, 24  # texels along a print, which repeats; and how many prints there are
LEVELS = 7  # each half as large as the one before
SHAPES = 1500
MARGIN = 4  # texels around a print while it is drawn: OpenCV lines the border with shapes that cross it
ELLIPSE, RECTANGLE, STROKE = range(3)
SMALLEST, LARGEST = (2.5, 14.0), (30.0, 90.0)  # radii in texels: each print draws its own between these


@cache
def prints() -> Floats:
    """Return all prints with their smaller versions, ``COUNT SIDE SIDE+SIDE/2``, in 0..1.

    Level 0 is on the left, level l >= 1 begins at row ``SIDE - (2 SIDE >> l)`` of column ``SIDE``.
    """
    rng = np.random.default_rng(2001)
    packed = np.zeros((COUNT, SIDE, SIDE + SIDE // 2), np.float32)
    for number in range(COUNT):
        level = _leaves(rng)
        packed[number, :, :SIDE] = level
        for step in range(1, LEVELS):
            level = level.reshape(SIDE >> step, 2, SIDE >> step, 2).mean((1, 3))
            first = SIDE - (2 * SIDE >> step)
            packed[number, first : first + len(level), SIDE : SIDE + len(level)] = level
    return packed


def _leaves(rng: np.random.Generator) -> Floats:
    """One print: ellipses, boxes and strokes lie over each other, in light that changes across them."""
    low, high = np.exp(rng.uniform(*np.log(SMALLEST))), rng.uniform(*LARGEST)
    kinds = rng.dirichlet(np.ones(3))
    page = np.full((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), rng.random(), np.float32)
    for _ in range(SHAPES):
        # The density of radii falls with their third power: as many per logarithm of the area.
        radius = float(low**-2 - rng.random() * (low**-2 - high**-2)) ** -0.5
        kind, value = rng.choice(3, p=kinds), float(rng.beta(0.7, 0.7))
        width = 0.15 if kind == STROKE else rng.uniform(0.3, 1)
        place, turn_deg = rng.uniform(0, SIDE, 2), float(rng.uniform(0, 180))
        for x, y in _repeats(place, 1.5 * radius):
            box = ((x + MARGIN, y + MARGIN), (2 * radius, 2 * radius * width), turn_deg)
            if kind == ELLIPSE:
                cv2.ellipse(page, box, value, -1, cv2.LINE_8)
            else:
                cv2.fillPoly(page, [np.floor(cv2.boxPoints(box)).astype(np.int32)], value)
    page = page[MARGIN:-MARGIN, MARGIN:-MARGIN]
    blurred = cv2.GaussianBlur(np.tile(page, (3, 3)), (0, 0), rng.uniform(0.3, 1.2))
    angle = np.linspace(0, 2 * np.pi, SIDE, endpoint=False)
    light = np.sin(angle * rng.integers(1, 4) + rng.uniform(0, 6)) * np.sin(
        angle[:, None] + rng.uniform(0, 6)
    )
    result: Floats = np.clip(blurred[SIDE : 2 * SIDE, SIDE : 2 * SIDE] * (1 + 0.25 * light), 0, 1).astype(
        np.float32
    )
    return result


def _repeats(place: NDArray[np.float64], reach: float) -> Iterator[tuple[float, float]]:
    """Where a shape has to be drawn for the print to go on at its other side."""
    columns, rows = (
        [float(at + shift) for shift in (-SIDE, 0, SIDE) if -reach < at + shift < SIDE + reach]
        for at in place
    )
    yield from product(columns, rows)
