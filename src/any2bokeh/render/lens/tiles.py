"""The lens on a CPU, compiled: a tile of the frame at a time, so that its layers stay in a core's cache."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from any2bokeh.jit import compiled
from any2bokeh.render.lens.blur import blur_rows, cut_layer
from any2bokeh.render.lens.compiled_light import encode_row
from any2bokeh.render.lens.positions import BLOCK
from any2bokeh.render.lens.reference import IN_FOCUS_PX, NEGLIGIBLE, NEIGHBOURS

Floats = NDArray[np.float32]

REMEMBERED = 6  # layers in front whose coverage can still count
OPAQUE = 1e-6  # a pixel less open than this shows nothing of what is behind
TRACE = 1e-6  # coverage that light is divided by at least


class Ground(NamedTuple):
    """What tiles are cut from.

    ``linear 3 H W`` and ``position H W`` have a border of ``margin`` replicated pixels, ``coc H W`` has none.
    ``is_present`` (blocks down, blocks across, layers) says which layers lie in which blocks.
    """

    linear: Floats
    position: Floats
    coc: Floats
    margin: int
    is_present: NDArray[np.bool_]


class Canvas(NamedTuple):
    """A tile on which layers are laid, nearest first: its light, how open it still is, what was laid last."""

    light: Floats  # 3 rows columns
    open_now: Floats  # rows columns
    open_in_front: Floats  # rows columns; of the layer in focus
    is_open: NDArray[np.bool_]  # rows
    passed_px: Floats  # radius of each of the last REMEMBERED layers
    passed_open: Floats  # REMEMBERED rows columns; open_now after it
    passed_own: Floats  # REMEMBERED rows columns; its coverage


class Room(NamedTuple):
    """Working memory for one layer of a tile, flat."""

    cells: Floats
    blurred: Floats
    line: Floats
    start: NDArray[np.int64]
    stop: NDArray[np.int64]


@compiled
def compose_band(ground, fringe, hidden, stack, sharp, table, top, bottom, tile_columns, picture):  # type: ignore[no-untyped-def]
    """Fill rows ``top`` to ``bottom`` of ``picture 3 H W``: ``sharp`` through the lens, by ``code_table``."""
    width, rows = ground.coc.shape[1], bottom - top
    canvas, room = _make_canvas(rows, tile_columns), _make_room(stack, rows, tile_columns)
    for left in range(0, width, tile_columns):
        columns = min(tile_columns, width - left)
        canvas.light[:] = 0.0
        canvas.open_now[:] = 1.0
        canvas.is_open[:] = True
        is_behind = False
        laid = 0
        for layer in range(len(stack.radius_px)):
            if not is_behind and stack.radius_px[layer] >= 0:
                canvas.open_in_front[:] = canvas.open_now
                is_behind = True
            if not np.any(canvas.is_open):
                break
            if _reaches(ground.is_present, stack, layer, top, bottom, left, left + columns):
                pitch = blur_tile(
                    ground, fringe, hidden, stack, layer, top, left, columns, canvas.is_open, room
                )
                _lay(canvas, stack, layer, laid, room, pitch, columns)
                laid += 1
        if not is_behind:
            canvas.open_in_front[:] = canvas.open_now
        _finish(canvas, ground, sharp, top, left, columns, table, picture)


@compiled
def blur_tile(ground, fringe, hidden, stack, layer, top, left, columns, is_open, room):  # type: ignore[no-untyped-def]
    """Fill ``room.blurred`` with one blurred layer, in its cells; return its columns (x4 is a row)."""
    cell = stack.cell_px[layer]
    border = 1 if cell > 1 else 0  # to interpolate from
    half_rows, half_columns = stack.half_rows[layer], stack.half_columns[layer]
    out_rows = -(-len(is_open) // cell) + 2 * border
    rows, pitch = out_rows + 2 * half_rows, -(-columns // cell) + 2 * (border + half_columns) + 1
    cells = room.cells[: rows * 4 * pitch].reshape(rows, 4 * pitch)
    first_row, first_column = top - (half_rows + border) * cell, left - (half_columns + border) * cell
    cut_layer(
        ground, fringe, hidden, layer, cell, first_row, first_column, cells, room.line, room.start, room.stop
    )
    blurred = room.blurred[: out_rows * 4 * pitch].reshape(out_rows, 4 * pitch)
    blur_rows(cells, stack, layer, is_open, room.line, blurred, room.start, room.stop)
    return pitch


@compiled
def _make_canvas(rows, columns):  # type: ignore[no-untyped-def]
    return Canvas(
        np.empty((3, rows, columns), np.float32),
        np.empty((rows, columns), np.float32),
        np.empty((rows, columns), np.float32),
        np.empty(rows, np.bool_),
        np.empty(REMEMBERED, np.float32),
        np.empty((REMEMBERED, rows, columns), np.float32),
        np.empty((REMEMBERED, rows, columns), np.float32),
    )


@compiled
def _make_room(stack, rows, columns):  # type: ignore[no-untyped-def]
    largest = longest = highest = 0
    for layer in range(len(stack.radius_px)):
        cell = stack.cell_px[layer]
        down = -(-rows // cell) + 2 * stack.half_rows[layer] + 2
        across = -(-columns // cell) + 2 * stack.half_columns[layer] + 3
        largest, highest = max(largest, down * across * 4), max(highest, down)
        longest = max(longest, across * max(4, 2 * cell))
    return Room(
        np.empty(largest, np.float32),
        np.empty(largest, np.float32),
        np.empty(longest + 4 * columns, np.float32),
        np.empty(highest, np.int64),
        np.empty(highest, np.int64),
    )


@compiled
def _reaches(is_present, stack, layer, top, bottom, left, right):  # type: ignore[no-untyped-def]
    """Whether anything on the layer can be seen in the tile."""
    cell = stack.cell_px[layer]
    border = 1 if cell > 1 else 0
    down, across = (stack.half_rows[layer] + border) * cell, (stack.half_columns[layer] + border) * cell
    blocks_down, blocks_across = is_present.shape[:2]
    for y in range(max(top - down, 0) // BLOCK, min((bottom + cell - 1 + down) // BLOCK + 1, blocks_down)):
        for x in range(
            max(left - across, 0) // BLOCK, min((right + cell - 1 + across) // BLOCK + 1, blocks_across)
        ):
            if is_present[y, x, layer]:
                return True
    return False


@compiled
def _lay(canvas, stack, layer, laid, room, pitch, columns):  # type: ignore[no-untyped-def]
    """Lay a blurred layer behind those on the canvas, as in ``reference._compose``."""
    cell, radius_px = stack.cell_px[layer], stack.radius_px[layer]
    window = np.float32(NEIGHBOURS) * stack.spacing_px[layer]
    first_beside = laid  # the layers from this one on belong to the same surface
    while first_beside > max(0, laid - REMEMBERED + 1) and (
        radius_px - canvas.passed_px[(first_beside - 1) % REMEMBERED] < window
    ):
        first_beside -= 1
    slot = laid % REMEMBERED
    canvas.passed_px[slot] = radius_px
    wide = room.line[len(room.line) - 4 * columns :]
    for row in range(len(canvas.is_open)):
        if not canvas.is_open[row]:
            continue
        _pass(canvas, slot, row)
        left, right = _seen_columns(room, row, cell, columns)
        if left >= right:
            continue
        if cell == 1:
            source, own_pitch = room.blurred[row * 4 * pitch : (row + 1) * 4 * pitch], pitch
        else:
            _enlarge_row(room.blurred, pitch, row, cell, left, right, columns, room.line, wide)
            source, own_pitch = wide, columns
        own = source[3 * own_pitch + left : 3 * own_pitch + right]
        passed_own, seen = canvas.passed_own[slot, row, left:right], room.line[: right - left]
        _clip(own, passed_own)
        _find_seen(canvas, first_beside, laid, row, left, passed_own, room.line[columns:], seen)
        _close(canvas.open_now[row, left:right], seen, canvas.passed_open[slot, row, left:right])
        _divide(seen, own)
        for channel in range(3):
            colour = source[channel * own_pitch + left : channel * own_pitch + right]
            _add_light(canvas.light[channel, row, left:right], seen, colour)
        canvas.is_open[row] = _is_open(canvas.open_now[row])


@compiled
def _pass(canvas, slot, row):  # type: ignore[no-untyped-def]
    """Remember a row of a layer on which nothing lies."""
    own, open_now, passed_open = (
        canvas.passed_own[slot, row],
        canvas.open_now[row],
        canvas.passed_open[slot, row],
    )
    for x in range(len(own)):
        own[x] = np.float32(0)
    for x in range(len(own)):
        passed_open[x] = open_now[x]


@compiled
def _seen_columns(room, row, cell, columns):  # type: ignore[no-untyped-def]
    """Between which columns of a row of the tile anything of the blurred layer is."""
    if cell == 1:
        return min(room.start[row], columns), min(room.stop[row], columns)
    upper = int((row + 0.5) / cell + 0.5)
    left, right = columns, 0
    for line in range(upper, upper + 2):
        if room.start[line] < room.stop[line]:
            left, right = min(left, (room.start[line] - 2) * cell), max(right, room.stop[line] * cell)
    return max(left, 0), min(right, columns)


# What follows are short loops over few rows, none of which takes the minimum in place: only such loops become
# vector instructions.


@compiled
def _clip(own, coverage):  # type: ignore[no-untyped-def]
    for x in range(len(own)):
        coverage[x] = min(own[x], np.float32(1))


@compiled
def _find_seen(canvas, first_beside, laid, row, left, coverage, line, seen):  # type: ignore[no-untyped-def]
    """Fill ``seen`` with how much a layer of such coverage gets of a row's pixels, from ``left`` on."""
    for x in range(len(seen)):
        line[x] = np.float32(1)
    for passed in range(first_beside, laid):
        beside = canvas.passed_own[passed % REMEMBERED, row, left:]
        for x in range(len(seen)):
            line[x] -= beside[x]
    if first_beside:
        before = canvas.passed_open[(first_beside - 1) % REMEMBERED, row, left:]
        for x in range(len(seen)):
            line[x] = min(coverage[x], max(line[x], np.float32(0))) * before[x]
    else:
        for x in range(len(seen)):
            line[x] = min(coverage[x], max(line[x], np.float32(0)))
    open_now = canvas.open_now[row, left:]
    for x in range(len(seen)):
        seen[x] = min(line[x], open_now[x])


