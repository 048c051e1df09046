"""Rays followed by compiled loops: which light comes along those of one pixel.

The planes they meet, and their rasters, are those of ``shot``; all rays of a pixel are taken together, so
that the texels stay in a core's cache.
"""

from typing import Any, NamedTuple

import numpy as np

from any2bokeh.arrays import Floats, Integers32
from any2bokeh.jit import compiled
from any2bokeh.lab.synthesis.hits import NEAREST_M, OPAQUE

Number = Any  # float32 or a whole number: the compiler keeps them apart

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
MISSED = np.float32(1e20)  # the depth of a plane that a ray does not meet
MISSED_BITS = MISSED.view(np.int32)
NEAREST, LEAST_CLEAR = np.float32(NEAREST_M), np.float32(OPAQUE)


class Planes(NamedTuple):
    """``P`` planes as one frame sees them.

    ``equations`` are ``P 4 6`` (see ``hits``), ``boxes`` ``P 4`` the pixels that each reaches.
    ``detail`` ``P``: twice the square of how many texels of its raster one ray stands for, at depth 1 and
    without blur. ``levels`` ``P 2`` are the first of its entries in ``sizes`` and their number,
    ``patches`` ``P 2`` how often a raster is repeated, ``lights`` ``P 3`` (first entry, height, width) of its
    light map, ``shining`` ``P`` is 1 if it gives light.

    All rasters and light maps stand one behind the other: ``texels`` ``n 4`` are color times coverage, and
    coverage; ``sizes`` ``L 3`` (first entry, height, width) says where each level is. ``light`` is ``m 4``,
    its last column unused.
    """

    equations: Floats
    boxes: Integers32
    detail: Floats
    levels: Integers32
    patches: Floats
    lights: Integers32
    shining: Integers32
    texels: Floats
    sizes: Integers32
    light: Floats


class PixelRays(NamedTuple):
    """Room for the ``N`` rays of one pixel: slopes, lens points, moment, and the transmitted share."""

    slope_x: Floats
    slope_y: Floats
    point_x: Floats
    point_y: Floats
    moment: Floats
    clear: Floats


class PixelScratch(NamedTuple):
    """Room for where a pixel's rays meet up to ``P`` planes, ``P N``, and for the order of these.

    ``nearest`` and ``farthest`` are bits of depths. ``turn`` ``N`` is the plane that is next along each
    ray, -1 if there is none, ``level`` ``N`` the level at which it is looked up, ``cells`` and ``shares``
    ``2 N`` where, and ``tint`` ``3 N`` the light there.
    """

    depth: Floats
    x: Floats
    y: Floats
    nearest: Integers32
    farthest: Integers32
    plane: Integers32
    order: Integers32
    turn: Integers32
    level: Integers32
    cells: Integers32
    shares: Floats
    tint: Floats


@compiled
def _meet(rays: PixelRays, equations: Floats, p: Number, depths: Floats, xs: Floats, ys: Floats) -> Number:
    """Find where rays meet plane p: ``N`` depths and places; whole numbers in the order of the depths.

    These are the bits of the nearest and of the farthest depth: as whole numbers they are compared by
    vector instructions. A loop writes to one array only, for the same reason.
    """
    # The coefficients are read once; s counts the rays of the pixel in all loops.
    e, slope_x, slope_y = equations, rays.slope_x, rays.slope_y
    point_x, point_y, moment = rays.point_x, rays.point_y, rays.moment
    f0, f1, f2 = e[p, 0, 0], e[p, 0, 1], e[p, 0, 2]
    d0, d1, d2 = e[p, 1, 0], e[p, 1, 3], e[p, 1, 4]
    a0, a1, a2, a3, a4, a5 = e[p, 2, 0], e[p, 2, 1], e[p, 2, 2], e[p, 2, 3], e[p, 2, 4], e[p, 2, 5]
    u0, u1, u2, u3, u4, u5 = e[p, 3, 0], e[p, 3, 1], e[p, 3, 2], e[p, 3, 3], e[p, 3, 4], e[p, 3, 5]
    for s in range(len(xs)):
        x, y, m = slope_x[s], slope_y[s], moment[s]
        across = a0 + a1 * x + a2 * y + a3 * point_x[s] + a4 * point_y[s] + a5 * m
        xs[s] = across / (f0 + f1 * x + f2 * y)
    for s in range(len(ys)):
        x, y, m = slope_x[s], slope_y[s], moment[s]
        up = u0 + u1 * x + u2 * y + u3 * point_x[s] + u4 * point_y[s] + u5 * m
        ys[s] = up / (f0 + f1 * x + f2 * y)
    for s in range(len(depths)):
        z = (d0 + d1 * point_x[s] + d2 * point_y[s]) / (f0 + f1 * slope_x[s] + f2 * slope_y[s])
        is_met = (abs(xs[s]) < ONE) & (abs(ys[s]) < ONE) & (z > NEAREST)
        depths[s] = z if is_met else MISSED
    # Positive floats are in the order of their bits.
    bits = depths.view(np.int32)
    nearest, farthest = MISSED_BITS, np.int32(0)
    for s in range(len(bits)):
        nearest = min(nearest, bits[s])
        farthest = max(farthest, bits[s] if bits[s] < MISSED_BITS else np.int32(0))
    return nearest, farthest


