"""A synthetic scene: a camera, textured planes with alpha, lights; all over time.

World axes: x right, y up, z forward; lengths are meters, times seconds, light is linear.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.errors import SettingsError
from any2bokeh.optics.transfer import to_linear

Vec3 = tuple[float, float, float]
Rgb = tuple[float, float, float]  # linear light

BASE = (0.0, -1.0)  # anchor of planes that stand

Vector = NDArray[np.float64]  # 3 numbers


class Texture(Protocol):
    """The color of a plane's points, and where it has any."""

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Linear color and coverage ``4 h w`` at points ``x``, ``y`` (``h w``, meters from the center)."""


class Shape(Protocol):
    """Where a plane is solid."""

    def coverage(self, x: Tensor, y: Tensor) -> Tensor:
        """Alpha 0..1 at points ``x``, ``y`` (meters from the center), of their shape."""


def rgb(code: str) -> Rgb:
    """Linear color of an sRGB hex code such as ``"#e8b070"``."""
    values = torch.tensor([int(code[i : i + 2], 16) for i in (1, 3, 5)], dtype=torch.float64) / 255
    red, green, blue = to_linear(values, "srgb").tolist()
    return red, green, blue


def dimmed(color: Rgb, share: float) -> Rgb:
    """A color, dimmed."""
    return color[0] * share, color[1] * share, color[2] * share


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Three numbers over time, ``start + velocity t + sway sin(2 pi (t / sway_period_s + sway_phase))``."""

    start: Vec3 = (0.0, 0.0, 0.0)
    velocity: Vec3 = (0.0, 0.0, 0.0)
    sway: Vec3 = (0.0, 0.0, 0.0)
    sway_period_s: float = 4.0
    sway_phase: float = 0.0

    def at(self, time_s: float) -> Vec3:
        """The three numbers at a time."""
        swing = math.sin(2 * math.pi * (time_s / self.sway_period_s + self.sway_phase))
        x, y, z = (
            start + velocity * time_s + sway * swing
            for start, velocity, sway in zip(self.start, self.velocity, self.sway, strict=True)
        )
        return x, y, z


def still(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Trajectory:
    """A motion that stays where it is."""
    return Trajectory(start=(x, y, z))


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera that looks along +z, moved and turned over time.

    ``field_of_view_deg`` spans the longer side of the picture. Moving along x is a truck, along z a
    dolly. ``turn_deg`` is (pan to the right, tilt up, roll counter-clockwise).
    """

    field_of_view_deg: float = 40.0
    position: Trajectory = Trajectory()
    turn_deg: Trajectory = Trajectory()

    def focal_length_px(self, view: "FrameView") -> float:
        """Distance of the picture plane in pixels of the picture."""
        return view.longer_side_px / 2 / math.tan(math.radians(self.field_of_view_deg) / 2)


@dataclass(frozen=True, kw_only=True)
class FrameView:
    """One frame: its time and its size in pixels.

    Light is gathered for ``exposure_s`` around its time; 0 is one moment, without motion blur.
    """

    time_s: float = 0.0
    width: int
    height: int
    exposure_s: float = 0.0

    @property
    def longer_side_px(self) -> int:
        """The side that the field of view spans and that blur strength is stated for."""
        return max(self.width, self.height)


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A flat rectangle of the scene: a card, a wall, the ground, a lamp.

    It stands upright and faces the camera; ``turn_deg`` is (yaw to the right, pitch, roll
    counter-clockwise), pitch -90 lays it on its back, its top edge away from the camera. ``anchor``
    is the point, in half sizes from the center, that ``position`` moves and ``turn_deg`` turns about:
    (0, -1) is the middle of the lower edge.

    ``texture`` is drawn once into texels, ``texels`` along the longer side of the plane, or of a patch
    of ``patch_m`` (width, height) that is mirrored over the plane. ``shape`` is evaluated at every ray,
    so its edge is exact.
    ``emission`` None is a surface lit by the stage's lights; a number is a surface that shines with
    that many times its texture's color.
    """

    name: str
    size_m: tuple[float, float]
    texture: Texture
    shape: Shape | None = None
    position: Trajectory = Trajectory()
    turn_deg: Trajectory = Trajectory()
    anchor: tuple[float, float] = (0.0, 0.0)
    emission: float | None = None
    texels: int = 256
    patch_m: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if min(self.size_m) <= 0 or self.texels < 1:
            raise SettingsError(f"plane {self.name!r} must have a size and texels above 0")


@dataclass(frozen=True, kw_only=True)
class Light:
    """A light that falls on lit planes: ``color`` at 1 m, weaker with the square of the distance.

    ``radius_m`` is the size of the light: nearer than that it grows no brighter.
    """

    color: Rgb
    position: Trajectory
    radius_m: float = 0.2


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A scene over time, its camera, and the scale of its disparity.

    ``planes`` may be in any order and may cross. ``ambient`` light falls everywhere; rays that hit
    nothing see ``sky``. Disparity is 1 at ``near_m`` and 0 at ``far_m``: see ``disparity``.
    """

    camera: Camera
    planes: tuple[Plane, ...]
    lights: tuple[Light, ...] = ()
    ambient: Rgb = (1.0, 1.0, 1.0)
    sky: Rgb = (0.0, 0.0, 0.0)
    near_m: float = 1.0
    far_m: float = math.inf

    def __post_init__(self) -> None:
        if not 0 < self.near_m < self.far_m:
            raise SettingsError(f"near must be above 0 and below far, got {self.near_m:g} and {self.far_m:g}")

    def with_detail(self, share: float) -> "Stage":
        """The same scene with ``share`` times the texels along each side, for larger or smaller pictures."""
        planes = (replace(plane, texels=math.ceil(share * plane.texels)) for plane in self.planes)
        return replace(self, planes=tuple(planes))

    @property
    def disparity_scale_m(self) -> float:
        """The ``a`` of ``disparity = a / z + b``."""
        return 1 / (1 / self.near_m - 1 / self.far_m)

    @property
    def disparity_offset(self) -> float:
        """The ``b`` of ``disparity = a / z + b``."""
        return -self.disparity_scale_m / self.far_m

    def disparity(self, depth_m: float) -> float:
        """Disparity of a depth along the camera's axis: 1 at ``near_m``, 0 at ``far_m``, linear in 1 / z."""
        return self.disparity_scale_m / depth_m + self.disparity_offset

    def depth_m(self, disparity: float) -> float:
        """Depth along the camera's axis of a disparity above 0 (infinite for that of the sky)."""
        inverse = (disparity - self.disparity_offset) / self.disparity_scale_m
        return 1 / inverse if inverse > 0 else math.inf


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
    """A plane in the world; its origin is the center of the rectangle."""
    across, up, forward = turned_axes(plane.turn_deg.at(time_s))
    anchor_x, anchor_y = (anchor * size / 2 for anchor, size in zip(plane.anchor, plane.size_m, strict=True))
    origin = np.array(plane.position.at(time_s)) - anchor_x * across - anchor_y * up
    return Pose(origin=origin, across=across, up=up, forward=forward)
