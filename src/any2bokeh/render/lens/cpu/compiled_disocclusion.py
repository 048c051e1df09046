"""Disocclusion, compiled: the rules of ``torch.disocclusion``, worked out near edges alone."""

import numpy as np

from any2bokeh.arrays import Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.render.lens.model import EDGE_STEP_PX, SAME_SURFACE_PX, SEARCH_DIRECTIONS

SQUARE = 8  # side of the squares whose farthest surface tells whether a search can find anything
STEPS_DOWN = np.array([direction[0] for direction in SEARCH_DIRECTIONS])
STEPS_ACROSS = np.array([direction[1] for direction in SEARCH_DIRECTIONS])


def farthest_in_reach(coc: Floats, reach_px: int) -> Floats:
    """The largest CoC that a search from anywhere in a square can meet in each direction, at most.

    ``coc`` is ``H W``; the result ``8 h w``, for squares of SQUARE pixels.
    """
    height, width = coc.shape
    down, across = -(-height // SQUARE), -(-width // SQUARE)
    padded = np.pad(coc, ((0, down * SQUARE - height), (0, across * SQUARE - width)), constant_values=-np.inf)
    largest = padded.reshape(down, SQUARE, across, SQUARE).max(axis=(1, 3))
    result = np.empty((len(SEARCH_DIRECTIONS), down, across), np.float32)
    for farthest, (dy, dx) in zip(result, SEARCH_DIRECTIONS, strict=True):
        # On a diagonal, a pixel can be a square further along one axis than along the other.
        here = np.maximum(np.maximum(largest, _shifted(largest, dy, 0)), _shifted(largest, 0, dx))
        farthest[:] = here
        for squares in range(1, -(-reach_px // SQUARE) + 1):
            np.maximum(farthest, _shifted(here, squares * dy, squares * dx), out=farthest)
    return result


def _shifted(values: Floats, down: int, across: int) -> Floats:
    """For each place the value so far down and across from it; minus infinity beyond the border."""
    height, width = values.shape
    border = max(abs(down), abs(across))
    padded = np.pad(values, border, constant_values=-np.inf)
    return padded[border + down : border + down + height, border + across : border + across + width]


@compiled
def search_rows(
    light: Floats, coc: Floats, farthest: Floats, reach_px: int, top: int, bottom: int, surface: Floats
) -> int:
    """Fill rows of ``surface 5 H W`` (red, green, blue, CoC, distance) where something occluded is found.

    The distance is that of the nearest hit [px]; where nothing is found it is 0. ``light 3 H W`` is of every
    pixel that the search steps on, and so is ``coc``, which has a border of ``reach_px`` of minus infinity:
    nearer than all, so passed over. ``farthest`` is from ``farthest_in_reach``. Return the number found.
    """
    hits, coc_of, distance = np.empty((8, 2), np.int64), np.empty(8, np.float32), np.empty(8, np.float32)
    pitch, flat = coc.shape[1], coc.reshape(-1)
    count = 0
    for y in range(top, bottom):
        for x in range(light.shape[2]):
            start = (y + reach_px) * pitch + x + reach_px  # of the pixel, in the flat array with its border
            behind = flat[start] + np.float32(EDGE_STEP_PX)
            surface[4, y, x] = 0
            found = 0
            for direction in range(8):
                # Most walks end here: nothing in the squares ahead is far enough behind the pixel.
                if farthest[direction, y // SQUARE, x // SQUARE] < behind:
                    continue
                down, across = STEPS_DOWN[direction], STEPS_ACROSS[direction]
                reach = int(reach_px * np.sqrt(0.5)) if down and across else reach_px
                steps = _walk(flat, start, down * pitch + across, reach)
                if steps:
                    hits[found, 0], hits[found, 1] = y + steps * down, x + steps * across
                    coc_of[found] = flat[start + steps * (down * pitch + across)]
                    distance[found] = steps * np.sqrt(np.float32(down * down + across * across))
                    found += 1
            if found:
                _average(light, hits, coc_of, distance, found, surface[:, y, x])
                count += 1
    return count


@compiled
def _walk(coc: Floats, start: int, stride: int, reach: int) -> int:
    """Steps to the first surface behind that of the pixel ``start``; 0 if nothing is in reach.

    ``coc`` is flat, and a step ``stride`` elements of it.
    """
    surface = coc[np.uintp(start)]
    behind = surface + np.float32(EDGE_STEP_PX)
    place = start
    for step in range(1, reach + 1):
        place += stride
        here = coc[np.uintp(place)]  # unsigned: numba then adds no check for an index from the end
        # Nearer things are passed over: the surface that is followed stays the last one seen of its own.
        if here > surface - np.float32(SAME_SURFACE_PX):
            if here >= surface + np.float32(SAME_SURFACE_PX) and here >= behind:
                return step
            surface = here
    return 0


@compiled
def _average(
    light: Floats, hits: Integers, coc_of: Floats, distance: Floats, found: int, out: Floats
) -> None:
    """Average the hits that lie on the surface of the nearest hit, by inverse squared distance.

    The first ``found`` of ``hits`` (row and column), ``coc_of`` and ``distance`` count; ``out`` is as in
    ``search_rows``.
    """
    nearest = 0  # of the hits, the index of that at the smallest distance
    for hit in range(1, found):
        if distance[hit] < distance[nearest]:
            nearest = hit
    total = np.float32(0)
    out[:] = 0
    for hit in range(found):
        if abs(coc_of[hit] - coc_of[nearest]) <= np.float32(SAME_SURFACE_PX):
            weight = np.float32(1) / (distance[hit] * distance[hit])
            total += weight
            for channel in range(3):
                out[channel] += weight * light[channel, hits[hit, 0], hits[hit, 1]]
            out[3] += weight * coc_of[hit]
    for channel in range(4):
        out[channel] /= total
    out[4] = distance[nearest]


@compiled
def smooth_rows(surface: Floats, share: np.float32, top: int, bottom: int, smoothed: Floats) -> None:
    """Fill rows of ``smoothed 5 H W`` with ``surface``, its colors averaged with those around.

    Those of one surface count, in eight directions, ``share`` of the distance to the nearest hit away.
    """
    height, width = surface.shape[1:]
    total = np.empty(3, np.float32)
    for y in range(top, bottom):
        for x in range(width):
            smoothed[4, y, x] = surface[4, y, x]
            if surface[4, y, x] == 0:
                continue
            for channel in range(4):
                smoothed[channel, y, x] = surface[channel, y, x]
            away = int(share * surface[4, y, x])
            if away == 0:
                continue
            count = np.float32(1)
            for channel in range(3):
                total[channel] = surface[channel, y, x]
            for direction in range(8):
                row, column = y + away * STEPS_DOWN[direction], x + away * STEPS_ACROSS[direction]
                if not (0 <= row < height and 0 <= column < width) or surface[4, row, column] == 0:
                    continue
                if abs(surface[3, row, column] - surface[3, y, x]) <= np.float32(SAME_SURFACE_PX):
                    count += np.float32(1)
                    for channel in range(3):
                        total[channel] += surface[channel, row, column]
            for channel in range(3):
                smoothed[channel, y, x] = total[channel] / count


@compiled
def grow_rows(surface: Floats, top: int, bottom: int, grown: Floats) -> int:
    """Fill rows of ``grown 5 H W``: where no surface is, with the mean of the neighbors that have one.

    Return how many pixels have one then.
    """
    height, width = surface.shape[1:]
    line = np.zeros(width + 2, np.float32)  # with a place on each side, so that none is at the border
    own = line[1:]
    count = 0
    for y in range(top, bottom):
        above, here, below = surface[4, max(y - 1, 0)], surface[4, y], surface[4, min(y + 1, height - 1)]
        # A surface in any of three rows, then in any of three columns of that.
        for x in range(width):
            own[x] = max(max(above[x], here[x]), below[x])
        for x in range(width):
            grown[4, y, x] = max(max(line[x], own[x]), line[x + 2])
            if grown[4, y, x] == 0:
                continue
            count += 1
            if here[x] > 0:
                for channel in range(4):
                    grown[channel, y, x] = surface[channel, y, x]
            else:
                _mean_around(surface, y, x, grown)
    return count


@compiled
def _mean_around(surface: Floats, y: int, x: int, grown: Floats) -> None:
    """Write the mean of the neighbors that have a surface."""
    height, width = surface.shape[1:]
    total, known = np.zeros(4, np.float32), np.float32(0)
    for row in range(max(y - 1, 0), min(y + 2, height)):
        for column in range(max(x - 1, 0), min(x + 2, width)):
            if surface[4, row, column] > 0:
                known += 1
                for channel in range(4):
                    total[channel] += surface[channel, row, column]
    for channel in range(4):
        grown[channel, y, x] = total[channel] / known


@compiled
def list_rows(
    surface: Floats, rows: tuple[int, int], first: int, column: Integers, light: Floats, coc: Floats
) -> None:
    """Fill lists, from number ``first`` on, with the pixels of rows of ``surface 5 H W`` that have one.

    ``light`` is ``3 P``.
    """
    found = first
    for y in range(rows[0], rows[1]):
        for x in range(surface.shape[2]):
            if surface[4, y, x] > 0:
                column[found], coc[found] = x, surface[3, y, x]
                for channel in range(3):
                    light[channel, found] = surface[channel, y, x]
                found += 1
