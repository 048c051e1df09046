"""The light that comes from the surfaces that rays hit: patterns, lamps, shadows, haze and sky."""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled
from any2bokeh.lab.compact.scenes.prints import COUNT, LEVELS, SIDE
from any2bokeh.lab.compact.scenes.solids import BOX, CONE, ONE, SPHERE, Number, hash_unit, noise

# Columns of a paint: two colors, then these.
PATTERN, PERIOD_M, SEED, DIRT, DIRT_M, SHINE, EMISSION, STRETCH, TINGE = range(6, 15)
PAINT = 15
PLAIN, CLOUDY, CHECKS, STRIPES, BRICKS, DOTS, CELLS, VEINS, SPECKS, PRINTED = range(10)
HALF = np.float32(0.5)
ZERO = np.float32(0)


def draw_patterns(rng: np.random.Generator, count: int, *, plain: float) -> NDArray[np.int64]:
    """Patterns ``N``: none for the share ``plain``, prints for half of the others."""
    regular = rng.integers(CLOUDY, PRINTED, count)
    drawn = np.where(rng.random(count) < 0.5, PRINTED, regular)
    return np.where(rng.random(count) < plain, PLAIN, drawn)


@compiled
def _fade(period_m: Number, footprint_m: Number) -> Number:
    """How much of a pattern is left when a sample covers ``footprint_m`` of it; the rest is its mean."""
    return min(max(period_m / footprint_m * HALF - HALF, ZERO), ONE)


@compiled
def _fractal(u: Number, v: Number, period_m: Number, footprint_m: Number, seed: Number) -> Number:
    """Noise in four octaves, each left out as far as it is too fine to be seen; about 0..1."""
    total, weight = HALF, np.float32(0.55)
    for octave in range(4):
        left = _fade(period_m, footprint_m) * weight
        if left <= ZERO:
            break
        total += left * (noise(u / period_m, v / period_m, seed + octave) - HALF)
        period_m *= np.float32(0.45)
        weight *= np.float32(0.62)
    return total


@compiled
def _printed(
    prints: Floats, u: Number, v: Number, texel_m: Number, footprint_m: Number, seed: Number
) -> Number:
    """The print of a seed at a place, read between four texels about as large as a sample; 0..1."""
    level = np.int32(0)
    # Level 0 has the finest texels; each further one has texels twice as large and half the sides.
    while level < LEVELS - 1 and footprint_m > texel_m * np.float32(1.5):
        level += 1
        texel_m *= np.float32(2)
    side = np.int32(SIDE >> level)
    # All levels are in one page: the first at the left, the others below one another at its right.
    top = np.int32(0) if level == 0 else np.int32(SIDE - (2 * SIDE >> level))
    left = np.int32(0) if level == 0 else np.int32(SIDE)
    x, y = u / texel_m, v / texel_m
    floor_x, floor_y = np.floor(x), np.floor(y)
    a, b = np.float32(x - floor_x), np.float32(y - floor_y)
    # Sides are powers of two: & wraps negative places too.
    i, j = np.int32(np.int64(floor_x) & (side - 1)), np.int32(np.int64(floor_y) & (side - 1))
    k, m = (i + 1) & (side - 1), (j + 1) & (side - 1)
    page = prints[seed % COUNT]
    high = page[top + j, left + i] * (ONE - a) + page[top + j, left + k] * a
    low = page[top + m, left + i] * (ONE - a) + page[top + m, left + k] * a
    return high * (ONE - b) + low * b


@compiled
def _pattern(
    pattern: Number, u: Number, v: Number, period_m: Number, footprint_m: Number, seed: Number
) -> Number:
    """How much of the second color is at a place (meters) of a surface; 0..1."""
    if pattern == PLAIN:
        return ZERO
    if pattern == CLOUDY:
        return min(
            max((_fractal(u, v, period_m, footprint_m, seed) - HALF) * np.float32(2.4) + HALF, ZERO), ONE
        )
    # Places in periods: (a, b), with the row of the pattern as a whole number.
    left = _fade(period_m, footprint_m)
    a, b = u / period_m, v / period_m
    row = np.floor(b)
    if pattern == CHECKS:
        value = np.float32((np.int32(np.floor(a)) + np.int32(row)) & 1)
    elif pattern == STRIPES:
        value = np.float32(a - np.floor(a) < np.float32(0.2) + np.float32(0.6) * hash_unit(seed, 1, 2))
    elif pattern == BRICKS:
        a = a * HALF + HALF * np.float32(np.int32(row) & 1)
        joint = a - np.floor(a) < np.float32(0.05) or b - row < np.float32(0.1)
        value = ONE if joint else hash_unit(np.int32(np.floor(a)), np.int32(row), seed) * np.float32(0.6)
    elif pattern == DOTS:
        value = np.float32((a - np.floor(a) - HALF) ** 2 + (b - row - HALF) ** 2 < np.float32(0.08))
    elif pattern == CELLS:  # windows, shelves of goods, writing
        lit = hash_unit(np.int32(np.floor(a)), np.int32(row), seed)
        inside = abs(a - np.floor(a) - HALF) < np.float32(0.33) and abs(b - row - HALF) < np.float32(0.36)
        value = lit if inside else ZERO
    elif pattern == VEINS:
        bend = _fractal(u, v, period_m * np.float32(1.5), footprint_m, seed)
        value = HALF + HALF * np.sin(np.float32(6.28) * a + np.float32(9) * bend)
    else:  # SPECKS
        value = hash_unit(np.int32(np.floor(a * np.float32(4))), np.int32(np.floor(b * np.float32(4))), seed)
        left = _fade(period_m * np.float32(0.25), footprint_m)
    return (
        HALF + (value - HALF) * left
        if pattern != BRICKS
        else np.float32(0.35) + (value - np.float32(0.35)) * left
    )


