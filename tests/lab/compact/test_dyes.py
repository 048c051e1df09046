"""Clothes that are dyed, helmets, people turned any way, and rows of things."""

from pathlib import Path

import numpy as np
import pytest

from any2bokeh.lab.compact.scenes import additions
from any2bokeh.lab.compact.scenes.additions import AdditionSettings, SeenScene, draw_person
from any2bokeh.lab.compact.scenes.avatars import read_avatar
from any2bokeh.lab.compact.scenes.dyes import BARE, SHOES, TOP, TROUSERS, dyed, zone_of


@pytest.mark.parametrize(
    ("bone", "zone"),
    [
        ("Spine2", TOP),
        ("LeftForeArm", TOP),
        ("RightUpLeg", TROUSERS),
        ("Hips", TROUSERS),
        ("LeftToeBase", SHOES),
        ("Head", BARE),
        ("RightHandThumb1", BARE),
    ],
)
def test_clothes_are_worn_around_bones(bone: str, zone: int) -> None:
    assert zone_of(bone) == zone


def test_corners_wear_what_their_strongest_bone_does(people: Path) -> None:
    avatar = read_avatar(people / "Anna.npz")
    zones = avatar.zones()
    assert (zones[avatar.positions[:, 1] < 0.2] == TROUSERS).all()  # her legs
    assert (zones[np.abs(avatar.positions[:, 0]) > 0.5] == TOP).all()  # her arms


def test_dyes_change_clothes_alone_each_in_its_own_color_and_keep_folds() -> None:
    zones = np.repeat(np.array([BARE, TOP, TROUSERS, SHOES], np.uint8), 50)
    rng = np.random.default_rng(0)
    positions = rng.random((200, 3))
    folds = np.tile(np.linspace(0.2, 0.4, 50), 4)
    colors = folds[:, None] * np.ones(3)
    apart, changed, folded = 0, 0, 0
    for seed in range(30):
        found = dyed(colors, positions, zones, np.random.default_rng(seed))
        assert found.min() > 0 and found.max() < 1
        np.testing.assert_array_equal(found[zones == BARE], colors[zones == BARE])
        top, trousers = (found[zones == zone].mean(0) for zone in (TOP, TROUSERS))
        apart += np.abs(top - trousers).max() > 0.1
        changed += not np.allclose(found[zones == TOP], colors[zones == TOP])
        folded += np.corrcoef(found[zones == TOP].mean(1), folds[:50])[0, 1] > 0.6
    assert apart > 15 and 15 < changed < 30 and folded > 15


def test_people_lie_in_the_air_in_some_and_stand_in_most(
    people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AdditionSettings(people=people)
    monkeypatch.setattr(additions, "TUMBLED", 1.0)
    lowest = [
        float(draw_person(np.random.default_rng(seed), settings).positions[:, 1].min()) for seed in range(12)
    ]
    assert min(lowest) == pytest.approx(0, abs=1e-9)  # it lies on the ground
    assert max(lowest) > 0.1  # it jumps


def test_a_helmet_is_around_the_head() -> None:
    bones = {"Head": np.array([0, 1.5, 0]), "HeadEnd": np.array([0, 1.67, 0])}
    (helmet,) = additions.headgear(np.random.default_rng(0), bones, 1.0)
    middle = (helmet.positions.min(0) + helmet.positions.max(0)) / 2
    np.testing.assert_allclose(middle, [0, 1.585, 0], atol=0.03)
    assert 0.2 < np.ptp(helmet.positions[:, 0]) < 0.35
    assert additions.headgear(np.random.default_rng(0), bones, 0.0) == []
    assert additions.headgear(np.random.default_rng(0), {}, 1.0) == []


def test_a_row_is_things_of_one_kind_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SeenScene, "add", lambda scene, placed: scene.placed.append(placed))
    nothing = np.zeros((8, 8), np.float32)
    scene = SeenScene(nothing, nothing, None, None, None, nothing)  # type: ignore[arg-type]
    additions.add_row(scene, np.random.default_rng(5), AdditionSettings(kinds=("car",)), np.array([1, 0, 8]))
    spots = np.array([one.spot for one in scene.placed])
    assert 2 <= len(spots) <= 5
    np.testing.assert_allclose(spots[0], [1, 0, 8])
    steps = np.diff(spots, axis=0)
    assert (steps[:, 1] == 0).all() and np.linalg.norm(steps, axis=1).min() > 1.4  # a car is wider
    assert np.linalg.matrix_rank(steps, tol=1e-6) == 1  # on a line
