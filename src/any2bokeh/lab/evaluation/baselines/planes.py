"""Planes: the scene cut into fixed planes of equal disparity steps, each blurred, composited back to front.

The rule of MPIB (Peng et al., "MPIB: An MPI-Based Bokeh Rendering Framework for Realistic Partial Occlusion
Effects", 2022). With a_i the mask of plane i, c_i its light and D_i the disc of its circle of confusion, from
the farthest plane to the nearest

    B = B (1 - D_i * a_i) + D_i * (a_i c_i),    A = A (1 - D_i * a_i) + D_i * a_i

and the picture is B / A: where a blurred plane lets one see behind it and nothing was filled in there, the
planes that are there make up for it. Neighboring planes of one slanted surface occlude each other, and a
plane has one radius, so slopes show steps.

Left out of MPIB: its networks (MPINet and AUPNet give soft planes and the weights between the picture and the
background), and the background that LaMa paints behind edges. A pixel here belongs to one plane, wholly.
"""

import torch
from torch import Tensor

from any2bokeh.lab.evaluation.baselines.gather import gather_discs
from any2bokeh.optics.coc import CocScale

PLANES = 32  # of the published renderer, over disparities from 0 to 1
LEAST_COVERAGE = 1e-6


def blur_planes(light: Tensor, disparity: Tensor, scale: CocScale) -> Tensor:
    """``light 3 H W`` cut into planes by ``disparity 1 H W``, each blurred by its own radius."""
    plane_of = (disparity * PLANES).long().clamp(0, PLANES - 1)
    blurred, coverage = torch.zeros_like(light), torch.zeros_like(disparity)
    for plane in plane_of.unique():  # in order, the farthest first
        mask = (plane_of == plane).to(light.dtype)
        radius = scale.coc((plane + 0.5) / PLANES).abs().expand(disparity.shape)
        shown = gather_discs(mask.expand_as(light), radius)[:1]
        blurred = blurred * (1 - shown) + gather_discs(mask * light, radius)
        coverage = coverage * (1 - shown) + shown
    return blurred / coverage.clamp(min=LEAST_COVERAGE)
