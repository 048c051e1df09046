"""From a seed to a scene: where it is, who looks at it, its light and its air."""

from collections.abc import Callable

import numpy as np

from any2bokeh.lab.compact.scenes.cast import Air, Cast, Lights, Viewpoint
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

Places = tuple[tuple[Callable[[Place], None], float], ...]  # how each is made, and how often

PLACES: Places = (
    (room, 0.23),
    (stage, 0.24),
    (street, 0.15),
    (field, 0.12),
    (table, 0.06),
    (portrait, 0.08),
    (wall, 0.05),
    (thicket, 0.03),
    (adrift, 0.04),
)


def draw_lights(place: Place) -> Lights:
    """Sunshine, clouds, dusk with lamps, or the lamps of a room."""
    rng = place.rng
    toward = rng.normal(0, 1, 3)
    toward[1] = abs(toward[1]) * (2.5 if place.indoors else 1) + 0.25
    warm = np.array([1.0, rng.uniform(0.8, 1), rng.uniform(0.6, 1)])
    sunny = rng.random() < 0.5
    level = float(np.exp(rng.normal(0, 0.25)))
    sun = warm * level * (rng.uniform(0.6, 1.4) if sunny else rng.uniform(0.1, 0.5))
    above = level * rng.uniform(0.15, 0.7) * rng.uniform(0.85, 1.1, 3)
    below = above * rng.uniform(0.25, 0.9)
    lamps = []
    if place.indoors or rng.random() < 0.15:
        for _ in range(rng.integers(0, 4)):
            spot = place.spots(1, 1.0, min(place.far_m, 10))[0] + np.array([0, rng.uniform(1.5, 3.2), 0])
            lamps.append(np.concatenate([spot, warm * rng.uniform(0.3, 2.5)]))
        if lamps:
            sun = sun * rng.uniform(0, 1)
            above, below = above * rng.uniform(0.2, 1), below * rng.uniform(0.2, 1)
    softness = 1 if sunny else int(rng.integers(2, 6))
    return Lights(toward / np.linalg.norm(toward), sun, above, below, lamps, softness)


def draw_air(place: Place) -> Air:
    """Blue, gray, evening and night skies; haze in some."""
    rng = place.rng
    bright = rng.uniform(0.3, 1.3) if rng.random() < 0.85 else rng.uniform(0.01, 0.1)
    zenith = bright * np.array([0.25, 0.45, 0.9]) ** rng.uniform(0, 1.2)
    horizon = bright * (1 - rng.uniform(0, 0.5) * np.array([0.0, 0.3, 0.6]) * (rng.random() < 0.3))
    clouds = np.array(
        [rng.uniform(0, 1), rng.uniform(0.3, 2), rng.integers(9999), bright * rng.uniform(0.7, 1.1)]
    )
    reach = rng.uniform(80, 900) if rng.random() < 0.88 else rng.uniform(10, 80)
    haze = np.array([*horizon, 0.0 if place.indoors and rng.random() < 0.8 else 1 / reach])
    return Air(zenith=zenith, horizon=horizon, clouds=clouds, haze=haze)


def build_scene(
    seed: int, time_s: float, height: int, width: int, places: Places = PLACES
) -> tuple[Cast, Viewpoint, Lights, Air]:
    """Return the scene of a seed as it is at ``time_s``, seen in ``height width`` samples.

    All random draws depend on the seed alone: at another time the same scene has moved on.
    """
    rng = np.random.default_rng(seed)
    chances = np.array([share for _, share in places])
    build = places[rng.choice(len(places), p=chances / chances.sum())][0]
    eye = float(np.clip(rng.normal(1.5, 0.4), 0.2, 3.5)) if rng.random() < 0.85 else rng.uniform(2, 9)
    place = Place(cast=Cast(), rng=rng, time_s=time_s, eye_m=eye)
    build(place)
    # A crouching cameraman looks up a little, one on a balcony down.
    steep = rng.normal(0, 5) - 5 * (eye - 1.3) * rng.uniform(0, 2) if not place.pitch_deg else place.pitch_deg
    pitch = float(np.clip(steep if rng.random() < 0.92 else rng.uniform(-60, 25), -70, 30))
    eye_m = min(eye, 2.2) if place.indoors else eye
    still = rng.random() < 0.4
    moves = rng.normal(0, 1, 6) * (0 if still else rng.uniform(0, 1)) * [0.6, 0.15, 0.6, 4, 12, 3]
    where = np.array([0, eye_m, 0]) + moves[:3] * time_s
    turn = np.array([pitch, rng.normal(0, 4), rng.normal(0, 2.5)]) + moves[3:] * time_s
    zoom = float(np.exp(rng.normal(0.45, 0.3)))
    view = Viewpoint(place=where, turn_deg=(turn[0], turn[1], turn[2]), zoom=zoom, height=height, width=width)
    return place.cast, view, draw_lights(place), draw_air(place)
