"""Edges of disparity moved to where the picture has them.

A map may be wrong at its edges in ways that hold throughout a frame: near things are a pixel or two too
small or too large, or the map is blurred (``edge_blur``). Single edges do not tell that from texture, all of
them together do. Around each edge, pixels lie in rings: 1 touches the edge, 2 is a pixel farther, and so on,
counted on each side. A pixel's color says to which side it belongs: it is compared with the pixels of both
sides around it (a kernel density, as in matting). With exact disparity the share of a ring that looks near
steps from about 0.15 to 0.85 across the edge; where near things are a pixel too small it does so one ring
farther out.

Rings whose share is on the wrong side are moved to the other surface, whole; where it is close to a half, by
each pixel's own color and that of its neighbors in the ring. All other pixels keep their value, so an exact
map stays as it is, bit for bit. Nothing depends on other frames, and shares change slowly: edges do not
flicker.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.arrays import Doubles, Floats
from any2bokeh.depth.edge_blur import deblur_edges, find_blur_px
from any2bokeh.depth.edge_rings import REACH_PX, STEEPNESS_BINS, Rings, find_rings, span_around
from any2bokeh.jit import compiled

MOVED_PX = 3  # rings that can be wrong: one at least has to be right
LEAST_PIXELS = 50  # in rings: fewer tell nothing

COLORS_PX = 5  # how far around a pixel colors are looked at
COLOR_SPREAD = 0.08  # code values: sigma of a color
CLOSENESS_PX = 3.0  # sigma of the distance
UNLIKE = np.float32(0.02)  # density of quite another color
LEAST_WEIGHT = np.float32(1e-3)
# How much a pixel's color tells of its side, by its ring; 0 is beyond all. The first may be of the other.
CLEANNESS = np.array([1, 0.05, 0.3, 0.8, 1], np.float32)
SURVEYED = 4000  # pixels of a frame that the shares are taken from, about
LEAST_CONTRAST = 0.5  # between the clearest rings of both sides: with less, colors do not tell them apart
OPEN_SHARE, UNDECIDED_SHARE = 0.36, 0.48  # from where on, up to a half, a pixel's own color counts, and fully
ALONG_PX = 2  # along a ring colors are averaged over this much to each side


def align_edges(disparity: Tensor, picture: Tensor, step: float) -> Tensor:
    """``disparity`` ``1 H W`` with its edges where ``picture`` ``3 H W`` (code values) has them.

    Edges are steps of at least ``step``. Gives ``disparity`` itself where its edges are right, or where there
    are too few of them to tell.
    """
    values, colors = disparity[0].contiguous().numpy(), picture.contiguous().numpy()
    rings, steepness = np.empty(values.shape, np.int8), np.zeros(STEEPNESS_BINS, np.int64)
    count = find_rings(values, np.float32(step), rings, steepness)
    if count < LEAST_PIXELS:
        return disparity
    sigma_px = find_blur_px(steepness)
    if sigma_px:
        values = deblur_edges(values, rings, sigma_px)
        count = find_rings(values, np.float32(step), rings, steepness)
    sums = np.zeros((2, 2 * REACH_PX + 1))
    _survey(values, colors, rings, max(1, count // SURVEYED), sums)
    odds, trust = _judge_rings((sums[0] + 0.5) / (sums[1] + 1))
    if np.isfinite(odds).any():
        evidence, moved = np.zeros_like(values), np.empty_like(values)
        if trust.any():
            _weigh_colors(values, colors, rings, trust > 0, evidence)
        _move_rings(values, rings, odds, trust, evidence, moved)
        values = moved
    elif not sigma_px:
        return disparity
    return torch.from_numpy(values)[None]


def look_at_edges(disparity: Tensor, picture: Tensor, step: float) -> tuple[Tensor, Tensor]:
    """The rings around edges of disparity ``1 H W``, and how their pixels look in ``picture`` ``3 H W``.

    Rings are ``1 H W``, distances [px] from a step of at least ``step``, below 0 on its farther side and 0
    away from edges. The other, ``1 H W``, is the logarithm of how much more a pixel's color is like those of
    the nearer side around it; 0 away from edges.
    """
    values, colors = disparity[0].contiguous().numpy(), picture.contiguous().numpy()
    rings, evidence = np.empty(values.shape, np.int8), np.zeros_like(values)
    if find_rings(values, np.float32(step), rings, np.zeros(STEEPNESS_BINS, np.int64)):
        _weigh_colors(values, colors, rings, np.ones(2 * REACH_PX + 1, np.bool_), evidence)
    return torch.from_numpy(rings)[None].float(), torch.from_numpy(evidence)[None]


def _judge_rings(shares: Doubles) -> tuple[Floats, Floats]:
    """The log-odds of each ring that it is of the nearer surface, and how much its pixels' colors count.

    ``shares`` of the nearer surface are those of rings -REACH_PX (farthest out) to REACH_PX. Rings that are
    right, and those behind them, have infinite odds.
    """
    odds, trust = np.full((2, len(shares)), np.inf, np.float32)
    odds[:REACH_PX] = -np.inf
    trust[:] = 0
    if shares[REACH_PX + 1 :].max() - shares[:REACH_PX].min() < LEAST_CONTRAST:
        return odds, trust
    for side in (-1, 1):
        for ring in range(side, side * (MOVED_PX + 1), side):
            share = shares[REACH_PX + ring]
            openness = (min(share, 1 - share) - OPEN_SHARE) / (UNDECIDED_SHARE - OPEN_SHARE)
            if openness <= 0 and (share > 0.5) == (ring > 0):
                break
            odds[REACH_PX + ring] = math.log(share / (1 - share))
            trust[REACH_PX + ring] = min(max(openness, 0), 1)
    return odds, trust


@compiled
def _closeness() -> Floats:
    """How much colors around a pixel count by their distance alone, ``2 COLORS_PX + 1`` squared."""
    side = 2 * COLORS_PX + 1
    away = np.float32(-1 / (2 * CLOSENESS_PX**2))
    weights = np.empty((side, side), np.float32)
    for row in range(side):
        for column in range(side):
            weights[row, column] = np.exp(
                away * np.float32((row - COLORS_PX) ** 2 + (column - COLORS_PX) ** 2)
            )
    return weights


@compiled
def _evidence(
    disparity: Floats, colors: Floats, rings: Rings, closeness: Floats, y: int, x: int
) -> np.float32:
    """The logarithm of how much more a pixel's color is like the nearer side's than the farther side's."""
    height, width = disparity.shape
    low, high = span_around(disparity, y, x)
    middle = np.float32(0.5) * (low + high)
    red, green, blue = colors[0, y, x], colors[1, y, x], colors[2, y, x]
    unlike = np.float32(-1 / (2 * COLOR_SPREAD**2))
    near_total = far_total = LEAST_WEIGHT
    near = far = LEAST_WEIGHT
    for row in range(max(y - COLORS_PX, 0), min(y + COLORS_PX + 1, height)):
        for column in range(max(x - COLORS_PX, 0), min(x + COLORS_PX + 1, width)):
            if row == y and column == x:
                continue
            weight = CLEANNESS[abs(rings[row, column])]
            weight *= closeness[row - y + COLORS_PX, column - x + COLORS_PX]
            reds, greens, blues = (
                colors[0, row, column] - red,
                colors[1, row, column] - green,
                colors[2, row, column] - blue,
            )
            likeness = UNLIKE + np.exp(unlike * (reds * reds + greens * greens + blues * blues))
            if disparity[row, column] > middle:
                near, near_total = near + weight * likeness, near_total + weight
            else:
                far, far_total = far + weight * likeness, far_total + weight
    difference: np.float32 = np.log(near / near_total) - np.log(far / far_total)
    return difference


