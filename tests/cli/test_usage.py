"""What cannot be asked for: exit code 2, one sentence, nothing started."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from facts import names

Bokeh = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--focus", "1.5", "--k", "8"], "--focus disparity 0 1 1.5"),
        (["--focus", "-0.1", "--k", "8"], "--focus disparity 0 1 -0.1"),
        (["--focus", "near", "--k", "8"], "--focus disparity 0 1 'near'"),
        (["--focus", "nan", "--k", "8"], "--focus disparity 0 1 nan"),
        (["--focus", "0.5", "--k", "-1"], "--k radius pixels 0 128 -1"),
        (["--focus", "0.5", "--k", "inf"], "--k radius pixels 0 128 inf"),
        (["--focus", "0.5", "--k", "1,5"], "--k radius pixels 0 128 '1,5'"),
        (["--focus", "0.5", "--k", "8", "--blades", "2"], "--blades sides 3 16 2"),
        (["--focus", "0.5", "--k", "8", "--blades", "6.5"], "--blades sides 3 16 '6.5'"),
        (["--focus", "0.5", "--k", "8", "--crf", "99"], "--crf 0 63 99"),
        (["--focus", "0.5", "--k", "8", "--depth-size", "5"], "--depth-size pixels 56 2048 5"),
        (["--focus", "0.5", "--k", "8", "--highlight-threshold", "2"], "--highlight-threshold value 0 1 2"),
        (["--focus", "0.5", "--k", "8", "--highlights", "bright"], "--highlights auto white 0 20 'bright'"),
        (["--focus", "0.5", "--k", "8", "--grain", "-1"], "--grain 0 2 -1"),
        (["--focus", "0.5", "--k", "8", "--workers", "many"], "--workers auto processes 1 256 'many'"),
        (["--focus", "0.5", "--k", "8", "--start", "soon"], "--start: 'soon' time"),
        (["--focus", "0.5", "--k", "8", "--lossless", "--crf", "3"], "--lossless --crf"),
        (["--focus", "0.5", "--k", "8", "--overwrite", "--skip-existing"], "--overwrite --skip-existing"),
        (["--focus", "0.5", "--k", "8", "--renderer", "magic"], "--renderer 'magic' lens small"),
        (["--focus", "0.5", "--k", "8", "--aperture", "hexagon"], "--aperture 'hexagon' disc polygon"),
        (["--focus", "0.5", "--k", "8", "--aperture", "star.png"], "--aperture picture 'star.png'"),
        (
            ["--focus", "0.5", "--k", "8", "--aperture", f"{'s' * 300}.png"],
            f"--aperture picture '{'s' * 28}...{'s' * 24}.png'",
        ),
        (["--focus", "0.5", "--k", "8", "--blades", "6"], "--blades --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--roundness", "1"], "--roundness --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--rotation", "0"], "--rotation --aperture polygon"),
        (["--focus", "0.5", "--k", "8", "--start", "2", "--end", "1"], "--end 1 --start 2"),
        (["--focus", "0.5", "--k", "8", "--start", "f2", "--end", "f2"], "--end --start frame 2"),
        (["--focus", "0.5", "--k", "8", "--blur"], "--blur"),
        (["--k", "8"], "focus"),
        (["--focus", "0.5"], "blur"),
        (["--focus", "0.5", "--focus-at", "3,4", "--k", "8"], "--focus --focus-at"),
        (["--focus", "0.5", "--k", "8", "--f-stop", "2", "--near-m", "1", "--far-m", "9"], "--k --f-stop"),
        (["--focus", "0.5", "--f-stop", "2", "--near-m", "1"], "--f-stop --near-m --far-m"),
        (["--focus", "0.5", "--k", "8", "--near-m", "1"], "--near-m --far-m --f-stop"),
        (["--focus", "0.5", "--f-stop", "2", "--near-m", "3", "--far-m", "2"], "--far-m 2 --near-m 3"),
        (["--focus", "1s:0.5, 0s:0.2", "--k", "8"], "--focus order 0 1"),
        (["--focus", "f9:0.5; f9:0.2", "--k", "8"], "--focus order 9"),
        (["--focus", "1s:1.5", "--k", "8"], "--focus disparity 0 1 1.5"),
        (["--focus", "soon:0.5", "--k", "8"], "--focus: 'soon' time"),
        (["--focus", "0s:0.5 2s:0.4", "--k", "8"], "--focus '0s:0.5 2s:0.4'"),
        (["--focus", "0s:0.5,", "--k", "0s:@3,4"], "--k point"),
        (["--focus", "0.5", "--k", "0s:8, 1s:200"], "--k radius pixels 0 128 200"),
        (["--focus-at", "3", "--k", "8"], "--focus-at: '3' point"),
        (["--focus-at", "-3,4", "--k", "8"], "'-3,4' point"),
        (["--focus-at", "9" * 300, "--k", "8"], f"'{'9' * 28}...{'9' * 28}' point"),
        (["--focus-at", "3,4@soon", "--k", "8"], "--focus-at: 'soon' time"),
        (["--focus", "0.5", "--k", "8", "--easing", "bouncy"], "--easing 'bouncy' smooth linear hold"),
        (["--focus", "0.5", "--k", "8", "--easing", "b" * 99], f"--easing '{'b' * 28}...{'b' * 28}'"),
        (["--focus", "0.5", "--k", "8", "--near-strength", "5"], "--near-strength factor 0 4 5"),
        (["--focus", "0.5", "--k", "8", "--focal-length", "85"], "--focal-length --f-stop"),
        (["--focus", "0.5", "--k", "8", "--easing", "hold"], "--easing --focus --k --focus-track"),
        (["--focus", "0.5", "--k", "8", "--save-focus-track", "a.txt"], "a.txt .csv .json"),
    ],
)
def test_wrong_values_are_named_with_unit_and_range(
    options: list[str], facts: str, clip: Path, bokeh: Bokeh
) -> None:
    run = bokeh("refocus", clip, *options)
    assert run.code == 2
    assert len(run.errors) == 1
    assert names(run.errors[0], *facts.split())
    assert run.out == ""
    assert "Traceback" not in run.err
    assert list(clip.parent.glob("*.refocus.*")) == []


def test_unknown_command_points_to_help(bokeh: Bokeh) -> None:
    run = bokeh("defocus")
    assert run.code == 2
    [error] = run.errors
    assert names(error, "'defocus'", "'refocus'")
    assert "--help" in run.err


def test_preview_is_written_as_png_only(clip: Path, bokeh: Bokeh) -> None:
    run = bokeh("preview", clip, "--at", "0", "--focus", "0.5", "--k", "8", "-o", clip.with_suffix(".jpg"))
    assert run.code == 2
    [error] = run.errors
    assert names(error, clip.with_suffix(".jpg"), ".png")
