"""How much light falls on the planes of a stage."""

import torch
from torch import Tensor

from any2bokeh.synth.pose import Pose, plane_pose
from any2bokeh.synth.scenes import Plane, Stage

NODES = 33  # of a light map along each side of a plane; light between them is interpolated
GRAZING = 0.4  # share of the light that does not ask for the angle: real things are not quite flat


def light_map(stage: Stage, plane: Plane, time_s: float) -> Tensor:
    """Light on a plane at the nodes of a grid over it: ``1 3 NODES NODES`` float32, upper row first.

    An emissive plane, and one on a stage without lights, has the same light everywhere: ``1 3 1 1``.
    """
    if plane.emission is not None:
        return torch.full((1, 3, 1, 1), plane.emission)
    light = torch.tensor(stage.ambient, dtype=torch.float64)[:, None, None]
    if stage.lights:
        pose = plane_pose(plane, time_s)
        points = _nodes(plane, pose)
        for lamp in stage.lights:
            way = points - torch.tensor(lamp.position.at(time_s), dtype=torch.float64)
            square = (way * way).sum(-1)
            facing = (way @ pose.forward).abs() / square.sqrt().clamp(min=1e-6)
            strength = (GRAZING + (1 - GRAZING) * facing) / (square + lamp.radius_m**2)
            light = light + torch.tensor(lamp.colour, dtype=torch.float64)[:, None, None] * strength
    return light[None].float()


def _nodes(plane: Plane, pose: Pose) -> Tensor:
    """``NODES NODES 3`` places in the world, the first row along the plane's upper edge."""
    side = torch.linspace(-0.5, 0.5, NODES, dtype=torch.float64)
    across = side[None, :, None] * plane.size_m[0] * pose.across
    return pose.origin + across - side[:, None, None] * plane.size_m[1] * pose.up
