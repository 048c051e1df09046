"""Depth edges, compiled: the rules of ``torch.edges``, worked out at edge pixels alone."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Bytes, Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.optics.window_max import window_max
from any2bokeh.render.lens.model import (
    BEYOND_PX,
    BLURRED_PX,
    CLIPPED_CONTRAST,
    EDGE_STEP_PX,
    FAINT_CONTRAST,
    LARGEST_SHARE,
    LEAST_RISE,
    NO_CONTRAST,
    PLAUSIBLE_MIXTURE,
    RAMP_AXES,
    RAMP_WINDOW_PX,
    RIM_GAIN,
    STEADY,
    TRUSTED_CONTRAST,
)

AXES_DOWN = np.array([axis[0] for axis in RAMP_AXES])
AXES_ACROSS = np.array([axis[1] for axis in RAMP_AXES])
TOUCHES_NEARER, TOUCHES_FARTHER, PARTLY_COVERED = 1, 2, 4


class EdgePixels(NamedTuple):
    """Lists of P pixels that touch a nearer surface: where they are, and both surfaces they show.

    Bands of the frame fill the lists together, each from ``first`` to ``end``. Parts of the arrays would not
    be contiguous, or be so by chance, and loops would be compiled for both.
    """

    rows: Integers
    columns: Integers
    background: Floats  # 3 P; linear light
    front: Floats  # 3 P; linear light
    share: Floats  # P; of the front, 0..1
    near: Floats  # P; the front's CoC [px]
    first: int
    end: int


@compiled
def mark_ramps(coc: Floats, top: int, bottom: int, on_ramp: Bytes) -> int:
    """Fill rows of ``on_ramp H W``, 1 where a pixel of ``coc`` lies on a ramp, else 0. Return how many."""
    width = coc.shape[1]
    farthest, minus_nearest = np.empty(width, np.float32), np.empty(width, np.float32)
    found = 0
    for y in range(top, bottom):
        # The range around each pixel of the line, by vector instructions: few pixels pass the first test.
        window_max(coc, y, RAMP_WINDOW_PX, 1, farthest)
        window_max(coc, y, RAMP_WINDOW_PX, -1, minus_nearest)
        mark = on_ramp[y]
        for x in range(width):
            span = farthest[x] + minus_nearest[x]
            mark[x] = span >= EDGE_STEP_PX and _is_on_ramp(coc, y, x, np.float32(LEAST_RISE) * span)
            found += mark[x]
    return found


@compiled
def snap_rows(coc: Floats, on_ramp: Bytes, top: int, bottom: int, snapped: Floats) -> None:
    """Fill rows of ``snapped H W``: ``coc``, but pixels on ramps or beside them at a ramp's nearer end."""
    height, width = coc.shape
    for y in range(top, bottom):
        own, out = coc[y], snapped[y]
        above, here, below = on_ramp[max(y - 1, 0)], on_ramp[y], on_ramp[min(y + 1, height - 1)]
        for x in range(width):
            out[x] = own[x]
        # A second loop, so that the copy above stays one: this one touches few pixels of few lines.
        for x in range(width):
            left, right = max(x - 1, 0), min(x + 1, width - 1)
            beside = above[left] | above[x] | above[right] | below[left] | below[x] | below[right]
            if beside | here[left] | here[x] | here[right]:
                out[x] = _nearer_end(coc, y, x)


@compiled
def _nearer_end(coc: Floats, y: int, x: int) -> np.float32:
    """The smallest or largest value around a pixel, whichever is closer; its own if both are one surface."""
    height, width = coc.shape
    own: np.float32 = coc[y, x]
    nearest, farthest = own, own
    for row in range(max(y - RAMP_WINDOW_PX, 0), min(y + RAMP_WINDOW_PX + 1, height)):
        for column in range(max(x - RAMP_WINDOW_PX, 0), min(x + RAMP_WINDOW_PX + 1, width)):
            nearest, farthest = min(nearest, coc[row, column]), max(farthest, coc[row, column])
    if farthest - nearest < EDGE_STEP_PX:
        return own
    return nearest if own - nearest <= farthest - own else farthest