@compiled
def _normal(kind: Number, taper: Number, p: Floats, normal: Floats) -> None:
    """The direction straight out of a solid at ``p``, in its own frame; not of unit length."""
    normal[:] = ZERO
    if kind == SPHERE:
        normal[:] = p
    elif kind == BOX:
        axis = np.argmax(np.abs(p))
        normal[axis] = np.sign(p[axis])
    elif kind == CONE:
        if abs(p[1]) > np.float32(0.999):
            normal[1] = np.sign(p[1])
        else:
            normal[0], normal[1], normal[2] = p[0], taper * HALF, p[2]
    else:
        normal[2] = -ONE


@compiled
def _lit(shadows: Floats, light_frame: Floats, place: Floats) -> Number:
    """Whether the sun reaches a place, 0..1: the mean of nine samples of the shadow map."""
    size, apart = shadows.shape[0], np.int32(light_frame[3, 1])
    column = light_frame[0, 0] * place[0] + light_frame[0, 1] * place[1] + light_frame[0, 2] * place[2]
    row = light_frame[1, 0] * place[0] + light_frame[1, 1] * place[1] + light_frame[1, 2] * place[2]
    along = light_frame[2, 0] * place[0] + light_frame[2, 1] * place[1] + light_frame[2, 2] * place[2]
    column, row, along = column + light_frame[0, 3], row + light_frame[1, 3], along + light_frame[2, 3]
    # Outside the map the sun shines.
    i, j = np.int32(row), np.int32(column)
    if i < apart or j < apart or i >= size - apart or j >= size - apart:
        return ONE
    seen = ZERO
    # Nine samples, ``apart`` texels from each other, soften the edge of the shadow.
    for k in range(-1, 2):
        for m in range(-1, 2):
            seen += np.float32(shadows[i + k * apart, j + m * apart] > along - light_frame[3, 0])
    return seen / np.float32(9)


@compiled
def _sky(sky: Floats, d: Floats, color: Floats) -> None:
    """Color of the sky along ``d``; ``sky`` ``3 4`` is zenith, horizon, and clouds (amount, size, seed)."""
    length = np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    up = max(d[1] / length, ZERO)
    share = np.sqrt(up)
    # Clouds lie on a plane overhead, so they grow denser toward the horizon.
    bend = max(up, np.float32(0.04)) * length
    cloud = _fractal(
        d[0] / bend, d[2] / bend, sky[2, 1], np.float32(0.02) / max(up, np.float32(0.02)), np.int32(sky[2, 2])
    )
    cloud = min(max((cloud - np.float32(0.45)) * np.float32(3), ZERO), ONE) * sky[2, 0]
    for c in range(3):
        clear = sky[0, c] * share + sky[1, c] * (ONE - share)
        color[c] = clear + (sky[2, 3] - clear) * cloud


@compiled
def shade(
    solids: tuple[Integers32, Floats, Floats, Floats, Floats],
    rays: Floats,
    seen: tuple[Floats, Integers32],
    lights: tuple[Floats, Floats, Floats, Floats],
    air: tuple[Floats, Floats],
    prints: Floats,
    picture: Floats,
) -> None:
    """Write the linear light that reaches the camera to ``picture`` ``H W 3``.

    ``solids`` are kinds, frames and forms as ``trace`` takes them, half sizes ``N 3`` in meters, and paints
    ``N PAINT``; ``seen`` is the result of ``trace``. ``lights`` are the sun ``4 3`` (direction to it, color,
    light from above and from below), lamps ``L 6`` (place, color), the map of shadows and the frame
    ``4 4`` that leads into it. ``air`` is the sky ``3 4`` and the haze ``4`` (color, share per meter);
    ``prints`` are those of ``prints()``.
    """
    kinds, frames, forms, halves, paints = solids
    depth, owner = seen
    sun, lamps, shadows, light_frame = lights
    sky, haze = air
    o, d, p, n = (
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
    )
    place, normal, color = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    o[:] = rays[0]
    step = np.sqrt(rays[4, 0] ** 2 + rays[4, 1] ** 2 + rays[4, 2] ** 2)
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            for axis in range(3):
                d[axis] = rays[3, axis] + np.float32(column) * rays[4, axis] + np.float32(row) * rays[5, axis]
            i, t = owner[row, column], depth[row, column]
            if i < 0:
                _sky(sky, d, picture[row, column])
                continue
            # The place that the ray hits, in the world, then as p in the frame of solid i.
            for axis in range(3):
                place[axis] = o[axis] + t * d[axis]
            for axis in range(3):
                p[axis] = frames[i, axis, 3]
                for k in range(3):
                    p[axis] += frames[i, axis, k] * place[k]
            _normal(kinds[i, 0], forms[i, 0], p, n)
            length = ZERO
            # A normal goes back by the transposed matrix; its length is made 1 below.
            for axis in range(3):
                normal[axis] = (
                    frames[i, 0, axis] * n[0] + frames[i, 1, axis] * n[1] + frames[i, 2, axis] * n[2]
                )
                length += normal[axis] * normal[axis]
            facing = ZERO
            for axis in range(3):
                normal[axis] /= np.sqrt(length)
                facing += normal[axis] * d[axis]
            if facing > ZERO:
                normal *= -ONE
            slant = max(abs(facing) / np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), np.float32(0.05))
            _paint(paints[i], halves[i], prints, p, n, t * step / slant, color)
            _light(sun, lamps, _lit(shadows, light_frame, place), place, normal, d, paints[i], color)
            # Haze takes the surface's light by an exponential law, and adds its own.
            clear = np.exp(-t * haze[3])
            for c in range(3):
                picture[row, column, c] = color[c] * clear + haze[c] * (ONE - clear)


