"""The layers of the compiled lens: where they are, and their apertures' images row by row."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from any2bokeh.arrays import Flags, Floats, Integers
from any2bokeh.render.lens.aperture import Zones
from any2bokeh.render.lens.layers import Layer
from any2bokeh.render.lens.model import NARROW_CELLS

NO_TAP = 1e-8  # a weight below this is rounding

Group = tuple[int, int, list[tuple[int, float]]]  # upper row, lower row or -1, and taps: offset and weight


class LayerStack(NamedTuple):
    """The layers, nearest first, and their apertures' images as taps.

    Layer i has the CoC ``radius_px``, its neighbor towards the focal plane is ``spacing_px`` away, and it
    is blurred in cells of ``cell_px``. Its aperture's image reaches ``half_rows`` and ``half_columns``
    cells far. It has an own one in each zone, a square of ``zone_px``: from ``first_kernel[i]`` on, there are
    ``zones_down[i]`` rows of ``zones_across[i]``. Image k is the groups ``first_group[k]`` to
    ``first_group[k + 1]``: a group is one row of it, or
    two alike (``upper``, and ``lower`` or -1), and has taps ``first_tap[g]`` to ``first_tap[g + 1]``, an
    even number: each a ``weight`` for the element ``offset`` cells on, of the exclusive running sum of a
    row where ``is_summed``, else of the row itself.
    """

    reach_px: int  # how far around a tile anything of it can be needed
    radius_px: Floats
    spacing_px: Floats
    cell_px: Integers
    half_rows: Integers
    half_columns: Integers
    is_summed: Flags
    zone_px: Integers
    zones_down: Integers
    zones_across: Integers
    first_kernel: Integers
    first_group: Integers
    upper: Integers
    lower: Integers
    first_tap: Integers
    offset: Integers
    weight: Floats


def stack_layers(layers: Sequence[Layer], zones: Sequence[Zones]) -> LayerStack:
    """The layers with their apertures' images."""
    # All apertures' images one after another, flat, as compiled code reads them: groups of taps.
    groups: list[Group] = []
    first_group = [0]
    shapes = [part.kernels.shape[1:] for part in zones]
    is_summed = [_is_cheaper_summed(part.kernels.numpy()) for part in zones]
    for part, summed in zip(zones, is_summed, strict=True):
        for rows in part.kernels.flip(1, 2).numpy():  # convolution adds up the other side
            groups += _row_groups(rows, summed)
            first_group.append(len(groups))
    sides = [max(shape) for shape in shapes]
    reach = max((side // 2 + 2) * layer.cell_px for layer, side in zip(layers, sides, strict=True))
    taps = [tap for _, _, group in groups for tap in group]
    return LayerStack(
        reach_px=reach,
        radius_px=np.array([layer.radius_px for layer in layers], np.float32),
        spacing_px=np.array([layer.spacing_px for layer in layers], np.float32),
        cell_px=np.array([layer.cell_px for layer in layers], np.int64),
        half_rows=np.array([height // 2 for height, _ in shapes], np.int64),
        half_columns=np.array([width // 2 for _, width in shapes], np.int64),
        is_summed=np.array(is_summed),
        zone_px=np.array([part.side_px for part in zones], np.int64),
        zones_down=np.array([part.down for part in zones], np.int64),
        zones_across=np.array([part.across for part in zones], np.int64),
        first_kernel=np.cumsum([0] + [len(part.kernels) for part in zones[:-1]]),
        first_group=np.array(first_group, np.int64),
        upper=np.array([upper for upper, _, _ in groups], np.int64),
        lower=np.array([lower for _, lower, _ in groups], np.int64),
        first_tap=np.cumsum([0] + [len(group) for _, _, group in groups]),
        offset=np.array([offset for offset, _ in taps], np.int64),
        weight=np.array([weight for _, weight in taps], np.float32),
    )


def _is_cheaper_summed(kernels: Floats) -> bool:
    """Whether rows have fewer steps than pixels: not those of a picture with shades."""
    is_wide = kernels.shape[2] > NARROW_CELLS
    return is_wide and bool((np.abs(_steps(kernels)) > NO_TAP).sum() <= (kernels > NO_TAP).sum())


def _steps(rows: Floats) -> Floats:
    """Weights of the exclusive running sums of rows, ``... w + 1``, that blur as ``rows`` do."""
    steps: Floats = -np.diff(rows, axis=-1, prepend=0, append=0)
    return steps


def _row_groups(rows: Floats, is_summed: bool) -> list[Group]:
    """Upper row, lower row or -1, and taps: rows that are mirror images share theirs."""
    groups: list[Group] = []
    count = len(rows)
    for row in range(count):
        mirrored = count - 1 - row
        is_paired = row != mirrored and bool(np.abs(rows[row] - rows[mirrored]).max() <= 1e-7)
        if is_paired and row > mirrored:
            continue
        # A row is a few steps up and down. Summed, each step is one tap: the cost is that of the row's ends.
        weights = _steps(rows[row]) if is_summed else rows[row]
        taps = [(int(offset), float(weights[offset])) for offset in np.flatnonzero(np.abs(weights) > NO_TAP)]
        if taps:
            taps += [(taps[-1][0], 0.0)] * (len(taps) % 2)  # two are added at once
            groups.append((row, mirrored if is_paired else -1, taps))
    return groups
