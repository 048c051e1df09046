"""Animals, vehicles, machines, plants and household things of random shapes: whatever may be a subject.

Each maker returns a ``Mesh`` in meters that stands around the origin and looks along x. Shapes are drawn
wide, so that a network learns that something stands out, and not of which kind it is.
"""

from collections.abc import Callable

import numpy as np

from any2bokeh.lab.compact.scenes.meshes import (
    Mesh,
    Rng,
    at,
    block,
    draw_between,
    joined,
    lathe,
    lump,
    panel,
    sheet,
    skin_of,
    tube,
    turn_about,
)
from any2bokeh.lab.compact.scenes.vehicles import METAL, car, two_wheeled

FUR = np.array([0.32, 0.24, 0.16])
PIED = 0.25  # of the heads and of the legs of animals have a color of their own
LEAF = np.array([0.12, 0.24, 0.06])


def four_legged(rng: Rng) -> Mesh:
    """A dog, cow, cat, horse, goat, bear, or something between them."""
    tall = float(np.exp(rng.uniform(np.log(0.3), np.log(1.7))))  # at the shoulder
    long, thick = tall * draw_between(rng, 0.75, 1.7), tall * draw_between(rng, 0.14, 0.3)
    leg, slim = tall - thick * 1.2, thick * draw_between(rng, 0.18, 0.4)
    coat = skin_of(rng, tint=FUR * rng.uniform(0.15, 2.6) if rng.random() < 0.75 else None, contrast=1.0)
    head_coat, leg_coat = (skin_of(rng, contrast=1.0) if rng.random() < PIED else coat for _ in range(2))
    sag = rng.uniform(-0.1, 0.1, 4) * tall
    spine = np.array(
        [
            [-long / 2, leg + thick, 0],
            [-long / 6, leg + thick, 0],
            [long / 5, leg + thick, 0],
            [long / 2, leg + thick, 0],
        ]
    )
    spine[:, 1] += sag
    parts = [tube(spine, thick * rng.uniform(0.75, 1.2, 4), coat, flatness=draw_between(rng, 0.65, 1))]
    reach, lift = tall * draw_between(rng, 0.1, 0.55), tall * draw_between(rng, -0.25, 0.6)
    turned = turn_about(1, rng.normal(0, 25))
    neck_end = spine[-1] + turned @ np.array([reach, lift, 0])
    head = thick * draw_between(rng, 0.4, 0.9)
    parts.append(tube(np.stack([spine[-1], neck_end]), [thick * 0.75, head * 0.8], coat))
    nose = neck_end + turned @ np.array(
        [head * draw_between(rng, 1.2, 3), -head * draw_between(rng, -0.2, 1.2), 0]
    )
    parts.append(
        tube(
            np.stack([neck_end, (neck_end + nose) / 2, nose]),
            [head, head * 0.8, head * draw_between(rng, 0.3, 0.65)],
            head_coat,
        )
    )
    for side in (-1, 1):
        ear = neck_end + np.array([-0.2, 0.7, side * 0.6]) * head
        tip = (
            ear
            + np.array(
                [draw_between(rng, -0.6, 0.3), draw_between(rng, -0.8, 1.6), side * draw_between(rng, 0, 0.8)]
            )
            * head
        )
        parts.append(tube(np.stack([ear, tip]), [head * 0.35, head * 0.12], head_coat, corners=8))
        for hip in (spine[0] + at(thick * 0.4, 0, 0), spine[-1] - at(thick * 0.4, 0, 0)):
            swing = rng.normal(0, 0.22, 2) * leg
            top = hip + at(0, -thick * 0.3, side * thick * 0.55)
            knee = np.array([hip[0] + swing[0], leg * 0.5, top[2]])
            foot = np.array([hip[0] + swing.sum(), slim * 0.5 + max(0, rng.normal(0, 0.1)) * leg, top[2]])
            parts.append(
                tube(np.stack([top, knee, foot]), [slim * 1.9, slim, slim * 0.8], leg_coat, corners=10)
            )
    tail = spine[0] + np.stack(
        [
            [0, 0, 0],
            [-0.3, rng.uniform(-0.4, 0.4), rng.normal(0, 0.1)],
            [-0.5, rng.uniform(-0.8, 0.8), rng.normal(0, 0.2)],
        ]
    ) * tall * draw_between(rng, 0.3, 0.9)
    parts.append(tube(tail, slim * np.array([0.9, 0.7, 0.4]) * draw_between(rng, 0.5, 2), coat, corners=8))
    return joined(parts)