@compiled
def _choose_levels(depths: Floats, detail: Number, blur: Floats, last: Number, levels: Integers32) -> Number:
    """Find the level of each ray, whose texels are as large as the ray's footprint (``Raster.level``).

    ``blur`` is pi times the square of the blur at infinity when focused at 1 m, and the inverse focus. The
    level is half the exponent of twice the square of the footprint in texels, rounded down. Returns the
    finest and the coarsest.
    """
    spread, inverse_focus = blur[0], blur[1]
    for s in range(len(levels)):
        z = min(depths[s], np.float32(1e6))  # so that nothing overflows where there is none
        # The footprint grows with the distance, and with the blur there.
        off = z * inverse_focus - ONE
        square = np.float32(detail * z * (z * z + spread * off * off))
        level = ((square.view(np.int32) >> np.int32(23)) - np.int32(127)) >> np.int32(1)
        levels[s] = min(max(level, np.int32(0)), np.int32(last))
    finest, coarsest = np.int32(last), np.int32(0)
    for s in range(len(levels)):
        is_met = depths[s] < MISSED
        finest = min(finest, levels[s] if is_met else np.int32(last))
        coarsest = max(coarsest, levels[s] if is_met else np.int32(0))
    return finest, coarsest


@compiled
def _locate(places: Floats, patches: Number, size: Number, before: Integers32, share: Floats) -> None:
    """Where places in -1..1 lie among ``size`` texels: the one before, and the share of the one behind.

    A raster of more than one patch is mirrored.
    """
    scale, last = np.float32(size), np.int32(size - 1)
    for s in range(len(places)):
        t = (places[s] * patches + ONE) * HALF
        # Every odd patch runs backwards, so that no seam is seen between two of them.
        if patches != ONE:
            t = abs(t)
            whole = np.floor(t)
            is_odd = whole - TWO * np.floor(whole * HALF)
            t -= whole
            t += is_odd * (ONE - TWO * t)
        # Places outside mean nothing, but must not be looked up beyond the texels.
        t = min(max(t * scale - HALF, ZERO), scale)
        before[s] = min(np.int32(t), last)
        share[s] = t - np.float32(before[s])


@compiled
def _look_up(table: Floats, entry: Number, at: Number, shares: Number) -> Number:
    """The four values of a table's row, between the rows of a cell's corners.

    ``entry`` is the first row, height and width of a grid in the table, ``at`` a column and a row of it.
    """
    low = entry[0] + at[1] * entry[2] + at[0]
    high = low + (entry[2] if at[1] + 1 < entry[1] else 0)
    right = 1 if at[0] + 1 < entry[2] else 0
    # Weights of the four corners; in the last column or row a corner is its own neighbor.
    both = shares[0] * shares[1]
    p, q, r = ONE - shares[0] - shares[1] + both, shares[0] - both, shares[1] - both
    red = p * table[low, 0] + q * table[low + right, 0] + r * table[high, 0] + both * table[high + right, 0]
    green = p * table[low, 1] + q * table[low + right, 1] + r * table[high, 1] + both * table[high + right, 1]
    blue = p * table[low, 2] + q * table[low + right, 2] + r * table[high, 2] + both * table[high + right, 2]
    alpha = p * table[low, 3] + q * table[low + right, 3] + r * table[high, 3] + both * table[high + right, 3]
    return red, green, blue, alpha


@compiled
def _shine_on(planes: Planes, scratch: PixelScratch, plane: Number, c: Number) -> None:
    """Find the light that falls on a plane where the rays meet it."""
    table, tint, cells = planes.light, scratch.tint, scratch.cells
    first, height, width = planes.lights[plane, 0], planes.lights[plane, 1], planes.lights[plane, 2]
    if height == 1 and width == 1:
        for i in range(3):
            tint[i] = table[first, i]
        return
    _locate(scratch.x[c], ONE, width, cells[0], scratch.shares[0])
    _locate(scratch.y[c], ONE, height, cells[1], scratch.shares[1])
    columns, rows, across, up = cells[0], cells[1], scratch.shares[0], scratch.shares[1]
    entry = first, height, width
    for s in range(len(columns)):
        light = _look_up(table, entry, (columns[s], rows[s]), (across[s], up[s]))
        tint[0, s], tint[1, s], tint[2, s] = light[0], light[1], light[2]


