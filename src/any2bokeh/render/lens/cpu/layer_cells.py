"""One layer of a tile taken out of the frame, in pixels or in cells of several."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cpu.compiled_surfaces import BLOCK, Ground, LensSurfaces, SparseSurface

Columns = tuple[int, int]  # the first column of some, and the one behind the last


class CellGrid(NamedTuple):
    """Where the cells of a layer lie: they are ``cell`` px wide and begin at row ``top``, column ``left``."""

    layer: int
    cell: int
    top: int
    left: int


class Cells(NamedTuple):
    """One layer of a tile, cell by cell.

    ``values`` is ``rows 4 x columns``: a row's red, green, blue (light times coverage), and its coverage. In
    each row there is nothing before column ``start`` and from column ``stop`` on.
    """

    values: Floats
    start: Integers
    stop: Integers


@compiled
def fill_cells(surfaces: LensSurfaces, grid: CellGrid, cells: Cells, line: Floats) -> None:
    """Fill ``cells`` with the layer's share of each pixel; their last column is not used.

    Outside the frame is what its ``Ground`` has there; of the other surfaces the border is replicated.
    ``line`` is working memory for five rows of the grid's pixels.
    """
    ground, cell = surfaces.ground, grid.cell
    right_end = grid.left + (cells.values.shape[1] // 4 - 1) * cell
    start, stop = cells.start, cells.stop
    for row in range(cells.values.shape[0]):
        out, top = cells.values[row], grid.top + row * cell
        left, right = _extent(ground, grid, top, right_end)
        start[row], stop[row] = (left - grid.left) // cell, -(-(right - grid.left) // cell)
        if right <= left:
            continue
        if cell > 1:
            out[:] = 0.0  # cells are sums
        left, right = grid.left + start[row] * cell, grid.left + stop[row] * cell
        if cell == 1:
            _fill_row(ground, grid, top, start[row], stop[row], out)
        else:
            _add_rows(ground, grid, top, (left, right), line, out)
        _add_sparse(surfaces.fringe, ground.coc, grid, top, (left, right), out)
        _add_sparse(surfaces.occluded, ground.coc, grid, top, (left, right), out)
        if cell > 1:
            out *= np.float32(1 / (cell * cell))  # and means in the end


@compiled
def _extent(ground: Ground, grid: CellGrid, top: int, right: int) -> Columns:
    """Columns of the frame outside of which no block has the layer, ``right`` at most.

    That is for the row of cells that begins at row ``top`` of the frame.
    """
    left, bottom, (height, width) = grid.left, top + grid.cell, ground.coc.shape
    blocks_across = ground.is_present.shape[1]
    first, last = blocks_across, -1  # the outermost blocks that have the layer
    lowest, highest = min(max(left, 0), width - 1) // BLOCK, min(max(right - 1, 0), width - 1) // BLOCK
    upper, lower = min(max(top, 0), height - 1) // BLOCK, min(max(bottom - 1, 0), height - 1) // BLOCK
    for down in range(upper, lower + 1):
        here = ground.is_present[down]
        for across in range(lowest, highest + 1):
            if here[across, grid.layer]:
                first, last = min(first, across), max(last, across)
    if last < 0:
        return left, left
    # The surroundings continue the frame's outermost blocks.
    start = left if first == 0 else max(first * BLOCK, left)
    stop = right if last == blocks_across - 1 else min((last + 1) * BLOCK, right)
    return start, stop


@compiled
def _fill_row(ground: Ground, grid: CellGrid, y: int, start: int, stop: int, out: Floats) -> None:
    """Fill a row of cells of 1 px with row ``y`` of the frame, from ``start`` to ``stop``; 0 beside."""
    columns, layer = len(out) // 4, np.float32(grid.layer)
    row, left = y + ground.margin, grid.left + start + ground.margin
    position = ground.position[row, left:]
    coverage = out[3 * columns + start : 3 * columns + stop]
    for x in range(len(coverage)):
        coverage[x] = max(np.float32(1) - abs(position[x] - layer), np.float32(0))
    for channel in range(3):
        light = ground.linear[channel, row, left:]
        covered = out[channel * columns + start : channel * columns + stop]
        for x in range(len(covered)):
            covered[x] = coverage[x] * light[x]
    for channel in range(4):
        out[channel * columns : channel * columns + start] = 0.0
        out[channel * columns + stop : (channel + 1) * columns] = 0.0


@compiled
def _add_rows(ground: Ground, grid: CellGrid, top: int, span: Columns, line: Floats, out: Floats) -> None:
    """Add rows of the frame from ``top`` on to a row of cells, where blocks have any on the layer.

    ``span`` is the columns of the frame to look at, whole cells. Cells up to the size of blocks lie in one.
    """
    columns, width, height = len(out) // 4, ground.coc.shape[1], ground.coc.shape[0]
    cell, layer, (left, right) = grid.cell, grid.layer, span
    here = ground.is_present[min(max(top, 0), height - 1) // BLOCK]
    # Runs of blocks that all have the layer, or all lack it. A cell larger than a block lies in several,
    # of which one may have it: the whole row is added up then.
    x = left
    while x < right:
        block = min(max(x, 0), width - 1) // BLOCK
        end = x
        if cell > BLOCK:
            end = right
        while end < right and here[min(max(end, 0), width - 1) // BLOCK, layer] == here[block, layer]:
            end = min((end // BLOCK + 1) * BLOCK, right)
        if cell > BLOCK or here[block, layer]:
            count, first = end - x, (x - grid.left) // cell  # pixels, and the cell that they begin with
            sums = line[: 5 * count]
            sums[:] = 0.0
            for y in range(top, top + cell):
                _add_shares(ground, np.float32(layer), y + ground.margin, x + ground.margin, sums)
            for channel in range(4):
                cells = out[channel * columns + first : channel * columns + (end - grid.left) // cell]
                _pool(sums[channel * count : (channel + 1) * count], cell, cells)
        x = end


@compiled
def _add_shares(ground: Ground, layer: np.float32, row: int, left: int, sums: Floats) -> None:
    """Add to four channels of ``sums`` (light times coverage, coverage) a row's share of a layer.

    The row begins at column ``left`` of the padded frame; behind the channels is working memory for it.
    """
    count = len(sums) // 5
    position, share, coverage = ground.position[row, left:], sums[4 * count :], sums[3 * count :]
    # Two layers share a pixel between them by their distance: a pixel a whole layer away has no share.
    for x in range(count):
        share[x] = max(np.float32(1) - abs(position[x] - layer), np.float32(0))
    for channel in range(3):
        light, total = ground.linear[channel, row, left:], sums[channel * count :]
        for x in range(count):
            total[x] += share[x] * light[x]
    for x in range(count):
        coverage[x] += share[x]


@compiled
def _pool(values: Floats, cell: int, out: Floats) -> None:
    """Add to every cell the values of its ``cell`` pixels."""
    if cell == 2:  # the usual sizes written out, for vector instructions
        for at in range(len(out)):
            out[at] += values[2 * at] + values[2 * at + 1]
    elif cell == 4:
        for at in range(len(out)):
            out[at] += (values[4 * at] + values[4 * at + 1]) + (values[4 * at + 2] + values[4 * at + 3])
    else:
        for at in range(len(out)):
            for phase in range(cell):
                out[at] += values[at * cell + phase]


@compiled
def _add_sparse(
    surface: SparseSurface, coc: Floats, grid: CellGrid, top: int, span: Columns, out: Floats
) -> None:
    """Add to a row of cells, from row ``top`` of the frame on, a sparse surface's share of the layer.

    ``span`` is the columns of the frame to look at. ``coc H W`` is the frame's: the surface is behind it.
    """
    height, stride, y = coc.shape[0], surface.stride, top
    while y < top + grid.cell:
        row = min(max(y, 0), height - 1)
        is_whole = grid.cell % stride == 0 and 0 <= y < height  # cells hold whole squares of the grid
        first, end = surface.first[row // stride], surface.first[row // stride + 1]
        # Entries of a row are in order of columns: the first is looked for, the last ends the loop.
        for entry in range(_first_from(surface.column, first, end, max(span[0], 0) // stride), end):
            if surface.column[entry] * stride >= span[1]:
                break
            distance = abs(surface.position[entry] - np.float32(grid.layer))
            share = (np.float32(1) - distance) * surface.coverage[entry]
            if share <= 0 or surface.visible[entry] == 0:
                continue
            # Inside the frame a square falls into one cell, as many times as its pixels show it. At the
            # border, which is replicated, and in cells smaller than squares, each pixel is asked.
            if is_whole and 0 < surface.column[entry] * stride < coc.shape[1] - stride:
                at = (surface.column[entry] * stride - grid.left) // grid.cell
                _add_light(surface, entry, share * surface.visible[entry], at, out)
            else:
                for line in range(y, y + stride if is_whole else y + 1):
                    _add_pixels(surface, coc[min(max(line, 0), height - 1)], grid, entry, share, span, out)
        y += stride if is_whole else 1


@compiled
def _first_from(columns: Integers, first: int, end: int, lowest: int) -> int:
    """The first of some entries, from ``first`` up to ``end``, whose column is ``lowest`` at least."""
    while first < end:
        middle = (first + end) // 2
        if columns[middle] < lowest:
            first = middle + 1
        else:
            end = middle
    return first


@compiled
def _add_pixels(
    surface: SparseSurface,
    coc: Floats,
    grid: CellGrid,
    entry: int,
    share: np.float32,
    span: Columns,
    out: Floats,
) -> None:
    """Add an entry's pixels in one row of the frame, whose CoC is ``coc``, where it is behind the picture."""
    width, column = len(coc), surface.column[entry] * surface.stride
    for x in range(column, min(column + surface.stride, width)):
        if surface.coc[entry] - surface.behind_px < coc[x]:
            continue
        # The frame's outermost columns stand for the surroundings.
        start = span[0] if x == 0 else max(x, span[0])
        stop = span[1] if x == width - 1 else min(x + 1, span[1])
        for pixel in range(start, stop):
            _add_light(surface, entry, share, (pixel - grid.left) // grid.cell, out)


@compiled
def _add_light(surface: SparseSurface, entry: int, share: np.float32, at: int, out: Floats) -> None:
    """Add an entry's light times ``share``, and ``share``, to a cell."""
    columns = len(out) // 4
    out[at] += share * surface.light[0, entry]
    out[columns + at] += share * surface.light[1, entry]
    out[2 * columns + at] += share * surface.light[2, entry]
    out[3 * columns + at] += share
