"""Settings written as options, which read as the same settings again."""

import os
import shlex
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from any2bokeh.cli.command_line import as_options, focus_options, quoted
from any2bokeh.cli.option_types import number_or_keys, parse_point
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import (
    FOCUS_DISPARITY,
    DepthOfFieldSettings,
    FocusSettings,
    PreviewFocusSettings,
    SubjectSettings,
)
from any2bokeh.settings.render_settings import LensSettings, RenderSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange

parse_keys = number_or_keys("--focus", FOCUS_DISPARITY)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (DepthSettings(), ""),
        (
            DepthSettings(track=Path("a b.mkv"), kind="inverted", steady=True),
            "--disparity|a b.mkv|--disparity-kind|inverted|--steady",
        ),
        (DepthSettings(steady=False, use_cache=False, size=518), "--depth-size|518|--no-steady|--no-cache"),
        (
            RenderSettings(lens=LensSettings(aperture="polygon", rotation_deg=-12.25)),
            "--aperture|polygon|--rotation|-12.25",
        ),
        (RenderSettings(lens=LensSettings(highlights=2)), "--highlights|2"),
        (DepthOfFieldSettings(dof_range=0.1, far_strength=1.0), "--dof-range|0.1"),
        (
            TimeRange(start=TimePoint(seconds=Fraction(5, 2)), end=TimePoint(frame=120)),
            "--start|2.5s|--end|f120",
        ),
    ],
)
def test_only_what_differs_from_the_defaults_is_said(settings: object, options: str) -> None:
    assert "|".join(as_options(settings)) == options


@pytest.mark.parametrize(
    "word",
    [
        "plain.mp4",
        "it's a clip.mp4",
        'a "b" $HOME `id` \\ !.mp4',
        "two\nlines\x1b[31m.mp4",
        "\u00e4\u2192.mp4",
        os.fsdecode(b"\xff'\\.mp4"),
    ],
)
def test_a_shell_reads_quoted_words_as_they_are(word: str) -> None:
    line = quoted(["printf", "%s", word])
    assert "\x1b" not in line
    assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout == os.fsencode(word)


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ({"focus_at": parse_point("0.25,0.5@2.5s")}, "--focus-at|0.25,0.5@2.5s"),
        ({"follow": parse_point("960,540.5")}, "--follow|960,540.5"),
        (
            {"focus_mask": Path("a mask.mkv"), "smoothing_s": 0.5},
            "--focus-mask|a mask.mkv|--focus-smoothing|0.5",
        ),
        (
            {"subject": SubjectSettings(points=(parse_point("9,8@2s"), parse_point("0.5,0.4")))},
            "--subject|9,8@2s|--subject|0.5,0.4",
        ),
        (
            {
                "focus_mask": (Path("a.mkv"), Path("b.mkv")),
                "focus_disparity": parse_keys("0:subject1, 2.5:subject2, 4:0.3"),
            },
            "--focus|0s:subject1, 2.5s:subject2, 4s:0.3|--focus-mask|a.mkv|--focus-mask|b.mkv",
        ),
        (
            {"focus_disparity": parse_keys("0:0.9, 2.5:@0.25,0.5; f90:0.3"), "easing": "linear"},
            "--focus|0s:0.9, 2.5s:@0.25,0.5, f90:0.3|--easing|linear",
        ),
    ],
)
def test_a_focus_that_moves_is_written_as_it_was_said(way: dict[str, Any], options: str) -> None:
    assert "|".join(focus_options(FocusSettings(**way, blur_strength=12))) == options


def test_a_focus_that_is_a_number_or_was_not_said_needs_no_words() -> None:
    assert focus_options(FocusSettings(focus_disparity=0.4, blur_strength=12)) == []
    assert focus_options(PreviewFocusSettings()) == []


def test_plain_words_are_not_quoted() -> None:
    assert quoted(["bokeh", "refocus", "clips/a-1.mp4"]) == "bokeh refocus clips/a-1.mp4"
    assert shlex.split(quoted(["a b", ""])) == ["a b", ""]
