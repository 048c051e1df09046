"""Paintings of many small things: leaves in a crown, blades of grass, hair."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from any2bokeh.lab.synthesis.shapes import Outline, Point
from any2bokeh.lab.synthesis.stage import Rgb

TOGETHER = 1 << 18  # things times points that are looked at at once
SEGMENTS = 6  # straight pieces of a bent strand


@dataclass(frozen=True, kw_only=True)
class Leaves:
    """Pointed leaves scattered over ``crown``, later ones over earlier ones.

    Each hangs along ``hang_deg`` (counter-clockwise from x) give or take ``spread_deg``, has a size
    around ``length_m``, a color between ``dark`` and ``light`` (brighter towards the top) and a vein.
    """

    crown: Outline
    extent_m: tuple[float, float]  # leaves are sown in this rectangle around the center
    count: int
    length_m: float
    dark: Rgb
    light: Rgb
    slenderness: float = 0.3
    hang_deg: float = -90.0
    spread_deg: float = 70.0
    seed: int = 0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        near = _near(self._places, self._lengths / 2, x, y)
        if not len(near):
            return torch.zeros(4, *x.shape, dtype=x.dtype)
        if _is_much(len(near), x):
            return _by_quarters(self.paint, x, y)
        grid = (-1, 1, 1)
        dx = x - self._places[near, 0].reshape(grid)
        dy = y - self._places[near, 1].reshape(grid)
        angles, half = self._angles[near].reshape(grid), self._lengths[near].reshape(grid) / 2
        along = (dx * angles.cos() + dy * angles.sin()) / half
        across = (dy * angles.cos() - dx * angles.sin()).abs() / (half * self.slenderness)
        outline = (1 - along * along) * (1 - 0.35 * along)  # broadest before the middle, pointed at the end
        inside = (across < outline) & (along.abs() < 1)
        top, covered = _topmost(inside)
        vein = _at(across, top) < 0.07
        shade = self._shades[near][top] * torch.where(vein, 1.3, 1.0) * (0.85 + 0.15 * _at(along, top))
        dark, light = (_column(color, x) for color in (self.dark, self.light))
        return torch.cat([torch.lerp(dark, light, shade.clamp(0, 1)), covered.to(x.dtype)[None]])

    @cached_property
    def _random(self) -> Tensor:
        return torch.rand(8, 32 * self.count, generator=torch.Generator().manual_seed(self.seed))

    @cached_property
    def _places(self) -> Tensor:
        """``count 2`` meters."""
        places = (self._random[:2].T - 0.5) * torch.tensor(self.extent_m)
        return places[self.crown.coverage(places[:, 0], places[:, 1]) > 0.5][: self.count]

    @cached_property
    def _angles(self) -> Tensor:
        spread = self._random[2, : len(self._places)] + self._random[3, : len(self._places)] - 1
        return torch.deg2rad(self.hang_deg + self.spread_deg * spread)

    @cached_property
    def _lengths(self) -> Tensor:
        return self.length_m * (0.7 + 0.6 * self._random[4, : len(self._places)])

    @cached_property
    def _shades(self) -> Tensor:
        height = self._places[:, 1] / self.extent_m[1] + 0.5
        return (0.1 + 0.45 * height + 0.5 * (self._random[5, : len(self._places)] - 0.4)).clamp(0.02, 1)


@dataclass(frozen=True, kw_only=True)
class Strands:
    """Thin bent strands that grow from the line ``roots`` and narrow to a point: grass, hair, bristles.

    They grow along ``grow_deg`` (counter-clockwise from x) give or take ``spread_deg``, and bend by up
    to ``bend_deg`` on the way.
    """

    roots: tuple[Point, Point]
    count: int
    length_m: float
    width_m: float
    dark: Rgb
    light: Rgb
    grow_deg: float = 90.0
    spread_deg: float = 15.0
    bend_deg: float = 40.0
    seed: int = 0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        start, end = self._joints[:, :-1].flatten(0, 1), self._joints[:, 1:].flatten(0, 1)
        reach = (end - start).norm(dim=1) / 2 + self.width_m
        near = _near((start + end) / 2, reach, x, y)
        if not len(near):
            return torch.zeros(4, *x.shape, dtype=x.dtype)
        if _is_much(len(near), x):
            return _by_quarters(self.paint, x, y)
        grid = (-1, 1, 1)
        x0, y0 = (start[near, i].reshape(grid) for i in (0, 1))
        dx, dy = ((end - start)[near, i].reshape(grid) for i in (0, 1))
        along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
        distance = torch.hypot(x - x0 - along * dx, y - y0 - along * dy)
        strand, piece = near // SEGMENTS, near % SEGMENTS
        grown = (piece.reshape(grid) + along) / SEGMENTS
        top, covered = _topmost(distance < self.width_m / 2 * (1 - grown).sqrt())
        shade = (self._random[3][strand][top] + 0.4 * (_at(grown, top) - 0.5)).clamp(0, 1)
        dark, light = (_column(color, x) for color in (self.dark, self.light))
        return torch.cat([torch.lerp(dark, light, shade), covered.to(x.dtype)[None]])

    @cached_property
    def _random(self) -> Tensor:
        return torch.rand(6, self.count, generator=torch.Generator().manual_seed(self.seed))

    @cached_property
    def _joints(self) -> Tensor:
        """``count SEGMENTS+1 2`` meters."""
        first, last = (torch.tensor(point) for point in self.roots)
        joint = torch.lerp(first, last, self._random[0][:, None])
        angle = self.grow_deg + self.spread_deg * (self._random[1] + self._random[4] - 1)
        bend = self.bend_deg * (2 * self._random[2] - 1)
        step = self.length_m * (0.6 + 0.4 * self._random[5]) / SEGMENTS
        joints = [joint]
        for i in range(SEGMENTS):
            heading = torch.deg2rad(angle + bend * i / (SEGMENTS - 1))
            joint = joint + step[:, None] * torch.stack([heading.cos(), heading.sin()], 1)
            joints.append(joint)
        return torch.stack(joints, 1)


def _near(places: Tensor, reaches: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Indices of the things (``E 2`` meters, ``E`` reaches) that may touch the points' bounding box."""
    keep = torch.ones(len(places), dtype=torch.bool)
    for axis, points in enumerate((x, y)):
        keep &= (places[:, axis] + reaches >= points.min()) & (places[:, axis] - reaches <= points.max())
    return keep.nonzero()[:, 0]


def _is_much(things: int, x: Tensor) -> bool:
    """Whether it is worth the trouble to look at fewer points at once, which fewer things are near to."""
    return things * x.numel() > TOGETHER and min(x.shape) > 4


def _by_quarters(paint: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Paint points ``h w`` in four parts."""
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    halves = [
        torch.cat(
            [paint(x[part, :columns], y[part, :columns]), paint(x[part, columns:], y[part, columns:])], 2
        )
        for part in (slice(None, rows), slice(rows, None))
    ]
    return torch.cat(halves, 1)


def _topmost(inside: Tensor) -> tuple[Tensor, Tensor]:
    """Of things ``E h w`` that cover points: the last one's index ``h w``, and whether there is one."""
    order = torch.arange(1, len(inside) + 1).reshape(-1, *[1] * (inside.ndim - 1))
    highest = (inside * order).amax(0)
    return (highest - 1).clamp(min=0), highest > 0


def _at(values: Tensor, index: Tensor) -> Tensor:
    """The values ``E h w`` at an index ``h w`` per point, ``h w``."""
    return values.gather(0, index[None])[0]


def _column(color: Rgb, like: Tensor) -> Tensor:
    return torch.tensor(color, dtype=like.dtype).reshape(3, 1, 1)
