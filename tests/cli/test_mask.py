"""``bokeh mask`` and ``--subject``: a click becomes a mask, and what it shows stays sharp."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from folders import catalog_entry, downloaded

from any2bokeh.video.decode import open_video
from any2bokeh.video.gray import open_gray
from any2bokeh.video.png import write_png

Bokeh = Callable[..., Any]
THERE = ("--subject", "20,20@f2")


@pytest.fixture(autouse=True)
def catalog(tmp_path: Path, own_folders: None) -> None:
    with (tmp_path / "models.toml").open("a") as models:
        for name in ("subject-sam2", "subject-edgetam"):
            models.write(catalog_entry(name, "config.json", "model.safetensors"))


@pytest.fixture
def sam2(tmp_path: Path, tiny_sam2: Path) -> Path:
    folder = downloaded(tmp_path, "any2bokeh-tests/subject-sam2")
    return shutil.copytree(tiny_sam2, folder, dirs_exist_ok=True)


def masks(path: Path) -> np.ndarray:
    return np.stack([mask[0].numpy() for _, mask in open_gray(path).frames()])


def frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def warnings(run: Any) -> list[str]:
    return [line for line in run.err.splitlines() if line.startswith("Warning:")]


def test_a_click_becomes_a_mask_beside_the_clip(bokeh: Bokeh, clip: Path, sam2: Path) -> None:
    target = clip.with_name("clip.mask.mkv")
    run = bokeh("mask", clip, *THERE)
    assert (run.code, run.out, run.errors) == (0, f"{target}\n", [])
    assert masks(target).shape == (4, 48, 64)
    assert masks(target).std() > 0.01
    assert open_gray(target).times == [0, 42, 83, 125]  # ms
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray")


@pytest.mark.slow
def test_a_mask_that_exists_is_left_unless_it_may_be_replaced(bokeh: Bokeh, clip: Path, sam2: Path) -> None:
    target = clip.with_name("clip.mask.mkv")
    target.write_bytes(b"mine")
    assert bokeh("mask", clip, *THERE).code == 1
    run = bokeh("mask", clip, *THERE, "--skip-existing", "--json")
    assert (run.code, json.loads(run.out)["status"]) == (0, "skipped")
    assert target.read_bytes() == b"mine"
    assert bokeh("mask", clip, *THERE, "--overwrite").code == 0
    assert len(masks(target)) == 4


@pytest.mark.slow
def test_without_a_download_the_bundled_network_finds_the_thing(bokeh: Bokeh, clip: Path) -> None:
    run = bokeh("mask", clip, *THERE)
    [warning] = warnings(run)
    assert run.code == 0 and "bundled network may miss parts" in warning, run.err
    found = masks(clip.with_name("clip.mask.mkv"))
    assert found.shape == (4, 48, 64) and found[2, 20, 20] > 0.5


def test_a_moment_that_the_clip_does_not_have_is_told_before_depth_is_estimated(
    bokeh: Bokeh, clip: Path
) -> None:
    run = bokeh("refocus", clip, "--subject", "9,9@9s", "--k", "8", "--progress", "plain")
    assert run.code == 1 and "9 s" in run.err and "depth" not in run.err


def test_the_network_asked_for_must_be_here(bokeh: Bokeh, clip: Path) -> None:
    run = bokeh("mask", clip, *THERE, "--subject-network", "edgetam")
    assert run.code == 1
    assert "download-weights subject-edgetam" in run.err
    assert not clip.with_name("clip.mask.mkv").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("mask", "{clip}"), "--subject"),
        (("mask", "{clip}", "--not-subject", "9,9"), "--not-subject"),
        (("mask", "{clip}", "--subject", "9,9", "-o", "mask.mp4"), "mask.mp4"),
        (("mask", "{clip}", "--subject", "9;9"), "9;9"),
        (("mask", "{clip}", "--subject", "9,9", "-y", "-n"), "--skip-existing"),
        (("refocus", "{clip}", "--subject", "9,9", "--focus-at", "9,9", "--k", "8"), "--focus-at"),
        (("refocus", "{clip}", "--subject", "9,9", "--focus", "0s:1,1s:0", "--k", "8"), "--focus"),
        (("refocus", "{clip}", "--subject", "9,9", "--focus-mask", "{clip}", "--k", "8"), "--focus-mask"),
        (("refocus", "{clip}", "--focus", "1", "--subject-network", "sam2", "--k", "8"), "--subject-network"),
        (("refocus", "{clip}", "{clip}.mkv", "--subject", "9,9", "--k", "8", "-o", "out/"), "9,9"),
        (("depth", "{clip}", "--not-subject", "9,9"), "--not-subject"),
        (("mask", "{clip}", "--subject", "auto", "--subject", "9,9"), "--subject"),
    ],
)
def test_options_that_do_not_fit_together_are_usage_errors(
    options: tuple[str, ...], named: str, bokeh: Bokeh, clip: Path
) -> None:
    run = bokeh(*(option.format(clip=clip) for option in options))
    assert run.code == 2
    assert named in run.err


@pytest.mark.parametrize("point", ["64,20", "9,9@9s"])
def test_a_point_must_be_in_the_clip(point: str, bokeh: Bokeh, clip: Path, sam2: Path) -> None:
    run = bokeh("mask", clip, "--subject", point)
    assert run.code == 1
    assert not clip.with_name("clip.mask.mkv").exists()


@pytest.mark.slow
def test_a_click_holds_what_its_mask_would(
    bokeh: Bokeh, clip: Path, track: Path, sam2: Path, tmp_path: Path
) -> None:
    mask, by_click, by_mask = (tmp_path / name for name in ("own.mkv", "click.mkv", "mask.mkv"))
    lens = ("--disparity", track, "--k", "20", "--lossless")
    assert bokeh("mask", clip, *THERE, "-o", mask).code == 0
    assert bokeh("refocus", clip, *THERE, *lens, "-o", by_click).code == 0
    (sam2 / "model.safetensors").write_bytes(b"broken")  # the masks of the first run are kept
    again = tmp_path / "again.mkv"
    assert bokeh("refocus", clip, *THERE, *lens, "-o", again).code == 0
    assert bokeh("refocus", clip, "--focus-mask", mask, *lens, "-o", by_mask).code == 0
    assert frames(by_click) == frames(by_mask) == frames(again)
    assert frames(by_click) != frames(clip)


@pytest.mark.slow
def test_what_is_followed_is_held_as_a_subject_is(
    bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path
) -> None:
    by_click, by_follow = tmp_path / "click.mkv", tmp_path / "follow.mkv"
    lens = ("--disparity", track, "--k", "20", "--lossless")
    run = bokeh("refocus", clip, *THERE, *lens, "-o", by_click)
    assert run.code == 0, run.err
    assert bokeh("refocus", clip, "--follow", THERE[1], *lens, "-o", by_follow).code == 0
    assert frames(by_click) == frames(by_follow)


@pytest.mark.slow
def test_a_dry_run_knows_how_long_following_takes(bokeh: Bokeh, clip: Path, track: Path) -> None:
    def planned(*options: object) -> float | None:
        run = bokeh("refocus", clip, *options, "--disparity", track, "--k", "8", "--dry-run", "--json")
        seconds: float | None = json.loads(run.out)["results"][0]["subject_seconds"]
        return seconds

    assert planned("--focus", "0.5") is None
    assert 0 < (planned(*THERE) or 0) < 60
    text = bokeh("refocus", clip, *THERE, "--disparity", track, "--k", "8", "--dry-run").out
    assert re.search(r"subject: +about \d+ s", text)
    assert bokeh("refocus", clip, *THERE, "--disparity", track, "--k", "8").code == 0
    assert planned(*THERE, "--overwrite") == 0  # the masks are kept


@pytest.mark.slow
def test_the_likeliest_subject_is_named_with_the_way_to_choose_another(
    bokeh: Bokeh, make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clips = [make_clip(tmp_path / name) for name in ("one.mp4", "two.mp4")]
    runs = [bokeh("mask", clip, "--subject", "auto") for clip in clips]
    told = [line for run in runs for line in run.err.splitlines() if "--subject X,Y@TIME" in line]
    assert all(run.code == 0 or "stands out" in run.err for run in runs)
    assert len(told) == sum(run.code == 0 for run in runs)
    both = bokeh("refocus", *clips, "--subject", "auto", "--k", "8", "-o", f"{tmp_path / 'out'}/")
    assert both.code != 2, both.err  # each clip has a subject of its own


@pytest.mark.slow
def test_a_mask_that_was_damaged_in_the_cache_is_made_anew(
    bokeh: Bokeh, clip: Path, track: Path, sam2: Path, tmp_path: Path
) -> None:
    held = ("depth", clip, *THERE, "--disparity", track, "-o")
    assert bokeh(*held, tmp_path / "first.mkv").code == 0
    [kept] = (tmp_path / "cache" / "disparity").glob("*.mkv")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 255
    kept.write_bytes(content)
    run = bokeh(*held, tmp_path / "second.mkv")
    assert run.code == 0, run.err
    assert any(str(kept) in line for line in warnings(run))
    np.testing.assert_array_equal(masks(tmp_path / "second.mkv"), masks(tmp_path / "first.mkv"))


@pytest.mark.slow
def test_depth_writes_the_held_disparity(bokeh: Bokeh, clip: Path, track: Path, sam2: Path) -> None:
    held, mask = clip.with_name("held.mkv"), clip.with_name("mask.mkv")
    assert bokeh("mask", clip, *THERE, "-o", mask).code == 0
    assert bokeh("depth", clip, *THERE, "--disparity", track, "-o", held).code == 0
    disparity = masks(held)
    assert disparity.shape == (4, 48, 64)
    inside = masks(mask) > 0.9
    assert inside.any()
    assert all(np.ptp(frame[where]) < 1e-3 for frame, where in zip(disparity, inside, strict=True))


@pytest.mark.slow
def test_a_pull_between_two_masks(bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path) -> None:
    """Disparity rises from left to right; one subject is at the left, one at the right."""
    columns = torch.arange(64).expand(1, 48, 64)
    for name, middle in (("left", 14), ("right", 50)):
        (tmp_path / name).mkdir()
        for number in range(4):
            write_png(tmp_path / name / f"{number}.png", ((columns - middle).abs() < 6).float())
    masks = ("--focus-mask", tmp_path / "left", "--focus-mask", tmp_path / "right")
    run = bokeh(
        *("refocus", clip, "--disparity", track, *masks, "--focus", "f0:subject1, f3:subject2"),
        *("--k", "60", "--lossless", "-o", tmp_path / "out.mkv", "--json"),
    )
    assert run.code == 0, run.err
    assert json.loads(run.out)["results"][0]["focus"] == pytest.approx([14 / 63, 50 / 63], abs=0.03)
    with open_video(tmp_path / "out.mkv") as ours, open_video(clip) as theirs:
        changes = [(a.picture - b.picture).abs().amax(0) for a, b in zip(ours, theirs, strict=True)]
    left, right = (slice(4, 44), slice(10, 18)), (slice(4, 44), slice(46, 54))
    assert changes[0][left].max() < 2 / 255 < 0.05 < changes[0][right].mean()
    assert changes[3][right].max() < 2 / 255 < 0.05 < changes[3][left].mean()


def test_a_preview_says_where_the_held_subject_is(
    bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path
) -> None:
    (tmp_path / "masks").mkdir()
    inside = torch.zeros(1, 48, 64)
    inside[:, 12:36, 16:32] = 1
    for number in range(4):
        write_png(tmp_path / "masks" / f"{number}.png", inside)
    look = ("preview", clip, "--disparity", track, "-o", tmp_path / "look.png", "--json", "-y")
    held = json.loads(bokeh(*look, "--focus-mask", tmp_path / "masks").out)["moments"]
    assert held[0]["subject"] == pytest.approx([0.25, 0.25, 0.5, 0.75], abs=0.03)
    assert json.loads(bokeh(*look, "--focus", "0.4").out)["moments"][0]["subject"] is None
