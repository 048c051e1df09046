"""One layer of a tile cut out of the frame and blurred by its aperture.

A row of the aperture's image is a few steps up and down, so a row of a layer is blurred by adding up
differences of its running sum: the cost grows with the radius, not with its square.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.jit import compiled
from any2bokeh.render.lens.aperture import NARROW
from any2bokeh.render.lens.layers import Layer
from any2bokeh.render.lens.positions import BLOCK

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NEARLY_ALL = 0.75  # of a row's columns: then its four channels are blurred in one go


class Stack(NamedTuple):
    """The layers, nearest first, and their apertures' images as taps.

    A layer's image is its groups ``first_group[i]`` to ``first_group[i + 1]``: a group is one row of it, or two
    alike (``upper``, and ``lower`` or -1), and has taps ``first_tap[g]`` to ``first_tap[g + 1]``, an even number.
    They are on the exclusive running sum of a row where ``is_summed``, else on the row itself.
    """

    reach_px: int  # how far around a tile anything of it can be needed
    radius_px: Floats
    spacing_px: Floats
    cell_px: Integers
    half_rows: Integers
    half_columns: Integers
    is_summed: NDArray[np.bool_]
    first_group: Integers
    upper: Integers
    lower: Integers
    first_tap: Integers
    offset: Integers
    weight: Floats


class Sparse(NamedTuple):
    """A surface known at few pixels of a grid of every ``stride``-th: lists in order of rows and columns.

    Row y of the grid has entries ``first[y]`` to ``first[y + 1]``. An entry is seen where it lies ``behind_px``
    behind the picture. ``light`` is ``3 P``; ``column`` and the others are ``P``.
    """

    stride: int
    behind_px: float
    first: Integers
    column: Integers
    light: Floats
    coverage: Floats
    coc: Floats
    position: Floats


def make_stack(layers: Sequence[Layer], kernels: list[Tensor]) -> Stack:
    """The layers with their apertures' images (``kh kw`` each, summing to 1) as the compiled lens wants them."""
    groups: list[tuple[int, int, list[tuple[int, float]]]] = []
    first_group, is_summed = [0], []
    for kernel in kernels:
        rows = kernel.flip(0, 1).numpy()  # convolution adds up what lies on the other side
        is_summed.append(rows.shape[1] > NARROW)
        groups += _row_groups(rows, is_summed[-1])
        first_group.append(len(groups))
    reach = max(
        (max(kernel.shape) // 2 + 2) * layer.cell_px for layer, kernel in zip(layers, kernels, strict=True)
    )
    taps = [tap for _, _, group in groups for tap in group]
    return Stack(
        reach_px=reach,
        radius_px=np.array([layer.radius_px for layer in layers], np.float32),
        spacing_px=np.array([layer.spacing_px for layer in layers], np.float32),
        cell_px=np.array([layer.cell_px for layer in layers], np.int64),
        half_rows=np.array([kernel.shape[0] // 2 for kernel in kernels], np.int64),
        half_columns=np.array([kernel.shape[1] // 2 for kernel in kernels], np.int64),
        is_summed=np.array(is_summed),
        first_group=np.array(first_group, np.int64),
        upper=np.array([upper for upper, _, _ in groups], np.int64),
        lower=np.array([lower for _, lower, _ in groups], np.int64),
        first_tap=np.cumsum([0] + [len(group) for _, _, group in groups]),
        offset=np.array([offset for offset, _ in taps], np.int64),
        weight=np.array([weight for _, weight in taps], np.float32),
    )


def _row_groups(rows: Floats, is_summed: bool) -> list[tuple[int, int, list[tuple[int, float]]]]:
    """Upper row, lower row or -1, and taps: rows that are mirror images share theirs."""
    groups = []
    count = len(rows)
    for row in range(count):
        mirrored = count - 1 - row
        is_paired = row != mirrored and np.allclose(rows[row], rows[mirrored], rtol=0, atol=1e-7)
        if is_paired and row > mirrored:
            continue
        weights = -np.diff(rows[row], prepend=0, append=0) if is_summed else rows[row]
        taps = [(int(offset), float(weights[offset])) for offset in np.flatnonzero(np.abs(weights) > 1e-8)]
        if taps:
            taps += [(taps[-1][0], 0.0)] * (len(taps) % 2)
            groups.append((row, mirrored if is_paired else -1, taps))
    return groups


@compiled
def cut_layer(ground, fringe, hidden, layer, cell, first_row, first_column, cells, line_room, start, stop):  # type: ignore[no-untyped-def]
    """Fill ``cells`` (rows, 4 x columns: red, green, blue, coverage) with what lies on the layer.

    They begin at a pixel of the frame, and light is multiplied by coverage. The last column is unused. Row by
    row, ``start`` and ``stop`` become the columns outside of which there is nothing.
    """
    columns = cells.shape[1] // 4
    for row in range(cells.shape[0]):
        line, top = cells[row], first_row + row * cell
        left, right = _extent(
            ground, layer, top, top + cell, first_column, first_column + (columns - 1) * cell
        )
        start[row], stop[row] = (left - first_column) // cell, -(-(right - first_column) // cell)
        if right <= left:
            continue
        if cell > 1:
            line[:] = 0.0
        left, right = first_column + start[row] * cell, first_column + stop[row] * cell
        for y in range(top, top + cell):
            if cell == 1:
                _cut_row(ground, layer, y, first_column, start[row], stop[row], line)
            else:
                _add_row(ground, layer, y, first_column, left, right, cell, line_room, line)
            _add_sparse(fringe, ground.coc, layer, y, first_column, left, right, cell, line)
            _add_sparse(hidden, ground.coc, layer, y, first_column, left, right, cell, line)
        if cell > 1:
            line *= np.float32(1 / (cell * cell))


@compiled
def _extent(ground, layer, top, bottom, left, right):  # type: ignore[no-untyped-def]
    """The columns of the frame, from ``left`` to ``right`` at most, where the layer may be in some rows."""
    (blocks_down, blocks_across), (height, width) = ground.is_present.shape[:2], ground.coc.shape
    first, last = blocks_across, -1
    lowest, highest = min(max(left, 0), width - 1) // BLOCK, min(max(right - 1, 0), width - 1) // BLOCK
    for down in range(
        min(max(top, 0), height - 1) // BLOCK, min(max(bottom - 1, 0), height - 1) // BLOCK + 1
    ):
        here = ground.is_present[down]
        for across in range(lowest, highest + 1):
            if here[across, layer]:
                first, last = min(first, across), max(last, across)
    if last < 0:
        return left, left
    start = left if first == 0 else max(first * BLOCK, left)
    stop = right if last == blocks_across - 1 else min((last + 1) * BLOCK, right)
    return start, stop


@compiled
def _cut_row(ground, layer, y, first_column, start, stop, line):  # type: ignore[no-untyped-def]
    columns = len(line) // 4
    row, left = y + ground.margin, first_column + start + ground.margin
    position = ground.position[row, left:]
    coverage = line[3 * columns + start : 3 * columns + stop]
    for x in range(len(coverage)):
        coverage[x] = max(np.float32(1) - abs(position[x] - np.float32(layer)), np.float32(0))
    for channel in range(3):
        light, out = (
            ground.linear[channel, row, left:],
            line[channel * columns + start : channel * columns + stop],
        )
        for x in range(len(out)):
            out[x] = coverage[x] * light[x]
    for channel in range(4):
        line[channel * columns : channel * columns + start] = 0.0
        line[channel * columns + stop : (channel + 1) * columns] = 0.0


@compiled
def _add_row(ground, layer, y, first_column, left, right, cell, line_room, line):  # type: ignore[no-untyped-def]
    """Add a row of pixels to a row of cells, where blocks of the frame have any on the layer."""
    columns, row, width = len(line) // 4, y + ground.margin, ground.coc.shape[1]
    here = ground.is_present[min(max(y, 0), ground.coc.shape[0] - 1) // BLOCK]
    position, light = ground.position[row], ground.linear[:, row]
    share, product = line_room[: right - left], line_room[right - left :]
    x = left
    while x < right:
        block = min(max(x, 0), width - 1) // BLOCK
        end = x
        if cell > BLOCK:
            end = right
        while end < right and here[min(max(end, 0), width - 1) // BLOCK, layer] == here[block, layer]:
            end = min((end // BLOCK + 1) * BLOCK, right)
        if cell > BLOCK or here[block, layer]:
            first, count = (x - first_column) // cell, (end - x) // cell
            pixel = x + ground.margin
            for i in range(end - x):
                share[i] = max(np.float32(1) - abs(position[pixel + i] - np.float32(layer)), np.float32(0))
            for channel in range(3):
                own = light[channel, pixel : pixel + end - x]
                for i in range(end - x):
                    product[i] = share[i] * own[i]
                _pool(product, cell, line[channel * columns + first : channel * columns + first + count])
            _pool(share, cell, line[3 * columns + first : 3 * columns + first + count])
        x = end


@compiled
def _pool(values, cell, out):  # type: ignore[no-untyped-def]
    """Add to every cell its pixels' values."""
    if cell == 2:
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
def _add_sparse(surface, coc, layer, y, first_column, left, right, cell, line):  # type: ignore[no-untyped-def]
    """Add what of a sparse surface lies on the layer in a row; the frame's border is replicated."""
    height, width = coc.shape
    stride, columns = surface.stride, len(line) // 4
    y = min(max(y, 0), height - 1)
    first, last = surface.first[y // stride], surface.first[y // stride + 1]
    lowest = max(left, 0) // stride
    while first < last:  # the first entry in reach
        middle = (first + last) // 2
        if surface.column[middle] < lowest:
            first = middle + 1
        else:
            last = middle
    for entry in range(first, surface.first[y // stride + 1]):
        column = surface.column[entry] * stride
        if column >= right:
            break
        share = (np.float32(1) - abs(surface.position[entry] - np.float32(layer))) * surface.coverage[entry]
        if share <= 0:
            continue
        for x in range(column, min(column + stride, width)):
            if surface.coc[entry] < coc[y, x] + surface.behind_px:
                continue
            start = left if x == 0 else max(x, left)
            stop = right if x == width - 1 else min(x + 1, right)
            for pixel in range(start, stop):
                at = (pixel - first_column) // cell
                line[at] += share * surface.light[0, entry]
                line[columns + at] += share * surface.light[1, entry]
                line[2 * columns + at] += share * surface.light[2, entry]
                line[3 * columns + at] += share


@compiled
def blur_rows(cells, stack, layer, is_open, line, blurred, start, stop):  # type: ignore[no-untyped-def]
    """Fill ``blurred`` with ``cells`` blurred by the layer's aperture; full-size rows nobody sees are left out.

    ``start`` and ``stop`` of each row become those of the blurred one.
    """
    if stack.is_summed[layer]:
        _sum_rows(cells, start, stop)
    columns = cells.shape[1] // 4
    reach = 2 * stack.half_columns[layer]
    is_full_size = stack.cell_px[layer] == 1
    for row in range(blurred.shape[0]):
        if is_full_size and not is_open[row]:
            continue
        left, right = columns, 0
        for source_row in range(row, row + 2 * stack.half_rows[layer] + 1):
            if start[source_row] < stop[source_row]:
                left, right = min(left, start[source_row]), max(right, stop[source_row])
        left, right = max(left - reach, 0), min(right, columns - 1 - reach)
        out = blurred[row]
        if not is_full_size:
            out[:] = 0.0  # rows and columns beside are interpolated from
        if left < right:
            if right - left > NEARLY_ALL * columns:
                left, right = 0, columns - 1 - reach
            _blur_row(cells, stack, layer, row, start, stop, left, right, line, out)
        start[row], stop[row] = left, right  # not needed any more: rows below reach down, not up


@compiled
def _blur_row(cells, stack, layer, row, start, stop, left, right, line, out):  # type: ignore[no-untyped-def]
    columns = len(out) // 4
    for channel in range(4):  # as one, where almost all columns count: what is between channels is not read
        if left > 0:
            own = slice(channel * columns + left, channel * columns + right)
            source_slice = slice(channel * columns + left, (channel + 1) * columns)
        else:
            own, source_slice = slice(0, 3 * columns + right), slice(0, 4 * columns)
        target = out[own]
        target[:] = 0.0
        for group in range(stack.first_group[layer], stack.first_group[layer + 1]):
            upper, lower = row + stack.upper[group], row + stack.lower[group]
            is_single = stack.lower[group] < 0 or start[lower] >= stop[lower]
            if start[upper] >= stop[upper]:
                if is_single:
                    continue
                source = cells[lower, source_slice]
            elif is_single:
                source = cells[upper, source_slice]
            else:
                first, second = cells[upper, source_slice], cells[lower, source_slice]
                source = line[: len(first)]
                for i in range(len(first)):
                    source[i] = first[i] + second[i]
            _add_taps(
                source, stack.offset, stack.weight, stack.first_tap[group], stack.first_tap[group + 1], target
            )
        if left == 0:
            break


@compiled
def _sum_rows(cells, start, stop):  # type: ignore[no-untyped-def]
    """Replace rows by their running sums, without the element itself: four at once, as they wait for each."""
    columns = cells.shape[1] // 4
    for row in range(cells.shape[0]):
        if start[row] >= stop[row]:
            continue
        red, green = cells[row, :columns], cells[row, columns : 2 * columns]
        blue, coverage = cells[row, 2 * columns : 3 * columns], cells[row, 3 * columns :]
        sum_red = sum_green = sum_blue = sum_coverage = np.float32(0)
        for x in range(start[row], stop[row]):
            own_red, own_green, own_blue, own_coverage = red[x], green[x], blue[x], coverage[x]
            red[x], green[x], blue[x], coverage[x] = sum_red, sum_green, sum_blue, sum_coverage
            sum_red += own_red
            sum_green += own_green
            sum_blue += own_blue
            sum_coverage += own_coverage
        red[stop[row] :], green[stop[row] :] = sum_red, sum_green
        blue[stop[row] :], coverage[stop[row] :] = sum_blue, sum_coverage


@compiled
def _add_taps(source, offsets, weights, first, last, out):  # type: ignore[no-untyped-def]
    """Add weighted copies of ``source``, shifted to the left by the offsets, to ``out``."""
    count = min(len(out), len(source) - offsets[last - 1])
    tap = first
    while tap < last:
        a, b = source[offsets[tap] :], source[offsets[tap + 1] :]
        weight_a, weight_b = weights[tap], weights[tap + 1]
        if tap + 4 <= last:
            c, d = source[offsets[tap + 2] :], source[offsets[tap + 3] :]
            weight_c, weight_d = weights[tap + 2], weights[tap + 3]
            for i in range(count):
                out[i] += weight_a * a[i] + weight_b * b[i] + weight_c * c[i] + weight_d * d[i]
            tap += 4
        else:
            for i in range(count):
                out[i] += weight_a * a[i] + weight_b * b[i]
            tap += 2
