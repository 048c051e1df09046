"""Things drawn at random that stand before something: people, plants, furniture, and shapes of no name.

All are one unit tall or wide, whichever is longer, and centered; their coverage says where they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from any2bokeh.lab.synthesis.patterns import (
    between,
    color,
    either,
    grain,
    pattern,
    plain,
    scale,
    seed,
    whole,
    worn,
)
from any2bokeh.lab.synthesis.shapes import (
    Bars,
    Box,
    Disc,
    Outline,
    Placed,
    Point,
    Polygon,
    Stroke,
    Union,
    Without,
)
from any2bokeh.lab.synthesis.stage import Plane, Texture, Trajectory, dimmed, still
from any2bokeh.lab.synthesis.strands import Leaves, Strands
from any2bokeh.lab.synthesis.street import person
from any2bokeh.lab.synthesis.textures import Moved, Over, Product, Scaled, Stencil, round_shading

UPRIGHT = Trajectory()
MOST_TEXELS = 2048  # along the longer side of a thing


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """A drawing of ``size`` (width, height), the longer of which is 1."""

    name: str
    size: tuple[float, float]
    texture: Texture

    def as_plane(
        self, size_m: float, seen_px: float, position: Trajectory, turn_deg: Trajectory = UPRIGHT
    ) -> Plane:
        """A plane whose longer side is ``size_m``, drawn for being seen ``seen_px`` long."""
        return Plane(
            name=self.name,
            size_m=(self.size[0] * size_m, self.size[1] * size_m),
            texture=Scaled(texture=self.texture, factor=size_m),
            position=position,
            turn_deg=turn_deg,
            texels=math.ceil(min(max(seen_px, 16), MOST_TEXELS)),
        )


def draw_cutout(rng: Generator) -> Cutout:
    """Any of the things below."""
    makers: tuple[Callable[[Generator], Cutout], ...] = (
        _person,
        _person,
        _plant,
        _plant,
        _leaf,
        _chair,
        _shelf,
        _blob,
        _blob,
        _frame,
        _tuft,
    )
    return makers[whole(rng, 0, len(makers) - 1)](rng)


def draw_thin(rng: Generator) -> Cutout:
    """Something that is mostly holes: a fence, branches, wires, hair."""
    makers: tuple[Callable[[Generator], Cutout], ...] = (_fence, _branches, _wires, _tuft)
    return makers[whole(rng, 0, len(makers) - 1)](rng)


def _person(rng: Generator) -> Cutout:
    someone = person("person", still(), pattern(rng, 0.25), height_m=1.0, seed=seed(rng))
    return Cutout(name="person", size=someone.size_m, texture=someone.texture)


def _plant(rng: Generator) -> Cutout:
    parts = tuple(
        Disc(radius_m=between(rng, 0.14, 0.24), center=(either(rng, 0, 0.2), between(rng, 0, 0.25)))
        for _ in range(whole(rng, 2, 4))
    )
    leaf = color(rng, 0.5)
    crown = Leaves(
        crown=Union(parts=parts),
        extent_m=(1.0, 1.0),
        count=whole(rng, 30, 160),
        length_m=scale(rng, 0.05, 0.2),
        dark=dimmed(leaf, 0.25),
        light=leaf,
        slenderness=between(rng, 0.15, 0.45),
        hang_deg=between(rng, -120, 60),
        spread_deg=between(rng, 60, 180),
        seed=seed(rng),
    )
    stem = Stroke(
        points=((0.0, -0.5), (either(rng, 0, 0.05), -0.2), (either(rng, 0, 0.1), 0.15)),
        width_m=between(rng, 0.015, 0.06),
        end_width_m=0.01,
    )
    return Cutout(
        name="plant", size=(1.0, 1.0), texture=Over((crown, Stencil(texture=grain(rng, 0.02), shape=stem)))
    )


def _leaf(rng: Generator) -> Cutout:
    width = between(rng, 0.3, 0.8)
    half = tuple(
        (width / 2 * math.sin(math.pi * t) ** 0.8 * (1 - 0.4 * t) + 0.003, t - 0.5)
        for t in (i / 12 for i in range(13))
    )
    jag = between(rng, 0, 0.03)
    right = tuple((x + (jag if i % 2 else 0), y) for i, (x, y) in enumerate(half))
    outline = Polygon(points=right + tuple((-x, y) for x, y in reversed(right)))
    veins = Union(
        parts=(
            Stroke(points=((0.0, -0.5), (0.0, 0.48)), width_m=0.018, end_width_m=0.004),
            *(
                Stroke(points=((0.0, y), (side * width * 0.4, y + 0.18)), width_m=0.008, end_width_m=0.002)
                for y in (-0.35, -0.2, -0.05, 0.1, 0.25)
                for side in (-1, 1)
            ),
        )
    )
    blade = Product(grain(rng, 0.05), round_shading(1.2 * width))
    texture = Stencil(texture=Over((Stencil(texture=plain(rng), shape=veins), blade)), shape=outline)
    return Cutout(name="leaf", size=(width * 1.1, 1.0), texture=texture)


def _chair(rng: Generator) -> Cutout:
    width, seat = between(rng, 0.35, 0.6), between(rng, -0.15, 0.05)
    leg = between(rng, 0.025, 0.06)
    x = width / 2 - leg
    parts: list[Outline] = [
        Stroke(points=((side * x, seat), (side * x * between(rng, 0.8, 1.0), -0.5)), width_m=leg)
        for side in (-1, 1)
    ]
    parts += [Box(size_m=(leg, 0.5 - seat), center=(side * x, (seat + 0.5) / 2)) for side in (-1, 1)]
    parts += [Box(size_m=(width, 0.07), center=(0.0, seat), corner_m=0.02)]
    rails = whole(rng, 1, 4)
    parts += [
        Box(size_m=(width - leg, 0.04), center=(0.0, seat + (0.47 - seat) * (i + 1) / rails))
        for i in range(rails)
    ]
    wood = Product(grain(rng, 0.02, stretch=6), round_shading(1.3 * width))
    return Cutout(
        name="chair", size=(width + 0.06, 1.0), texture=Stencil(texture=wood, shape=Union(parts=tuple(parts)))
    )


def _shelf(rng: Generator) -> Cutout:
    """A frame with boards, and things on them."""
    width, boards, thick = between(rng, 0.4, 0.8), whole(rng, 2, 4), between(rng, 0.02, 0.05)
    outer = Without(whole=Box(size_m=(width, 0.98)), hole=Box(size_m=(width - 2 * thick, 0.98 - 2 * thick)))
    levels = [0.98 * (i / boards - 0.5) for i in range(boards)]
    shelf = Union(parts=(outer, *(Box(size_m=(width, thick), center=(0.0, y)) for y in levels[1:])))
    things = []
    for y in levels:
        x = -width / 2 + 2 * thick
        while x < width / 2 - 0.1:
            wide, tall = between(rng, 0.02, 0.12), between(rng, 0.3, 0.85) * 0.98 / boards
            box = Box(size_m=(wide, tall), center=(x + wide / 2, y + thick / 2 + tall / 2))
            things.append(Stencil(texture=pattern(rng, 0.2), shape=box))
            x += wide + between(rng, 0, 0.08)
    board = Stencil(texture=grain(rng, 0.02, stretch=5), shape=shelf)
    return Cutout(name="shelf", size=(width, 1.0), texture=Over((board, *things)))


def _round_line(rng: Generator, reach: float, corners: int, uneven: float) -> tuple[Point, ...]:
    """A closed line around the middle: smooth bumps on a circle."""
    bumps = [(between(rng, 0, uneven / (n + 1)), between(rng, 0, 2 * math.pi), n + 1) for n in range(5)]
    radii = [
        1 + sum(size * math.cos(n * 2 * math.pi * i / corners + at) for size, at, n in bumps)
        for i in range(corners)
    ]
    largest = max(radii)
    return tuple(
        (
            reach * radius / largest * math.cos(2 * math.pi * i / corners),
            reach * radius / largest * math.sin(2 * math.pi * i / corners),
        )
        for i, radius in enumerate(radii)
    )


def _blob(rng: Generator) -> Cutout:
    """A shape of no name, with a hard or a soft edge, maybe with holes."""
    softness = between(rng, 0.02, 0.2) if rng.random() < 0.4 else 0.0
    line = _round_line(rng, 0.49 - softness / 2, 40, between(rng, 0.1, 0.7))
    outline: Outline = Polygon(points=line, softness_m=softness)
    if softness == 0 and rng.random() < 0.4:
        hole = Placed(
            part=Polygon(points=_round_line(rng, between(rng, 0.08, 0.25), 24, 0.4)),
            center=(either(rng, 0, 0.12), either(rng, 0, 0.12)),
        )
        outline = Without(whole=outline, hole=hole)
    return Cutout(
        name="shape",
        size=(1.0, 1.0),
        texture=Stencil(texture=Product(pattern(rng, 0.8), worn(rng, 0.15)), shape=outline),
    )


def _frame(rng: Generator) -> Cutout:
    """A picture frame, or a sign."""
    height = between(rng, 0.5, 1.0)
    board = Box(size_m=(0.98, 0.98 * height), corner_m=between(rng, 0, 0.1))
    rim = between(rng, 0.03, 0.12)
    inner = Box(size_m=(0.98 - 2 * rim, 0.98 * height - 2 * rim))
    border = Stencil(texture=grain(rng, 0.02), shape=Without(whole=board, hole=inner))
    if rng.random() < 0.5:
        return Cutout(name="frame", size=(1.0, height), texture=border)
    return Cutout(
        name="sign",
        size=(1.0, height),
        texture=Over((border, Stencil(texture=pattern(rng, 0.8), shape=board))),
    )


def _tuft(rng: Generator) -> Cutout:
    """Grass, or hair that hangs."""
    tint = color(rng, 0.5)
    hangs = rng.random() < 0.4
    wide = between(rng, 0.1, 0.35)
    root = 0.45 if hangs else -0.45
    strands = Strands(
        roots=((-wide, root), (wide, root)),
        count=whole(rng, 25, 120),
        length_m=between(rng, 0.6, 0.95),
        width_m=scale(rng, 0.004, 0.03),
        dark=dimmed(tint, 0.3),
        light=tint,
        grow_deg=-90.0 if hangs else 90.0,
        spread_deg=between(rng, 5, 35),
        bend_deg=between(rng, 5, 60),
        seed=seed(rng),
    )
    return Cutout(name="hair" if hangs else "grass", size=(1.0, 1.0), texture=strands)


def _fence(rng: Generator) -> Cutout:
    height = between(rng, 0.3, 0.8)
    thick = scale(rng, 0.006, 0.03)
    bars = Bars(period_m=between(rng, 3, 8) * thick, width_m=thick, direction_deg=90 + either(rng, 0, 30))
    other: Outline = Bars(
        period_m=between(rng, 6, 14) * thick, width_m=thick * 0.7, direction_deg=between(rng, 0, 30)
    )
    return Cutout(
        name="fence",
        size=(1.0, height),
        texture=Stencil(texture=grain(rng, 0.03), shape=Union(parts=(bars, other))),
    )


def _branches(rng: Generator) -> Cutout:
    trunk = tuple((x, 0.35 * x * between(rng, -1, 1)) for x in (-0.5, -0.2, 0.1, 0.45))
    parts: list[Outline] = [Stroke(points=trunk, width_m=between(rng, 0.015, 0.05), end_width_m=0.004)]
    twigs = []
    for _ in range(whole(rng, 6, 14)):
        x, y = trunk[whole(rng, 0, 3)]
        end = (x + either(rng, 0.1, 0.35), y + either(rng, 0.1, 0.35))
        bend = ((x + end[0]) / 2 + either(rng, 0, 0.05), (y + end[1]) / 2 + either(rng, 0, 0.05))
        parts.append(Stroke(points=((x, y), bend, end), width_m=0.012, end_width_m=0.002))
        twigs.append(Disc(radius_m=0.06, center=end))
    leaf = color(rng, 0.5)
    leaves = Leaves(
        crown=Union(parts=tuple(twigs)),
        extent_m=(1.0, 1.0),
        count=whole(rng, 10, 60),
        length_m=scale(rng, 0.04, 0.1),
        dark=dimmed(leaf, 0.3),
        light=leaf,
        spread_deg=180,
        seed=seed(rng),
    )
    wood = Stencil(texture=grain(rng, 0.01), shape=Union(parts=tuple(parts)))
    return Cutout(name="branches", size=(1.0, 1.0), texture=Over((leaves, wood)))


def _wires(rng: Generator) -> Cutout:
    wires = tuple(
        Stroke(
            points=tuple((x / 8 - 0.5, height + sag * math.cos(x * math.pi / 4 + phase)) for x in range(9)),
            width_m=scale(rng, 0.003, 0.015),
        )
        for height, sag, phase in (
            (either(rng, 0, 0.15), between(rng, 0, 0.06), between(rng, 0, 6)) for _ in range(whole(rng, 1, 4))
        )
    )
    cable = Moved(texture=Stencil(texture=plain(rng), shape=Union(parts=wires)), turn_deg=either(rng, 0, 12))
    return Cutout(name="wires", size=(1.0, 0.5), texture=cable)
