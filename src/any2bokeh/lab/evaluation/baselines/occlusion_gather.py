"""Occlusion-aware gather: a neighbor counts if its own disc reaches the pixel.

The rule of Dr.Bokeh (Sheng et al., "Dr.Bokeh: DiffeRentiable Occlusion-aware Bokeh Rendering", 2024), for one
layer. Pixel p is the mean of its neighbors q, each weighted by

    reach(q, p) / (r_q^2 + 1/pi) * (in_focus(p) * is_nearer(q, p) + 1 - in_focus(p))

where reach is 1 inside the disc of q and falls to 0 over a pixel at its edge, so that a neighbor's light is
spread over the area of its own disc. For a pixel in focus only nearer ones count, as nothing farther can
cover it; both questions are answered softly. A blurred pixel takes all discs that reach it, also of what it
occludes.

Left out of Dr.Bokeh: the matte that cuts the picture into two layers, the network (LaMa) that paints the
background behind the first, and the composition of both. Where a foreground is blurred there is nothing
behind it here.
"""

import math

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.coc import CocScale

SOFT_PX = 1.0  # width of a disc's edge
IN_FOCUS_PX, BLURRED_PX = 0.5, 1.5  # radius up to which a pixel is wholly in focus; and from which not at all
NEARER_PX = 1.0  # difference of signed radii from which a neighbor is wholly nearer


def gather_reaching_discs(light: Tensor, disparity: Tensor, scale: CocScale) -> Tensor:
    """``light 3 H W`` in which every pixel is the mean of those whose discs may cover it."""
    coc = scale.coc(disparity)[0].contiguous().numpy()
    image = light.permute(1, 2, 0).contiguous().numpy()
    gathered = np.empty_like(image)
    _gather_reaching(image, coc, math.ceil(float(np.abs(coc).max()) + SOFT_PX / 2), gathered)
    return torch.from_numpy(gathered).permute(2, 0, 1).contiguous()


@compiled
def _gather_reaching(light: Floats, coc: Floats, widest: int, gathered: Floats) -> None:
    """Fill ``gathered H W 3`` from ``light H W 3``; no disc of ``coc H W`` [px] reaches beyond ``widest``."""
    height, width = coc.shape
    for y in range(height):
        for x in range(width):
            own = coc[y, x]
            in_focus = _ramp((np.float32(BLURRED_PX) - abs(own)) / np.float32(BLURRED_PX - IN_FOCUS_PX))
            red = green = blue = total = np.float32(0)
            for row in range(max(y - widest, 0), min(y + widest + 1, height)):
                for column in range(max(x - widest, 0), min(x + widest + 1, width)):
                    other = coc[row, column]
                    distance = np.sqrt(np.float32((row - y) ** 2 + (column - x) ** 2))
                    radius = abs(other)
                    reach = _ramp((radius - distance) / np.float32(SOFT_PX) + np.float32(0.5))
                    if distance == 0:  # its own light always counts
                        counts = np.float32(1)
                    elif reach > 0:
                        is_nearer = _ramp((own - other) / np.float32(NEARER_PX))
                        counts = reach * (in_focus * is_nearer + np.float32(1) - in_focus)
                    else:
                        continue
                    weight = counts / (radius * radius + np.float32(1 / math.pi))
                    red += weight * light[row, column, 0]
                    green += weight * light[row, column, 1]
                    blue += weight * light[row, column, 2]
                    total += weight
            gathered[y, x, 0], gathered[y, x, 1], gathered[y, x, 2] = red / total, green / total, blue / total


@compiled
def _ramp(value: np.float32) -> np.float32:
    return min(max(value, np.float32(0)), np.float32(1))
