"""What the compiled lens cuts its layers from: the frame, and what is known of the surfaces beside it."""

from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Flags, Floats, Integers

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


class Sparse(NamedTuple):
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


class Surfaces(NamedTuple):
    """All of a scene: the frame, what its edge pixels show of nearer surfaces, and what is hidden behind."""

    ground: Ground
    fringe: Sparse
    hidden: Sparse
