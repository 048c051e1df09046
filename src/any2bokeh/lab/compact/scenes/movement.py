"""The additions of a scene a moment later: they went on, turned, and moved their limbs."""

from copy import deepcopy
from dataclasses import replace

import numpy as np

from any2bokeh.lab.compact.scenes.additions import AdditionSettings, Placement, SeenScene, draw_person
from any2bokeh.lab.compact.scenes.avatars import Swing
from any2bokeh.lab.compact.scenes.cast import Array
from any2bokeh.lab.compact.scenes.meshes import Mesh, Rng, turn_about

STANDING = 0.25  # of the additions move their limbs alone
SPEED_M_S, TURN_DEG_S = 1.2, 40.0  # standard deviations
BENDING = 0.6  # of the things that are no people bend as they go, by up to so much of their size:
BEND = 0.05


def add_again(
    scene: SeenScene, placed: list[Placement], elapsed_s: float, seed: int, people: AdditionSettings
) -> None:
    """Draw the additions of an earlier moment into the scene as they are after ``elapsed_s``.

    All draws depend on ``seed`` and on a thing's place in ``placed``: motion is smooth over time.
    """
    for number, one in enumerate(placed):
        scene.add(_later(one, elapsed_s, np.random.default_rng((seed, number)), people), however_little=True)


def _later(placed: Placement, elapsed_s: float, rng: Rng, people: AdditionSettings) -> Placement:
    stands = rng.random() < STANDING
    velocity = rng.normal(0, SPEED_M_S, 3) * [1, 0, 1] * (0 if stands else 1)
    turn = turn_about(1, 0 if stands else rng.normal(0, TURN_DEG_S) * elapsed_s)
    beat, seed = rng.uniform(0.4, 1.6), int(rng.integers(2**31))
    amount = float(np.sin(2 * np.pi * beat * elapsed_s))
    if placed.person is not None:
        drawn, calm = placed.person
        mesh = draw_person(deepcopy(drawn), people, calm=calm, swing=Swing(seed=seed, amount=amount))
    else:
        mesh = _bent(placed.mesh, amount, rng)
    spot = placed.spot + velocity * elapsed_s
    return replace(placed, mesh=mesh.moved(turn, np.zeros(3)), spot=spot)


def _bent(mesh: Mesh, amount: float, rng: Rng) -> Mesh:
    """A mesh shifted by a few slow waves."""
    if rng.random() > BENDING:
        return mesh
    size = float(np.ptp(mesh.positions, axis=0).max())
    shift: Array = np.zeros_like(mesh.positions)
    for _ in range(3):
        wave = mesh.positions @ rng.normal(0, 3 / size, 3) + rng.uniform(0, 6)
        shift += np.sin(wave)[:, None] * rng.normal(0, 1, 3)
    return replace(mesh, positions=mesh.positions + amount * BEND * rng.random() * size * shift)
