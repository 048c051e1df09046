"""Where a subject cannot be held is said once, in seconds."""

import logging
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from any2bokeh.subject.segmenter import Click
from any2bokeh.subject.subject_doubts import tell_doubtful_start, tell_doubts
from any2bokeh.video.clip import VideoClip
from any2bokeh.video.create import create_video

RATE = 24


def told(caplog: pytest.LogCaptureFixture, shares: list[float]) -> list[str]:
    with caplog.at_level(logging.WARNING):
        tell_doubts(Path("clip.mp4"), shares, np.arange(len(shares)) / RATE)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("shares", [[0.1] * 48, [0.1] * 20 + [0.0] * 23 + [0.1] * 20, [0.9] * 48, [0.1]])
def test_a_subject_that_can_be_held_and_short_losses_are_no_news(
    shares: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    assert told(caplog, shares) == []


def test_the_seconds_of_a_long_loss_are_told(caplog: pytest.LogCaptureFixture) -> None:
    [message] = told(caplog, [0.1] * 24 + [0.0] * 36 + [0.1] * 24 + [0.0] * 48)
    assert "clip.mp4" in message
    assert re.findall(r"from ([\d.]+) to ([\d.]+) s", message) == [("1.00", "2.46"), ("3.50", "5.46")]


def test_a_mask_that_covers_everything_is_told_however_short(caplog: pytest.LogCaptureFixture) -> None:
    [message] = told(caplog, [0.1] * 12 + [1.0] * 3 + [0.1] * 12 + [0.0] * 24)
    assert re.findall(r"from ([\d.]+) to ([\d.]+) s", message) == [("1.12", "2.08"), ("0.50", "0.58")]


def test_many_losses_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    [message] = told(caplog, ([0.0] * 24 + [0.1] * 24) * 5)
    assert len(re.findall(r"from [\d.]+ to", message)) == 3
    assert "2 times more" in message


@pytest.mark.parametrize(
    ("click", "found"),
    [
        (Click(0.5, 0.5), None),  # in the middle of a thing
        (Click(0.41, 0.5), None),  # near its edge
        (Click(0.1, 0.1), "beside it"),  # something elsewhere was found
        (Click(0.5, 0.95), "38%"),  # the ground
    ],
)
def test_a_click_beside_a_subject_or_on_the_ground_is_told(
    click: Click, found: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mask = np.zeros((480, 854), np.float32)
    mask[150:330, 340:514] = 1
    if click.y > 0.9:
        mask[400:] = 1
    with create_video(tmp_path / "clip.mkv", 64, 48, Fraction(24)) as video:
        video.write(torch.zeros(3, 48, 64))
    info = VideoClip(tmp_path / "clip.mkv").info
    with caplog.at_level(logging.WARNING):
        tell_doubtful_start(info, mask, click)
    messages = [one.getMessage() for one in caplog.records if one.name.startswith("any2bokeh")]
    assert len(messages) == (found is not None)
    for message in messages:
        assert found and found in message and f"{click.x * 64:.0f},{click.y * 48:.0f}" in message
