"""What fills the picture behind all else, drawn at random: land, towns, walls full of things."""

from numpy.random import Generator

from any2bokeh.lab.synthesis.cutouts import draw_cutout
from any2bokeh.lab.synthesis.patterns import (
    between,
    bricks,
    colour,
    either,
    grain,
    pattern,
    scale,
    whole,
    worn,
)
from any2bokeh.lab.synthesis.scenes import Texture
from any2bokeh.lab.synthesis.shapes import Box, HalfPlane
from any2bokeh.lab.synthesis.textures import Cut, Gradient, Moved, Over, Scaled, Times


def draw_backdrop(rng: Generator, size_m: tuple[float, float]) -> Texture:
    """A picture of a size (width, height): far and coarse things, nearer and finer ones over them."""
    width_m, height_m = size_m
    layers = [_thing(rng, size_m) for _ in range(whole(rng, 3, 9))]
    if rng.random() < 0.5:
        horizon_m = either(rng, 0, 0.2) * height_m
        ground = Cut(
            texture=Times(pattern(rng, height_m / 2), worn(rng, height_m / 8)),
            shape=HalfPlane(direction_deg=90 + either(rng, 0, 4), offset_m=horizon_m),
        )
        layers += [_house(rng, size_m, horizon_m) for _ in range(whole(rng, 0, 6))]
        layers.append(ground)
    stops = tuple((height_m * (i / 3 - 0.5), colour(rng)) for i in range(4))
    sky = Times(Gradient(stops=stops, direction_deg=between(rng, 60, 120)), worn(rng, width_m / 10))
    behind = sky if rng.random() < 0.6 else Times(grain(rng, width_m / 20), worn(rng, width_m / 100))
    return Over((*layers, behind))


def _thing(rng: Generator, size_m: tuple[float, float]) -> Texture:
    thing = draw_cutout(rng)
    large = Scaled(texture=thing.texture, factor=scale(rng, 0.1, 0.8) * size_m[1])
    place = either(rng, 0, 0.5) * size_m[0], either(rng, 0, 0.5) * size_m[1]
    return Moved(texture=large, centre=place, turn_deg=either(rng, 0, 25))


def _house(rng: Generator, size_m: tuple[float, float], base_m: float) -> Texture:
    """A front with windows."""
    width_m, height_m = scale(rng, 0.08, 0.35) * size_m[0], scale(rng, 0.15, 0.7) * size_m[1]
    place = either(rng, 0, 0.5) * size_m[0], base_m - 0.1 * size_m[1] + height_m / 2
    front = Times(bricks(rng, height_m * between(rng, 0.03, 0.15)), worn(rng, height_m / 10))
    return Cut(
        texture=Moved(texture=front, centre=place), shape=Box(size_m=(width_m, height_m), centre=place)
    )