def bird(rng: Rng) -> Mesh:
    """A bird on its legs, on the water, or with open wings."""
    size = float(np.exp(rng.uniform(np.log(0.12), np.log(0.9))))
    coat = skin_of(rng, contrast=1.0)
    leg = size * (draw_between(rng, 0.15, 1.0) if rng.random() < 0.65 else 0)
    thick = size * draw_between(rng, 0.22, 0.38)
    back, chest = (
        np.array([-size / 2, leg + thick, 0]),
        np.array([size / 2.4, leg + thick * draw_between(rng, 0.9, 1.5), 0]),
    )
    parts = [tube(np.stack([back, (back + chest) / 2, chest]), [thick * 0.4, thick, thick * 0.8], coat)]
    head = chest + np.array([draw_between(rng, 0.1, 0.4), draw_between(rng, 0.15, 1.0), 0]) * size
    bend = (chest + head) / 2 + np.array([rng.normal(0, 0.12), 0, 0]) * size
    ball = thick * draw_between(rng, 0.3, 0.6)
    parts.append(tube(np.stack([chest, bend, head]), [thick * 0.6, ball * 0.7, ball * 0.8], coat))
    parts.append(tube(np.stack([head, head + at(ball, 0, 0)]), [ball, ball * 0.8], coat))
    beak = skin_of(rng, tint=np.array([0.6, 0.3, 0.05]), contrast=0.2)
    parts.append(
        tube(
            np.stack([head + at(ball, 0, 0), head + at(ball * draw_between(rng, 2, 4), -ball * 0.4, 0)]),
            [ball * 0.4, ball * 0.1],
            beak,
            corners=8,
        )
    )
    for side in (-1, 1):
        if leg:
            foot = np.array([rng.normal(0, 0.1) * size, 0.01, side * thick * 0.4])
            parts.append(
                tube(
                    np.stack([[0, leg + thick * 0.4, side * thick * 0.4], foot]),
                    [0.02 * size + 0.004] * 2,
                    beak,
                    corners=6,
                )
            )
        if rng.random() < 0.3:
            root = (back + chest) / 2 + np.array([0, thick * 0.4, side * thick * 0.5])
            tip = root + np.array([-0.1, rng.uniform(-0.2, 0.8), side * rng.uniform(0.6, 1.2)]) * size
            parts.append(
                panel(
                    np.stack([root + at(size * 0.25, 0, 0), tip + at(size * 0.1, 0, 0)]),
                    np.stack([root - at(size * 0.3, 0, 0), tip - at(size * 0.15, 0, 0)]),
                    coat,
                )
            )
    return joined(parts)


def turned_vessel(rng: Rng) -> Mesh:
    """A bottle, cup, vase, lamp, bowl, barrel or cone."""
    tall = float(np.exp(rng.uniform(np.log(0.08), np.log(0.6))))
    count = int(rng.integers(3, 8))
    radii = tall * rng.uniform(0.06, 0.55) * np.exp(rng.normal(0, 0.35, count))
    radii[0] *= rng.uniform(0.6, 1.3)
    parts = [
        lathe(
            np.concatenate([[0], radii, [radii[-1] * (0.9 if rng.random() < 0.5 else 0)]]),
            np.concatenate([[0], np.linspace(0, 1, count), [1.0]]) * tall,
            skin_of(rng),
        )
    ]
    if rng.random() < 0.3:
        out = radii.mean() * np.array([1.0, 0, 0])
        line = np.stack(
            [
                out * 0.9 + at(0, tall * 0.75, 0),
                out * 1.8 + at(0, tall * 0.6, 0),
                out * 1.7 + at(0, tall * 0.35, 0),
                out * 0.9 + at(0, tall * 0.25, 0),
            ]
        )
        parts.append(tube(line, [0.06 * tall] * 4, skin_of(rng), corners=8))
    return joined(parts)


def rock(rng: Rng) -> Mesh:
    """A stone, a sack, a cushion, a fruit, a heap."""
    half = float(np.exp(rng.uniform(np.log(0.05), np.log(0.6)))) * rng.uniform(0.5, 1.3, 3)
    mesh = lump(rng, half, skin_of(rng, contrast=1.0), rough=draw_between(rng, 0.02, 0.35))
    return mesh.moved(np.eye(3), np.array([0, half[1] * 0.8, 0]))


