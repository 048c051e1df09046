"""Edge pixels taken apart, compiled: the rules of ``edges.unmix_edges``, at edge pixels alone."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Bytes, Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.optics.window_max import window_max
from any2bokeh.render.lens.edges import (
    BLURRED_PX,
    CLIPPED,
    CLIPPED_CONTRAST,
    EDGE_STEP_PX,
    LARGEST_SHARE,
    PLAUSIBLE_MIXTURE,
    RIM_GAIN,
    TRUSTED_CONTRAST,
)

Number = np.float32

TOUCHES_NEARER, TOUCHES_FARTHER = 1, 2


class EdgePixels(NamedTuple):
    """Lists of P pixels that touch a nearer surface: where they are, and both surfaces they show."""

    rows: Integers
    columns: Integers
    background: Floats  # 3 P; linear light
    front: Floats  # 3 P; linear light
    share: Floats  # P; of the front, 0..1
    near: Floats  # P; the front's CoC [px]


@compiled
def mark_edges(coc: Floats, top: int, bottom: int, marks: Bytes) -> int:
    """Fill rows of ``marks H W`` with what pixels touch; return how many touch a nearer surface.

    A mark is TOUCHES_NEARER, TOUCHES_FARTHER, both or 0. ``coc`` is ``H W`` [px].
    """
    width = coc.shape[1]
    farthest, minus_nearest = np.empty(width, np.float32), np.empty(width, np.float32)
    count = 0
    for y in range(top, bottom):
        window_max(coc, y, 1, 1, farthest)
        window_max(coc, y, 1, -1, minus_nearest)
        here, mark = coc[y], marks[y]
        for x in range(width):
            touches_nearer = here[x] + minus_nearest[x] >= np.float32(EDGE_STEP_PX)
            mark[x] = touches_nearer + 2 * (farthest[x] - here[x] >= np.float32(EDGE_STEP_PX))
            count += touches_nearer
    return count


@compiled
def unmix_rows(linear: Floats, coc: Floats, marks: Bytes, top: int, bottom: int, found: EdgePixels) -> None:
    """Fill ``found`` with the pixels of rows ``top`` to ``bottom`` that touch a nearer surface, taken apart.

    ``linear 3 H W`` is light, without a border, and is not changed; ``coc`` is ``H W`` [px].
    """
    pixel = 0
    for y in range(top, bottom):
        mark = marks[y]
        for x in range(coc.shape[1]):
            if mark[x] & TOUCHES_NEARER:
                found.rows[pixel], found.columns[pixel] = y, x
                _unmix(linear, coc, marks, found, pixel)
                pixel += 1


@compiled
def _unmix(linear: Floats, coc: Floats, marks: Bytes, found: EdgePixels, pixel: int) -> None:
    """Write both surfaces of a pixel, of which is known where it is."""
    y, x, (height, width) = found.rows[pixel], found.columns[pixel], coc.shape
    own, near = coc[y, x], coc[y, x]
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            near = min(near, coc[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)])
    # Sums of red, green, blue, squares and number: of the farther surface beside and two pixels away, of the
    # nearer one's clean pixels, and of all of its.
    sums = np.zeros((4, 5), np.float32)
    label_share = np.float32(0)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            row, column = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
            beside, mark = coc[row, column], marks[row, column]
            is_beside = max(abs(dy), abs(dx)) < 2
            if abs(beside - own) < EDGE_STEP_PX and not mark & TOUCHES_NEARER:
                _add_colour(sums[0 if is_beside else 1], linear, row, column)
            is_front = abs(beside - near) < EDGE_STEP_PX and beside < own - np.float32(EDGE_STEP_PX / 2)
            if is_beside and is_front:
                if not mark & TOUCHES_FARTHER:
                    _add_colour(sums[2], linear, row, column)
                _add_colour(sums[3], linear, row, column)
                label_share += np.float32((2 - abs(dy)) * (2 - abs(dx)) / 16)
    behind = sums[0] if sums[0, 4] > 0 else sums[1]
    is_clean = sums[2, 4] > 0
    ahead = sums[2] if is_clean else sums[3]
    variance, front_variance = _mean(behind), _mean(ahead)
    if is_clean:
        variance += front_variance
    found.near[pixel] = near
    _separate(linear[:, y, x], ahead, behind, variance, label_share, found, pixel)


@compiled
def _separate(
    mixed: Floats,
    ahead: Floats,
    behind: Floats,
    variance: Number,
    label_share: Number,
    found: EdgePixels,
    pixel: int,
) -> None:
    """Write both colours of a pixel that shows ``mixed`` (red, green, blue), and the front's share of it.

    ``ahead`` and ``behind`` are the colours of its surfaces around it, as ``_mean`` leaves them, and
    ``variance`` that of both; ``label_share`` is the front's share by which pixels around belong to it.
    """
    contrast = place = brightest = brightest_ahead = off_line = np.float32(0)
    for channel in range(3):
        line = ahead[channel] - behind[channel]
        contrast += line * line
        place += (mixed[channel] - behind[channel]) * line
        brightest = max(brightest, mixed[channel])
        brightest_ahead = max(brightest_ahead, ahead[channel])
    place = min(max(place / max(contrast, np.float32(1e-9)), np.float32(0)), np.float32(1))
    for channel in range(3):
        off = mixed[channel] - behind[channel] - place * (ahead[channel] - behind[channel])
        off_line += off * off
    trust = contrast / (contrast + np.float32(TRUSTED_CONTRAST) * variance + np.float32(1e-9))
    share = min(trust * place + (np.float32(1) - trust) * label_share, label_share)
    share *= np.exp(-np.float32(PLAUSIBLE_MIXTURE) * off_line / (contrast + np.float32(1e-6)))
    share = min(max(share, np.float32(0)), np.float32(LARGEST_SHARE))
    if behind[4] == 0:
        share = np.float32(0)
    is_light = brightest_ahead >= CLIPPED and contrast >= np.float32(CLIPPED_CONTRAST) and behind[4] > 0
    if is_light:
        share = max(share, place)
    gain = np.float32(1)
    if is_light and brightest >= CLIPPED and abs(found.near[pixel]) >= BLURRED_PX:
        gain = np.float32(RIM_GAIN)
    for channel in range(3):
        if is_light:
            own = mixed[channel] - share * (ahead[channel] - behind[channel])
        else:
            own = (mixed[channel] - share * ahead[channel]) / (np.float32(1) - share)
        found.background[channel, pixel] = max(own, np.float32(0))
        found.front[channel, pixel] = gain * ahead[channel]
    found.share[pixel] = share


@compiled
def _add_colour(sums: Floats, linear: Floats, row: int, column: int) -> None:
    """Add a pixel to sums of red, green, blue, squares and number."""
    for channel in range(3):
        value = linear[channel, row, column]
        sums[channel] += value
        sums[3] += value * value
    sums[4] += 1


@compiled
def _mean(sums: Floats) -> Number:
    """Turn the colours of ``_add_colour`` into their mean; return the variance, summed over the channels."""
    count = max(sums[4], np.float32(1))
    variance = sums[3] / count
    for channel in range(3):
        sums[channel] /= count
        variance -= sums[channel] * sums[channel]
    return max(variance, np.float32(0))
