"""Objects of the scenes: furniture, trees, poles, fences, cars, houses, small things."""

import numpy as np

from any2bokeh.lab.compact.scenes.bodies import bone_axes
from any2bokeh.lab.compact.scenes.cast import Array, Cast
from any2bokeh.lab.compact.scenes.shading import (
    BRICKS,
    CELLS,
    CLOUDY,
    PAINT,
    PLAIN,
    SPECKS,
    VEINS,
    draw_patterns,
)
from any2bokeh.lab.compact.scenes.solids import BARS, BLADES, BOX, CARD, CONE, HOLES, ROUND, SPHERE

Rng = np.random.Generator
UP = np.array([0.0, 1.0, 0.0])


def paint(
    rng: Rng,
    count: int = 1,
    *,
    tint: tuple[float, float, float] | None = None,
    period_m: float = 0.3,
    pattern: int | None = None,
) -> Array:
    """Paints ``N PAINT``: plain or patterned, dull or strong in color, about as coarse as ``period_m``."""
    paints = np.zeros((count, PAINT))
    vivid = rng.random((count, 1)) < 0.18
    color = np.where(
        vivid, rng.random((count, 3)) ** 1.5, rng.random((count, 1)) ** 1.5 * rng.uniform(0.75, 1, (count, 3))
    )
    if tint is not None:
        color = np.array(tint) * rng.uniform(0.55, 1.5, (count, 1)) * rng.uniform(0.85, 1.15, (count, 3))
    paints[:, :3] = np.clip(0.015 + 0.8 * color, 0, 0.95)
    other = rng.random((count, 3)) ** 1.5 * 0.9
    near = rng.random((count, 1)) < 0.7
    paints[:, 3:6] = np.where(near, paints[:, :3] * rng.uniform(0.35, 1.6, (count, 1)), other).clip(0, 0.95)
    drawn = draw_patterns(rng, count, plain=0.3) if pattern is None else pattern
    paints[:, 6] = drawn
    paints[:, 7] = period_m * np.exp(rng.normal(0, 0.8, count))
    paints[:, 8] = rng.integers(0, 9999, count)
    paints[:, 9] = np.where(rng.random(count) < 0.3, 0, rng.uniform(0, 0.7, count))
    paints[:, 10] = period_m * np.exp(rng.normal(0.5, 0.9, count))
    paints[:, 11] = np.where(rng.random(count) < 0.2, rng.uniform(0.1, 0.8, count), 0)
    paints[:, 13] = np.where(rng.random(count) < 0.2, rng.uniform(0.2, 3, count), 1)
    paints[:, 14] = np.where(rng.random(count) < 0.25, rng.uniform(0, 3.5, count), 0)
    return paints


def upright(yaw_deg: float, half: tuple[float, float, float]) -> Array:
    """Half axes ``3 3`` of something that stands, turned by ``yaw_deg``."""
    angle = np.deg2rad(yaw_deg)
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    axes: Array = turn * np.array(half)[:, None]
    return axes


def add_box(cast: Cast, place: Array, half: tuple[float, float, float], yaw_deg: float, look: Array) -> None:
    """A box that stands at ``place``."""
    cast.add(BOX, np.asarray(place) + half[1] * UP, upright(yaw_deg, half), look)


