"""The surroundings of the frame: the picture continued, and neighboring frames' view of them."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from any2bokeh.render.lens.model import SAME_SURFACE_PX
from any2bokeh.render.lens.neighbors import Neighbor, PreparedFrame, recall_outside


class Surroundings(NamedTuple):
    """A frame with ``margin_px`` around it: linear light ``3 H W`` and CoC ``H W`` [px] of both."""

    linear: Tensor
    coc: Tensor
    margin_px: int


def look_around(frame: PreparedFrame, neighbors: list[Neighbor], reach: float) -> Surroundings:
    """A frame and its surroundings, as far as its blur reaches.

    ``reach`` is how far the aperture's image reaches, in circles of confusion.
    """
    margin = math.ceil(float(frame.coc.abs().max()) * reach) + 1
    sides = (margin,) * 4
    linear = pad(frame.linear, sides, mode="replicate")
    soften_border(linear, frame.linear, frame.coc, margin)
    disparity = pad(frame.disparity[None], sides, mode="replicate")[0]
    linear, disparity = recall_outside(linear, disparity, neighbors, frame.scale, margin)
    return Surroundings(linear, frame.scale.coc(disparity), margin)


def soften_border(padded: Tensor, linear: Tensor, coc: Tensor, margin: int) -> None:
    """Replace replicated light outside the frame (``4 H W``) by the mean of it and the mirrored picture.

    A single row of pixels repeated makes streaks in the blur, a mirror image makes things appear twice:
    the mean errs less than either. Pixels that mirror another surface than the border's stay replicated.
    """
    height, width = coc.shape
    rows = torch.arange(padded.shape[1], device=padded.device) - margin
    columns = torch.arange(padded.shape[2], device=padded.device) - margin
    outside_rows, outside_columns = (rows < 0) | (rows >= height), (columns < 0) | (columns >= width)
    for y, x in ((rows[outside_rows], columns), (rows[~outside_rows], columns[outside_columns])):
        edge_y, edge_x = y.clamp(0, height - 1)[:, None], x.clamp(0, width - 1)
        mirror_y = (2 * edge_y - y[:, None]).clamp(0, height - 1)
        mirror_x = (2 * edge_x - x).clamp(0, width - 1)
        same = (coc[mirror_y, mirror_x] - coc[edge_y, edge_x]).abs() < SAME_SURFACE_PX
        change = (linear[:, mirror_y, mirror_x] - linear[:, edge_y, edge_x]) * (same / 2)
        padded[:3, y[:, None] + margin, x + margin] += change