@compiled
def _is_on_ramp(coc: Floats, y: int, x: int, least_rise: np.float32) -> bool:
    """Whether a pixel lies within three steady steps along an axis that rise enough, and go no farther."""
    own = coc[y, x]
    for axis in range(len(AXES_DOWN)):
        down, across = AXES_DOWN[axis], AXES_ACROSS[axis]
        # Five values in a line: first, previous, own, following, last. A turning point ends the ramp.
        previous, following = _at(coc, y - down, x - across), _at(coc, y + down, x + across)
        if (following - own) * (own - previous) <= 0:
            continue
        first, last = _at(coc, y - 2 * down, x - 2 * across), _at(coc, y + 2 * down, x + 2 * across)
        # Three steps join four pixels; of these the pixel is one of the two in the middle.
        as_third = _steady_rise(previous - first, own - previous, following - own)
        as_second = _steady_rise(own - previous, following - own, last - following)
        for rise in (as_third, as_second):
            if abs(rise) < least_rise:
                continue
            # Beyond both ends the values may go on by as much at most, else this is a slanted surface.
            before = _at(coc, y - BEYOND_PX * down, x - BEYOND_PX * across)
            after = _at(coc, y + BEYOND_PX * down, x + BEYOND_PX * across)
            sign = np.float32(1 if rise > 0 else -1)
            if abs(rise) >= max((first - before) * sign, (after - last) * sign):
                return True
    return False


@compiled
def _steady_rise(first: np.float32, second: np.float32, third: np.float32) -> np.float32:
    """The sum of three steps in one direction none of which is much smaller than the others, else 0."""
    smallest = min(min(abs(first), abs(second)), abs(third))
    largest = max(max(abs(first), abs(second)), abs(third))
    is_one_way = (first > 0) == (second > 0) and (second > 0) == (third > 0)
    is_steady = is_one_way and smallest > 0 and smallest >= np.float32(STEADY) * largest
    return first + second + third if is_steady else np.float32(0)


@compiled
def _at(coc: Floats, y: int, x: int) -> np.float32:
    """The value at a place, or at the border beside it."""
    value: np.float32 = coc[min(max(y, 0), coc.shape[0] - 1), min(max(x, 0), coc.shape[1] - 1)]
    return value


@compiled
def mark_edges(coc: Floats, top: int, bottom: int, marks: Bytes) -> int:
    """Fill rows of ``marks H W``, which surfaces pixels touch; return how many touch a nearer surface.

    A mark is TOUCHES_NEARER, TOUCHES_FARTHER, both or 0. ``coc`` is ``H W`` [px].
    """
    width = coc.shape[1]
    farthest, minus_nearest = np.empty(width, np.float32), np.empty(width, np.float32)
    count = 0
    for y in range(top, bottom):
        window_max(coc, y, 1, 1, farthest)
        window_max(coc, y, 1, -1, minus_nearest)
        here, mark = coc[y], marks[y]
        # Sums of truth values instead of branches: the loop becomes vector instructions.
        for x in range(width):
            touches_nearer = here[x] + minus_nearest[x] >= np.float32(EDGE_STEP_PX)
            mark[x] = touches_nearer + 2 * (farthest[x] - here[x] >= np.float32(EDGE_STEP_PX))
            count += touches_nearer
    return count


@compiled
def matte_rows(
    linear: Floats,
    coc: Floats,
    marks: Bytes,
    rows: tuple[int, int],
    clipped: np.float32,
    found: EdgePixels,
) -> None:
    """Fill a part of ``found`` with the pixels of ``rows`` (first, end) that touch a nearer surface, split.

    Of those that a held subject covers partly only the places are filled in: its coverage tells the rest.
    ``linear 3 H W`` is light, without a border, and is not changed; ``coc`` is ``H W`` [px]. Light of
    ``clipped`` and more does not tell how bright it is.
    """
    # Light is written back only when all bands are done: pixels look at their neighbors' mixed colors.
    pixel = found.first
    for y in range(rows[0], rows[1]):
        mark = marks[y]
        for x in range(coc.shape[1]):
            if mark[x] & TOUCHES_NEARER:
                found.rows[pixel], found.columns[pixel] = y, x
                if not mark[x] & PARTLY_COVERED:
                    _matte(linear, coc, marks, clipped, found, pixel)
                pixel += 1


