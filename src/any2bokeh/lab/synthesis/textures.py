"""Textures: the linear color of a plane's points, meters from its center, x right, y up."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from any2bokeh.lab.synthesis.shapes import Point, turned
from any2bokeh.lab.synthesis.stage import Plane, Rgb, Shape, Texture
from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.optics.transfer import to_linear

TABLE = 64  # random tables repeat after this many cells


@dataclass(frozen=True)
class Uniform:
    """One color everywhere."""

    color: Rgb

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        return torch.tensor([*self.color, 1.0], dtype=x.dtype).reshape(4, *[1] * x.ndim).expand(4, *x.shape)


@dataclass(frozen=True, kw_only=True)
class Gradient:
    """Colors at places along a line (meters, rising), blended smoothly between them.

    The line runs through the center along ``direction_deg``, counter-clockwise from x; 90 is upwards.
    """

    stops: tuple[tuple[float, Rgb], ...]
    direction_deg: float = 90.0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        along = turned(x, y, -self.direction_deg)[0]
        return _ramp(along, self.stops)


@dataclass(frozen=True, kw_only=True)
class Rings:
    """Colors at distances (meters, rising) from ``center``, blended smoothly between them."""

    stops: tuple[tuple[float, Rgb], ...]
    center: Point = (0.0, 0.0)

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        return _ramp(torch.hypot(x - self.center[0], y - self.center[1]), self.stops)


@dataclass(frozen=True, kw_only=True)
class Glow:
    """One color whose coverage falls from ``peak`` at the center to 0 at ``radius_m``."""

    color: Rgb
    radius_m: float
    peak: float = 1.0
    falloff: float = 2.0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        painted = Uniform(self.color).paint(x, y).clone()
        painted[3] = self.peak * (1 - torch.hypot(x, y) / self.radius_m).clamp(min=0) ** self.falloff
        return painted


@dataclass(frozen=True, kw_only=True)
class Checks:
    """A board of two kinds of squares; one corner of four lies at the center."""

    first: Texture
    second: Texture
    cell_m: float

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        odd = ((x / self.cell_m).floor() + (y / self.cell_m).floor()) % 2 != 0
        return torch.where(odd, self.second.paint(x, y), self.first.paint(x, y))


@dataclass(frozen=True, kw_only=True)
class Stripes:
    """Stripes of two kinds along ``direction_deg``; ``share`` of each ``period_m`` is the second kind."""

    first: Texture
    second: Texture
    period_m: float
    direction_deg: float = 90.0
    share: float = 0.5

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        across = turned(x, y, -self.direction_deg)[1] / self.period_m
        second = (across - across.floor()) < self.share
        return torch.where(second, self.second.paint(x, y), self.first.paint(x, y))


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Soft irregular variation between two colors, in ``octaves`` from ``scale_m`` down.

    ``stretch`` draws it out along x: wood, brushed metal, clouds.
    """

    low: Rgb
    high: Rgb
    scale_m: float
    octaves: int = 4
    stretch: float = 1.0
    contrast: float = 1.5
    seed: int = 0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        total = torch.zeros_like(x)
        size, weight, weights = self.scale_m, 1.0, 0.0
        for octave in range(self.octaves):
            along, up = turned(x / self.stretch, y, 0 if self.stretch != 1 else 37.0 * octave)
            total += weight * self._octave(along / size + 5.3 * octave, up / size + 9.1 * octave)
            weights += weight
            size, weight = size / 2.03, weight * 0.55
        share = ((total / weights - 0.5) * self.contrast + 0.5).clamp(0, 1)
        return _ramp(share, ((0.0, self.low), (1.0, self.high)), smooth=False)

    def _octave(self, x: Tensor, y: Tensor) -> Tensor:
        """Random values at whole numbers, smooth between them; 0..1."""
        places = []
        for position in (x, y):
            whole, part = _cell(position)
            places.append((whole % TABLE + _smooth(part)) / (TABLE / 2) - 1)
        grid = torch.stack(places, -1)[None]
        return F.grid_sample(self._wrapped_table, grid, align_corners=True)[0, 0]

    @cached_property
    def _wrapped_table(self) -> Tensor:
        """``1 1 TABLE+1 TABLE+1``: the last row and column repeat the first."""
        return F.pad(_uniform_table(self.seed)[None, None], (0, 1, 0, 1), mode="circular")


