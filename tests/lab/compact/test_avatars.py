"""People from a folder: read, posed, and put into a scene."""

from pathlib import Path

import numpy as np
import pytest

from any2bokeh.errors import SettingsError
from any2bokeh.lab.compact.scenes.additions import AdditionSettings, draw_person
from any2bokeh.lab.compact.scenes.avatars import POSE_TURNS, draw_pose, list_avatars, read_avatar
from any2bokeh.lab.compact.scenes.meshes import turn_about


def test_at_rest_someone_stands_as_the_file_says(people: Path) -> None:
    mesh, bones = read_avatar(people / "Anna.npz").posed({})
    assert mesh.positions[:, 1].min() == 0 and mesh.positions[:, 1].max() == pytest.approx(1.7, abs=1e-3)
    assert np.abs(mesh.positions[:, 0]).max() == pytest.approx(0.7, abs=1e-3)  # arms to the sides
    np.testing.assert_allclose(bones["LeftHand"], [0.7, 1.5, 0], atol=1e-3)
    above = mesh.positions[:, 1] > 1.2
    assert (mesh.colors[above, 0] > mesh.colors[above, 2]).all()  # red above
    assert (mesh.colors[mesh.positions[:, 1] < 0.2, 2] > 0.3).all()  # blue below


def test_a_bone_carries_what_hangs_on_it(people: Path) -> None:
    raised = {"LeftArm": turn_about(2, 90)}
    mesh, bones = read_avatar(people / "Anna.npz").posed(raised)
    np.testing.assert_allclose(bones["LeftHand"], [0.2, 2.0, 0], atol=1e-3)  # above the shoulder
    np.testing.assert_allclose(bones["RightHand"], [-0.7, 1.5, 0], atol=1e-3)
    assert mesh.positions[:, 1].max() == pytest.approx(2.0, abs=1e-3)


def test_turned_over_someone_stands_on_the_hands(people: Path) -> None:
    mesh, bones = read_avatar(people / "Anna.npz").posed({"Hips": turn_about(0, 180)})
    assert mesh.positions[:, 1].min() == pytest.approx(0, abs=1e-6)
    assert bones["LeftUpLeg"][1] > bones["LeftArm"][1]


@pytest.mark.parametrize("name", POSE_TURNS)
def test_each_pose_is_made_of_rotations(name: str) -> None:
    for turn in draw_pose(np.random.default_rng(1), name).values():
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)


def test_people_look_different_each_time(people: Path) -> None:
    settings = AdditionSettings(people=people)
    first, second = (draw_person(np.random.default_rng(seed), settings) for seed in (1, 2))
    assert first.positions.shape != second.positions.shape or not np.allclose(
        first.positions, second.positions
    )
    assert first.positions[:, 1].min() > -0.3


def test_a_folder_without_people_and_a_missing_texture_are_named(tmp_path: Path, people: Path) -> None:
    with pytest.raises(SettingsError, match="holds no avatars"):
        list_avatars(tmp_path)
    (people / "Anna_0.jpg").unlink()
    with pytest.raises(SettingsError, match=r"Anna_0\.jpg"):
        read_avatar(people / "Anna.npz")
