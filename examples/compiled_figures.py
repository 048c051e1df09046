"""Compiled loops for ``figures.py``: which triangle each sample shows, and the light that it sends."""

import numpy as np

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled

SHADOW_BIAS = np.float32(0.012)  # meters that a surface is before itself without shadowing itself


@compiled
def fill_samples(
    corners: Floats, triangles: Integers32, inverse: Floats, faces: Integers32, shares: Floats
) -> None:
    """Fill triangles whose corners ``V 3`` are column, row and inverse depth where they are the nearest.

    ``shares`` are how much of the first and the second corner is in a sample, as the surface has it.
    """
    height, width = inverse.shape
    zero, one = np.float32(0), np.float32(1)
    for t in range(triangles.shape[0]):
        a, b, c = corners[triangles[t, 0]], corners[triangles[t, 1]], corners[triangles[t, 2]]
        left, right = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        top, bottom = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == zero or right < zero or bottom < zero or left > width - 1 or top > height - 1:
            continue
        for row in range(max(0, int(np.ceil(top))), min(height - 1, int(np.floor(bottom))) + 1):
            for column in range(max(0, int(np.ceil(left))), min(width - 1, int(np.floor(right))) + 1):
                x, y = np.float32(column), np.float32(row)
                u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                w = one - u - v
                if u < zero or v < zero or w < zero:
                    continue
                nearness = u * a[2] + v * b[2] + w * c[2]
                if nearness <= inverse[row, column]:
                    continue
                inverse[row, column] = nearness
                faces[row, column] = t
                # Shares are linear on the surface, not in the picture: 1/z weighs them.
                shares[row, column, 0] = u * a[2] / nearness
                shares[row, column, 1] = v * b[2] / nearness


@compiled
def shade_samples(
    seen: tuple[Integers32, Floats, Integers32, Integers32],
    corners: tuple[Floats, Floats, Floats, Floats],
    lights: tuple[Floats, Floats, Floats],
    shadowing: tuple[Floats, Floats],
    colors: Floats,
) -> None:
    """Write the linear light of each sample of a figure to ``colors H W 3``; others stay as they are."""
    faces, shares, triangles, textures_of = seen
    places, normals, uv, textures = corners
    lamps, around, eye = lights
    shadows, frame = shadowing
    side = textures.shape[1]
    one, half = np.float32(1), np.float32(0.5)
    place, normal, toward, light = (
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
        np.empty(3, np.float32),
    )
    for row in range(faces.shape[0]):
        for column in range(faces.shape[1]):
            t = faces[row, column]
            if t < 0:
                continue
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            u, v = shares[row, column, 0], shares[row, column, 1]
            w = one - u - v
            facing, length, distance = np.float32(0), np.float32(0), np.float32(0)
            for axis in range(3):
                place[axis] = u * places[i, axis] + v * places[j, axis] + w * places[k, axis]
                normal[axis] = u * normals[i, axis] + v * normals[j, axis] + w * normals[k, axis]
                toward[axis] = eye[axis] - place[axis]
                length += normal[axis] ** 2
                distance += toward[axis] ** 2
            for axis in range(3):
                normal[axis] /= np.sqrt(length)
                toward[axis] /= np.sqrt(distance)
                facing += normal[axis] * toward[axis]
            if facing < 0:  # the inner side of a hem
                normal *= -one
                facing = -facing
            # Sky above, ground below; the outline catches more of both, as cloth and skin do.
            up = half + half * normal[1]
            rim = one + np.float32(1.5) * (one - facing) ** 3
            for axis in range(3):
                light[axis] = (around[0, axis] * up + around[1, axis] * (one - up)) * rim
            glance = np.float32(0)
            for number in range(lamps.shape[0]):
                square, along, mirrored, size = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for axis in range(3):
                    away = lamps[number, axis] - place[axis]
                    square += away * away
                    along += away * normal[axis]
                reach = np.sqrt(square)
                for axis in range(3):
                    between = (lamps[number, axis] - place[axis]) / reach + toward[axis]
                    mirrored += between * normal[axis]
                    size += between * between
                lit = one if number else _lit(shadows, frame, place)
                # Light of a large lamp, and light below the skin, reach a little beyond the terminator.
                wrapped = max(along / reach + np.float32(0.2), np.float32(0)) / np.float32(1.2) * lit
                falloff = one / max(square, lamps[number, 6])
                shine = np.float32(0.03) * lit * max(mirrored / np.sqrt(size), np.float32(0)) ** 24
                for axis in range(3):
                    light[axis] += lamps[number, 3 + axis] * wrapped * falloff
                glance += shine * falloff * lamps[number, 4]
            x = (u * uv[i, 0] + v * uv[j, 0] + w * uv[k, 0]) * side - half
            y = (u * uv[i, 1] + v * uv[j, 1] + w * uv[k, 1]) * side - half
            p, q = min(max(int(x), 0), side - 2), min(max(int(y), 0), side - 2)
            a = min(max(x - np.float32(p), np.float32(0)), one)
            b = min(max(y - np.float32(q), np.float32(0)), one)
            texture = textures[textures_of[t]]
            for axis in range(3):
                high = texture[q, p, axis] * (one - a) + texture[q, p + 1, axis] * a
                low = texture[q + 1, p, axis] * (one - a) + texture[q + 1, p + 1, axis] * a
                colors[row, column, axis] = (high * (one - b) + low * b) * light[axis] + glance


@compiled
def _lit(shadows: Floats, frame: Floats, place: Floats) -> np.float32:
    """Whether the key light reaches a place, 0..1: the mean of 25 samples of the map."""
    side = shadows.shape[0]
    column = frame[0, 0] * place[0] + frame[0, 1] * place[1] + frame[0, 2] * place[2] + frame[0, 3]
    row = frame[1, 0] * place[0] + frame[1, 1] * place[1] + frame[1, 2] * place[2] + frame[1, 3]
    along = frame[2, 0] * place[0] + frame[2, 1] * place[1] + frame[2, 2] * place[2] + frame[2, 3]
    seen = np.float32(0)
    for k in range(-2, 3):
        for m in range(-2, 3):
            i, j = min(max(int(row) + k, 0), side - 1), min(max(int(column) + m, 0), side - 1)
            seen += np.float32(shadows[i, j] > along - SHADOW_BIAS)
    return seen / np.float32(25)