def add_furniture(cast: Cast, rng: Rng, place: Array, yaw_deg: float) -> float:
    """A table, chair, shelf, sofa, bed or cupboard; returns the height of its top."""
    kind = rng.integers(6)
    look = paint(rng, period_m=0.15)
    if kind <= 1:  # table or chair: a top on legs
        half = (rng.uniform(0.35, 1.0), 0.02, rng.uniform(0.3, 0.6)) if kind == 0 else (0.22, 0.025, 0.22)
        top = rng.uniform(0.45, 0.95)
        turn = upright(yaw_deg, (1, 1, 1))
        cast.add(BOX, place + top * UP, upright(yaw_deg, half), look)
        legs = np.array([[x, 0, z] for x in (-0.9, 0.9) for z in (-0.9, 0.9)]) * np.array(half)
        for leg in legs @ turn:
            cast.add(BOX, place + leg + top / 2 * UP, upright(yaw_deg, (0.022, top / 2, 0.022)), look)
        if kind == 1:
            back = place + turn[2] * half[2] + (top + 0.25) * UP
            cast.add(BOX, back, upright(yaw_deg, (0.21, 0.25, 0.015)), look)
        return float(top)
    if kind == 2:  # shelf: boards, and goods on them
        half = (rng.uniform(0.3, 1.2), rng.uniform(0.5, 1.1), rng.uniform(0.12, 0.25))
        add_box(cast, place, half, yaw_deg, look)
        turn = upright(yaw_deg, (1, 1, 1))
        rows, columns = rng.integers(2, 6), rng.integers(3, 9)
        for row in range(rows):
            at = rng.uniform(-0.9, 0.9, columns)[:, None] * half[0] * turn[0] - turn[2] * half[2] * 1.05
            height = 2 * half[1] * (row + 0.4) / rows
            sizes = (0.4 * half[0] / columns, 0.35 * half[1] / rows, 0.03)
            cast.add(
                BOX,
                place + at + height * UP,
                upright(yaw_deg, sizes),
                paint(rng, int(columns), period_m=0.05),
            )
        return 2 * half[1]
    if kind == 3:  # sofa
        wide, deep = rng.uniform(0.5, 1.2), rng.uniform(0.35, 0.5)
        add_box(cast, place, (wide, 0.21, deep), yaw_deg, look)
        turn = upright(yaw_deg, (1, 1, 1))
        add_box(cast, place + turn[2] * deep, (wide, 0.42, 0.1), yaw_deg, look)
        for side in (-1, 1):
            add_box(cast, place + side * turn[0] * wide, (0.1, 0.3, deep), yaw_deg, look)
        return 0.42
    half = (rng.uniform(0.2, 0.9), rng.uniform(0.15, 1.1), rng.uniform(0.2, 0.6))
    add_box(cast, place, half, yaw_deg, look)
    return 2 * half[1]


def add_small(cast: Cast, rng: Rng, places: Array, size_m: float) -> None:
    """Small things that stand at ``places``: balls, cups, bottles, books, boxes."""
    for place in np.atleast_2d(places):
        size = size_m * rng.uniform(0.5, 1.6)
        kind, look = rng.integers(4), paint(rng, period_m=size / 2)
        if kind == 0:
            cast.add(SPHERE, place + size * UP, np.eye(3) * size * rng.uniform(0.7, 1.2, 3)[:, None], look)
        elif kind == 1:
            tall = size * rng.uniform(0.6, 3)
            cast.add(
                CONE, place + tall * UP, upright(0, (size, tall, size)), look, taper=rng.uniform(-0.4, 0.8)
            )
            if rng.random() < 0.4:
                neck = (0.35 * size, 0.6 * tall, 0.35 * size)
                cast.add(CONE, place + 2.5 * tall * UP, upright(0, neck), look)
        else:
            half = tuple(size * rng.uniform(0.3, 1.3, 3))
            add_box(cast, place, half, rng.uniform(0, 180), look)


def add_tree(cast: Cast, rng: Rng, place: Array, height_m: float) -> None:
    """A trunk with branches and a crown of leafy shells, bare in some scenes."""
    bark = paint(rng, tint=(0.2, 0.15, 0.11), period_m=0.06, pattern=CLOUDY)
    lean = np.array([rng.normal(0, 0.06), 1, rng.normal(0, 0.06)])
    top = place + lean * height_m * rng.uniform(0.45, 0.65)
    wide = height_m * rng.uniform(0.018, 0.04)
    cast.add(CONE, (place + top) / 2, bone_axes(place[None], top[None], wide), bark, taper=0.4)
    count = rng.integers(4, 12)
    spread = height_m * rng.uniform(0.15, 0.35)
    ends = top + rng.normal(0, 1, (count, 3)) * spread * np.array([1, 0.55, 1]) + 0.25 * height_m * UP
    starts = np.broadcast_to(top - 0.1 * height_m * UP, ends.shape)
    cast.add(CONE, (starts + ends) / 2, bone_axes(starts, ends, wide * 0.35), bark, taper=0.6)
    if rng.random() < 0.15:
        return
    add_leaves(cast, rng, ends, height_m * rng.uniform(0.1, 0.2))