@dataclass(frozen=True, kw_only=True)
class Bricks:
    """Rows of rectangles, each in one of ``tints`` at random: walls, planks, paving, lit windows.

    ``size_m`` is the (width, height) of one with its joint of ``joint_m``; every second row is moved
    by ``offset`` of a width.
    """

    tints: tuple[Rgb, ...]
    joint: Rgb
    size_m: tuple[float, float]
    joint_m: float
    offset: float = 0.5
    seed: int = 0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        along_y = y / self.size_m[1]
        row = along_y.floor()
        along_x = x / self.size_m[0] + self.offset * (row % 2)
        column = along_x.floor()
        pick = (self._table[row.long() % TABLE, column.long() % TABLE] * len(self.tints)).long()
        tints = torch.tensor([[*tint, 1.0] for tint in self.tints], dtype=x.dtype)
        edge_x = (0.5 - (along_x - column - 0.5).abs()) * self.size_m[0]
        edge_y = (0.5 - (along_y - row - 0.5).abs()) * self.size_m[1]
        joint = torch.minimum(edge_x, edge_y) < self.joint_m / 2
        return torch.where(joint, Uniform(self.joint).paint(x, y), tints[pick].movedim(-1, 0))

    @cached_property
    def _table(self) -> Tensor:
        return _uniform_table(self.seed)


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Lines of invented letters, ``line_m`` apart, in words of uneven length."""

    ink: Rgb
    paper: Rgb
    line_m: float
    seed: int = 0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        row, up = _cell(y / self.line_m)
        column, along = _cell(x / (0.45 * self.line_m))
        dot_row, dot_column = (up * 8).long(), (along * 4).long()  # a letter is 3 x 5 dots in 4 x 8
        letter = (self._table[row.long() % TABLE, column.long() % TABLE] * 1000).long()
        dotted = self._table[(letter + 3 * dot_row) % TABLE, (letter // 7 + dot_column) % TABLE] > 0.42
        written = dotted & (dot_row < 5) & (dot_column < 3) & (letter > 170)  # the rest are spaces
        return torch.where(written, Uniform(self.ink).paint(x, y), Uniform(self.paper).paint(x, y))

    @cached_property
    def _table(self) -> Tensor:
        return _uniform_table(self.seed)


@dataclass(frozen=True, kw_only=True)
class Stencil:
    """A texture where ``shape`` is solid, nothing elsewhere."""

    texture: Texture
    shape: Shape

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        painted = self.texture.paint(x, y).clone()
        painted[3] *= self.shape.coverage(x, y)
        return painted


@dataclass(frozen=True)
class Over:
    """Textures on top of each other, the first one in front."""

    layers: tuple[Texture, ...]

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        color = torch.zeros(3, *x.shape, dtype=x.dtype)
        clear = torch.ones_like(x)
        for layer in self.layers:
            painted = layer.paint(x, y)
            color += clear * painted[3] * painted[:3]
            clear = clear * (1 - painted[3])
        coverage = 1 - clear
        return torch.cat([color / coverage.clamp(min=1e-6), coverage[None]])


@dataclass(frozen=True)
class Product:
    """The product of two textures' colors and coverages: shading, dirt, folds."""

    first: Texture
    second: Texture

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        return self.first.paint(x, y) * self.second.paint(x, y)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """``texture`` turned counter-clockwise by ``turn_deg``, then moved to ``center``."""

    texture: Texture
    center: Point = (0.0, 0.0)
    turn_deg: float = 0.0

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        return self.texture.paint(*turned(x - self.center[0], y - self.center[1], -self.turn_deg))


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """``texture``, ``factor`` times as large."""

    texture: Texture
    factor: float

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``."""
        return self.texture.paint(x / self.factor, y / self.factor)


def round_shading(width_m: float, *, light_from_left: bool = True) -> Texture:
    """Light and shade of an upright cylinder, to multiply with its material."""
    stops = ((-0.5, 0.45), (-0.28, 1.0), (0.05, 0.75), (0.42, 0.2), (0.5, 0.3))
    side = 1 if light_from_left else -1
    places = tuple((side * place * width_m, (share, share, share)) for place, share in stops)
    return Gradient(stops=tuple(sorted(places)), direction_deg=0)


def _uniform_table(seed: int) -> Tensor:
    return torch.rand(TABLE, TABLE, generator=torch.Generator().manual_seed(seed))


def _cell(position: Tensor) -> tuple[Tensor, Tensor]:
    whole = position.floor()
    return whole, position - whole


def _smooth(share: Tensor) -> Tensor:
    return smoothstep(share)


def _ramp(along: Tensor, stops: tuple[tuple[float, Rgb], ...], *, smooth: bool = True) -> Tensor:
    """Color and full coverage ``4 h w`` of places between ``stops``; the outer ones go on for ever."""
    color = Uniform(stops[0][1]).paint(along, along)
    for (start, _), (end, after) in pairwise(stops):
        share = ((along - start) / max(end - start, 1e-9)).clamp(0, 1)
        color = torch.lerp(color, Uniform(after).paint(along, along), _smooth(share) if smooth else share)
    return color


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """``pixels`` ``4 h w`` (display-referred color and coverage, top first) over a ``size_m`` rectangle."""

    pixels: Tensor
    size_m: tuple[float, float]

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """Color and coverage ``4 h w``; there is nothing beyond the rectangle."""
        places = torch.stack([2 * x / self.size_m[0], -2 * y / self.size_m[1]], -1)[None]
        # Color counts where there is any: transparent pixels hold arbitrary values.
        weighted = torch.cat([to_linear(self.pixels[:3], "srgb") * self.pixels[3:], self.pixels[3:]])
        painted = F.grid_sample(weighted[None], places, padding_mode="border", align_corners=False)[0]
        inside = (places.abs().amax(-1) <= 1).to(x.dtype)
        return torch.cat([painted[:3] / painted[3:].clamp(min=1e-6), painted[3:] * inside])


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """Pictures one after the other, ``rate`` per second; behind the last they run backwards, and so on."""

    frames: tuple[Picture, ...]
    rate: Fraction

    def paint(self, x: Tensor, y: Tensor) -> Tensor:
        """The first picture."""
        return self.frames[0].paint(x, y)

    def at(self, time_s: float) -> Picture:
        """The picture that is shown at a time."""
        number, last = round(time_s * self.rate), len(self.frames) - 1
        there_and_back = number % max(2 * last, 1)
        return self.frames[min(there_and_back, 2 * last - there_and_back)]


def shown_at(plane: Plane, time_s: float) -> Plane:
    """The plane with the picture that its footage shows at a time; itself where it has none."""
    texture = _texture_at(plane.texture, time_s)
    return plane if texture is plane.texture else replace(plane, texture=texture)


def _texture_at(texture: Texture, time_s: float) -> Texture:
    if isinstance(texture, Footage):
        return texture.at(time_s)
    if isinstance(texture, Scaled):
        inner = _texture_at(texture.texture, time_s)
        return texture if inner is texture.texture else replace(texture, texture=inner)
    return texture
