"""Whole scenes, drawn at random: rooms, stages, streets, fields, tables, portraits, walls, thickets."""

from dataclasses import dataclass

import numpy as np

from any2bokeh.lab.compact.scenes import things
from any2bokeh.lab.compact.scenes.bodies import UPRIGHT, WILD, add_people
from any2bokeh.lab.compact.scenes.cast import Array, Cast
from any2bokeh.lab.compact.scenes.shading import CELLS, CLOUDY, EMISSION, PATTERN, PLAIN
from any2bokeh.lab.compact.scenes.solids import BOX, CARD, CONE, SPHERE


@dataclass(eq=False)
class Place:
    """A scene that is being made: its solids, and how it is looked at.

    The eye stands at height ``eye_m`` over the origin and looks along z, ``far_m`` far; ``pitch_deg`` of 0
    leaves to the maker how steeply. ``time_s`` moves the moving objects, and changes nothing else.
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
    center = np.array([shift, high / 2, (deep - back) / 2])
    half = np.array([wide, high / 2, (deep + back) / 2])
    turn = things.upright(yaw, (1, 1, 1))
    cast.add(BOX, center, turn * half[:, None], walls)
    floor = things.paint(rng, period_m=rng.uniform(0.1, 0.6))
    axes = np.stack([turn[0] * wide, turn[2] * half[2], turn[1]])
    cast.add(CARD, center * [1, 0, 1] + np.array([0, 0.004, 0]), axes, floor)
    for _ in range(rng.integers(0, 7)):
        _hang(place, center, half, turn)
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


def _hang(place: Place, center: Array, half: Array, turn: Array) -> None:
    """Put a picture, a window or a door on a wall of the room."""
    rng = place.rng
    side = rng.integers(3)
    if side == 0:
        wall, along, reach, extent = turn[2], turn[0], half[2], half[0]
    else:
        wall, along, reach, extent = turn[0] * (2 * side - 3), turn[2], half[0], half[2]
    at = center * [1, 0, 1] + wall * (reach - 0.02) + along * rng.uniform(-0.9, 0.9) * extent
    size = (rng.uniform(0.2, 1.1), rng.uniform(0.2, 1.0))
    look = things.paint(rng, period_m=0.3)
    look[:, EMISSION] = rng.uniform(0.5, 4) if rng.random() < 0.35 else 0
    axes = np.stack([along * size[0], turn[1] * size[1], wall])
    height_m = rng.uniform(1.0, 2 * half[1] - 0.6)
    place.cast.add(CARD, at + np.array([0, height_m, 0]), axes, look)


def stage(place: Place) -> None:
    """Someone before a crowd that looks on, cut by the frame, indoors or out."""
    rng, cast = place.rng, place.cast
    add_ground(place, tint=tuple(rng.uniform(0.05, 0.6, 3)) if rng.random() < 0.5 else None)
    place.subject_m = rng.uniform(2, 6.5)
    first = place.subject_m + rng.uniform(0.6, 5)
    last = first + rng.uniform(0.5, 8)
    place.far_m = last + rng.uniform(0.5, 25)
    add_crowd(place, first, last, int(rng.integers(5, 45)), 180 if rng.random() < 0.8 else None)
    add_main_figure(place)
    if rng.random() < 0.25:
        add_main_figure(place, place.subject_m * rng.uniform(0.7, 1.5))
    if rng.random() < 0.6:
        half = (rng.uniform(5, 25), rng.uniform(1.5, 6), 0.5)
        things.add_house(cast, rng, np.array([rng.normal(0, 4), 0, place.far_m]), half, rng.normal(0, 12))
    elif rng.random() < 0.7:
        for spot in place.spots(int(rng.integers(2, 8)), last, place.far_m * 2):
            things.add_tree(cast, rng, spot, rng.uniform(3, 10))
    if rng.random() < 0.25:
        add_crowd(place, 0.9, place.subject_m * 0.7, int(rng.integers(1, 4)))
    add_clutter(place, 1.5, last, int(rng.integers(0, 6)))


def street(place: Place) -> None:
    """Houses to the sides, cars, poles, trees, people."""
    rng, cast = place.rng, place.cast
    add_ground(place, tint=(0.25, 0.25, 0.25) if rng.random() < 0.6 else None)
    place.far_m = rng.uniform(25, 120)
    yaw, wide = rng.normal(0, 15), rng.uniform(3, 12)
    turn = things.upright(yaw, (1, 1, 1))
    for side in (-1, 1):
        z = rng.uniform(-3, 4)
        while z < place.far_m and rng.random() < 0.93:
            half = (rng.uniform(2, 6), rng.uniform(2, 12), rng.uniform(2, 8))
            spot = turn[0] * side * (wide + half[0]) + turn[2] * (z + half[2])
            things.add_house(cast, rng, spot, half, yaw)
            z += 2 * half[2] + (rng.uniform(0, 4) if rng.random() < 0.4 else 0)
        edge = turn[0] * side * wide * 0.8 + turn[2] * place.far_m / 2
        if rng.random() < 0.6:
            things.add_box(cast, edge, (wide * 0.2, 0.07, place.far_m / 2 + 4), yaw, things.paint(rng))
    for spot in place.spots(int(rng.integers(0, 6)), 5, 40, 0.5):
        moved = spot + place.drift(1, 2)[0]
        things.add_car(cast, rng, moved, yaw + 90 + rng.choice([0, 0, 90]) + rng.normal(0, 5))
    for spot in place.spots(int(rng.integers(0, 7)), 2, 40):
        things.add_pole(cast, rng, spot, rng.uniform(2, 6))
    for spot in place.spots(int(rng.integers(0, 5)), 4, 50):
        things.add_tree(cast, rng, spot, rng.uniform(3, 9))
    if rng.random() < 0.4:
        starts = np.stack([np.full(3, -15.0), rng.uniform(4, 8, 3), rng.uniform(5, 30, 3)], 1)
        things.add_lines(cast, rng, starts, starts + np.array([30, 0, 5]), 0.015)
    add_crowd(place, 1.5, 30, int(rng.integers(0, 12)))
    if rng.random() < 0.4:
        add_main_figure(place, rng.uniform(1.3, 6))
    add_clutter(place, 1.5, 15, int(rng.integers(0, 5)))


def field(place: Place) -> None:
    """Grass or sand, hills, trees, bushes, rocks, fences, animals and people."""
    rng, cast = place.rng, place.cast
    add_ground(place, period_m=0.25, tint=(0.2, 0.28, 0.09) if rng.random() < 0.6 else None)
    place.far_m = rng.uniform(20, 200)
    for _ in range(rng.integers(0, 5)):
        far = rng.uniform(40, 350)
        half = np.array([rng.uniform(0.3, 1.2) * far, rng.uniform(0.04, 0.3) * far, 0.3 * far])
        look = things.paint(rng, tint=(0.15, 0.22, 0.12), period_m=4.0, pattern=CLOUDY)
        cast.add(SPHERE, np.array([rng.uniform(-1, 1) * far, 0, far + half[2]]), np.diag(half), look)
    for spot in place.spots(int(rng.integers(0, 10)), 5, 60):
        things.add_tree(cast, rng, spot, rng.uniform(2, 10))
    for spot in place.spots(int(rng.integers(0, 8)), 2.5, 40):
        things.add_bush(cast, rng, spot, rng.uniform(0.3, 1.2))
    things.add_grass(cast, rng, place.spots(int(rng.integers(0, 14)), 0.9, 8), rng.uniform(0.1, 0.6))
    for spot in place.spots(int(rng.integers(0, 5)), 1.5, 20):
        look = things.paint(rng, tint=(0.35, 0.33, 0.3), period_m=0.3, pattern=CLOUDY)
        cast.add(SPHERE, spot, np.diag(rng.uniform(0.1, 0.9, 3)), look)
    if rng.random() < 0.3:
        size = (rng.uniform(2, 15), rng.uniform(0.4, 1.0))
        things.add_fence(cast, rng, place.spots(1, 2.5, 20)[0], size, rng.normal(0, 25))
    for spot in place.spots(int(rng.integers(0, 3)), 1.5, 20):
        things.add_animal(
            cast, rng, spot + place.drift(1, 0.4)[0], rng.uniform(0.35, 1.6), rng.uniform(0, 360)
        )
    if rng.random() < 0.5:
        add_main_figure(place, rng.uniform(1.3, 8))
    add_crowd(place, 2, 30, int(rng.integers(0, 6)))


def table(place: Place) -> None:
    """Things close by on a table, a room or a garden behind it."""
    rng, cast = place.rng, place.cast
    if rng.random() < 0.6:
        room(place)
    else:
        field(place)
    height = place.eye_m - rng.uniform(0.12, 0.55)
    far = rng.uniform(0.7, 2.2)
    look = things.paint(rng, period_m=rng.uniform(0.03, 0.3))
    middle = np.array([0, height - 0.03, far / 2 + 0.1])
    cast.add(BOX, middle, things.upright(rng.normal(0, 20), (rng.uniform(0.5, 2), 0.03, far / 2)), look)
    spots = place.spots(int(rng.integers(2, 14)), 0.3, far * 0.95, 0.6) + np.array([0, height, 0])
    things.add_small(cast, rng, spots, rng.uniform(0.02, 0.09))
    place.pitch_deg = -rng.uniform(3, 30)


def portrait(place: Place) -> None:
    """A face and shoulders before any other place."""
    (room if place.rng.random() < 0.5 else street if place.rng.random() < 0.5 else field)(place)
    place.subject_m = place.rng.uniform(0.7, 1.8)
    count = 1 if place.rng.random() < 0.7 else 2
    spots = place.spots(count, place.subject_m, place.subject_m * 1.3, 0.25)
    poses = [str(pose) for pose in place.rng.choice(("stand", "film", "sit", "folded"), count)]
    facing = place.rng.normal(180, 25, count)
    add_people(place.cast, place.rng, spots, poses, facing_deg=facing, time_s=place.time_s)


def wall(place: Place) -> None:
    """A wall or a hedge seen straight or along, with little before it."""
    rng, cast = place.rng, place.cast
    add_ground(place)
    place.far_m = rng.uniform(1.5, 10)
    look = things.paint(rng, period_m=rng.uniform(0.1, 1))
    half = (30.0, rng.uniform(0.6, 5), 0.2)
    things.add_box(cast, np.array([0, 0, place.far_m]), half, rng.normal(0, 35), look)
    for spot in place.spots(int(rng.integers(0, 5)), 1.2, place.far_m):
        (things.add_pole if rng.random() < 0.4 else things.add_bush)(cast, rng, spot, rng.uniform(0.5, 2))
    if rng.random() < 0.6:
        add_main_figure(place, place.far_m * rng.uniform(0.4, 0.95))
    add_clutter(place, 1, place.far_m, int(rng.integers(0, 8)))


def thicket(place: Place) -> None:
    """Leaves and twigs at every distance."""
    rng, cast = place.rng, place.cast
    field(place)
    count = rng.integers(10, 45)
    z = rng.uniform(0.5, 8, count)
    centers = np.stack(
        [rng.uniform(-0.9, 0.9, count) * z, place.eye_m + rng.uniform(-0.6, 0.6, count) * z, z], 1
    )
    things.add_leaves(cast, rng, centers, rng.uniform(0.1, 0.5))
    starts = centers[: count // 2]
    things.add_lines(cast, rng, starts, starts + rng.normal(0, 1, starts.shape), rng.uniform(0.004, 0.03))


def adrift(place: Place) -> None:
    """Solids at any place, with nothing to stand on."""
    rng, cast = place.rng, place.cast
    if rng.random() < 0.5:
        add_ground(place)
    count = int(rng.integers(4, 40))
    z = 1 / rng.uniform(1 / 20, 1 / 0.8, count)
    centers = np.stack(
        [rng.uniform(-0.8, 0.8, count) * z, place.eye_m + rng.uniform(-0.6, 0.6, count) * z, z], 1
    )
    centers += place.drift(count, 0.4)
    for center in centers:
        axes = np.linalg.qr(rng.normal(0, 1, (3, 3)))[0] * rng.uniform(0.05, 0.6, 3)[:, None]
        cast.add(int(rng.choice((SPHERE, BOX, CONE, CARD))), center, axes, things.paint(rng, period_m=0.15))
    back = things.paint(rng, period_m=1.0, pattern=PLAIN if rng.random() < 0.3 else CELLS)
    cast.add(CARD, np.array([0, 0, rng.uniform(8, 40)]), np.diag([200.0, 200.0, 1.0]), back)