def add_leaves(cast: Cast, rng: Rng, centers: Array, size_m: float) -> None:
    """Leafy clouds around ``centers``: shells with gaps, one within the other."""
    count = len(centers)
    tint = (0.16, 0.28, 0.07) if rng.random() < 0.8 else tuple(rng.uniform(0.1, 0.5, 3))
    look = paint(rng, count, tint=tint, period_m=size_m * 0.12, pattern=rng.choice([CLOUDY, SPECKS]))
    shapes = rng.uniform(0.6, 1.4, (count, 3, 1)) * np.eye(3)
    for share in (1.0, 0.65):
        cut = (HOLES, rng.uniform(4, 14), rng.uniform(0.45, 0.66), float(rng.integers(9999)))
        cast.add(SPHERE, centers, shapes * size_m * share, look, cut=cut)


def add_bush(cast: Cast, rng: Rng, place: Array, size_m: float) -> None:
    """A bush, on the ground."""
    count = rng.integers(3, 9)
    around = rng.normal(0, 0.6, (count, 3)) * size_m
    around[:, 1] = np.abs(around[:, 1]) * 0.7 + 0.3 * size_m
    add_leaves(cast, rng, place + around, size_m * 0.6)


def add_grass(cast: Cast, rng: Rng, places: Array, height_m: float) -> None:
    """Tufts: cards of blades."""
    for place in places:
        half = (height_m * rng.uniform(0.6, 1.6), height_m / 2, 1.0)
        look = paint(rng, tint=(0.2, 0.3, 0.08), period_m=0.05)
        cut = (BLADES, rng.uniform(4, 12), 1.0, float(rng.integers(9999)))
        cast.add(CARD, place + half[1] * UP, upright(rng.uniform(-50, 50), half), look, cut=cut)


def add_pole(cast: Cast, rng: Rng, place: Array, height_m: float) -> Array:
    """A pole, with a sign, a lamp or nothing on it; returns its top."""
    wide = rng.uniform(0.015, 0.08)
    look = paint(rng, period_m=0.2)
    cast.add(CONE, place + height_m / 2 * UP, upright(0, (wide, height_m / 2, wide)), look)
    top = place + height_m * UP
    kind = rng.integers(4)
    if kind == 0:
        cut = (ROUND, 1.0, 1.0, 0.0) if rng.random() < 0.5 else (0, 1.0, 1.0, 0.0)
        half = (rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5), 1.0)
        cast.add(
            CARD,
            top - 0.08 * np.array([0, 0, 1]),
            upright(rng.normal(0, 25), half),
            paint(rng, pattern=CELLS, period_m=0.1),
            cut=cut,
        )
    elif kind == 1:
        glow = paint(rng, tint=(0.9, 0.8, 0.6), pattern=PLAIN)
        glow[:, 12] = rng.uniform(0.5, 6)
        cast.add(SPHERE, top, np.eye(3) * rng.uniform(0.08, 0.25), glow)
    return top


def add_lines(cast: Cast, rng: Rng, starts: Array, ends: Array, radius_m: float) -> None:
    """Thin straight things from ``starts`` to ``ends``: wires, twigs, ropes, rails."""
    cast.add(
        CONE,
        (starts + ends) / 2,
        bone_axes(starts, ends, np.full(len(starts), radius_m)),
        paint(rng, period_m=0.1),
    )


def add_fence(cast: Cast, rng: Rng, place: Array, half: tuple[float, float], yaw_deg: float) -> None:
    """A fence of bars that one sees through."""
    cut = (BARS, rng.uniform(6, 25) * half[0], rng.uniform(0.12, 0.5), 0.0)
    cast.add(CARD, place + half[1] * UP, upright(yaw_deg, (*half, 1.0)), paint(rng), cut=cut)


