"""What lies just behind, compiled: the rules of ``hidden.find_hidden``, near edges alone."""

import numpy as np

from any2bokeh.jit import compiled
from any2bokeh.render.lens.edges import EDGE_STEP_PX
from any2bokeh.render.lens.hidden import DIRECTIONS, SAME_SURFACE_PX

SQUARE = 8  # side of the squares whose farthest surface tells whether a search can find anything
STEPS_DOWN = np.array([direction[0] for direction in DIRECTIONS])
STEPS_ACROSS = np.array([direction[1] for direction in DIRECTIONS])


def farthest_in_reach(coc, reach_px):  # type: ignore[no-untyped-def]
    """The largest CoC that a search from anywhere in each square of SQUARE pixels can meet, at most."""
    height, width = coc.shape
    down, across = -(-height // SQUARE), -(-width // SQUARE)
    padded = np.full((down * SQUARE, across * SQUARE), -np.inf, np.float32)
    padded[:height, :width] = coc
    largest = padded.reshape(down, SQUARE, across, SQUARE).max(axis=(1, 3))
    squares = -(-reach_px // SQUARE)
    for axis in (0, 1):
        spread = largest.copy()
        for shift in range(1, min(squares, largest.shape[axis] - 1) + 1):
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(shift, None), slice(None, -shift)
            np.maximum(spread[tuple(behind)], largest[tuple(ahead)], out=spread[tuple(behind)])
            np.maximum(spread[tuple(ahead)], largest[tuple(behind)], out=spread[tuple(ahead)])
        largest = spread
    return largest


@compiled
def search_rows(light, coc, farthest, reach_px, top, bottom, surface):  # type: ignore[no-untyped-def]
    """Fill rows of ``surface 5 H W`` (red, green, blue, CoC, 1) where something hidden is found.

    ``light 3 H W`` and ``coc H W`` are as far apart as the search steps. Return the number found.
    """
    hits, coc_of, distance = np.empty((8, 2), np.int64), np.empty(8, np.float32), np.empty(8, np.float32)
    count = 0
    for y in range(top, bottom):
        for x in range(coc.shape[1]):
            if farthest[y // SQUARE, x // SQUARE] < coc[y, x] + np.float32(EDGE_STEP_PX):
                continue
            found = 0
            for direction in range(8):
                down, across = STEPS_DOWN[direction], STEPS_ACROSS[direction]
                steps = _walk(coc, y, x, down, across, reach_px)
                if steps:
                    hits[found, 0], hits[found, 1] = y + steps * down, x + steps * across
                    coc_of[found] = coc[hits[found, 0], hits[found, 1]]
                    distance[found] = steps * np.sqrt(np.float32(down * down + across * across))
                    found += 1
            if found:
                _average(light, hits, coc_of, distance, found, surface[:, y, x])
                count += 1
    return count


@compiled
def _walk(coc, y, x, down, across, reach_px):  # type: ignore[no-untyped-def]
    """Steps to what is first behind the pixel's own surface; 0 if nothing is."""
    height, width = coc.shape
    surface = coc[y, x]
    behind = surface + np.float32(EDGE_STEP_PX)
    reach = int(reach_px / np.sqrt(np.float64(down * down + across * across)))
    if down:
        reach = min(reach, y if down < 0 else height - 1 - y)
    if across:
        reach = min(reach, x if across < 0 else width - 1 - x)
    for step in range(1, reach + 1):
        here = coc[y + step * down, x + step * across]
        if here >= max(surface + np.float32(SAME_SURFACE_PX), behind):
            return step
        if here > surface - np.float32(SAME_SURFACE_PX):
            surface = here
    return 0


@compiled
def _average(light, hits, coc_of, distance, found, out):  # type: ignore[no-untyped-def]
    """Average the hits that lie on the surface of the nearest hit, by inverse squared distance."""
    nearest = 0
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
    out[4] = 1


@compiled
def grow_rows(surface, top, bottom, grown):  # type: ignore[no-untyped-def]
    """Fill rows of ``grown 5 H W``: pixels without a surface take the mean of their neighbours that have one."""
    height, width = surface.shape[1:]
    count = 0
    for y in range(top, bottom):
        for x in range(width):
            known = np.float32(0)
            for row in range(max(y - 1, 0), min(y + 2, height)):
                for column in range(max(x - 1, 0), min(x + 2, width)):
                    known += surface[4, row, column]
            grown[4, y, x] = known > 0
            if known == 0:
                continue
            count += 1
            if surface[4, y, x] > 0:
                for channel in range(4):
                    grown[channel, y, x] = surface[channel, y, x]
                continue
            for channel in range(4):
                total = np.float32(0)
                for row in range(max(y - 1, 0), min(y + 2, height)):
                    for column in range(max(x - 1, 0), min(x + 2, width)):
                        total += surface[channel, row, column] * surface[4, row, column]
                grown[channel, y, x] = total / known
    return count


@compiled
def list_rows(surface, top, bottom, column, light, coc):  # type: ignore[no-untyped-def]
    """Fill lists with the pixels of rows of ``surface 5 H W`` that have one: columns, light ``3 P`` and CoC."""
    found = 0
    for y in range(top, bottom):
        for x in range(surface.shape[2]):
            if surface[4, y, x] > 0:
                column[found], coc[found] = x, surface[3, y, x]
                for channel in range(3):
                    light[channel, found] = surface[channel, y, x]
                found += 1
