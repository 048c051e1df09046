"""Blurred layers brought to the size of the frame and laid on a tile, nearest first."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Flags, Floats
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cpu.layer_cells import Cells, Columns
from any2bokeh.render.lens.cpu.layer_stack import LayerStack
from any2bokeh.render.lens.model import LEAST_COVERAGE, ONE_SURFACE_SPACINGS, REMEMBERED_LAYERS

OPAQUE = 1e-6  # a pixel less open than this shows nothing of the background


class Canvas(NamedTuple):
    """A tile's light, how open it still is, and the layers laid last.

    The k-th layer is in slot k % REMEMBERED_LAYERS.
    """

    light: Floats  # 3 rows columns
    open_now: Floats  # rows columns: 1 where nothing lies yet, 0 where nothing behind is seen
    open_in_front: Floats  # rows columns; of the layer in focus
    is_open: Flags  # rows
    passed_px: Floats  # slots; radius of each of the layers
    passed_open: Floats  # slots rows columns; open_now after it
    passed_own: Floats  # slots rows columns; its coverage


@compiled
def make_canvas(rows: int, columns: int) -> Canvas:
    """A canvas for tiles of so many rows and at most so many columns, not filled."""
    return Canvas(
        np.empty((3, rows, columns), np.float32),
        np.empty((rows, columns), np.float32),
        np.empty((rows, columns), np.float32),
        np.empty(rows, np.bool_),
        np.empty(REMEMBERED_LAYERS, np.float32),
        np.empty((REMEMBERED_LAYERS, rows, columns), np.float32),
        np.empty((REMEMBERED_LAYERS, rows, columns), np.float32),
    )


@compiled
def lay_layer(
    canvas: Canvas, stack: LayerStack, layer: int, laid: int, blurred: Cells, columns: int, line: Floats
) -> None:
    """Lay a blurred layer on the first ``columns``, behind those ``laid``, as in ``torch.compositing``.

    ``line`` is working memory: a row of ``blurred`` or two of the tile, and at its end four more of the tile.
    """
    cell, radius_px = stack.cell_px[layer], stack.radius_px[layer]
    window = np.float32(ONE_SURFACE_SPACINGS) * stack.spacing_px[layer]
    first_beside = laid  # the layers from this one on belong to the same surface
    while first_beside > max(0, laid - REMEMBERED_LAYERS + 2) and (  # and the one before them is remembered
        radius_px - canvas.passed_px[(first_beside - 1) % REMEMBERED_LAYERS] < window
    ):
        first_beside -= 1
    slot = laid % REMEMBERED_LAYERS
    canvas.passed_px[slot] = radius_px
    wide = line[len(line) - 4 * columns :]
    for row in range(len(canvas.is_open)):
        if not canvas.is_open[row]:  # nothing behind shows
            continue
        _pass(canvas, slot, row)
        left, right = _seen_columns(blurred, row, cell, columns)
        if left >= right:
            continue
        if cell == 1:
            source = blurred.values[row]
        else:
            _enlarge_row(blurred.values, row, cell, (left, right), line, wide)
            source = wide
        pitch = len(source) // 4
        own = source[3 * pitch + left : 3 * pitch + right]
        passed_own, seen = canvas.passed_own[slot, row, left:right], line[: right - left]
        _clip(own, passed_own)
        _find_seen(canvas, (first_beside, laid), row, left, line[columns:], seen)
        _close(canvas.open_now[row, left:right], seen, canvas.passed_open[slot, row, left:right])
        _divide(seen, own)  # the light is already multiplied by that
        for channel in range(3):
            color = source[channel * pitch + left : channel * pitch + right]
            _add_light(canvas.light[channel, row, left:right], seen, color)
        canvas.is_open[row] = _is_open(canvas.open_now[row])


@compiled
def _pass(canvas: Canvas, slot: int, row: int) -> None:
    """Remember a row of a layer on which nothing lies."""
    own, open_now = canvas.passed_own[slot, row], canvas.open_now[row]
    passed_open = canvas.passed_open[slot, row]
    for x in range(len(own)):
        own[x] = np.float32(0)
    for x in range(len(own)):
        passed_open[x] = open_now[x]


@compiled
def _seen_columns(blurred: Cells, row: int, cell: int, columns: int) -> Columns:
    """Between which columns of a row of the tile anything of the blurred layer is."""
    start, stop = blurred.start, blurred.stop
    if cell == 1:
        return min(start[row], columns), min(stop[row], columns)
    upper = int((row + 0.5) / cell + 0.5)
    left, right = columns, 0
    for line in range(upper, upper + 2):
        if start[line] < stop[line]:
            # Interpolation reaches one cell further, and cells begin one before the tile.
            left, right = min(left, (start[line] - 2) * cell), max(right, stop[line] * cell)
    return max(left, 0), min(right, columns)


# What follows are short loops over few rows, none of which takes the minimum in place: only such loops become
# vector instructions.


@compiled
def _clip(own: Floats, coverage: Floats) -> None:
    """Fill ``coverage`` with a layer's own, 1 at most: a sum of shares may be more by rounding."""
    for x in range(len(own)):
        coverage[x] = min(own[x], np.float32(1))


