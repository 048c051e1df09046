"""Colors and patterns drawn at random, for synthetic things."""

import math

import numpy as np
from numpy.random import Generator

from any2bokeh.lab.synthesis.stage import Rgb, Texture
from any2bokeh.lab.synthesis.textures import (
    Bricks,
    Checks,
    Gradient,
    Noise,
    Product,
    Stripes,
    Uniform,
    Writing,
)


def whole(rng: Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return int(rng.integers(low, high + 1))


def between(rng: Generator, low: float, high: float) -> float:
    """A number between two."""
    return float(rng.uniform(low, high))


def either(rng: Generator, low: float, high: float) -> float:
    """A number between two, of either sign."""
    return between(rng, low, high) * (1 if rng.random() < 0.5 else -1)


def scale(rng: Generator, low: float, high: float) -> float:
    """A number between two, as many below as above their geometric mean."""
    return math.exp(between(rng, math.log(low), math.log(high)))


def seed(rng: Generator) -> int:
    """A seed for a texture."""
    return whole(rng, 0, 999_999)


def color(rng: Generator, brightest: float = 0.85) -> Rgb:
    """A color: gray, pale or strong, dark more often than bright (linear light)."""
    level = brightest * float(rng.random()) ** 1.6 + 0.01
    hue = np.cos(2 * math.pi * (rng.random() + np.array([0, 1, 2]) / 3)) * 0.5 + 0.5
    strength = float(rng.random()) ** 1.5
    red, green, blue = (float(level * (1 - strength + strength * part)) for part in hue)
    return red, green, blue


def pattern(rng: Generator, size_m: float) -> Texture:
    """A pattern for a thing of a size: detail from a fiftieth to a third of it."""
    detail_m = size_m * scale(rng, 0.02, 0.3)
    kind = whole(rng, 0, 7)
    if kind == 0:
        return Checks(first=plain(rng), second=plain(rng), cell_m=detail_m)
    if kind == 1:
        return Stripes(
            first=plain(rng),
            second=plain(rng),
            period_m=detail_m,
            direction_deg=between(rng, 0, 180),
            share=between(rng, 0.2, 0.8),
        )
    if kind == 2:
        return bricks(rng, detail_m)
    if kind == 3:
        return Writing(
            ink=color(rng, 0.3), paper=color(rng), line_m=max(detail_m, size_m / 20), seed=seed(rng)
        )
    if kind == 4:
        return grain(rng, detail_m, stretch=scale(rng, 1, 8))
    if kind == 5:
        stops = tuple((size_m * (i / 2 - 0.5), color(rng)) for i in range(3))
        return Product(Gradient(stops=stops, direction_deg=between(rng, 0, 360)), worn(rng, detail_m))
    if kind == 6:
        return Product(Checks(first=plain(rng), second=plain(rng), cell_m=detail_m), worn(rng, detail_m))
    return grain(rng, detail_m)


def plain(rng: Generator) -> Texture:
    """One color."""
    return Uniform(color(rng))


def grain(rng: Generator, detail_m: float, stretch: float = 1.0) -> Noise:
    """Irregular variation between two colors: stone, cloth, wood."""
    return Noise(
        low=color(rng),
        high=color(rng),
        scale_m=3 * detail_m,
        octaves=whole(rng, 3, 5),
        stretch=stretch,
        contrast=between(rng, 1, 2.5),
        seed=seed(rng),
    )


def worn(rng: Generator, detail_m: float) -> Noise:
    """Light and shade, to multiply with."""
    dark = between(rng, 0.35, 0.8)
    return Noise(low=(dark, dark, dark), high=(1.0, 1.0, 1.0), scale_m=4 * detail_m, seed=seed(rng))


def bricks(rng: Generator, detail_m: float) -> Bricks:
    """Rows of rectangles in a few colors."""
    width_m = detail_m * scale(rng, 1, 3)
    return Bricks(
        tints=tuple(color(rng) for _ in range(whole(rng, 2, 5))),
        joint=color(rng),
        size_m=(width_m, detail_m),
        joint_m=detail_m * between(rng, 0.05, 0.25),
        offset=between(rng, 0, 0.5),
        seed=seed(rng),
    )
