"""The compiled lens's surfaces: the frame, those beside it, and their places between the layers.

Fringes of edges and occluded surfaces have few pixels: they are lists, not pictures.
"""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Flags, Floats, Integers
from any2bokeh.jit import compiled
from any2bokeh.render.lens.model import (
    EVEN_SPACING_END_PX,
    FADE_PX,
    FIRST_LAYER_OFFSET,
    FIRST_LAYER_RISE,
    FULL_SPACING_END_PX,
    IN_FOCUS_PX,
    ROUNDING,
)

BLOCK = 16  # side [px] of the squares of which is known which layers lie in them


class Ground(NamedTuple):
    """The frame's own pixels.

    ``sharp 3 H W`` (code values) and ``coc H W`` [px] have no border; ``linear 3 H W`` (light) and
    ``position H W`` (between the layers: 2.25 is a quarter of the way from layer 2 to layer 3) have one of
    ``margin`` pixels. ``is_present`` (blocks down, blocks across, layers) says which layers lie in which
    squares of BLOCK pixels, on any of the surfaces.
    """

    sharp: Floats
    coc: Floats
    linear: Floats
    position: Floats
    margin: int
    is_present: Flags


class SparseSurface(NamedTuple):
    """A surface known at few pixels of a grid of every ``stride``-th: lists in order of rows and columns.

    Row y of the grid has entries ``first[y]`` to ``first[y + 1]``. An entry is seen where it lies
    ``behind_px`` behind the picture. ``light`` is ``3 P``; ``column`` (of the grid), ``coverage`` (0..1),
    ``coc`` [px], ``position`` (between the layers) and ``visible`` (in how many of its pixels it is seen, of
    ``stride`` squared) are ``P``.
    """

    stride: int
    behind_px: float
    first: Integers
    column: Integers
    light: Floats
    coverage: Floats
    coc: Floats
    position: Floats
    visible: Floats

    @property
    def row(self) -> Integers:
        """The row of the grid that each entry lies in."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


class LensSurfaces(NamedTuple):
    """All of a scene: the frame, the nearer surfaces in its edge pixels, and the surfaces both occlude."""

    ground: Ground
    fringe: SparseSurface
    occluded: SparseSurface


@compiled
def place_rows(ground: Ground, radii: Floats, top: int, bottom: int) -> None:
    """Fill rows ``top`` to ``bottom`` of ``ground.position``, and mark the layers in ``ground.is_present``.

    The rule is that of ``torch.surfaces.layer_positions``. ``radii`` are those of the layers [px],
    nearest first. ``top`` begins a block.
    """
    coc, position, margin, width = ground.coc, ground.position, ground.margin, ground.coc.shape[1]
    in_focus = int(np.searchsorted(radii, np.float32(0)))  # the layer of radius 0
    for y in range(top, bottom):
        out = position[y + margin, margin : margin + width]
        own, present = coc[y], ground.is_present[y // BLOCK]
        is_regular = True  # none of the row lies so far out that the formula below does not hold
        for x in range(width):
            size = abs(own[x])
            steps = min(size, np.float32(FULL_SPACING_END_PX)) + np.float32(0.5) * max(
                size - np.float32(FULL_SPACING_END_PX), np.float32(0)
            )
            out[x] = np.float32(in_focus) + (steps if own[x] > 0 else -steps)
            is_regular &= abs(own[x]) < np.float32(EVEN_SPACING_END_PX)
        # Near the focal plane, near a layer and far out the exact rule decides.
        for x in range(width):
            if not is_regular or abs(own[x]) <= 1 or abs(out[x] - np.rint(out[x])) < np.float32(ROUNDING):
                out[x] = _place(own[x], radii, in_focus)
        # Neighbors mostly lie at the same place: only a change, or a new block, marks layers again.
        previous = np.float32(-1)
        for x in range(width):
            if out[x] != previous or x % BLOCK == 0:
                previous = out[x]
                low = int(previous)
                present[x // BLOCK, low] = True
                present[x // BLOCK, min(low + 1, len(radii) - 1)] |= previous > low


@compiled
def place_list(surface: SparseSurface, radii: Floats, ground: Ground) -> None:
    """Fill ``position`` and ``visible`` of a surface, and mark its layers in ``ground.is_present``.

    ``radii`` as for ``place_rows``.
    """
    in_focus, is_present = int(np.searchsorted(radii, np.float32(0))), ground.is_present
    blocks_down, blocks_across = is_present.shape[:2]
    stride = surface.stride
    for y in range(len(surface.first) - 1):
        for entry in range(surface.first[y], surface.first[y + 1]):
            place = _place(surface.coc[entry], radii, in_focus)
            top, left = y * stride, surface.column[entry] * stride
            surface.position[entry] = place
            surface.visible[entry] = _visible(
                ground.coc, surface.coc[entry] - surface.behind_px, top, left, stride
            )
            if surface.visible[entry] == 0:
                continue
            # Its square of the frame may lie in several blocks.
            low = int(place)
            for row in range(top // BLOCK, min((top + stride - 1) // BLOCK + 1, blocks_down)):
                for across in range(left // BLOCK, min((left + stride - 1) // BLOCK + 1, blocks_across)):
                    is_present[row, across, low] = True
                    if place > low:
                        is_present[row, across, low + 1] = True


@compiled
def _visible(coc: Floats, limit: np.float32, top: int, left: int, side: int) -> int:
    """How many pixels of a square of the frame are no farther than ``limit``."""
    count = 0
    for y in range(top, min(top + side, coc.shape[0])):
        for x in range(left, min(left + side, coc.shape[1])):
            count += coc[y, x] <= limit
    return count


@compiled
def _place(coc: np.float32, radii: Floats, in_focus: int) -> np.float32:
    """Where a CoC lies between the layers, of which ``in_focus`` is the one of radius 0."""
    last = len(radii) - 2
    index = min(max(in_focus + int(np.floor(coc)), 0), last)  # most layers are 1 px apart
    while index < last and radii[index + 1] <= coc:
        index += 1
    while index > 0 and radii[index] > coc:
        index -= 1
    low, high = radii[index], radii[index + 1]
    onset = min(max((abs(coc) - np.float32(IN_FOCUS_PX)) / np.float32(FADE_PX), np.float32(0)), np.float32(1))
    of_first = (np.float32(FIRST_LAYER_RISE) * abs(coc) - np.float32(FIRST_LAYER_OFFSET)) * onset
    if low == 0 and high == 1:
        share = of_first
    elif low == -1 and high == 0:
        share = 1 - of_first
    else:
        share = (coc - low) / (high - low)
    share = min(max(share, np.float32(0)), np.float32(1))
    place = np.float32(index) + share
    whole = np.float32(np.rint(place))
    return whole if abs(place - whole) < np.float32(ROUNDING) else place
