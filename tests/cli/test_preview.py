"""``bokeh preview``: four pictures of one frame."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from any2bokeh.depth.colormap import colorize
from any2bokeh.preview import TINT, show_in_focus, with_square_pixels
from any2bokeh.scene import Scene
from any2bokeh.settings import TimeRange
from any2bokeh.values import TimePoint
from any2bokeh.video.decode import open_video
from any2bokeh.video.still import read_png

Bokeh = Callable[..., Any]


def test_four_pictures_of_the_frame_asked_for(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--at", "f2", "--disparity", track, "--focus", "0.5", "--k", "128")
    target = clip.with_name("clip.preview.png")
    assert (run.code, run.out, run.errors) == (0, f"{target}\n", [])
    original, disparity, in_focus, result = four(read_png(target))
    with open_video(clip, TimeRange(start=TimePoint(frame=2))) as video:
        expected = next(iter(video)).picture
    assert (original - expected).abs().max() < 1 / 255
    assert (disparity - colorize(torch.linspace(0, 1, 64).expand(1, 48, 64))).abs().mean() < 0.01
    change = (result - original).abs().amax(dim=(0, 1))  # by column
    assert change[30:33].max() < 0.02 < change[:8].max()
    orange = in_focus[0] - in_focus[2] > 0.1
    assert orange[:, 30:34].all()
    assert not orange[:, :8].any() and not orange[:, -8:].any()


def test_track_is_found_by_stem_in_a_folder_of_tracks(bokeh: Bokeh, clip: Path, make_track: Any) -> None:
    (clip.parent / "tracks").mkdir()
    make_track(clip.parent / "tracks" / "clip.mkv")
    options = ["--disparity", clip.parent / "tracks"]
    assert bokeh("preview", clip, "--at", "0", *options, "--focus", "0.5", "--k", "8").code == 0
    assert bokeh("depth", clip, *options).code == 0


def test_tint_covers_what_is_blurred_by_less_than_a_pixel() -> None:
    disparity = torch.tensor([0.5, 0.5 + 0.9 / 16, 0.5 + 1.1 / 16, 0.5 - 1.1 / 16]).view(1, 1, 4)
    scene = Scene(
        sharp=torch.full((3, 1, 4), 0.5),
        disparity=disparity,
        focus_disparity=0.5,
        blur_strength=16 * 1024 / 4,  # 16 pixels in this frame, 4 pixels wide
        pts=0,
    )
    picture = show_in_focus(scene, Fraction(1))
    tinted = 0.25 + 0.5 * torch.tensor(TINT)
    torch.testing.assert_close(picture[:, 0, :2], tinted[:, None].expand(3, 2))
    torch.testing.assert_close(picture[:, 0, 2:], torch.full((3, 2), 0.5))


@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(1), (48, 64)), (Fraction(3, 2), (48, 96)), (Fraction(3, 4), (64, 64))]
)
def test_pixels_become_square_without_losing_any(aspect: Fraction, size: tuple[int, int]) -> None:
    assert with_square_pixels(torch.zeros(3, 48, 64), aspect).shape[1:] == size


def test_vertical_clip_is_shown_upright(
    bokeh: Bokeh, tmp_path: Path, make_clip: Any, make_track: Any
) -> None:
    clip = make_clip(tmp_path / "phone.mp4", rotation=90)
    track = make_track(tmp_path / "track.mkv", width=48, height=64)
    assert bokeh("preview", clip, "--at", "0", "--disparity", track, "--focus", "0.5", "--k", "8").code == 0
    assert read_png(tmp_path / "phone.preview.png").shape == (3, 128, 96)


@pytest.mark.parametrize(("at", "moment"), [("00:00:09", "9 s"), ("f4", "frame 4")])
def test_time_behind_the_end(at: str, moment: str, bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh("preview", clip, "--at", at, "--disparity", track, "--focus", "0.5", "--k", "8")
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert f"has no frame from {moment} on: of its 4 frames, the last is at 0.12 s." in run.errors[0]
    assert not clip.with_name("clip.preview.png").exists()


def test_time_outside_of_the_range(bokeh: Bokeh, clip: Path, track: Path) -> None:
    run = bokeh(
        *("preview", clip, "--at", "f3", "--end", "f2", "--disparity", track, "--focus", "0.5", "--k", "8")
    )
    assert (run.code, len(run.errors)) == (1, 1)
    assert "outside the part" in run.errors[0]


def four(picture: torch.Tensor) -> list[torch.Tensor]:
    above, below = picture.chunk(2, dim=1)
    return [*above.chunk(2, dim=2), *below.chunk(2, dim=2)]
