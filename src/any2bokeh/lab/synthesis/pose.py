"""Where planes stand at a time, seen from the world and from the camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from any2bokeh.lab.synthesis.scenes import Camera, Plane, Vec3

Vector = NDArray[np.float64]  # 3 numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """A point and three axes: across and up have unit length, forward is their normal."""

    origin: Vector
    across: Vector
    up: Vector
    forward: Vector

    def seen_from(self, camera: "Pose") -> "Pose":
        """This pose in the camera's own coordinates: x right, y up, z along its axis."""
        axes = np.stack([camera.across, camera.up, camera.forward])
        return Pose(
            origin=axes @ (self.origin - camera.origin),
            across=axes @ self.across,
            up=axes @ self.up,
            forward=axes @ self.forward,
        )


def turned_axes(turn_deg: Vec3) -> tuple[Vector, Vector, Vector]:
    """Across, up and forward after roll (counter-clockwise), pitch (up) and yaw (right)."""
    (yaw_sin, pitch_sin, roll_sin), (yaw_cos, pitch_cos, roll_cos) = (
        turn(np.deg2rad(turn_deg)) for turn in (np.sin, np.cos)
    )
    rolled = np.array([[roll_cos, -roll_sin, 0], [roll_sin, roll_cos, 0], [0, 0, 1]])
    pitched = np.array([[1, 0, 0], [0, pitch_cos, pitch_sin], [0, -pitch_sin, pitch_cos]])
    yawed = np.array([[yaw_cos, 0, yaw_sin], [0, 1, 0], [-yaw_sin, 0, yaw_cos]])
    across, up, forward = (yawed @ pitched @ rolled).T
    return across, up, forward


def camera_pose(camera: Camera, time_s: float) -> Pose:
    """The camera in the world."""
    across, up, forward = turned_axes(camera.turn_deg.at(time_s))
    return Pose(origin=np.array(camera.position.at(time_s)), across=across, up=up, forward=forward)


def plane_pose(plane: Plane, time_s: float) -> Pose:
    """A plane in the world; its origin is the centre of the rectangle."""
    across, up, forward = turned_axes(plane.turn_deg.at(time_s))
    anchor_x, anchor_y = (anchor * size / 2 for anchor, size in zip(plane.anchor, plane.size_m, strict=True))
    origin = np.array(plane.position.at(time_s)) - anchor_x * across - anchor_y * up
    return Pose(origin=origin, across=across, up=up, forward=forward)
