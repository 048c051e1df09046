"""Outlines: where a plane is solid. Points are meters from the plane's center, x right, y up."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from any2bokeh.optics.smoothstep import smoothstep

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Outline(ABC):
    """A region of the plane with a hard edge, or one that fades over ``softness_m``."""

    softness_m: float = 0.0

    @abstractmethod
    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the edge in meters, positive inside; exact at the edge, near enough elsewhere."""

    def coverage(self, x: Tensor, y: Tensor) -> Tensor:
        """Alpha 0..1: one half at the edge itself."""
        inside = self.inside_m(x, y)
        if self.softness_m == 0:
            return (inside > 0).to(x.dtype)
        ramp = (inside / self.softness_m + 0.5).clamp(0, 1)
        return smoothstep(ramp)


@dataclass(frozen=True, kw_only=True)
class Disc(Outline):
    """All points within ``radius_m`` of ``center``; ``stretch`` scales it along x."""

    radius_m: float
    center: Point = (0.0, 0.0)
    stretch: float = 1.0

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the circle (from the ellipse: right at the ends of its axes)."""
        return self.radius_m - torch.hypot((x - self.center[0]) / self.stretch, y - self.center[1])


@dataclass(frozen=True, kw_only=True)
class Box(Outline):
    """A rectangle with rounded corners."""

    size_m: tuple[float, float]
    center: Point = (0.0, 0.0)
    corner_m: float = 0.0

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the rectangle."""
        right = (x - self.center[0]).abs() - (self.size_m[0] / 2 - self.corner_m)
        above = (y - self.center[1]).abs() - (self.size_m[1] / 2 - self.corner_m)
        outside = torch.hypot(right.clamp(min=0), above.clamp(min=0))
        return self.corner_m - outside - torch.maximum(right, above).clamp(max=0)


@dataclass(frozen=True, kw_only=True)
class HalfPlane(Outline):
    """Everything on one side of a straight edge.

    The edge lies ``offset_m`` from the plane's center along ``direction_deg`` (counter-clockwise from
    x); the opposite side is solid.
    """

    direction_deg: float = 0.0
    offset_m: float = 0.0

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the edge."""
        angle = math.radians(self.direction_deg)
        return self.offset_m - x * math.cos(angle) - y * math.sin(angle)


@dataclass(frozen=True, kw_only=True)
class Bars(Outline):
    """Parallel bars ``width_m`` wide, ``period_m`` apart, running along ``direction_deg``."""

    period_m: float
    width_m: float
    direction_deg: float = 90.0

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the edge of the nearest bar; one bar runs through the center."""
        angle = math.radians(self.direction_deg)
        across = (y * math.cos(angle) - x * math.sin(angle)) / self.period_m
        return self.width_m / 2 - (across - across.round()).abs() * self.period_m


@dataclass(frozen=True, kw_only=True)
class Polygon(Outline):
    """The inside of a closed line through ``points`` (even-odd where it crosses itself)."""

    points: tuple[Point, ...]

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the nearest side."""
        distance = torch.full_like(x, math.inf)
        inside = torch.zeros_like(x, dtype=torch.bool)  # a ray to the right crosses an odd number of sides
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:] + self.points[:1], strict=True):
            distance = torch.minimum(distance, _segment_distance(x, y, (x0, y0), (x1, y1))[0])
            if y0 != y1:
                crossing_x = x0 + (y - y0) * ((x1 - x0) / (y1 - y0))
                inside ^= ((y0 > y) != (y1 > y)) & (x < crossing_x)
        return torch.where(inside, distance, -distance)


@dataclass(frozen=True, kw_only=True)
class Stroke(Outline):
    """A line through ``points``, ``width_m`` wide, narrowing to ``end_width_m``: a wire, a limb, a hair."""

    points: tuple[Point, ...]
    width_m: float
    end_width_m: float | None = None

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the edge of the line's widest reach."""
        count = len(self.points) - 1
        last = self.width_m if self.end_width_m is None else self.end_width_m
        inside = torch.full_like(x, -math.inf)
        for i, (start, end) in enumerate(pairwise(self.points)):
            distance, along = _segment_distance(x, y, start, end)
            width = torch.lerp(
                torch.full_like(x, self.width_m), torch.full_like(x, last), (i + along) / count
            )
            inside = torch.maximum(inside, width / 2 - distance)
        return inside


@dataclass(frozen=True, kw_only=True)
class Union(Outline):
    """The points in any of ``parts``."""

    parts: tuple[Outline, ...]

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the nearest edge of the whole."""
        return _largest(part.inside_m(x, y) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Without(Outline):
    """``whole`` without the points in ``hole``."""

    whole: Outline
    hole: Outline

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the nearest edge of the remaining shape."""
        return torch.minimum(self.whole.inside_m(x, y), -self.hole.inside_m(x, y))


@dataclass(frozen=True, kw_only=True)
class Placed(Outline):
    """``part`` turned counter-clockwise by ``turn_deg``, then moved to ``center``."""

    part: Outline
    center: Point = (0.0, 0.0)
    turn_deg: float = 0.0

    def inside_m(self, x: Tensor, y: Tensor) -> Tensor:
        """Distance from the part's edge."""
        return self.part.inside_m(*turned(x - self.center[0], y - self.center[1], -self.turn_deg))


def turned(x: Tensor, y: Tensor, turn_deg: float) -> tuple[Tensor, Tensor]:
    """The points ``x``, ``y`` turned counter-clockwise about the origin."""
    angle = math.radians(turn_deg)
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def mirrored(right: tuple[Point, ...]) -> tuple[Point, ...]:
    """A closed line from its right half, given upwards."""
    return right + tuple((-x, y) for x, y in reversed(right))


def _largest(distances: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(distances)).amax(0)


def _segment_distance(x: Tensor, y: Tensor, start: Point, end: Point) -> tuple[Tensor, Tensor]:
    """Distance of the points from a line segment, and where along it (0..1) the nearest one is."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = (((x - start[0]) * dx + (y - start[1]) * dy) / max(dx * dx + dy * dy, 1e-12)).clamp(0, 1)
    return torch.hypot(x - start[0] - along * dx, y - start[1] - along * dy), along