@compiled
def _paint(
    paint: Floats, half: Floats, prints: Floats, p: Floats, n: Floats, footprint_m: Number, color: Floats
) -> None:
    """The surface's own color at ``p`` of its frame."""
    # The pattern is laid on the two axes along the surface: the third is the one that its normal follows.
    a, b, c = abs(n[0]) / half[0], abs(n[1]) / half[1], abs(n[2]) / half[2]
    if a >= b and a >= c:
        u, v = p[2] * half[2], p[1] * half[1]
    elif b >= c:
        u, v = p[0] * half[0], p[2] * half[2]
    else:
        u, v = p[0] * half[0], p[1] * half[1]
    seed = np.int32(paint[SEED])
    if np.int32(paint[PATTERN]) == PRINTED:
        texel_m = paint[PERIOD_M] * np.float32(8 / SIDE)  # a print is eight periods wide
        share = _printed(prints, u, v * paint[STRETCH], texel_m, footprint_m, seed)
    else:
        share = _pattern(np.int32(paint[PATTERN]), u, v * paint[STRETCH], paint[PERIOD_M], footprint_m, seed)
    dirt = _fractal(u, v, paint[DIRT_M], footprint_m, seed + 11)
    dirt = max(ONE + paint[DIRT] * (dirt - HALF) * np.float32(2), np.float32(0.05))
    for k in range(3):
        color[k] = (paint[k] * (ONE - share) + paint[3 + k] * share) * dirt
    if paint[TINGE] > ZERO:  # hues that change from place to place
        red = _fractal(u, v, paint[DIRT_M] * np.float32(1.7), footprint_m, seed + 23)
        blue = _fractal(u, v, paint[DIRT_M] * np.float32(1.7), footprint_m, seed + 37)
        color[0] *= np.exp(paint[TINGE] * (red - HALF))
        color[2] *= np.exp(paint[TINGE] * (blue - HALF))


@compiled
def _light(
    sun: Floats,
    lamps: Floats,
    lit: Number,
    place: Floats,
    normal: Floats,
    d: Floats,
    paint: Floats,
    color: Floats,
) -> None:
    """Turn the surface's color into the light that it sends to the camera."""
    toward = normal[0] * sun[0, 0] + normal[1] * sun[0, 1] + normal[2] * sun[0, 2]
    direct = max(toward, ZERO) * lit
    # The sky is brightest about the sun: surfaces in shadow get less of it too.
    above = (HALF + HALF * normal[1]) * (np.float32(0.5) + HALF * lit)
    length = np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    glance = ZERO
    if paint[SHINE] > ZERO:
        along = ZERO
        for k in range(3):
            mirrored = (
                d[k] / length
                - np.float32(2)
                * normal[k]
                * (d[0] * normal[0] + d[1] * normal[1] + d[2] * normal[2])
                / length
            )
            along += mirrored * sun[0, k]
        glance = paint[SHINE] * lit * max(along, ZERO) ** np.float32(24)
    for c in range(3):
        light = direct * sun[1, c] + above * sun[2, c] + (HALF - HALF * normal[1]) * sun[3, c]
        for m in range(lamps.shape[0]):
            x, y, z = lamps[m, 0] - place[0], lamps[m, 1] - place[1], lamps[m, 2] - place[2]
            square = x * x + y * y + z * z + np.float32(0.05)
            toward = max((x * normal[0] + y * normal[1] + z * normal[2]) / np.sqrt(square), ZERO)
            light += lamps[m, 3 + c] * (np.float32(0.15) + toward) / square
        color[c] = color[c] * (light + paint[EMISSION]) + glance * sun[1, c]
