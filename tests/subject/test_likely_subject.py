"""The likeliest subject of a clip: it stands out, moves by itself, is large and central."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from any2bokeh.errors import FocusError, SettingsError
from any2bokeh.lab.compact.made_pictures import make_shot
from any2bokeh.lab.compact.scenes.additions import AdditionSettings
from any2bokeh.settings.focus_settings import LikeliestPoint, Point, SubjectSettings
from any2bokeh.subject.click_segmenter import load_click_network
from any2bokeh.subject.likely_subject import _prominence, find_likeliest
from any2bokeh.subject.seen_things import Thing
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.create import create_video

SEEDS = (970007, 970012, 970014, 970017)
FRAMES, UNIT = 5, 24


@pytest.mark.slow
def test_a_thing_that_was_put_into_a_made_scene_is_taken(tmp_path: Path) -> None:
    network = load_click_network(torch.device("cpu"), torch.float32)
    additions = AdditionSettings(kinds=("bird", "machine", "seat"))
    hits = 0
    for seed in SEEDS:
        shot = list(make_shot(seed, [number / 24 for number in range(FRAMES)], additions, UNIT))
        height, width = shot[0][2].shape
        path = tmp_path / f"{seed}.mkv"
        with create_video(path, width, height, Fraction(24)) as video:
            for picture, _, _ in shot:
                video.write(torch.from_numpy(picture).permute(2, 0, 1))
        point, count = find_likeliest(VideoClip(path), network)
        assert count >= 1 and point.at is not None and point.at.frame is not None
        hits += bool(shot[point.at.frame][2][int(point.y), int(point.x)])
    assert hits >= 3


def test_nothing_stands_out_of_a_plain_wall(tmp_path: Path) -> None:
    network = load_click_network(torch.device("cpu"), torch.float32)
    with create_video(tmp_path / "wall.mkv", 64, 48, Fraction(24)) as video:
        for _ in range(3):
            video.write(torch.full((3, 48, 64), 0.4))
    with pytest.raises(FocusError, match=r"wall\.mkv") as raised:
        find_likeliest(VideoClip(tmp_path / "wall.mkv"), network)
    assert "X,Y" in raised.value.hint


def test_a_thing_that_is_nearer_moves_and_is_central_stands_out_more() -> None:
    mask = np.zeros((60, 80), np.float32)
    mask[20:40, 30:50] = 1
    flat, still = np.zeros((60, 80), np.float32), np.zeros((30, 40), np.float32)
    plain = _prominence(Thing(mask, 1), flat, still)
    assert _prominence(Thing(mask, 1), flat + 3 * mask, still) > plain + 0.2
    assert _prominence(Thing(mask, 1), flat, still + 1) > plain + 0.2
    assert _prominence(Thing(np.roll(mask, (-20, -30), (0, 1)), 1), flat, still) < plain - 0.1
    narrow = np.where(mask * np.arange(80) > 42, 1, 0).astype(np.float32)
    assert _prominence(Thing(narrow, 1), flat, still) < plain


def test_one_subject_is_chosen_or_points_are_given() -> None:
    assert SubjectSettings(points=(LikeliestPoint(),)).is_automatic
    assert not SubjectSettings(points=(Point(0.5, 0.5),)).is_automatic
    assert str(LikeliestPoint()) == "auto"
    with pytest.raises(SettingsError):
        SubjectSettings(points=(LikeliestPoint(), Point(9, 9)))
