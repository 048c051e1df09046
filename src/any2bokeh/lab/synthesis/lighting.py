"""How much light falls on the planes of a stage."""

import numpy as np
import torch
from torch import Tensor

from any2bokeh.lab.synthesis.pose import plane_pose
from any2bokeh.lab.synthesis.scenes import Plane, Stage

NODES = 33  # of a light map along each side of a plane; light between them is interpolated
GRAZING = 0.4  # share of the light that does not ask for the angle: real things are not quite flat


def light_map(stage: Stage, plane: Plane, time_s: float) -> Tensor:
    """Light on a plane at the middles of a grid over it: ``1 3 NODES NODES`` float32, lower row first.

    An emissive plane, and one on a stage without lights, has the same light everywhere: ``1 3 1 1``.
    """
    if plane.emission is not None:
        return torch.full((1, 3, 1, 1), plane.emission)
    light = np.array(stage.ambient)[:, None, None]
    if stage.lights:
        pose = plane_pose(plane, time_s)
        place = (np.arange(NODES) + 0.5) / NODES - 0.5
        across = place[None, :, None] * plane.size_m[0] * pose.across
        points = pose.origin + across + place[:, None, None] * plane.size_m[1] * pose.up  # NODES NODES 3
        for lamp in stage.lights:
            way = points - np.array(lamp.position.at(time_s))
            square = (way * way).sum(-1)
            facing = np.abs(way @ pose.forward) / np.sqrt(square).clip(min=1e-6)
            strength = (GRAZING + (1 - GRAZING) * facing) / (square + lamp.radius_m**2)
            light = light + np.array(lamp.colour)[:, None, None] * strength
    return torch.from_numpy(light[None].astype(np.float32))