def plant(rng: Rng) -> Mesh:
    """Leaves that bend outwards, on a stem or from a pot."""
    tall = float(np.exp(rng.uniform(np.log(0.2), np.log(1.6))))
    green = skin_of(rng, tint=LEAF * rng.uniform(0.6, 2.5) if rng.random() < 0.8 else None, contrast=0.8)
    parts = []
    base = 0.0
    if rng.random() < 0.5:
        base = tall * 0.25
        parts.append(
            lathe(
                np.array([0, 0.7, 1, 0.85, 0]) * base * 0.6, np.array([0, 0, 1, 1, 0.9]) * base, skin_of(rng)
            )
        )
    stem = base + tall * (rng.uniform(0.2, 0.7) if rng.random() < 0.5 else 0)
    if stem > base:
        parts.append(tube(np.array([[0, base, 0], [0, stem, 0]]), [0.03 * tall] * 2, skin_of(rng, tint=FUR)))
    for _ in range(int(rng.integers(5, 40))):
        turn = turn_about(1, rng.uniform(0, 360))
        long, rise = tall * rng.uniform(0.25, 0.7), rng.uniform(0.1, 1.2)
        t = np.linspace(0, 1, 8)
        line = np.stack([t * long, stem + rise * long * t - rng.uniform(0.3, 1.2) * long * t**2, 0 * t], 1)
        wide = long * rng.uniform(0.05, 0.22) * np.sin(np.pi * (0.1 + 0.9 * t))[:, None] * [0, 0, 1]
        leaf = sheet(np.stack([line - wide, line + at(0, 0.02 * tall, 0), line + wide], 1), green)
        parts.append(leaf.moved(turn, np.zeros(3)))
    return joined(parts)


def seat(rng: Rng) -> Mesh:
    """A chair, stool, bench or table, about 0.45 m or 0.75 m high."""
    top = draw_between(rng, 0.38, 0.55) if rng.random() < 0.6 else draw_between(rng, 0.6, 1.0)
    half = np.array([draw_between(rng, 0.18, 0.28), 0.025, draw_between(rng, 0.18, 0.8)])
    wood = skin_of(rng)
    parts = [block(half, wood).moved(np.eye(3), np.array([0, top, 0]))]
    for x in (-0.9, 0.9):
        for z in (-0.9, 0.9):
            spread = np.array([x * half[0], 0, z * half[2]])
            parts.append(
                tube(
                    np.stack([spread * rng.uniform(1, 1.15), spread + at(0, top, 0)]),
                    [0.025, 0.025],
                    wood,
                    corners=8,
                )
            )
    if rng.random() < 0.7:
        back = np.array([0.02, draw_between(rng, 0.15, 0.35), half[2]])
        parts.append(block(back, wood).moved(turn_about(2, 8), np.array([-half[0], top + back[1] + 0.05, 0])))
    return joined(parts)


def machine(rng: Rng) -> Mesh:
    """Boxes, tubes and turned parts put together: a tool, a robot, an instrument, a toy."""
    size = float(np.exp(rng.uniform(np.log(0.15), np.log(1.8))))
    parts = []
    for _ in range(int(rng.integers(3, 12))):
        middle = rng.normal(0, 0.28, 3) * size + np.array([0, size / 2, 0])
        skin, kind = skin_of(rng, tint=METAL * 2 if rng.random() < 0.3 else None), rng.integers(3)
        half = size * np.exp(rng.normal(-1.9, 0.5, 3))
        turn = turn_about(1, rng.uniform(0, 360)) @ turn_about(0, rng.choice([0, 0, 90, rng.uniform(0, 90)]))
        if kind == 0:
            parts.append(block(half, skin).moved(turn, middle))
        elif kind == 1:
            parts.append(
                lathe(
                    np.array([0, 1, rng.uniform(0.3, 1.2), 0]) * half[0],
                    np.array([-1, -1, 1, 1]) * half[1],
                    skin,
                ).moved(turn, middle)
            )
        else:
            ends = middle + rng.normal(0, 0.3, (3, 3)) * size
            parts.append(tube(ends, [half.min()] * 3, skin, corners=10))
    return joined(parts)


MAKERS: dict[str, tuple[Callable[[Rng], Mesh], float]] = {
    "four_legged": (four_legged, 0.27),
    "bird": (bird, 0.1),
    "car": (car, 0.12),
    "two_wheeled": (two_wheeled, 0.12),
    "vessel": (turned_vessel, 0.1),
    "rock": (rock, 0.07),
    "plant": (plant, 0.09),
    "seat": (seat, 0.06),
    "machine": (machine, 0.07),
}