@compiled
def _order(scratch: PixelScratch, count: Number) -> None:
    """Sort the planes that are met by their nearest depth."""
    # Insertion sort: a pixel meets few planes, and they come nearly sorted.
    for i in range(count):
        j = i
        while j > 0 and scratch.nearest[scratch.order[j - 1]] > scratch.nearest[i]:
            scratch.order[j] = scratch.order[j - 1]
            j -= 1
        scratch.order[j] = i


@compiled
def _lay(
    planes: Planes, rays: PixelRays, scratch: PixelScratch, blur: Floats, c: Number, light: Floats
) -> Number:
    """Add the light of the plane at ``c`` of the room, where it is its turn, to ``light``.

    Returns how many rays still pass light.
    """
    # Taken out of the loop, as each look into a tuple counts references.
    table, levels, clears, turns, ready = planes.texels, planes.sizes, rays.clear, scratch.turn, scratch.level
    depths, columns, rows = scratch.depth[c], scratch.cells[0], scratch.cells[1]
    across, up, tint = scratch.shares[0], scratch.shares[1], scratch.tint
    plane = scratch.plane[c]
    _shine_on(planes, scratch, plane, c)
    first, last = planes.levels[plane, 0], planes.levels[plane, 1] - 1
    finest, coarsest = _choose_levels(depths, planes.detail[plane], blur, last, ready)
    for s in range(len(ready)):
        ready[s] = ready[s] if (turns[s] == c) & (depths[s] < MISSED) & (clears[s] > LEAST_CLEAR) else -1
    red, green, blue = ZERO, ZERO, ZERO
    # The rays of one level are looked up together, since they read the same texels.
    for level in range(finest, coarsest + 1):
        entry = levels[first + level, 0], levels[first + level, 1], levels[first + level, 2]
        _locate(scratch.x[c], planes.patches[plane, 0], entry[2], columns, across)
        _locate(scratch.y[c], planes.patches[plane, 1], entry[1], rows, up)
        for s in range(len(ready)):
            if ready[s] == level:
                shown = _look_up(table, entry, (columns[s], rows[s]), (across[s], up[s]))
                clear = clears[s]
                red += clear * tint[0, s] * shown[0]
                green += clear * tint[1, s] * shown[1]
                blue += clear * tint[2, s] * shown[2]
                clears[s] = clear * (ONE - shown[3])
    shining = np.float32(planes.shining[plane])
    light[0] += shining * red
    light[1] += shining * green
    light[2] += shining * blue
    passing = 0
    for s in range(len(clears)):
        passing += clears[s] > LEAST_CLEAR
    return passing


@compiled
def _take_turns(scratch: PixelScratch, first: Number, end: Number) -> Number:
    """Leave out the planes whose turn it was; let the nearest others follow. How many rays meet any."""
    met = 0
    for s in range(scratch.turn.shape[0]):
        if scratch.turn[s] >= 0:
            scratch.depth[scratch.turn[s], s] = MISSED
        nearest, found = MISSED, -1
        for i in range(first, end):
            if scratch.depth[scratch.order[i], s] < nearest:
                found = scratch.order[i]
                nearest = scratch.depth[found, s]
        scratch.turn[s] = found
        met += found >= 0
    return met


@compiled
def follow_rays(
    planes: Planes, rays: PixelRays, scratch: PixelScratch, blur: Floats, pixel: Number, light: Floats
) -> None:
    """Add to ``light`` (3) the light along the rays of ``pixel`` (x, y); they keep the transmitted share."""
    # Planes whose box holds the pixel are met; ``count`` numbers those that any ray hits.
    count = 0
    for p in range(planes.boxes.shape[0]):
        box = planes.boxes
        if box[p, 0] <= pixel[0] < box[p, 2] and box[p, 1] <= pixel[1] < box[p, 3]:
            nearest, farthest = _meet(
                rays, planes.equations, p, scratch.depth[count], scratch.x[count], scratch.y[count]
            )
            if nearest < MISSED_BITS:
                scratch.nearest[count], scratch.farthest[count], scratch.plane[count] = nearest, farthest, p
                count += 1
    _order(scratch, count)
    first, passing = 0, 1
    while first < count and passing > 0:
        reach, end = scratch.farthest[scratch.order[first]], first + 1
        while end < count and scratch.nearest[scratch.order[end]] < reach:
            reach = max(reach, scratch.farthest[scratch.order[end]])
            end += 1
        # Planes first..end overlap in depth. One alone is laid for all rays at once.
        if end == first + 1:
            scratch.turn[:] = scratch.order[first]
            passing = _lay(planes, rays, scratch, blur, scratch.order[first], light)
        else:  # which cross: the nearest of each ray, then the next of each, and so on
            scratch.turn[:] = -1
            while passing > 0 and _take_turns(scratch, first, end) > 0:
                for i in range(first, end):
                    passing = _lay(planes, rays, scratch, blur, scratch.order[i], light)
        first = end
