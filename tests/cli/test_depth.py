"""``bokeh depth``: tracks that ``--disparity`` takes back, and colors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from facts import names

from any2bokeh.depth.colormap import colorize
from any2bokeh.video.gray import open_gray
from any2bokeh.video.png import read_png

Bokeh = Callable[..., Any]


def values(track: Path) -> torch.Tensor:
    """``T h w`` of a track file."""
    return torch.cat([disparity for _, disparity in open_gray(track).frames()])


def decoded(video: Path) -> list[bytes]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize(("kind", "first", "last"), [("disparity", 0.0, 1.0), ("inverted", 1.0, 0.0)])
@pytest.mark.slow
def test_given_track_is_converted(
    kind: str, first: float, last: float, bokeh: Bokeh, clip: Path, track: Path
) -> None:
    target = clip.with_name("clip.disparity.mkv")
    run = bokeh("depth", clip, "--disparity", track, "--disparity-kind", kind)
    assert (run.code, run.out, run.errors) == (0, f"{target}\n", [])
    converted = values(target)
    assert converted.shape == (4, 48, 64)
    assert converted[:, :, 0].mean() == pytest.approx(first, abs=0.01)
    assert converted[:, :, -1].mean() == pytest.approx(last, abs=0.01)


@pytest.mark.slow
def test_converted_part_keeps_its_times_and_fits_the_clip(bokeh: Bokeh, clip: Path, track: Path) -> None:
    part = clip.with_name("part.mkv")
    assert bokeh("depth", clip, "--disparity", track, "--start", "f1", "--end", "f3", "-o", part).code == 0
    assert open_gray(part).times == [42, 83]  # ms
    options = ["--start", "f1", "--end", "f3", "--focus", "0.5", "--k", "8"]
    assert bokeh("refocus", clip, "--disparity", part, *options).code == 0


def test_part_of_a_kept_estimate_has_its_own_frames_alone(bokeh: Bokeh, clip: Path) -> None:
    whole, part = clip.with_name("whole.mkv"), clip.with_name("part.mkv")
    estimate = ("depth", clip, "--depth", "compact", "--depth-size", "64")
    assert bokeh(*estimate, "-o", whole).code == 0
    assert bokeh(*estimate, "--start", "f1", "--end", "f3", "-o", part).code == 0
    assert open_gray(part).times == [42, 83]  # ms
    assert torch.equal(values(part), values(whole)[1:3])


@pytest.mark.slow
def test_the_subject_of_a_mask_is_held_in_the_track(bokeh: Bokeh, clip: Path, track: Path) -> None:
    """Disparity grows from left to right; inside the mask it is the same everywhere, elsewhere as it was."""
    subject = np.zeros((4, 48, 64), np.float32)
    subject[:, 12:36, 20:44] = 1
    mask = clip.with_name("mask.npy")
    np.save(mask, subject)
    run = bokeh("depth", clip, "--disparity", track, "--focus-mask", mask)
    assert (run.code, run.errors) == (0, [])
    held = values(clip.with_name("clip.disparity.mkv"))
    assert held.shape == (4, 48, 64)
    for frame in held:
        assert frame[16:32, 24:40].std() < 1e-3
        assert frame[40, 24:40].std() > 0.05
    beside = "depth", clip, "--disparity", track, "--focus-mask"
    assert bokeh(*beside, mask, "--subject", "30,30", "-y").code == 2
    gone = bokeh(*beside, clip.with_name("gone.mkv"), "-y")
    assert gone.code == 1 and names(gone.errors[0], "gone.mkv")


def test_colors_are_a_picture_or_a_video(bokeh: Bokeh, clip: Path, track: Path) -> None:
    picture, video = clip.with_name("colors.png"), clip.with_name("colors.mp4")
    run = bokeh("depth", clip, "--disparity", track, "--colors", picture)
    assert (run.code, run.out) == (0, f"{picture}\n")
    assert not clip.with_name("clip.disparity.mkv").exists()
    expected = colorize(torch.linspace(0, 1, 64).expand(1, 48, 64))
    assert (read_png(picture) - expected).abs().mean() < 0.01
    assert bokeh("depth", clip, "--disparity", track, "--colors", video).code == 0
    with av.open(str(video)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 4
    assert np.abs(shown[0] / 255 - expected.permute(1, 2, 0).numpy()).mean() < 0.04


@pytest.mark.parametrize(
    ("options", "code", "facts"),
    [
        (["-o", "{}/track.mp4"], 2, "track.mp4 .mkv"),
        (["-o", "{}/track.mkv"], 2, "replace track.mkv"),
        (["--colors", "{}/clip.mp4", "-y"], 2, "replace clip.mp4"),
        (["-o", "{}/a.mkv", "--colors", "{}/a.mkv"], 2, "one file a.mkv"),
        (["-o", "{}/gone/a.mkv"], 1, "/gone"),
        (["-o", "{}/taken.mkv"], 1, "exists taken.mkv"),
        (["--colors", "{}/a.xyz"], 1, "a.xyz .mp4 .mkv"),
    ],
)
def test_targets_that_cannot_be(
    options: list[str], code: int, facts: str, bokeh: Bokeh, clip: Path, track: Path
) -> None:
    clip.with_name("taken.mkv").touch()
    before = sorted(clip.parent.rglob("*"))
    arguments = [option.format(clip.parent) for option in options]
    run = bokeh("depth", clip, "--disparity", track, *arguments)
    assert (run.code, run.out, len(run.errors)) == (code, "", 1)
    assert names(run.errors[0], *facts.split())
    assert sorted(clip.parent.rglob("*")) == before


def test_track_that_would_replace_itself_is_told_of_another_name(
    bokeh: Bokeh, clip: Path, track: Path
) -> None:
    own = track.rename(clip.with_name("clip.disparity.mkv"))
    run = bokeh("depth", clip, "--disparity", own)
    assert run.code == 2
    assert " -o " in run.err


@pytest.mark.slow
def test_estimated_track_is_what_refocus_uses(bokeh: Bokeh, clip: Path, network: Path) -> None:
    run = bokeh("depth", clip, "--depth-size", "56")
    assert (run.code, run.errors) == (0, [])
    assert "clip.mp4: estimating disparity, 4 of 4 frames" in run.err
    lens = ["--focus", "0.5", "--k", "32", "--lossless"]
    direct, by_track = clip.with_name("direct.mkv"), clip.with_name("by_track.mkv")
    run = bokeh("refocus", clip, *lens, "--depth-size", "56", "-o", direct)
    assert run.code == 0
    assert "estimating" not in run.err  # the cache has it
    track = clip.with_name("clip.disparity.mkv")
    assert bokeh("refocus", clip, *lens, "--disparity", track, "-o", by_track).code == 0
    assert decoded(direct) == decoded(by_track) != decoded(clip)


@pytest.mark.slow
def test_without_a_download_the_compact_network_estimates_and_one_line_says_so(
    bokeh: Bokeh, clip: Path
) -> None:
    run = bokeh("depth", clip)
    assert (run.code, run.errors) == (0, [])
    warnings = [line for line in run.err.splitlines() if line.startswith("Warning:")]
    assert len(warnings) == 1 and "bokeh download-weights" in warnings[0]
    assert "Warning" not in bokeh("depth", clip, "-y").err  # the cache has it
    assert "Warning" not in bokeh("depth", clip, "--depth", "compact", "-y").err  # it was asked for


def test_dry_run_says_how_many_frames_would_be_estimated(bokeh: Bokeh, clip: Path, network: Path) -> None:
    options = ["--focus", "0.5", "--k", "8", "--depth-size", "56", "--dry-run"]
    run = bokeh("refocus", clip, *options)
    assert (run.code, run.errors) == (0, [])
    assert "motion" in run.out
    assert names(run.out, "at least 2", "4 frames")
    run = bokeh("refocus", clip, *options, "--depth-every", "1")
    assert names(run.out, "every frame", "4 frames")
    assert bokeh("depth", clip, "--depth-size", "56", "--depth-every", "auto").code == 0
    assert "cached" in bokeh("refocus", clip, *options).out


def test_depth_says_how_many_frames_were_estimated(bokeh: Bokeh, clip: Path, network: Path) -> None:
    run = bokeh("depth", clip, "--depth-size", "56", "--depth-every", "3", "--single-shot", "-v")
    assert (run.code, run.errors) == (0, [])
    assert "2 of 4 frames" in run.err


@pytest.mark.parametrize("value", ["0", "often", "1.5", "49"])
def test_depth_every_is_auto_or_a_number_of_frames(value: str, bokeh: Bokeh, clip: Path) -> None:
    run = bokeh("depth", clip, "--depth-every", value)
    assert run.code == 2
    assert names(run.errors[0], "--depth-every", 1, 48, value)