@compiled
def _close(open_now, seen, passed_open):  # type: ignore[no-untyped-def]
    """Take ``seen`` off what is open."""
    for x in range(len(seen)):
        open_now[x] -= seen[x]
    for x in range(len(seen)):
        passed_open[x] = open_now[x]


@compiled
def _is_open(open_now):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for x in range(len(open_now)):
        total += abs(open_now[x])
    return total > OPAQUE * len(open_now)


@compiled
def _divide(seen, own):  # type: ignore[no-untyped-def]
    for x in range(len(seen)):
        seen[x] /= max(own[x], np.float32(TRACE))


@compiled
def _add_light(light, seen, colour):  # type: ignore[no-untyped-def]
    for x in range(len(seen)):
        light[x] += seen[x] * colour[x]


@compiled
def _enlarge_row(cells, pitch, row, cell, left, right, columns, line, wide):  # type: ignore[no-untyped-def]
    """Interpolate a row of a tile from a layer's cells, bilinearly; those begin one cell before the tile.

    ``left`` is a multiple of ``cell``. A channel of ``wide`` is ``columns`` long.
    """
    down = np.float32((row + 0.5) / cell + 0.5)
    upper = int(down)
    share = down - np.float32(upper)
    first, second = cells[upper * 4 * pitch : (upper + 1) * 4 * pitch], cells[(upper + 1) * 4 * pitch :]
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
def _enlarge(source, cell, target):  # type: ignore[no-untyped-def]
    for phase in range(cell):
        across = np.float32((phase + 0.5) / cell + 0.5)
        start = int(across)
        share = across - np.float32(start)
        left, right = source[start:], source[start + 1 :]
        for i in range((len(target) - phase + cell - 1) // cell):
            target[i * cell + phase] = left[i] + share * (right[i] - left[i])


@compiled
def _enlarge_twice(source, target):  # type: ignore[no-untyped-def]
    left, middle, right = source, source[1:], source[2:]
    near, far = np.float32(0.75), np.float32(0.25)
    for i in range(len(target) // 2):
        target[2 * i] = far * left[i] + near * middle[i]
        target[2 * i + 1] = near * middle[i] + far * right[i]
    if len(target) % 2:
        target[len(target) - 1] = far * left[len(target) // 2] + near * middle[len(target) // 2]


@compiled
def _enlarge_four_times(source, target):  # type: ignore[no-untyped-def]
    whole = len(target) // 4
    left, middle, right = source, source[1:], source[2:]
    for i in range(whole):
        target[4 * i] = np.float32(0.375) * left[i] + np.float32(0.625) * middle[i]
        target[4 * i + 1] = np.float32(0.125) * left[i] + np.float32(0.875) * middle[i]
        target[4 * i + 2] = np.float32(0.875) * middle[i] + np.float32(0.125) * right[i]
        target[4 * i + 3] = np.float32(0.625) * middle[i] + np.float32(0.375) * right[i]
    if 4 * whole < len(target):
        _enlarge(source[whole:], 4, target[4 * whole :])


@compiled
def _finish(canvas, ground, sharp, top, left, columns, table, picture):  # type: ignore[no-untyped-def]
    """Write a finished tile into the picture, in code values."""
    scale, touched, line = np.empty((3, columns), np.float32)
    for row in range(len(canvas.is_open)):
        y = top + row
        coc, open_now = ground.coc[y, left : left + columns], canvas.open_now[row]
        open_in_front = canvas.open_in_front[row]
        for x in range(columns):
            scale[x] = np.float32(1) / max(np.float32(1) - open_now[x], np.float32(TRACE))
        for x in range(columns):
            is_blurred = abs(coc[x]) >= np.float32(IN_FOCUS_PX)
            is_reached = open_in_front[x] < np.float32(1 - NEGLIGIBLE)
            touched[x] = np.float32(1) if is_blurred | is_reached else np.float32(0)
        for channel in range(3):
            own = sharp[channel, y, left : left + columns]
            out = picture[channel, y, left : left + columns]
            encode_row(canvas.light[channel, row], scale, touched, own, table, line, out)
