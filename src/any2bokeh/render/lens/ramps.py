"""Ramps between two surfaces, as estimated disparity has them at edges: made steps again."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from any2bokeh.render.lens.edges import EDGE_STEP_PX

WINDOW_PX = 3  # a ramp's ends are looked for up to this far: Gaussian blur of up to sigma 2 px
STEADY = 0.15  # each of a ramp's steps is at least this share of its largest
LEAST_RISE = 0.4  # three steps of a ramp rise by at least this share of all that is around
BEYOND_PX = 7  # how far along its axis it is seen that a ramp has ended
AXES = ((0, 1), (1, 0), (1, 1), (1, -1))


def snap_ramps(coc: Tensor) -> Tensor:
    """Signed CoC ``H W`` [px] in which the pixels of ramps have moved to the ramp's nearer or farther end.

    A ramp is three steady steps in a row along one of four axes, in a surrounding that spans at least
    ``EDGE_STEP_PX``; a slope that goes on beyond is a slanted surface. Pixels on ramps and beside them
    take the smallest or the largest value of the window around them, whichever is closer. Sharp edges,
    slanted surfaces and thin things stay as they are.
    """
    size = 2 * WINDOW_PX + 1
    farthest = max_pool2d(coc[None, None], size, 1, WINDOW_PX)[0, 0]
    nearest = -max_pool2d(-coc[None, None], size, 1, WINDOW_PX)[0, 0]
    candidates = farthest - nearest >= EDGE_STEP_PX
    on_ramp = torch.zeros_like(coc)
    rows, columns = candidates.nonzero(as_tuple=True)
    least_rise = LEAST_RISE * (farthest - nearest)[rows, columns]
    on_ramp[rows, columns] = _on_ramp(coc, rows, columns, least_rise).to(coc.dtype)
    beside_ramp = max_pool2d(on_ramp[None, None], 3, 1, 1)[0, 0] > 0
    end = torch.where(coc - nearest <= farthest - coc, nearest, farthest)
    return torch.where(candidates & beside_ramp, end, coc)


def _on_ramp(coc: Tensor, rows: Tensor, columns: Tensor, least_rise: Tensor) -> Tensor:
    """Whether each of P pixels lies within three steady steps that rise enough, and no farther than that."""
    around = pad(coc[None, None], (BEYOND_PX,) * 4, mode="replicate")[0, 0]
    width = around.shape[1]
    flat, start = around.flatten(), (rows + BEYOND_PX) * width + columns + BEYOND_PX
    found = torch.zeros_like(start, dtype=torch.bool)
    for dy, dx in AXES:
        stride = dy * width + dx
        before, after = flat[start - BEYOND_PX * stride], flat[start + BEYOND_PX * stride]
        values = torch.stack([flat[start + place * stride] for place in range(-2, 3)])
        for first in (0, 1):  # the pixel is the third or the second of the four
            steps = values[first : first + 4].diff(dim=0)
            sizes = steps.abs()
            one_way = (steps > 0).all(0) | (steps < 0).all(0)
            steady = one_way & (sizes.amin(0) >= STEADY * sizes.amax(0))
            rise = steps.sum(0)
            goes_on = torch.maximum((values[0] - before) * rise.sign(), (after - values[4]) * rise.sign())
            found |= steady & (rise.abs() >= torch.maximum(goes_on, least_rise))
    return found
