"""The frame composed a tile at a time, so that a tile's layers stay in a core's cache."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Flags, Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cpu.compiled_blur import blur_rows
from any2bokeh.render.lens.cpu.compiled_compositing import Canvas, lay_layer, make_canvas
from any2bokeh.render.lens.cpu.compiled_light import encode_row
from any2bokeh.render.lens.cpu.compiled_surfaces import BLOCK, Ground, LensSurfaces
from any2bokeh.render.lens.cpu.layer_cells import CellGrid, Cells, fill_cells
from any2bokeh.render.lens.cpu.layer_stack import LayerStack
from any2bokeh.render.lens.model import IN_FOCUS_PX, LEAST_COVERAGE, NEGLIGIBLE_COVERAGE


class FrameTile(NamedTuple):
    """A part of the frame [px]."""

    top: int
    left: int
    rows: int
    columns: int


class TileMemory(NamedTuple):
    """Working memory for one layer of a tile, flat."""

    cells: Floats
    blurred: Floats
    line: Floats
    start: Integers
    stop: Integers


@compiled
def compose_band(
    surfaces: LensSurfaces,
    stack: LayerStack,
    table: Floats,
    top: int,
    bottom: int,
    tile_columns: int,
    picture: Floats,
) -> None:
    """Fill rows ``top`` to ``bottom`` of ``picture 3 H W``: the frame through the lens, by ``code_table``."""
    ground, width, rows = surfaces.ground, surfaces.ground.coc.shape[1], bottom - top
    canvas, memory = make_canvas(rows, tile_columns), _make_memory(stack, rows, tile_columns)
    for left in range(0, width, tile_columns):
        tile = FrameTile(top, left, rows, min(tile_columns, width - left))
        canvas.light[:] = 0.0
        canvas.open_now[:] = 1.0
        canvas.is_open[:] = True
        is_behind = False  # whether the layers in front of the one in focus are laid
        laid = 0
        for layer in range(len(stack.radius_px)):
            if not is_behind and stack.radius_px[layer] >= 0:
                canvas.open_in_front[:] = canvas.open_now
                is_behind = True
            if not np.any(canvas.is_open):  # all farther layers are occluded
                break
            if _reaches(ground.is_present, stack, layer, tile):
                blurred = _blur_tile(surfaces, stack, layer, tile, canvas.is_open, memory)
                lay_layer(canvas, stack, layer, laid, blurred, tile.columns, memory.line)
                laid += 1
        if not is_behind:
            canvas.open_in_front[:] = canvas.open_now
        _finish(canvas, ground, tile, table, picture)


@compiled
def _make_memory(stack: LayerStack, rows: int, columns: int) -> TileMemory:
    """Memory for every layer of a tile of so many rows and columns."""
    largest = longest = highest = 0
    for layer in range(len(stack.radius_px)):
        cell = stack.cell_px[layer]
        down = -(-rows // cell) + 2 * stack.half_rows[layer] + 2
        across = -(-columns // cell) + 2 * stack.half_columns[layer] + 3
        largest, highest = max(largest, down * across * 4), max(highest, down)
        longest = max(longest, across * 5 * cell)
    return TileMemory(
        np.empty(largest, np.float32),
        np.empty(largest, np.float32),
        np.empty(longest + 4 * columns, np.float32),
        np.empty(highest, np.int64),
        np.empty(highest, np.int64),
    )


@compiled
def _reaches(is_present: Flags, stack: LayerStack, layer: int, tile: FrameTile) -> bool:
    """Whether anything on the layer can be seen in the tile."""
    cell = stack.cell_px[layer]
    border = 1 if cell > 1 else 0
    down, across = (stack.half_rows[layer] + border) * cell, (stack.half_columns[layer] + border) * cell
    # Tiles may end in the middle of a cell, which then reaches beyond.
    bottom, right = tile.top + tile.rows + cell - 1 + down, tile.left + tile.columns + cell - 1 + across
    for y in range(max(tile.top - down, 0) // BLOCK, min(bottom // BLOCK + 1, is_present.shape[0])):
        for x in range(max(tile.left - across, 0) // BLOCK, min(right // BLOCK + 1, is_present.shape[1])):
            if is_present[y, x, layer]:
                return True
    return False


@compiled
def _blur_tile(
    surfaces: LensSurfaces, stack: LayerStack, layer: int, tile: FrameTile, is_open: Flags, memory: TileMemory
) -> Cells:
    """One layer of a tile, blurred, in its cells: larger ones begin one cell before the tile."""
    cell = stack.cell_px[layer]
    border = 1 if cell > 1 else 0  # to interpolate from
    half_rows, half_columns = stack.half_rows[layer], stack.half_columns[layer]
    out_rows = -(-tile.rows // cell) + 2 * border
    rows, columns = out_rows + 2 * half_rows, -(-tile.columns // cell) + 2 * (border + half_columns) + 1
    grid = CellGrid(
        layer, cell, tile.top - (half_rows + border) * cell, tile.left - (half_columns + border) * cell
    )
    values = memory.cells[: rows * 4 * columns].reshape(rows, 4 * columns)
    # Blurring shortens the rows from ``start`` and ``stop`` in place: both kinds of cells share these.
    cells = Cells(values, memory.start, memory.stop)
    fill_cells(surfaces, grid, cells, memory.line)
    blurred = memory.blurred[: out_rows * 4 * columns].reshape(out_rows, 4 * columns)
    blur_rows(cells, stack, grid, is_open, memory.line, blurred)
    return Cells(blurred, memory.start, memory.stop)


@compiled
def _finish(canvas: Canvas, ground: Ground, tile: FrameTile, table: Floats, picture: Floats) -> None:
    """Write a finished tile into the picture, in code values."""
    left, right = tile.left, tile.left + tile.columns
    # One by one: rows of a single array would have any stride, and loops over them no vector instructions.
    scale, touched = np.empty(tile.columns, np.float32), np.empty(tile.columns, np.float32)
    line = np.empty(tile.columns, np.float32)
    for row in range(tile.rows):
        y = tile.top + row
        coc, open_now = ground.coc[y, left:right], canvas.open_now[row]
        open_in_front = canvas.open_in_front[row]
        for x in range(tile.columns):
            scale[x] = np.float32(1) / max(np.float32(1) - open_now[x], np.float32(LEAST_COVERAGE))
        # A pixel shows the composite if it is blurred itself, or if something nearer reaches it.
        for x in range(tile.columns):
            is_blurred = abs(coc[x]) >= np.float32(IN_FOCUS_PX)
            is_reached = open_in_front[x] < np.float32(1 - NEGLIGIBLE_COVERAGE)
            touched[x] = np.float32(1) if is_blurred | is_reached else np.float32(0)
        for channel in range(3):
            own, out = ground.sharp[channel, y, left:right], picture[channel, y, left:right]
            encode_row(canvas.light[channel, row], scale, touched, own, table, line, out)
