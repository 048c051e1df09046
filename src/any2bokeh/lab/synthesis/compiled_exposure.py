"""Pictures of compiled rays: pointed through a lens, followed, and averaged over each pixel."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled
from any2bokeh.lab.synthesis.compiled_rays import (
    HALF,
    ONE,
    ZERO,
    Number,
    PixelRays,
    PixelScratch,
    Planes,
    follow_rays,
)

# sin(2 pi t) for t in -1/4..1/4 in odd powers of t: least squares, good to float32.
SINE = tuple(np.float32(v) for v in (6.283185, -41.341656, 81.600998, -76.549652, 39.535793))


class Aim(NamedTuple):
    """How rays are pointed: ``rays.Sampling`` and ``rays.Optics`` as arrays.

    ``pattern`` is ``4 N``, ``shifts`` ``side side 4``, ``optics`` 1 / focal length in pixels, radius and
    inverse focus, ``blur`` see ``follow_rays``, ``sky`` the light of rays that meet nothing.
    """

    pattern: Floats
    shifts: Floats
    optics: Floats
    blur: Floats
    sky: Floats


class Given(NamedTuple):
    """Rays ``5 R`` of the pixels of a box: slopes, lens points, and the weight of each."""

    rays: Floats
    box: Integers32


@compiled
def _sine(turn: Number) -> Number:
    """sin(2 pi turn) for turns in 0..5/4."""
    t = turn - ONE if turn > np.float32(0.75) else turn
    t = HALF - t if t > np.float32(0.25) else t
    q = t * t
    return t * (SINE[0] + q * (SINE[1] + q * (SINE[2] + q * (SINE[3] + q * SINE[4]))))


@compiled
def _point(rays: PixelRays, aim: Aim, pixel: Number, corner: Number) -> None:
    """Point rays from a pixel through the disc of the lens, as ``rays.pixel_rays`` does.

    ``corner`` is where the pixel's upper left corner lies from the picture's middle (x right, y up).
    """
    pattern, per_px, radius, inverse_focus = aim.pattern, aim.optics[0], aim.optics[1], aim.optics[2]
    side = aim.shifts.shape[0]
    row, column = pixel[1] % side, pixel[0] % side
    shift_a, shift_b = aim.shifts[row, column, 0], aim.shifts[row, column, 1]
    shift_c, shift_turn = aim.shifts[row, column, 2], aim.shifts[row, column, 3]
    # Ray s has four coordinates in 0..1: a and b in the pixel, c and turn on the lens. The shift of its
    # pixel is added modulo 1, so that neighboring pixels have other noise.
    for s in range(rays.clear.shape[0]):
        a, b = pattern[0, s] + shift_a, pattern[1, s] + shift_b
        c, turn = pattern[2, s] + shift_c, pattern[3, s] + shift_turn
        a, b = a - np.floor(a), b - np.floor(b)
        c, turn = c - np.floor(c), turn - np.floor(turn)
        # The root spreads the points evenly over the disc of the lens.
        reach = radius * np.sqrt(c)
        x, y = reach * _sine(turn + np.float32(0.25)), reach * _sine(turn)
        slope_x = (corner[0] + a) * per_px - x * inverse_focus
        slope_y = (corner[1] - b) * per_px - y * inverse_focus
        rays.slope_x[s], rays.slope_y[s] = slope_x, slope_y
        rays.point_x[s], rays.point_y[s] = x, y
        rays.moment[s] = x * slope_y - y * slope_x
        rays.clear[s] = ONE


@compiled
def light_rows(planes: Planes, rays: PixelRays, scratch: PixelScratch, aim: Aim, picture: Floats) -> None:
    """Add the mean light of its rays to each pixel of ``picture`` ``3 H W``."""
    height, width = picture.shape[1], picture.shape[2]
    share = ONE / np.float32(rays.clear.shape[0])
    light = np.empty(3, np.float32)
    for row in range(height):
        for column in range(width):
            left = np.float32(column) - np.float32(width) * HALF
            top = np.float32(height) * HALF - np.float32(row)
            _point(rays, aim, (column, row), (left, top))
            light[:] = ZERO
            follow_rays(planes, rays, scratch, aim.blur, (column, row), light)
            clear = ZERO
            # The transmitted share that no plane took is light of the sky.
            for s in range(rays.clear.shape[0]):
                clear += rays.clear[s]
            for i in range(3):
                picture[i, row, column] += share * (light[i] + clear * aim.sky[i])


@compiled
def light_pixels(
    planes: Planes, rays: PixelRays, scratch: PixelScratch, aim: Aim, given: Given, picture: Floats
) -> None:
    """Add the mean light of ``given`` rays to the pixels of a box of ``picture`` ``3 H W``; no sky."""
    box, each, sent = given.box, rays.clear.shape[0], given.rays
    light = np.empty(3, np.float32)
    at = 0
    # ``at`` is the first ray of the pixel: the rays of a box are stored row by row, pixel by pixel.
    for row in range(box[1], box[3]):
        for column in range(box[0], box[2]):
            for s in range(each):
                rays.slope_x[s], rays.slope_y[s] = sent[0, at + s], sent[1, at + s]
                rays.point_x[s], rays.point_y[s] = sent[2, at + s], sent[3, at + s]
                rays.moment[s] = rays.point_x[s] * rays.slope_y[s] - rays.point_y[s] * rays.slope_x[s]
                rays.clear[s] = sent[4, at + s]
            at += each
            light[:] = ZERO
            follow_rays(planes, rays, scratch, aim.blur, (column, row), light)
            for i in range(3):
                picture[i, row, column] += light[i] / np.float32(each)
