"""What every scene is made in: its ground, its people, and where things may stand."""

from dataclasses import dataclass

import numpy as np

from any2bokeh.lab.compact.scenes import things
from any2bokeh.lab.compact.scenes.bodies import UPRIGHT, WILD, add_people
from any2bokeh.lab.compact.scenes.cast import Array, Cast
from any2bokeh.lab.compact.scenes.shading import CLOUDY, PATTERN
from any2bokeh.lab.compact.scenes.solids import BOX


@dataclass(eq=False)
class Place:
    """A scene that is being made: its solids, and how it is looked at.

    The eye stands at height ``eye_m`` over the origin and looks along z, ``far_m`` far; ``pitch_deg`` of 0
    leaves to the maker how steeply. ``time_s`` moves what moves, and changes nothing else.
    """

    cast: Cast
    rng: np.random.Generator
    time_s: float
    eye_m: float
    far_m: float = 20.0
    indoors: bool = False
    pitch_deg: float = 0.0
    subject_m: float = 4.0

    def spots(self, count: int, near_m: float, far_m: float, spread: float = 0.75) -> Array:
        """Places on the ground, ``N 3``, within the view and as often near as far in the picture."""
        z = 1 / self.rng.uniform(1 / far_m, 1 / near_m, count)
        x = self.rng.uniform(-spread, spread, count) * z
        return np.stack([x, np.zeros(count), z], 1)

    def drift(self, count: int, speed: float) -> Array:
        """How far things have moved by now, ``N 3``."""
        velocity: Array = self.rng.normal(0, speed, (count, 3)) * np.array([1, 0, 1])
        return velocity * self.time_s


def add_ground(place: Place, period_m: float = 0.4, tint: tuple[float, float, float] | None = None) -> None:
    """The ground: one great box, whose top is at height 0."""
    look = things.paint(place.rng, tint=tint, period_m=period_m)
    if place.rng.random() < 0.5:
        look[:, PATTERN] = CLOUDY
    place.cast.add(BOX, np.array([0, -1.0, 0]), np.diag([400.0, 1.0, 400.0]), look)


def add_crowd(place: Place, near_m: float, far_m: float, count: int, facing_deg: float | None = None) -> None:
    """People who stand about or, with a facing, look the same way."""
    rng = place.rng
    spots = place.spots(count, near_m, far_m) + place.drift(count, 0.3)
    facing = None if facing_deg is None else rng.normal(facing_deg, 25, count)
    poses = [str(pose) for pose in rng.choice(UPRIGHT, count)]
    add_people(place.cast, rng, spots, poses, facing_deg=facing, time_s=place.time_s)


def add_main_figure(place: Place, z: float | None = None) -> None:
    """One person in any pose, whom the camera is about."""
    rng = place.rng
    z = place.subject_m if z is None else z
    pose = str(rng.choice(WILD if rng.random() < 0.6 else UPRIGHT))
    spot = np.array([[rng.normal(0, 0.22) * z, 0, z]]) + place.drift(1, 0.8)
    facing = rng.normal(180, 60, 1) if rng.random() < 0.7 else rng.uniform(0, 360, 1)
    add_people(place.cast, rng, spot, [pose], facing_deg=facing, time_s=place.time_s)


def add_clutter(place: Place, near_m: float, far_m: float, count: int, size_m: float = 0.15) -> None:
    """Small things on the ground."""
    things.add_small(place.cast, place.rng, place.spots(count, near_m, far_m), size_m)