@compiled
def _matte(
    linear: Floats, coc: Floats, marks: Bytes, clipped: np.float32, found: EdgePixels, pixel: int
) -> None:
    """Write both surfaces of a pixel, of which is known where it is."""
    y, x, (height, width) = found.rows[pixel], found.columns[pixel], coc.shape
    own, near = coc[y, x], coc[y, x]
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            near = min(near, coc[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)])
    # Sums of red, green, blue, squares and number: of the farther surface beside (0) and two pixels away (1),
    # of the nearer one's clean pixels (2), and of all of its (3).
    sums = np.zeros((4, 5), np.float32)
    label_share = np.float32(0)
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            row, column = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
            beside, mark = coc[row, column], marks[row, column]
            is_beside = max(abs(dy), abs(dx)) < 2
            if abs(beside - own) < EDGE_STEP_PX and not mark & TOUCHES_NEARER:
                _add_color(sums[0 if is_beside else 1], linear, row, column)
            is_front = abs(beside - near) < EDGE_STEP_PX and beside < own - np.float32(EDGE_STEP_PX / 2)
            if is_beside and is_front:
                if not mark & TOUCHES_FARTHER:
                    _add_color(sums[2], linear, row, column)
                _add_color(sums[3], linear, row, column)
                label_share += np.float32((2 - abs(dy)) * (2 - abs(dx)) / 16)  # 3x3 binomial
    behind = sums[0] if sums[0, 4] > 0 else sums[1]
    is_clean = sums[2, 4] > 0
    ahead = sums[2] if is_clean else sums[3]
    variance, front_variance = _mean(behind), _mean(ahead)
    if is_clean:
        variance += front_variance
    found.near[pixel] = near
    _separate(linear[:, y, x], ahead, behind, variance, label_share, clipped, found, pixel)


@compiled
def _separate(
    mixed: Floats,
    ahead: Floats,
    behind: Floats,
    variance: np.float32,
    label_share: np.float32,
    clipped: np.float32,
    found: EdgePixels,
    pixel: int,
) -> None:
    """Write both colors of a pixel that shows ``mixed`` (red, green, blue), and the front's share of it.

    ``ahead`` and ``behind`` are the colors of its surfaces around it, as ``_mean`` leaves them, and
    ``variance`` that of both; ``label_share`` is the front's share by which pixels around belong to it.
    """
    # Where the pixel's color lies on the line between both, and how far off it.
    contrast = place = brightest = brightest_ahead = off_line = np.float32(0)
    for channel in range(3):
        line = ahead[channel] - behind[channel]
        contrast += line * line
        place += (mixed[channel] - behind[channel]) * line
        brightest = max(brightest, mixed[channel])
        brightest_ahead = max(brightest_ahead, ahead[channel])
    place = min(max(place / max(contrast, np.float32(NO_CONTRAST)), np.float32(0)), np.float32(1))
    for channel in range(3):
        off = mixed[channel] - behind[channel] - place * (ahead[channel] - behind[channel])
        off_line += off * off
    # Color decides where it can, the labels around elsewhere.
    trust = contrast / (contrast + np.float32(TRUSTED_CONTRAST) * variance + np.float32(NO_CONTRAST))
    share = min(trust * place + (np.float32(1) - trust) * label_share, label_share)
    share *= np.exp(-np.float32(PLAUSIBLE_MIXTURE) * off_line / (contrast + np.float32(FAINT_CONTRAST)))
    share = min(max(share, np.float32(0)), np.float32(LARGEST_SHARE))
    if behind[4] == 0:
        share = np.float32(0)
    # A clipped light does not mix linearly: a pixel that it covers by a third may be white already.
    is_light = brightest_ahead >= clipped and contrast >= np.float32(CLIPPED_CONTRAST) and behind[4] > 0
    if is_light:
        share = max(share, place)
    gain = np.float32(1)
    if is_light and brightest >= clipped and abs(found.near[pixel]) >= BLURRED_PX:
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
def _add_color(sums: Floats, linear: Floats, row: int, column: int) -> None:
    """Add a pixel to sums of red, green, blue, squares and number."""
    for channel in range(3):
        value = linear[channel, row, column]
        sums[channel] += value
        sums[3] += value * value
    sums[4] += 1


@compiled
def _mean(sums: Floats) -> np.float32:
    """Turn the colors of ``_add_color`` into their mean; return the variance, summed over the channels."""
    count = max(sums[4], np.float32(1))
    variance = sums[3] / count
    for channel in range(3):
        sums[channel] /= count
        variance -= sums[channel] * sums[channel]
    return max(variance, np.float32(0))
