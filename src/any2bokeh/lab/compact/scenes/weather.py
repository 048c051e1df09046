"""Light and air: sunshine, clouds, dusk, lamps, haze."""

import numpy as np

from any2bokeh.lab.compact.scenes.cast import Air, Lights
from any2bokeh.lab.compact.scenes.place import Place


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
