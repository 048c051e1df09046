"""``bokeh preview``: pictures of a few moments, and what may be asked for."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from facts import names

from any2bokeh.depth.colormap import colorize
from any2bokeh.preview.moments import fitted
from any2bokeh.preview.pictures import LUMA
from any2bokeh.preview.sheet import STRIP, letters_px
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import open_video
from any2bokeh.video.png import read_png

Bokeh = Callable[..., Any]

SHOWN = (480, 360)  # how the clip's 64x48 pixels are shown
FOCUS = ("--focus", "0.5", "--k", "128")


def pictures(sheet: torch.Tensor, columns: int, size: tuple[int, int] = SHOWN) -> list[torch.Tensor]:
    """The pictures on a sheet, row by row, without their captions."""
    width, height = size
    gap, row = width // 60, height + round(STRIP * letters_px(width))
    assert sheet.shape[2] == gap + columns * (width + gap)
    rows = (sheet.shape[1] - gap) // row
    corners = [(gap + r * row, gap + c * (width + gap)) for r in range(rows) for c in range(columns)]
    return [sheet[:, top : top + height, left : left + width] for top, left in corners]


def frame(clip: Path, number: int, width: int = SHOWN[0]) -> torch.Tensor:
    """A frame of the clip as it is shown."""
    with open_video(clip, TimeRange(start=TimePoint(frame=number))) as video:
        return fitted(next(iter(video)).picture, width)


@pytest.mark.slow
def test_four_pictures_of_the_frame_asked_for(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--at", "f2", "--disparity", track, *FOCUS)
    target = clip.with_name("clip.preview.png")
    assert (run.code, run.out, run.errors) == (0, f"{target}\n", [])
    original, disparity, in_focus, result = pictures(read_png(target), columns=2)
    assert (original - frame(clip, 2)).abs().max() < 1 / 255
    ramp = colorize(torch.linspace(0, 1, SHOWN[0]).expand(1, 20, SHOWN[0]))
    assert (disparity[:, 100:120] - ramp).abs().mean() < 0.01  # between the rows of readings
    assert not torch.equal(disparity[:, 170:190], disparity[:, 100:120])  # a row of readings
    change = (result - original).abs().amax(dim=(0, 1))  # by column
    assert change[225:248].max() < 0.05 < change[:60].max()
    orange = in_focus[0] - in_focus[2] > 0.1
    assert orange[:, 232:248].all()
    assert not orange[:, :60].any() and not orange[:, -60:].any()


def test_several_moments_are_rows_in_order_of_time(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--at", "f3", "--at", "f0", "--disparity", track, *FOCUS)
    assert run.code == 0
    shown = pictures(read_png(clip.with_name("clip.preview.png")), columns=4)
    assert len(shown) == 8
    for row, number in enumerate((0, 3)):
        assert (shown[4 * row] - frame(clip, number)).abs().max() < 1 / 255


def test_without_a_word_it_is_the_middle_of_the_clip_and_of_the_picture(
    bokeh: Bokeh, clip: Path, track: Path
) -> None:
    assert bokeh("preview", clip, "--disparity", track).code == 0
    original, _, in_focus, _ = pictures(read_png(clip.with_name("clip.preview.png")), columns=2)
    assert (original - frame(clip, 1)).abs().max() < 1 / 255
    orange = in_focus[0] - in_focus[2] > 0.1
    assert orange[:, 238:242].all()


def test_contact_sheet_goes_from_the_first_frame_to_the_last(bokeh: Bokeh, clip: Path, track: Path) -> None:
    assert bokeh("preview", clip, "--contact", "--stills", "3", "--disparity", track, *FOCUS).code == 0
    shown = pictures(read_png(clip.with_name("clip.preview.png")), columns=3, size=(320, 480))
    assert len(shown) == 3
    for picture, number in zip(shown, (0, 2, 3), strict=True):
        gray = (frame(clip, number, 320) * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=0)
        above = picture[:, :240]
        assert (above - gray)[:, :-8, :100].abs().max() < 0.01  # at the left nothing is in focus


def test_sweep_goes_from_the_farthest_to_the_nearest(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--sweep", "--focus-values", "4", "--disparity", track, *FOCUS)
    assert run.code == 0
    shown = pictures(read_png(clip.with_name("clip.preview.png")), columns=2)
    original = frame(clip, 1)
    sharp = [(picture - original).abs().mean(dim=(0, 1)).argmin().item() / SHOWN[0] for picture in shown]
    assert sharp == pytest.approx([0.02, 0.34, 0.66, 0.98], abs=0.06)


def test_track_is_found_by_stem_in_a_folder_of_tracks(bokeh: Bokeh, clip: Path, make_track: Any) -> None:
    (clip.parent / "tracks").mkdir()
    make_track(clip.parent / "tracks" / "clip.mkv")
    options = ["--disparity", clip.parent / "tracks"]
    assert bokeh("preview", clip, "--at", "0", *options, "--focus", "0.5", "--k", "8").code == 0
    assert bokeh("depth", clip, *options).code == 0


def test_vertical_clip_is_shown_upright(
    bokeh: Bokeh, tmp_path: Path, make_clip: Any, make_track: Any
) -> None:
    clip = make_clip(tmp_path / "phone.mp4", rotation=90)
    track = make_track(tmp_path / "track.mkv", width=48, height=64)
    assert bokeh("preview", clip, "--at", "0", "--disparity", track, *FOCUS).code == 0
    assert len(pictures(read_png(tmp_path / "phone.preview.png"), columns=2, size=(360, 480))) == 4


@pytest.mark.parametrize("way", [["--at", "f1", "--at", "f3"], ["--sweep", "--at", "f1"], ["--contact"]])
def test_json_says_the_focus_that_was_found(
    way: list[str], bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path
) -> None:
    focus = ["--focus-at", "32,24", "--k", "12", "--stills", "2", "--focus-values", "2"]
    run = bokeh("preview", clip, "--disparity", track, *focus, *way, "--json")
    document = json.loads(run.out)
    first = document["moments"][0]
    assert document["output"] == str(clip.with_name("clip.preview.png"))
    assert first["focus"] == pytest.approx(32 / 63, abs=0.02)
    assert first["k"] == 12
    assert first["focus_m"] is None
    assert first["seconds"] == pytest.approx(first["frame"] / 24, abs=1e-3)
    assert len(document["moments"]) == (1 if "--sweep" in way else 2)


def test_json_says_the_focus_in_meters_where_they_are_known(bokeh: Bokeh, clip: Path, track: Path) -> None:
    meters = ["--focus-m", "1.5", "--near-m", "1", "--far-m", "3", "--k", "8"]
    document = json.loads(bokeh("preview", clip, "--disparity", track, *meters, "--json").out)
    assert document["moments"][0]["focus_m"] == pytest.approx(1.5)
    assert document["moments"][0]["focus"] == pytest.approx(0.5)


@pytest.mark.parametrize(("at", "moment"), [("00:00:09", "9 s"), ("f4", "frame 4")])
def test_time_behind_the_end(at: str, moment: str, bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--at", at, "--disparity", track, "--focus", "0.5", "--k", "8")
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert names(run.errors[0], clip, moment, "4 frames", "0.12 s")
    assert not clip.with_name("clip.preview.png").exists()


def test_time_outside_of_the_range(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh(
        *("preview", clip, "--at", "f3", "--end", "f2", "--disparity", track, "--focus", "0.5", "--k", "8")
    )
    assert (run.code, len(run.errors)) == (1, 1)
    assert names(run.errors[0], clip, "outside")


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--contact", "--sweep"], "--contact --sweep --html"),
        (["--html", "page.html", "-o", "x.png"], "--html -o"),
        (["--html", "page.txt"], "page.txt .html"),
        (["--sweep", "--at", "0", "--at", "f1"], "--sweep one 2"),
        (["--stills", "0"], "--stills moments 1 48 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    options: list[str], facts: str, bokeh: Bokeh, clip: Path, track: Path
) -> None:
    run = bokeh("preview", clip, "--disparity", track, *options)
    assert (run.code, len(run.errors)) == (2, 1)
    assert names(run.errors[0], *facts.split())


def test_a_page_that_exists_is_kept_and_nothing_is_rendered(bokeh: Bokeh, clip: Path, track: Path) -> None:
    page = clip.with_name("page.html")
    page.write_text("mine")
    run = bokeh("preview", clip, "--disparity", track, "--html", page)
    assert run.code == 1
    assert "exists" in run.errors[0] and "rendering" not in run.err
    assert page.read_text() == "mine"


def test_a_page_says_beforehand_what_it_costs(bokeh: Bokeh, clip: Path, track: Path) -> None:
    page = clip.with_name("page.html")
    options = ["--at", "0", "--at", "f3", "--focus-values", "2", "--k-values", "1", "--html", page]
    run = bokeh("preview", clip, "--disparity", track, *options)
    assert (run.code, run.out) == (0, f"{page}\n")
    assert names(run.err.splitlines()[0], "clip.mp4", "2 moments", "4 renderings", "8 MB")
