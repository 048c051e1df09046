"""Where pixels lie between the layers, compiled: the rule of ``layers.layer_positions``."""

import numpy as np

from any2bokeh.jit import compiled
from any2bokeh.render.lens.layers import BOX_VARIANCE, FULL_SIZE_RADIUS_PX, ROUNDING

REGULAR_PX = 4 * FULL_SIZE_RADIUS_PX  # up to here layers are 1 px apart
BLOCK = 16  # side of the squares of which is known which layers lie in them


@compiled
def place_rows(coc, radii, top, bottom, position, margin, is_present):  # type: ignore[no-untyped-def]
    """Fill rows of ``position H W``, which has a border of ``margin``, and of ``is_present``.

    That says (blocks down, blocks across, layers) which layers lie in which blocks. ``top`` begins a block.
    """
    width = coc.shape[1]
    in_focus = np.searchsorted(radii, np.float32(0))
    for y in range(top, bottom):
        out = position[y + margin, margin : margin + width]
        own, present = coc[y], is_present[y // BLOCK]
        is_regular = True  # between layers 1 px apart
        for x in range(width):
            out[x] = own[x] + np.float32(in_focus)
            is_regular &= abs(own[x]) < np.float32(REGULAR_PX)
        for x in range(width):
            if not is_regular or abs(own[x]) <= 1 or abs(out[x] - np.rint(out[x])) < np.float32(ROUNDING):
                out[x] = _place(own[x], radii, in_focus)
        previous = np.float32(-1)
        for x in range(width):
            if out[x] != previous or x % BLOCK == 0:
                previous = out[x]
                low = int(previous)
                present[x // BLOCK, low] = True
                present[x // BLOCK, min(low + 1, len(radii) - 1)] |= previous > low


@compiled
def place_list(coc, radii, first, column, stride, position, is_present):  # type: ignore[no-untyped-def]
    """The same for a list of pixels of a grid of every ``stride``-th: row y has ``first[y]`` to ``first[y + 1]``."""
    in_focus = np.searchsorted(radii, np.float32(0))
    blocks_down, blocks_across = is_present.shape[:2]
    for y in range(len(first) - 1):
        for entry in range(first[y], first[y + 1]):
            place = _place(coc[entry], radii, in_focus)
            position[entry] = place
            low = int(place)
            top, left = y * stride, column[entry] * stride
            for row in range(top // BLOCK, min((top + stride - 1) // BLOCK + 1, blocks_down)):
                for across in range(left // BLOCK, min((left + stride - 1) // BLOCK + 1, blocks_across)):
                    is_present[row, across, low] = True
                    if place > low:
                        is_present[row, across, low + 1] = True


@compiled
def _place(coc, radii, in_focus):  # type: ignore[no-untyped-def]
    last = len(radii) - 2
    index = min(max(in_focus + int(np.floor(coc)), 0), last)  # most layers are 1 px apart
    while index < last and radii[index + 1] <= coc:
        index += 1
    while index > 0 and radii[index] > coc:
        index -= 1
    low, high = radii[index], radii[index + 1]
    unit = np.float32(4 * BOX_VARIANCE)
    if low == 0 and high == 1:
        share = (coc * coc - unit) / (1 - unit)
    elif low == -1 and high == 0:
        share = 1 - (coc * coc - unit) / (1 - unit)
    else:
        share = (coc - low) / (high - low)
    share = min(max(share, np.float32(0)), np.float32(1))
    place = np.float32(index) + share
    whole = np.float32(np.rint(place))
    return whole if abs(place - whole) < np.float32(ROUNDING) else place
