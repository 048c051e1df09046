"""What the compiled lens knows of its layers: where they are, and their apertures' images row by row."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.render.lens.aperture import NARROW
from any2bokeh.render.lens.layers import Layer

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Group = tuple[int, int, list[tuple[int, float]]]  # upper row, lower row or -1, and taps: offset and weight


class Stack(NamedTuple):
    """The layers, nearest first, and their apertures' images as taps.

    Layer i has the CoC ``radius_px``, its neighbour towards the focal plane is ``spacing_px`` away, and it
    is blurred in cells of ``cell_px``. Its aperture's image reaches ``half_rows`` and ``half_columns``
    cells far, and is the groups ``first_group[i]`` to ``first_group[i + 1]``: a group is one row of it, or
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
    first_group: Integers
    upper: Integers
    lower: Integers
    first_tap: Integers
    offset: Integers
    weight: Floats


def make_stack(layers: Sequence[Layer], kernels: list[Tensor]) -> Stack:
    """The layers with their apertures' images: ``kh kw`` each, summing to 1."""
    groups: list[Group] = []
    first_group, is_summed = [0], []
    for kernel in kernels:
        rows = kernel.flip(0, 1).numpy()  # convolution adds up what lies on the other side
        is_summed.append(rows.shape[1] > NARROW)
        groups += _row_groups(rows, is_summed[-1])
        first_group.append(len(groups))
    sides = [max(kernel.shape) for kernel in kernels]
    reach = max((side // 2 + 2) * layer.cell_px for layer, side in zip(layers, sides, strict=True))
    taps = [tap for _, _, group in groups for tap in group]
    return Stack(
        reach_px=reach,
        radius_px=np.array([layer.radius_px for layer in layers], np.float32),
        spacing_px=np.array([layer.spacing_px for layer in layers], np.float32),
        cell_px=np.array([layer.cell_px for layer in layers], np.int64),
        half_rows=np.array([kernel.shape[0] // 2 for kernel in kernels], np.int64),
        half_columns=np.array([kernel.shape[1] // 2 for kernel in kernels], np.int64),
        is_summed=np.array(is_summed),
        first_group=np.array(first_group, np.int64),
        upper=np.array([upper for upper, _, _ in groups], np.int64),
        lower=np.array([lower for _, lower, _ in groups], np.int64),
        first_tap=np.cumsum([0] + [len(group) for _, _, group in groups]),
        offset=np.array([offset for offset, _ in taps], np.int64),
        weight=np.array([weight for _, weight in taps], np.float32),
    )


def _row_groups(rows: Floats, is_summed: bool) -> list[Group]:
    """Upper row, lower row or -1, and taps: rows that are mirror images share theirs."""
    groups: list[Group] = []
    count = len(rows)
    for row in range(count):
        mirrored = count - 1 - row
        is_paired = row != mirrored and np.allclose(rows[row], rows[mirrored], rtol=0, atol=1e-7)
        if is_paired and row > mirrored:
            continue
        weights = -np.diff(rows[row], prepend=0, append=0) if is_summed else rows[row]
        taps = [(int(offset), float(weights[offset])) for offset in np.flatnonzero(np.abs(weights) > 1e-8)]
        if taps:
            taps += [(taps[-1][0], 0.0)] * (len(taps) % 2)
            groups.append((row, mirrored if is_paired else -1, taps))
    return groups