@compiled
def _survey(disparity: Floats, colors: Floats, rings: Rings, every: int, sums: Doubles) -> None:
    """Add up, for every so many pixels of each ring, the shares that look near, and their weights.

    Pixels count by how clearly they look like one of the sides.
    """
    height, width = disparity.shape
    closeness, passed = _closeness(), 0
    for y in range(height):
        for x in range(width):
            if rings[y, x] == 0:
                continue
            passed += 1
            if passed % every:
                continue
            share = np.float32(1) / (
                np.float32(1) + np.exp(-_evidence(disparity, colors, rings, closeness, y, x))
            )
            clarity = abs(share + share - np.float32(1))
            ring = rings[y, x] + REACH_PX
            sums[0, ring] += clarity * share
            sums[1, ring] += clarity


@compiled
def _weigh_colors(
    disparity: Floats, colors: Floats, rings: Rings, is_wanted: NDArray[np.bool_], evidence: Floats
) -> None:
    """Fill ``evidence H W`` in the rings that are wanted."""
    closeness = _closeness()
    for y in range(disparity.shape[0]):
        for x in range(disparity.shape[1]):
            if rings[y, x] != 0 and is_wanted[rings[y, x] + REACH_PX]:
                evidence[y, x] = _evidence(disparity, colors, rings, closeness, y, x)


@compiled
def _move_rings(
    disparity: Floats, rings: Rings, odds: Floats, trust: Floats, evidence: Floats, moved: Floats
) -> None:
    """Fill ``moved H W``: pixels on the wrong side take the other side's value nearest to them."""
    height, width = disparity.shape
    for y in range(height):
        for x in range(width):
            ring = rings[y, x]
            moved[y, x] = disparity[y, x]
            if ring == 0 or abs(odds[ring + REACH_PX]) == np.inf:
                continue
            near = odds[ring + REACH_PX]
            if trust[ring + REACH_PX] > 0:
                total = count = np.float32(0)
                for row in range(max(y - ALONG_PX, 0), min(y + ALONG_PX + 1, height)):
                    for column in range(max(x - ALONG_PX, 0), min(x + ALONG_PX + 1, width)):
                        if rings[row, column] == ring:
                            total, count = total + evidence[row, column], count + 1
                near += trust[ring + REACH_PX] * total / count
            if (near > 0) == (ring > 0):
                continue
            reach, value = abs(ring), disparity[y, x]
            for row in range(max(y - reach, 0), min(y + reach + 1, height)):
                for column in range(max(x - reach, 0), min(x + reach + 1, width)):
                    other = disparity[row, column]
                    value = max(value, other) if ring < 0 else min(value, other)
            moved[y, x] = value
