"""Where a subject cannot be held is said once, in seconds."""

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from any2bokeh.subject.subject_doubts import tell_doubts

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
