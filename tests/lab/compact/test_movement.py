"""A scene at several moments: the same things, moved."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from any2bokeh.errors import VideoError
from any2bokeh.lab.compact.__main__ import app
from any2bokeh.lab.compact.made_pictures import (
    FLOW,
    FLOW_SIDE,
    draw_moments,
    make_picture,
    make_shot,
    moment_paths,
    read_flow,
    write_picture,
)
from any2bokeh.lab.compact.scenes.additions import AdditionSettings
from any2bokeh.lab.compact.scenes.avatars import Swing, draw_pose

UNIT = 12


@pytest.mark.slow
def test_a_shot_begins_with_the_picture_of_its_seed_and_goes_on_with_the_same_things(people: Path) -> None:
    additions = AdditionSettings(people=people)
    moved = 0
    for seed in range(4):
        alone = make_picture(seed, additions, UNIT)
        first, again, later = make_shot(seed, (0.0, 0.0, 0.4), additions, UNIT)
        for mine, same in zip(alone, first, strict=True):
            np.testing.assert_array_equal(mine, same)
        np.testing.assert_array_equal(first[2], again[2])  # no time has passed
        assert set(np.unique(later[2])) <= set(np.unique(first[2])) | set(range(1, 20))
        for owner in np.unique(first[2])[1:]:
            before, after = (np.argwhere(part[2] == owner) for part in (first, later))
            if len(before) > 30 and len(after) > 30:
                moved += np.abs(before.mean(0) - after.mean(0)).max() > 0.5
    assert moved >= 2


def test_limbs_swing_about_their_pose_and_back() -> None:
    pose = draw_pose(np.random.default_rng(0), "walk")
    assert all(np.allclose(turn, pose[bone]) for bone, turn in Swing(seed=1, amount=0).apply(pose).items())
    there = Swing(seed=1, amount=0.5).apply(pose)
    assert not np.allclose(there["LeftArm"], pose["LeftArm"])
    for turn in there.values():
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)


def test_moments_begin_at_the_first_and_rise() -> None:
    times = draw_moments(4, 5)
    assert times[0] == 0 and draw_moments(4, 1) == [0]
    assert all(0.04 <= step <= 0.7 for step in np.diff(times))


@pytest.mark.slow
def test_moments_are_written_with_their_flow(tmp_path: Path) -> None:
    options = ["--first", "3", "--count", "1", "--moments", "2", "--unit", str(UNIT)]
    assert CliRunner().invoke(app, ["make", str(tmp_path), *options]).exit_code == 0
    for path in moment_paths(tmp_path, 3, 2):
        flow = read_flow(path)
        assert flow is not None and min(flow.shape[:2]) == FLOW_SIDE and flow.shape[2] == 2
        assert flow.any() and np.abs(flow).max() < FLOW_SIDE


def test_a_flow_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, black = tmp_path / "1", np.zeros((6, 8), np.float32)
    flow = np.random.default_rng(0).normal(0, 20, (6, 8, 2)).astype(np.float32)
    write_picture(path, (np.zeros((6, 8, 3), np.float32), black, black.astype(np.uint8)), flow)
    np.testing.assert_allclose(read_flow(path), flow, atol=1 / 100)
    path.with_suffix(FLOW).write_bytes(b"nothing")
    with pytest.raises(VideoError, match=r"1\.flow\.png"):
        read_flow(path)
    path.with_suffix(FLOW).unlink()
    assert read_flow(path) is None
