"""Which solid each ray meets first: spheres, boxes, cones and cards, each in a frame of its own."""

from typing import Any

import numpy as np

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled

Number = Any  # float32 or a whole number: the compiler keeps them apart

# In its own frame a solid is the unit sphere, the cube from -1 to 1, the cone around y from -1 to 1 whose
# radius falls from 1 to 1 - taper, or the square from -1 to 1 at z = 0. A ray keeps its parameter t
# in any affine frame, so squeezed and slanted solids cost nothing more.
SPHERE, BOX, CONE, CARD = 0, 1, 2, 3
WHOLE, HOLES, BARS, ROUND, BLADES = 0, 1, 2, 3, 4  # patterns of cutouts

MISS = np.float32(1e9)
NEAREST = np.float32(0.05)  # nothing is seen nearer than this, in meters
ONE = np.float32(1)
WORD = np.uint64(0xFFFFFFFF)


@compiled
def hash_unit(x: Number, y: Number, z: Number) -> Number:
    """A number in 0..1 that belongs to three whole numbers."""
    # Multiply and shift, in the manner of xxHash, so that neighboring inputs give unrelated results.
    h = np.uint64(np.uint32(x)) * np.uint64(374761393) + np.uint64(np.uint32(y)) * np.uint64(668265263)
    h = (h + np.uint64(np.uint32(z)) * np.uint64(2246822519)) & WORD
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(1274126177)) & WORD
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(2654435769)) & WORD
    return np.float32(h >> np.uint64(8)) * np.float32(1 / 2**24)


@compiled
def noise(u: Number, v: Number, seed: Number) -> Number:
    """Random values at whole places, smooth between them; 0..1."""
    floor_u, floor_v = np.floor(u), np.floor(v)
    i, j = np.int32(floor_u), np.int32(floor_v)
    a, b = np.float32(u - floor_u), np.float32(v - floor_v)
    # 3 a^2 - 2 a^3 between the corners, so that slopes agree from cell to cell.
    a, b = a * a * (np.float32(3) - a - a), b * b * (np.float32(3) - b - b)
    low = hash_unit(i, j, seed) * (ONE - a) + hash_unit(i + 1, j, seed) * a
    high = hash_unit(i, j + 1, seed) * (ONE - a) + hash_unit(i + 1, j + 1, seed) * a
    return low * (ONE - b) + high * b


@compiled
def _is_there(
    cut: Number, rate: Number, share: Number, x: Number, y: Number, z: Number, seed: Number
) -> Number:
    """Whether the solid is there at a place of its own frame."""
    if cut == WHOLE:
        return True
    if cut == HOLES:  # leaves and gaps, in patches of two sizes
        u, v = (x + np.float32(0.7) * z) * rate, (y - np.float32(0.7) * z) * rate
        fine = noise(u * np.float32(2.7), v * np.float32(2.7), seed + 1)
        return np.float32(0.55) * noise(u, v, seed) + np.float32(0.45) * fine < share
    if cut == BARS:
        place = x * rate
        return place - np.floor(place) < share or abs(y) > np.float32(0.93)
    if cut == ROUND:
        return x * x + y * y < ONE
    blade = x * rate  # BLADES: points of uneven height that stand side by side
    column = np.floor(blade)
    lean = abs(blade - column - np.float32(0.5)) * np.float32(2)
    return (y + ONE) * np.float32(0.5) < hash_unit(np.int32(column), 7, seed) * (ONE - lean)


@compiled
def _hit_sphere(o: Floats, d: Floats) -> Number:
    # |o + t d| = 1 is a t^2 + 2 b t + c = 0; the smaller root is the near side.
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - ONE
    inside = b * b - a * c
    if inside <= np.float32(0):
        return MISS
    return (-b - np.sqrt(inside)) / a


@compiled
def _hit_box(o: Floats, d: Floats) -> Number:
    """The near side; from within, the far side: a room is a box around the camera."""
    enter, leave = -MISS, MISS
    # The ray is inside where it is between the two faces of every axis at once.
    for axis in range(3):
        step = d[axis] if abs(d[axis]) > np.float32(1e-9) else np.float32(1e-9)
        first, second = (-ONE - o[axis]) / step, (ONE - o[axis]) / step
        enter = max(enter, min(first, second))
        leave = min(leave, max(first, second))
    if enter > leave:
        return MISS
    return enter if enter > NEAREST else leave


