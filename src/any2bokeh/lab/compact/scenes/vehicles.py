"""Cars and two-wheelers of random shapes, that look along x."""

import numpy as np

from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.meshes import (
    Mesh,
    Rng,
    at,
    draw_between,
    joined,
    lathe,
    lump,
    panel,
    skin_of,
    tube,
    turn_about,
)

METAL = np.array([0.2, 0.2, 0.22])
RUBBER = np.array([0.03, 0.03, 0.03])
SKY = np.array([0.8, 0.9, 1.0])
OTHER_TOP = 0.4  # of the cars have a hood and a roof of another color than their sides


def _wheel(rng: Rng, radius: float, wide: float, hub_at: Array) -> Mesh:
    """A wheel that rolls along x: solid, or a rim with spokes."""
    tire = skin_of(rng, tint=RUBBER, contrast=0.3)
    angle = np.linspace(0, 2 * np.pi, 26)
    if wide > 0.25 * radius:
        hub = skin_of(rng, tint=METAL * 2)
        turn = turn_about(0, 90)
        tread = lathe(np.array([0.6, 1, 1, 0.6]) * radius, np.array([-1, -0.8, 0.8, 1]) * wide, tire)
        rim = lathe(np.array([0.0, 0.62, 0.62, 0]) * radius, np.array([-0.9, -0.9, 0.9, 0.9]) * wide, hub)
        return joined([tread, rim]).moved(turn, hub_at)
    ring = tube(
        np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * radius, np.full(26, wide), tire, corners=8
    )
    spokes = [
        tube(
            np.stack([[0, 0, 0], radius * np.array([np.cos(a), np.sin(a), 0])]),
            [wide * 0.3] * 2,
            tire,
            corners=5,
        )
        for a in np.linspace(0, 2 * np.pi, int(rng.integers(5, 14)), endpoint=False)
    ]
    return joined([ring, *spokes]).moved(np.eye(3), hub_at)


def car(rng: Rng) -> Mesh:
    """A car, van, bus or truck: a silhouette as wide as it is."""
    long = draw_between(rng, 3.2, 6.5) if rng.random() < 0.8 else draw_between(rng, 6, 11)
    high = long * draw_between(rng, 0.3, 0.48)
    wide = draw_between(rng, 0.75, 1.0) * (1 + 0.3 * (long > 6))
    clear, hood = high * draw_between(rng, 0.12, 0.22), high * draw_between(rng, 0.5, 0.75)
    front, back = draw_between(rng, 0.1, 0.32), draw_between(rng, 0.0, 0.25)
    xs = (
        np.array([-0.5, -0.5, -0.5 + back * 0.6, -0.5 + back, 0.5 - front - 0.12, 0.5 - front, 0.48, 0.5])
        * long
    )
    tops = np.array([clear, hood, hood * 1.05, high, high, hood * 1.05, hood * 0.9, clear])
    paint, top = skin_of(rng, contrast=0.35), skin_of(rng, contrast=0.35)
    top = top if rng.random() < OTHER_TOP else paint
    # Panes are dark, or show the sky.
    panes = np.array([0.05, 0.06, 0.07]) if rng.random() < 0.6 else rng.uniform(0.1, 0.9) * SKY
    glass, low_paint = skin_of(rng, tint=panes, contrast=0.7), skin_of(rng, tint=RUBBER * 2, contrast=0.3)
    sill = clear + (hood - clear) * draw_between(rng, 0.1, 0.5) * (rng.random() < 0.5)
    spine = np.stack([xs, tops, 0 * xs], 1)
    parts = []
    for side in (-1, 1):
        low = spine * [1, 0, 0] + at(0, clear, 0)
        if sill > clear:
            parts.append(
                panel(
                    low + at(0, 0, side * wide * 1.01),
                    spine * [1, 0, 0] + at(0, sill, side * wide * 1.0),
                    low_paint,
                )
            )
        edge = spine + at(0, 0, side * wide * 0.82)
        parts.append(panel(low + at(0, 0, side * wide), edge, paint))
        parts.append(panel(edge, spine, top))
        pane = [
            np.array([[xs[3] + 0.05 * long, y, side * wide * 1.0], [xs[4], y, side * wide * 1.0]])
            for y in (hood * 1.06, high * 0.95)
        ]
        parts.append(panel(pane[0], pane[1] * [0.97, 1, 0.92], glass))
        radius = high * draw_between(rng, 0.18, 0.25)
        parts += [
            _wheel(rng, radius, 0.11, np.array([x * long, radius, side * (wide - 0.05)]))
            for x in (-0.32, 0.33)
        ]
    for i, j in ((2, 3), (4, 5)):
        shield = [spine[k] + at(0.02, 0.02, 0) for k in (i, j)]
        parts.append(
            panel(
                np.array([shield[0] - at(0, 0, wide * 0.7), shield[0] + at(0, 0, wide * 0.7)]),
                np.array([shield[1] - at(0, 0, wide * 0.7), shield[1] + at(0, 0, wide * 0.7)]),
                glass,
            )
        )
    return joined(parts)


def two_wheeled(rng: Rng) -> Mesh:
    """A bicycle, scooter or motorcycle, whose saddle is at about 0.85 m."""
    radius = draw_between(rng, 0.2, 0.36)
    heavy = rng.random() < 0.6
    apart, tire = draw_between(rng, 0.95, 1.4), draw_between(rng, 0.05, 0.09) if heavy else 0.022
    frame = skin_of(rng, contrast=0.3)
    rear, fore = np.array([-apart / 2, radius, 0]), np.array([apart / 2, radius, 0])
    parts = [_wheel(rng, radius, tire, rear), _wheel(rng, radius, tire, fore)]
    saddle, head = np.array([-0.16, 0.83, 0]), np.array([apart / 2 - 0.2, 0.9, 0])
    pedal = np.array([0, radius * 0.95, 0])
    beam = 0.07 if heavy else 0.018
    for line in ([rear, saddle], [saddle, pedal], [pedal, head], [saddle, head], [head, fore], [rear, pedal]):
        parts.append(tube(np.stack(line), [beam * draw_between(rng, 0.6, 1.4)] * 2, frame, corners=8))
    if heavy:
        parts.append(
            lump(rng, np.array([0.3, 0.17, 0.13]), skin_of(rng, tint=METAL)).moved(
                np.eye(3), np.array([0.02, 0.45, 0])
            )
        )
        parts.append(
            tube(
                np.stack([saddle + at(-0.3, 0.02, 0), saddle + at(0.2, 0, 0), head - at(0.1, 0.05, 0)]),
                [0.09, 0.12, 0.15],
                frame,
            )
        )
        if rng.random() < 0.5:
            parts.append(
                panel(
                    np.array([fore + at(0.1, 0.0, -0.2), fore + at(0.1, 0.0, 0.2)]),
                    np.array([head + at(0, 0.25, -0.2), head + at(0, 0.25, 0.2)]),
                    frame,
                )
            )
    else:
        parts.append(
            tube(np.stack([saddle + at(-0.12, 0.03, 0), saddle + at(0.12, 0.03, 0)]), [0.07, 0.03], frame)
        )
    bar = head + at(0, 0.12, 0)
    parts.append(
        tube(np.stack([bar + at(-0.05, 0, -0.3), bar, bar + at(-0.05, 0, 0.3)]), [0.02] * 3, frame, corners=6)
    )
    return joined(parts)