@compiled
def _find_seen(canvas: Canvas, beside: Columns, row: int, left: int, line: Floats, seen: Floats) -> None:
    """Fill ``seen`` with how much the layer laid now gets of a row's pixels, from ``left`` on.

    ``beside`` is the first of the layers of its surface, and the layer itself.
    """
    first, laid = beside
    coverage = canvas.passed_own[laid % REMEMBERED_LAYERS, row, left:]
    for x in range(len(seen)):
        line[x] = np.float32(1)
    # The share of a pixel that the layers of its own surface leave open, but no more than its own coverage,
    for passed in range(first, laid):
        own = canvas.passed_own[passed % REMEMBERED_LAYERS, row, left:]
        for x in range(len(seen)):
            line[x] -= own[x]
    # of the light that everything nearer than that surface lets through,
    if first:
        before = canvas.passed_open[(first - 1) % REMEMBERED_LAYERS, row, left:]
        for x in range(len(seen)):
            line[x] = min(coverage[x], max(line[x], np.float32(0))) * before[x]
    else:
        for x in range(len(seen)):
            line[x] = min(coverage[x], max(line[x], np.float32(0)))
    # and no more than is open.
    open_now = canvas.open_now[row, left:]
    for x in range(len(seen)):
        seen[x] = min(line[x], open_now[x])


@compiled
def _close(open_now: Floats, seen: Floats, passed_open: Floats) -> None:
    """Take ``seen`` off the open share, and remember the rest."""
    for x in range(len(seen)):
        open_now[x] -= seen[x]
    for x in range(len(seen)):
        passed_open[x] = open_now[x]


@compiled
def _is_open(open_now: Floats) -> bool:
    """Whether anything behind a row can be seen."""
    total = np.float32(0)
    for x in range(len(open_now)):
        total += abs(open_now[x])
    return bool(total > OPAQUE * len(open_now))


@compiled
def _divide(seen: Floats, own: Floats) -> None:
    """Divide by a layer's own coverage, by which its light is multiplied already."""
    for x in range(len(seen)):
        seen[x] /= max(own[x], np.float32(LEAST_COVERAGE))


@compiled
def _add_light(light: Floats, seen: Floats, color: Floats) -> None:
    """Add a channel of the visible part of a layer."""
    for x in range(len(seen)):
        light[x] += seen[x] * color[x]


@compiled
def _enlarge_row(cells: Floats, row: int, cell: int, span: Columns, line: Floats, wide: Floats) -> None:
    """Fill columns ``span`` of ``wide`` with a row of a tile, interpolated from ``cells``, rows 4 x columns.

    These begin one cell before the tile. The first of the columns is a multiple of ``cell``. ``wide`` is four
    channels of the tile's columns, ``line`` working memory for a row of cells.
    """
    left, right = span
    pitch, columns = cells.shape[1] // 4, len(wide) // 4
    # Cells are sampled in their middle: the row lies between two rows of them.
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
    # Pixels at one place in their cells have one share: a loop for each place.
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
    if len(target) % 2:  # the frame ends in the middle of a cell
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