@compiled
def _hit_cone(o: Floats, d: Floats, taper: Number) -> Number:
    middle, slope = ONE - taper / np.float32(2), -taper / np.float32(2)  # radius = middle + slope y
    a = d[0] * d[0] + d[2] * d[2] - slope * slope * d[1] * d[1]
    b = o[0] * d[0] + o[2] * d[2] - slope * d[1] * (middle + slope * o[1])
    c = o[0] * o[0] + o[2] * o[2] - (middle + slope * o[1]) ** 2
    best = MISS
    inside = b * b - a * c
    if inside > np.float32(0) and abs(a) > np.float32(1e-12):
        root = np.sqrt(inside)
        for sign in (-ONE, ONE):
            t = (-b + sign * root) / a
            if NEAREST < t < best and abs(o[1] + t * d[1]) <= ONE:
                best = t
    # The two ends of the cone, discs at y = -1 and 1.
    if abs(d[1]) > np.float32(1e-9):
        for end in (-ONE, ONE):
            t = (end - o[1]) / d[1]
            x, z = o[0] + t * d[0], o[2] + t * d[2]
            if NEAREST < t < best and x * x + z * z <= (middle + slope * end) ** 2:
                best = t
    return best


@compiled
def _hit(kind: Number, taper: Number, o: Floats, d: Floats) -> Number:
    if kind == SPHERE:
        return _hit_sphere(o, d)
    if kind == BOX:
        return _hit_box(o, d)
    if kind == CONE:
        return _hit_cone(o, d, taper)
    t = -o[2] / d[2] if abs(d[2]) > np.float32(1e-9) else MISS
    on_card = abs(o[0] + t * d[0]) <= ONE and abs(o[1] + t * d[1]) <= ONE
    return t if on_card else MISS


@compiled
def trace(
    kinds: Integers32,
    frames: Floats,
    forms: Floats,
    windows: Integers32,
    rays: Floats,
    depth: Floats,
    owner: Integers32,
) -> None:
    """Find for each ray the first solid: writes ``depth`` ``H W`` (the ray's t) and ``owner`` (-1: none).

    ``kinds`` are ``N 2`` (solid, cut); ``frames`` ``N 3 4`` take the world to a solid's own frame;
    ``forms`` ``N 4`` are taper and the cut's rate, share and seed; ``windows`` ``N 4`` are the rows and
    columns (start, end) where it may be seen. ``rays`` ``6 3``: origin, its change per column and row,
    direction, its change per column and row.
    """
    depth[:] = MISS
    owner[:] = -1
    o, d = np.empty(3, np.float32), np.empty(3, np.float32)
    local = np.empty((6, 3), np.float32)
    # The rays are brought into the frame of solid n instead of the solid into the world. i is a row of
    # ``rays``; only the origin (0) is moved as well, directions and changes are not.
    for n in range(len(kinds)):
        for i in range(6):
            for axis in range(3):
                total = frames[n, axis, 3] if i == 0 else np.float32(0)
                for k in range(3):
                    total += frames[n, axis, k] * rays[i, k]
                local[i, axis] = total
        for row in range(windows[n, 0], windows[n, 1]):
            for column in range(windows[n, 2], windows[n, 3]):
                y, x = np.float32(row), np.float32(column)
                for axis in range(3):
                    o[axis] = local[0, axis] + x * local[1, axis] + y * local[2, axis]
                    d[axis] = local[3, axis] + x * local[4, axis] + y * local[5, axis]
                t = _hit(kinds[n, 0], forms[n, 0], o, d)
                # As in a depth buffer, the nearest hit so far stays; cut-outs let the ray pass.
                if NEAREST < t < depth[row, column] and _is_there(
                    kinds[n, 1],
                    forms[n, 1],
                    forms[n, 2],
                    o[0] + t * d[0],
                    o[1] + t * d[1],
                    o[2] + t * d[2],
                    np.int32(forms[n, 3]),
                ):
                    depth[row, column] = t
                    owner[row, column] = n
