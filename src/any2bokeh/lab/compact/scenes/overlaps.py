"""Scenes full of edges: twigs, wires, leaves and fences in front of other things, lamps behind them."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from any2bokeh.lab.compact.scenes import things
from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.places import (
    Place,
    adrift,
    field,
    portrait,
    room,
    stage,
    street,
    table,
    thicket,
    wall,
)
from any2bokeh.lab.compact.scenes.shading import EMISSION, PLAIN
from any2bokeh.lab.compact.scenes.solids import SPHERE

WIRES, LEAVES, FENCE, GRASS, LAMPS = 0.35, 0.2, 0.15, 0.12, 0.22  # how many of the scenes have them
DIRECTIONS = np.array([[1, 1, 1], [0.1, 1, 0.1], [1, 0.1, 0.1]])  # of wires: any, upright, level
LAMP_LIGHT = (1.0, 9.0)  # of lamps, white being 1 or less
HIGHEST_EYE_M = 2.2  # indoors


def with_overlaps(build: Callable[[Place], None]) -> Callable[[Place], None]:
    """Return ``build`` with things before and behind its own."""

    @wraps(build)
    def built(place: Place) -> None:
        build(place)
        add_overlaps(place)

    return built


def add_overlaps(place: Place) -> None:
    """Add thin things at all distances, most of them near, and lamps."""
    rng, cast = place.rng, place.cast
    eye = min(place.eye_m, HIGHEST_EYE_M) if place.indoors else place.eye_m
    if rng.random() < WIRES:
        centers, z = _spread(rng, int(rng.integers(4, 40)), (0.45, 9), eye, (-0.5, 0.5))
        way = rng.normal(0, 1, centers.shape) * rng.choice(DIRECTIONS) * np.minimum(z, 2)[:, None]
        things.add_lines(cast, rng, centers - way, centers + way, _draw_size(rng, 0.002, 0.02))
    if rng.random() < LEAVES:
        centers, _ = _spread(rng, int(rng.integers(4, 40)), (0.5, 6), eye, (-0.6, 0.6))
        things.add_leaves(cast, rng, centers, _draw_size(rng, 0.01, 0.3))
    if rng.random() < FENCE:
        spot = place.spots(1, 1.0, 6)[0]
        half = rng.uniform(1, 6), rng.uniform(0.4, 1.4)
        things.add_fence(cast, rng, spot, half, rng.normal(0, 25))
    if rng.random() < GRASS:
        things.add_grass(cast, rng, place.spots(int(rng.integers(10, 60)), 0.6, 6), rng.uniform(0.1, 0.6))
    if rng.random() < LAMPS:
        _add_lamps(place, eye)


def _add_lamps(place: Place, eye_m: float) -> None:
    rng = place.rng
    count = int(rng.integers(2, 25))
    centers, z = _spread(rng, count, (1.2, 20), eye_m, (-0.2, 0.55))
    size = _draw_size(rng, 0.012, 0.06) * np.sqrt(z)[:, None, None]
    look = things.paint(rng, count, pattern=PLAIN)
    look[:, :3] = look[:, 3:6] = np.array([1, rng.uniform(0.75, 1), rng.uniform(0.4, 1)])
    look[:, EMISSION] = np.exp(rng.uniform(np.log(LAMP_LIGHT[0]), np.log(LAMP_LIGHT[1]), count))
    place.cast.add(SPHERE, centers, np.eye(3)[None] * size, look)


def _spread(
    rng: np.random.Generator, count: int, z_m: tuple[float, float], eye_m: float, high: tuple[float, float]
) -> tuple[Array, Array]:
    """Places ``N 3`` in the view, as often near as far in the picture, and how far they are."""
    z = 1 / rng.uniform(1 / z_m[1], 1 / z_m[0], count)
    return np.stack([rng.uniform(-0.9, 0.9, count) * z, eye_m + rng.uniform(*high, count) * z, z], 1), z


def _draw_size(rng: np.random.Generator, least_m: float, most_m: float) -> float:
    return float(np.exp(rng.uniform(np.log(least_m), np.log(most_m))))


OVERLAPPING = tuple(
    (with_overlaps(build), share)
    for build, share in (
        (room, 0.18),
        (stage, 0.14),
        (street, 0.17),
        (field, 0.12),
        (table, 0.11),
        (portrait, 0.07),
        (wall, 0.05),
        (thicket, 0.11),
        (adrift, 0.05),
    )
)
