"""Rows of large cells brought to the size of the frame, bilinearly."""

import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cut import Span


@compiled
def enlarge_row(cells: Floats, row: int, cell: int, span: Span, line: Floats, wide: Floats) -> None:
    """Fill columns ``span`` of ``wide`` with a row of a tile, interpolated from ``cells``, rows 4 x columns.

    These begin one cell before the tile. The first of the columns is a multiple of ``cell``. ``wide`` is four
    channels of the tile's columns, ``line`` working memory for a row of cells.
    """
    left, right = span
    pitch, columns = cells.shape[1] // 4, len(wide) // 4
    down = np.float32((row + 0.5) / cell + 0.5)
    upper = int(down)
    share = down - np.float32(upper)
    first, second = cells[upper], cells[upper + 1]
    for i in range(4 * pitch):
        line[i] = first[i] + share * (second[i] - first[i])
    for channel in range(4):
        source = line[channel * pitch + left // cell :]
        target = wide[channel * columns + left : channel * columns + right]
        if cell == 2:
            _enlarge_twice(source, target)
        elif cell == 4:
            _enlarge_four_times(source, target)
        else:
            _enlarge(source, cell, target)


@compiled
def _enlarge(source: Floats, cell: int, target: Floats) -> None:
    """Fill ``target`` from cells of any size; ``source`` begins with the cell before it."""
    for phase in range(cell):
        across = np.float32((phase + 0.5) / cell + 0.5)
        start = int(across)
        share = across - np.float32(start)
        left, right = source[start:], source[start + 1 :]
        for i in range((len(target) - phase + cell - 1) // cell):
            target[i * cell + phase] = left[i] + share * (right[i] - left[i])


@compiled
def _enlarge_twice(source: Floats, target: Floats) -> None:
    """Fill ``target`` from cells of 2 px; ``source`` begins with the cell before it."""
    left, middle, right = source, source[1:], source[2:]
    near, far = np.float32(0.75), np.float32(0.25)
    for i in range(len(target) // 2):
        target[2 * i] = far * left[i] + near * middle[i]
        target[2 * i + 1] = near * middle[i] + far * right[i]
    if len(target) % 2:
        target[len(target) - 1] = far * left[len(target) // 2] + near * middle[len(target) // 2]


@compiled
def _enlarge_four_times(source: Floats, target: Floats) -> None:
    """Fill ``target`` from cells of 4 px; ``source`` begins with the cell before it."""
    whole = len(target) // 4
    left, middle, right = source, source[1:], source[2:]
    for i in range(whole):
        target[4 * i] = np.float32(0.375) * left[i] + np.float32(0.625) * middle[i]
        target[4 * i + 1] = np.float32(0.125) * left[i] + np.float32(0.875) * middle[i]
        target[4 * i + 2] = np.float32(0.875) * middle[i] + np.float32(0.125) * right[i]
        target[4 * i + 3] = np.float32(0.625) * middle[i] + np.float32(0.375) * right[i]
    if 4 * whole < len(target):
        _enlarge(source[whole:], 4, target[4 * whole :])
