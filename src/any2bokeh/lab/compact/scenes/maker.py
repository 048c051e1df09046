"""From a seed to a scene."""

from collections.abc import Callable

import numpy as np

from any2bokeh.lab.compact.scenes.cast import Air, Cast, Lights, View
from any2bokeh.lab.compact.scenes.indoors import room
from any2bokeh.lab.compact.scenes.place import Place
from any2bokeh.lab.compact.scenes.places import adrift, field, portrait, stage, street, table, thicket, wall
from any2bokeh.lab.compact.scenes.weather import draw_air, draw_lights

PLACES: tuple[tuple[Callable[[Place], None], float], ...] = (
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


def make_scene(seed: int, time_s: float, height: int, width: int) -> tuple[Cast, View, Lights, Air]:
    """Return the scene of a seed as it is at ``time_s``, seen in ``height width`` samples.

    All that is drawn at random depends on the seed alone: at another time the same scene has moved on.
    """
    rng = np.random.default_rng(seed)
    chances = np.array([share for _, share in PLACES])
    build = PLACES[rng.choice(len(PLACES), p=chances / chances.sum())][0]
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
    view = View(place=where, turn_deg=(turn[0], turn[1], turn[2]), zoom=zoom, height=height, width=width)
    return place.cast, view, draw_lights(place), draw_air(place)