def add_car(cast: Cast, rng: Rng, place: Array, yaw_deg: float) -> None:
    """A car or a van; it is long along its own x."""
    look, glass = paint(rng, pattern=PLAIN), paint(rng, tint=(0.04, 0.05, 0.06), pattern=PLAIN)
    look[:, 11] = glass[:, 11] = rng.uniform(0.2, 0.9)
    half_long, half_wide = rng.uniform(1.7, 2.4), rng.uniform(0.75, 0.95)
    tall = rng.uniform(0.3, 0.45)
    cast.add(BOX, place + (0.3 + tall) * UP, upright(yaw_deg, (half_long, tall, half_wide)), look)
    top = (half_long * rng.uniform(0.45, 0.9), rng.uniform(0.22, 0.5), half_wide * 0.88)
    cast.add(BOX, place + (0.3 + 2 * tall + top[1]) * UP, upright(yaw_deg, top), glass)
    roof = (top[0] * 0.95, 0.03, top[2] * 1.01)
    cast.add(BOX, place + (0.33 + 2 * tall + 2 * top[1]) * UP, upright(yaw_deg, roof), look)
    turn = upright(yaw_deg, (1, 1, 1))
    rubber = paint(rng, tint=(0.02, 0.02, 0.02), pattern=PLAIN)
    for x in (-0.62, 0.62):
        for z in (-1, 1):
            center = place + turn[0] * x * half_long + turn[2] * z * half_wide + 0.32 * UP
            axes = np.stack([turn[0] * 0.32, turn[2] * 0.1, UP * 0.32])
            cast.add(CONE, center, axes, rubber)


def add_house(cast: Cast, rng: Rng, place: Array, half: tuple[float, float, float], yaw_deg: float) -> None:
    """A house front: windows or bricks, some with a ledge, an awning or a roof."""
    look = paint(
        rng, period_m=rng.uniform(0.8, 2.5), pattern=rng.choice([CELLS, CELLS, BRICKS, CLOUDY, PLAIN])
    )
    if look[0, 6] == BRICKS:
        look[:, 7] = rng.uniform(0.08, 0.3)
    add_box(cast, place, half, yaw_deg, look)
    turn = upright(yaw_deg, (1, 1, 1))
    if rng.random() < 0.5:
        add_box(cast, place + 2 * half[1] * UP, (half[0] * 1.05, 0.2, half[2] * 1.05), yaw_deg, paint(rng))
    if rng.random() < 0.4:
        out = place + turn[0] * half[0] * rng.choice([-1, 1]) + rng.uniform(2.3, 3.2) * UP
        cast.add(
            BOX,
            out,
            upright(yaw_deg, (0.8, 0.05, half[2] * 0.7)),
            paint(rng, pattern=int(rng.integers(2, 5))),
        )


def add_animal(cast: Cast, rng: Rng, place: Array, height_m: float, yaw_deg: float) -> None:
    """Something on four legs."""
    look = paint(rng, tint=tuple(rng.uniform(0.05, 0.6) * np.array([1, 0.8, 0.6])), period_m=0.1)
    turn = upright(yaw_deg, (1, 1, 1))
    long = height_m * rng.uniform(0.45, 0.75)
    body = place + 0.72 * height_m * UP
    cast.add(SPHERE, body, turn * np.array([long, 0.24 * height_m, 0.22 * height_m])[:, None], look)
    head = body + turn[0] * long * 1.15 + rng.uniform(0.05, 0.4) * height_m * UP
    cast.add(SPHERE, head, turn * np.array([0.22, 0.15, 0.13])[:, None] * height_m, look)
    add_neck = np.stack([body + turn[0] * long * 0.7, body - turn[0] * long])
    ends = np.stack([head, body - turn[0] * long * 1.4 + 0.1 * height_m * UP])
    cast.add(CONE, (add_neck + ends) / 2, bone_axes(add_neck, ends, np.array([0.1, 0.03]) * height_m), look)
    for x in (-0.7, 0.7):
        for z in (-0.12, 0.12):
            foot = place + turn[0] * (x * long + rng.normal(0, 0.1) * height_m) + turn[2] * z * height_m
            hip = body + turn[0] * x * long + turn[2] * z * height_m
            cast.add(
                CONE, (foot + hip) / 2, bone_axes(foot[None], hip[None], 0.06 * height_m), look, taper=-0.4
            )


MARBLED = VEINS
