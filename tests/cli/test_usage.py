"""What cannot be asked for: exit code 2, one sentence, nothing started."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Bokeh = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--focus", "1.5", "--k", "8"], "--focus must be a disparity from 0 to 1, got 1.5."),
        (["--focus", "-0.1", "--k", "8"], "--focus must be a disparity from 0 to 1, got -0.1."),
        (["--focus", "near", "--k", "8"], "--focus must be a disparity from 0 to 1, got 'near'."),
        (["--focus", "nan", "--k", "8"], "--focus must be a disparity from 0 to 1, got nan."),
        (["--focus", "0.5", "--k", "-1"], "--k must be a radius in pixels from 0 to 128, got -1."),
        (["--focus", "0.5", "--k", "inf"], "--k must be a radius in pixels from 0 to 128, got inf."),
        (["--focus", "0.5", "--k", "1,5"], "--k must be a radius in pixels from 0 to 128, got '1,5'."),
        (
            ["--focus", "0.5", "--k", "8", "--blades", "2"],
            "--blades must be a number of sides from 3 to 16, got 2.",
        ),
        (
            ["--focus", "0.5", "--k", "8", "--blades", "6.5"],
            "--blades must be a number of sides from 3 to 16, got '6.5'.",
        ),
        (
            ["--focus", "0.5", "--k", "8", "--crf", "99"],
            "--crf must be an encoder quality from 0 to 63, got 99.",
        ),
        (
            ["--focus", "0.5", "--k", "8", "--depth-size", "5"],
            "--depth-size must be a number of pixels from 56 to 2048, got 5.",
        ),
        (
            ["--focus", "0.5", "--k", "8", "--highlight-threshold", "2"],
            "--highlight-threshold must be a code value from 0 to 1, got 2.",
        ),
        (["--focus", "0.5", "--k", "8", "--start", "soon"], "'soon' is not a time."),
        (["--focus", "0.5", "--k", "8", "--lossless", "--crf", "3"], "Lossless chooses codec"),
        (["--focus", "0.5", "--k", "8", "--overwrite", "--skip-existing"], "exclude each other"),
        (
            ["--focus", "0.5", "--k", "8", "--renderer", "magic"],
            "'--renderer': 'magic' is not one of",
        ),
        (["--focus", "0.5", "--k", "8", "--aperture", "hexagon"], "'--aperture': 'hexagon' is not one of"),
        (["--focus", "0.5", "--k", "8", "--blades", "6"], "--blades needs --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--roundness", "1"], "--roundness needs --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--rotation", "0"], "--rotation needs --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--start", "2", "--end", "1"], "The end, 1 s, must be after"),
        (["--focus", "0.5", "--k", "8", "--start", "f2", "--end", "f2"], "must be after the start, frame 2."),
        (["--focus", "0.5", "--k", "8", "--blur"], "No such option"),
        (["--k", "8"], "Nothing says where the focus is."),
        (["--focus", "0.5"], "Nothing says how strong the blur is."),
        (["--focus", "0.5", "--focus-at", "3,4", "--k", "8"], "said in 2 ways: --focus and --focus-at."),
        (
            ["--focus", "0.5", "--k", "8", "--f-stop", "2", "--near-m", "1", "--far-m", "9"],
            "--k and --f-stop.",
        ),
        (["--focus", "0.5", "--f-stop", "2", "--near-m", "1"], "--f-stop needs the distances"),
        (["--focus", "0.5", "--k", "8", "--near-m", "1"], "--near-m and --far-m belong to --f-stop"),
        (
            ["--focus", "0.5", "--f-stop", "2", "--near-m", "3", "--far-m", "2"],
            "must be more than --near-m, 3",
        ),
        (["--focus", "1s:0.5, 0s:0.2", "--k", "8"], "--focus are out of order: 0 s comes after 1 s."),
        (["--focus", "f9:0.5; f9:0.2", "--k", "8"], "out of order: frame 9 comes after frame 9."),
        (["--focus", "1s:1.5", "--k", "8"], "--focus must be a disparity from 0 to 1, got 1.5."),
        (["--focus", "soon:0.5", "--k", "8"], "'soon' is not a time."),
        (["--focus", "0s:0.5 2s:0.4", "--k", "8"], "--focus has no key in '0s:0.5 2s:0.4'."),
        (["--focus", "0s:0.5,", "--k", "0s:@3,4"], "a point has a disparity, but no K."),
        (["--focus", "0.5", "--k", "0s:8, 1s:200"], "--k must be a radius in pixels from 0 to 128, got 200."),
        (["--focus-at", "3", "--k", "8"], "'3' is not a point."),
        (["--focus-at", "-3,4", "--k", "8"], "'-3,4' is not a point."),
        (["--focus-at", "3,4@soon", "--k", "8"], "'soon' is not a time."),
        (["--focus", "0.5", "--k", "8", "--easing", "bouncy"], "'bouncy' is not one of"),
        (
            ["--focus", "0.5", "--k", "8", "--near-strength", "5"],
            "--near-strength must be a factor from 0 to 4",
        ),
        (["--focus", "0.5", "--k", "8", "--focal-length", "85"], "--focal-length needs --f-stop"),
        (["--focus", "0.5", "--k", "8", "--easing", "hold"], "--easing needs keys"),
        (["--focus", "0.5", "--k", "8", "--save-focus-track", "a.txt"], "must end in .csv or .json."),
    ],
)
def test_wrong_values_are_named_with_unit_and_range(
    options: list[str], sentence: str, clip: Path, bokeh: Bokeh
) -> None:
    run = bokeh("refocus", clip, *options)
    assert run.code == 2
    assert len(run.errors) == 1
    assert sentence in run.errors[0]
    assert run.out == ""
    assert "Traceback" not in run.err
    assert list(clip.parent.glob("*.refocus.*")) == []


def test_unknown_command_points_to_help(bokeh: Bokeh) -> None:
    run = bokeh("defocus")
    assert run.code == 2
    assert run.errors == ["Error: No such command 'defocus'. Did you mean 'refocus'?"]
    assert "--help" in run.err


def test_preview_is_written_as_png_only(clip: Path, bokeh: Bokeh) -> None:
    run = bokeh("preview", clip, "--at", "0", "--focus", "0.5", "--k", "8", "-o", clip.with_suffix(".jpg"))
    assert run.code == 2
    assert run.errors == [f"Error: A preview is a PNG: {clip.with_suffix('.jpg')} must end in .png."]
