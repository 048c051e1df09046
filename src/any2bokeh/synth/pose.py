"""Where planes stand at a time, seen from the world and from the camera."""

from dataclasses import dataclass

import torch
from torch import Tensor

from any2bokeh.synth.scenes import Camera, Plane, Vec3


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """A point and three axes, ``3`` float64 each: across and up have unit length, forward is their normal."""

    origin: Tensor
    across: Tensor
    up: Tensor
    forward: Tensor

    def seen_from(self, camera: "Pose") -> "Pose":
        """This pose in the camera's own coordinates: x right, y up, z along its axis."""
        axes = torch.stack([camera.across, camera.up, camera.forward])
        return Pose(
            origin=axes @ (self.origin - camera.origin),
            across=axes @ self.across,
            up=axes @ self.up,
            forward=axes @ self.forward,
        )


def turned_axes(turn_deg: Vec3) -> Tensor:
    """Rows across, up, forward (``3 3`` float64) after roll (counter-clockwise), pitch (up), yaw (right)."""
    yaw, pitch, roll = torch.deg2rad(torch.tensor(turn_deg, dtype=torch.float64)).unbind()
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return torch.stack([torch.stack(row) for row in rows])

    rolled = matrix((roll.cos(), -roll.sin(), zero), (roll.sin(), roll.cos(), zero), (zero, zero, one))
    pitched = matrix((one, zero, zero), (zero, pitch.cos(), pitch.sin()), (zero, -pitch.sin(), pitch.cos()))
    yawed = matrix((yaw.cos(), zero, yaw.sin()), (zero, one, zero), (-yaw.sin(), zero, yaw.cos()))
    return (yawed @ pitched @ rolled).T


def camera_pose(camera: Camera, time_s: float) -> Pose:
    """The camera in the world."""
    across, up, forward = turned_axes(camera.turn_deg.at(time_s))
    origin = torch.tensor(camera.position.at(time_s), dtype=torch.float64)
    return Pose(origin=origin, across=across, up=up, forward=forward)


def plane_pose(plane: Plane, time_s: float) -> Pose:
    """A plane in the world; its origin is the centre of the rectangle."""
    across, up, forward = turned_axes(plane.turn_deg.at(time_s))
    anchor_x, anchor_y = (anchor * size / 2 for anchor, size in zip(plane.anchor, plane.size_m, strict=True))
    origin = torch.tensor(plane.position.at(time_s), dtype=torch.float64)
    return Pose(origin=origin - anchor_x * across - anchor_y * up, across=across, up=up, forward=forward)
