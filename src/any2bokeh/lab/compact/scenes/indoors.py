"""Rooms."""

import numpy as np

from any2bokeh.lab.compact.scenes import things
from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.place import Place, add_clutter, add_crowd, add_main_figure
from any2bokeh.lab.compact.scenes.shading import EMISSION
from any2bokeh.lab.compact.scenes.solids import BOX, CARD


def room(place: Place) -> None:
    """A room with furniture, and people in most."""
    rng, cast = place.rng, place.cast
    place.indoors = True
    wide, deep, high = rng.uniform(1.6, 6), rng.uniform(3.5, 14), rng.uniform(2.3, 4.5)
    place.far_m = deep
    back = rng.uniform(0.5, 3)
    shift = rng.uniform(-0.5, 0.5) * wide
    yaw = rng.normal(0, 18)
    walls = things.paint(rng, period_m=0.4)
    if rng.random() < 0.6:  # painted
        walls[:, :3] = walls[:, 3:6] = rng.uniform(0.3, 0.85) * rng.uniform(0.85, 1, 3)
    centre = np.array([shift, high / 2, (deep - back) / 2])
    half = np.array([wide, high / 2, (deep + back) / 2])
    turn = things.upright(yaw, (1, 1, 1))
    cast.add(BOX, centre, turn * half[:, None], walls)
    floor = things.paint(rng, period_m=rng.uniform(0.1, 0.6))
    axes = np.stack([turn[0] * wide, turn[2] * half[2], turn[1]])
    cast.add(CARD, centre * [1, 0, 1] + np.array([0, 0.004, 0]), axes, floor)
    for _ in range(rng.integers(0, 7)):
        _hang(place, centre, half, turn)
    for spot in place.spots(int(rng.integers(2, 9)), 1.9, max(2.4, deep * 0.95), 0.7):
        top = things.add_furniture(cast, rng, spot, rng.choice([0, 90, 180, 270]) + yaw + rng.normal(0, 8))
        if rng.random() < 0.5:
            on_top = spot + np.array([0, top, 0]) + rng.normal(0, 0.15, (rng.integers(1, 4), 3)) * [1, 0, 1]
            things.add_small(cast, rng, on_top, 0.08)
    if rng.random() < 0.75:
        add_main_figure(place, rng.uniform(1.2, max(1.6, deep * 0.6)))
    if rng.random() < 0.3:
        add_crowd(place, 1.8, deep * 0.9, int(rng.integers(1, 6)))
    add_clutter(place, 1.2, deep, int(rng.integers(0, 8)))


def _hang(place: Place, centre: Array, half: Array, turn: Array) -> None:
    """Put a picture, a window or a door on a wall of the room."""
    rng = place.rng
    side = rng.integers(3)
    if side == 0:
        wall, along, reach, extent = turn[2], turn[0], half[2], half[0]
    else:
        wall, along, reach, extent = turn[0] * (2 * side - 3), turn[2], half[0], half[2]
    at = centre * [1, 0, 1] + wall * (reach - 0.02) + along * rng.uniform(-0.9, 0.9) * extent
    size = (rng.uniform(0.2, 1.1), rng.uniform(0.2, 1.0))
    look = things.paint(rng, period_m=0.3)
    look[:, EMISSION] = rng.uniform(0.5, 4) if rng.random() < 0.35 else 0
    axes = np.stack([along * size[0], turn[1] * size[1], wall])
    height_m = rng.uniform(1.0, 2 * half[1] - 0.6)
    place.cast.add(CARD, at + np.array([0, height_m, 0]), axes, look)
