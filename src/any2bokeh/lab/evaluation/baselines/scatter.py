"""Scatter: each pixel spreads its light over a soft disc of its own radius; all discs add up, in no order.

The rule of the classical renderer of BokehMe (Peng et al., "BokehMe: When Neural Rendering Meets Classical
Rendering", 2022). A pixel of radius r adds its light to every pixel at distance l with the weight

    w(l, r) = (1/2 + 1/2 tanh(4 (r - l))) / (r^2 + 0.2)

(the edge of its disc is soft over about a pixel, its light is spread by area), and the sums are divided by
the sums of weights. Surfaces behind others shine through them, so the background bleeds into a subject in
focus.

Left out of BokehMe: its two networks, which draw the pixels around depth edges anew (ARNet at low size, IUNet
back up to full size) and blend them in where its error map says so; and its gamma: light here is linear.
"""

import math

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled
from any2bokeh.optics.coc import CocScale

SOFTNESS = 4.0  # per pixel, of a disc's edge
LEAST_AREA = 0.2  # px^2: keeps the weight of a pixel in focus finite
EDGE_PX = 1.5  # tanh is 1 to 1e-5 that far from the edge of a disc


def scatter_discs(light: Tensor, disparity: Tensor, scale: CocScale) -> Tensor:
    """``light 3 H W`` with every pixel spread over the disc of its circle of confusion."""
    radius = scale.coc(disparity)[0].abs()
    sums = np.zeros((*radius.shape, 4), np.float32)
    _scatter(light.permute(1, 2, 0).contiguous().numpy(), radius.contiguous().numpy(), sums)
    return torch.from_numpy(sums[..., :3] / sums[..., 3:]).permute(2, 0, 1).contiguous()


@compiled
def _scatter(light: Floats, radius: Floats, sums: Floats) -> None:
    """Add the discs of ``light H W 3`` to ``sums H W 4``: light times weight, and weight."""
    height, width = radius.shape
    for y in range(height):
        for x in range(width):
            r = radius[y, x]
            largest = np.float32(1) / (r * r + np.float32(LEAST_AREA))
            reach = int(r + np.float32(EDGE_PX))
            for row in range(max(y - reach, 0), min(y + reach + 1, height)):
                for column in range(max(x - reach, 0), min(x + reach + 1, width)):
                    inside = r - np.sqrt(np.float32((row - y) ** 2 + (column - x) ** 2))
                    weight = largest
                    if inside < np.float32(-EDGE_PX):
                        continue
                    if inside < np.float32(EDGE_PX):
                        weight *= np.float32(0.5 + 0.5 * math.tanh(SOFTNESS * inside))
                    for c in range(3):
                        sums[row, column, c] += weight * light[y, x, c]
                    sums[row, column, 3] += weight
