"""One layer of a tile blurred by its aperture.

A row of the aperture's image is a few steps up and down, so a row of a layer is blurred by adding up
differences of its running sum: the cost grows with the radius, not with its square.
"""

import numpy as np

from any2bokeh.arrays import Flags, Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.render.lens.cpu.layer_cells import CellGrid, Cells, Columns
from any2bokeh.render.lens.cpu.layer_stack import LayerStack

NEARLY_ALL = 0.75  # of a row's columns: then its four channels are blurred in one go


@compiled
def blur_rows(
    cells: Cells, stack: LayerStack, grid: CellGrid, is_open: Flags, line: Floats, blurred: Floats
) -> None:
    """Fill ``blurred`` with ``cells`` blurred by the layer's aperture; these are not needed afterwards.

    ``grid`` is that of ``cells``. Both have rows of equal length, but ``blurred`` only those of the
    tile, without its surroundings. Of a full-size layer only rows that are open (``is_open``) are filled.
    ``start`` and ``stop`` of each row become those of the blurred one. ``line`` is working memory for a row.
    """
    layer, start, stop = grid.layer, cells.start, cells.stop
    if stack.is_summed[layer]:
        _sum_rows(cells)
    columns = cells.values.shape[1] // 4
    reach = 2 * stack.half_columns[layer]
    is_full_size = stack.cell_px[layer] == 1
    for row in range(blurred.shape[0]):
        if is_full_size and not is_open[row]:
            continue
        # The columns that any of the rows in reach has, and as far as the aperture carries them.
        left, right = columns, 0
        for source_row in range(row, row + 2 * stack.half_rows[layer] + 1):
            if start[source_row] < stop[source_row]:
                left, right = min(left, start[source_row]), max(right, stop[source_row])
        left, right = max(left - reach, 0), min(right, columns - 1 - reach)
        out = blurred[row]
        if not is_full_size:
            out[:] = 0.0  # rows and columns beside are interpolated from
        if left < right:
            if right - left > NEARLY_ALL * columns:  # a long loop costs less than four shorter ones
                left, right = 0, columns - 1 - reach
            _blur_row(cells, stack, grid, row, (left, right), line, out)
        start[row], stop[row] = left, right  # not needed any more: rows below reach down, not up


@compiled
def _blur_row(
    cells: Cells, stack: LayerStack, grid: CellGrid, row: int, span: Columns, line: Floats, out: Floats
) -> None:
    """Fill the columns ``span`` of a blurred row, and others if ``span`` begins with 0."""
    columns, (left, right), layer = len(out) // 4, span, grid.layer
    across = stack.zones_across[layer]
    # The zone that the row lies in, counted by the frame; then one part of the row after another.
    y = grid.top + (row + stack.half_rows[layer]) * grid.cell
    down = min(max(y, 0) // stack.zone_px[layer], stack.zones_down[layer] - 1)
    kernel = stack.first_kernel[layer] + down * across
    if across == 1 and left == 0:  # as one, where almost all count: the gaps between channels are not read
        _blur_part(cells, stack, kernel, row, (0, 3 * columns + right), line, out)
        return
    while left < right:
        x = grid.left + (left + stack.half_columns[layer]) * grid.cell
        zone = min(max(x, 0) // stack.zone_px[layer], across - 1)
        end = right
        if zone < across - 1:
            end = ((zone + 1) * stack.zone_px[layer] - grid.left) // grid.cell - stack.half_columns[layer]
        end = min(end, right)
        for channel in range(4):
            part = channel * columns + left, channel * columns + end
            _blur_part(cells, stack, kernel + zone, row, part, line, out)
        left = end


@compiled
def _blur_part(
    cells: Cells, stack: LayerStack, kernel: int, row: int, part: Columns, line: Floats, out: Floats
) -> None:
    """Fill ``part`` of the elements of a blurred row, by one image of the aperture."""
    # Elements are counted through all four channels: a part lies in one of them, or begins with the first.
    columns = len(out) // 4
    values, start, stop = cells.values, cells.start, cells.stop
    source_slice = slice(part[0], len(out) if part[0] == 0 else (part[0] // columns + 1) * columns)
    target = out[part[0] : part[1]]
    target[:] = 0.0
    for group in range(stack.first_group[kernel], stack.first_group[kernel + 1]):
        upper, lower = row + stack.upper[group], row + stack.lower[group]
        # Two rows that share their taps are added first, unless one of them is empty.
        is_single = stack.lower[group] < 0 or start[lower] >= stop[lower]
        if start[upper] >= stop[upper]:
            if is_single:
                continue
            source = values[lower, source_slice]
        elif is_single:
            source = values[upper, source_slice]
        else:
            first, second = values[upper, source_slice], values[lower, source_slice]
            source = line[: len(first)]
            for i in range(len(first)):
                source[i] = first[i] + second[i]
        first_tap, end = stack.first_tap[group], stack.first_tap[group + 1]
        _add_taps(source, stack.offset[first_tap:end], stack.weight[first_tap:end], target)


@compiled
def _sum_rows(cells: Cells) -> None:
    """Replace rows by their running sums, without the element itself: four at once, as they wait for each."""
    columns = cells.values.shape[1] // 4
    for row in range(cells.values.shape[0]):
        start, stop = cells.start[row], cells.stop[row]
        if start >= stop:
            continue
        red, green = cells.values[row, :columns], cells.values[row, columns : 2 * columns]
        blue, coverage = cells.values[row, 2 * columns : 3 * columns], cells.values[row, 3 * columns :]
        sum_red = sum_green = sum_blue = sum_coverage = np.float32(0)
        for x in range(start, stop):
            own_red, own_green, own_blue, own_coverage = red[x], green[x], blue[x], coverage[x]
            # The sum of all before: a difference of two places is then the sum between them.
            red[x], green[x], blue[x], coverage[x] = sum_red, sum_green, sum_blue, sum_coverage
            sum_red += own_red
            sum_green += own_green
            sum_blue += own_blue
            sum_coverage += own_coverage
        # Beyond its end a running sum stays constant; before its beginning cells are 0.
        red[stop:], green[stop:] = sum_red, sum_green
        blue[stop:], coverage[stop:] = sum_blue, sum_coverage


@compiled
def _add_taps(source: Floats, offsets: Integers, weights: Floats, out: Floats) -> None:
    """Add weighted copies of ``source``, shifted to the left by the offsets, to ``out``."""
    count = min(len(out), len(source) - offsets[len(offsets) - 1])
    tap, taps = 0, len(offsets)
    while tap < taps:
        a, b = source[offsets[tap] :], source[offsets[tap + 1] :]
        weight_a, weight_b = weights[tap], weights[tap + 1]
        if tap + 4 <= taps:  # four at once read and write the sum once for all of them
            c, d = source[offsets[tap + 2] :], source[offsets[tap + 3] :]
            weight_c, weight_d = weights[tap + 2], weights[tap + 3]
            for i in range(count):
                out[i] += weight_a * a[i] + weight_b * b[i] + weight_c * c[i] + weight_d * d[i]
            tap += 4
        else:
            for i in range(count):
                out[i] += weight_a * a[i] + weight_b * b[i]
            tap += 2
