"""Ways of saying where the focus is, on a clip whose disparity rises from 0 at the left to 1 at the right."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from facts import names

from any2bokeh.video.decode import open_video
from any2bokeh.video.png import write_png

Bokeh = Callable[..., Any]
LAST = 63  # the last of 64 columns


@pytest.fixture
def refocus(bokeh: Bokeh, clip: Path, track: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run refocus and return what --json says of it."""

    def run(*options: object) -> dict[str, Any]:
        target = tmp_path / "out.mkv"
        result = bokeh(
            *("refocus", clip, "--disparity", track, "--lossless", "-o", target, "--overwrite", "--json"),
            *options,
        )
        assert result.code == 0, result.err
        document: dict[str, Any] = json.loads(result.out)["results"][0]
        return document

    return run


def sharp_columns(refocused: Path, original: Path) -> list[float]:
    """The middle of the columns of each frame that are the original's."""
    middles = []
    with open_video(refocused) as ours, open_video(original) as theirs:
        for one, other in zip(ours, theirs, strict=True):
            same = (one.picture - other.picture).abs().amax(dim=(0, 1)) < 2 / 255
            middles.append(float(same.nonzero().float().mean()))
    return middles


def test_a_point_is_in_focus_in_pixels_and_in_shares(refocus: Any, clip: Path, tmp_path: Path) -> None:
    for point in ("48,20", "0.7578,0.42", "48,20@f2", "48,20@0.1s"):
        document = refocus("--focus-at", point, "--k", "128")
        assert document["focus"] == pytest.approx([48 / LAST] * 2, abs=0.01)
        assert document["k"] == [128, 128]
    assert sharp_columns(tmp_path / "out.mkv", clip) == pytest.approx([48] * 4, abs=2)


def test_a_pull_moves_what_is_sharp(refocus: Any, clip: Path, tmp_path: Path) -> None:
    document = refocus("--focus", "f0:0.2; f3:@52,10", "--k", "128", "--easing", "linear")
    assert document["focus"] == pytest.approx([0.2, 52 / LAST], abs=0.01)
    wanted = np.linspace(0.2 * LAST, 52, 4)
    assert sharp_columns(tmp_path / "out.mkv", clip) == pytest.approx(wanted, abs=2)


def test_k_moves_over_time(refocus: Any, clip: Path, tmp_path: Path) -> None:
    document = refocus("--focus", "0.5", "--k", "0s:0, 00:00:00.125:96", "--easing", "linear")
    assert document["k"] == [0, 96]
    with open_video(tmp_path / "out.mkv") as ours, open_video(clip) as theirs:
        changes = [
            float((one.picture - other.picture).abs().mean()) for one, other in zip(ours, theirs, strict=True)
        ]
    assert changes[0] == 0
    assert changes == sorted(changes) and changes[3] > 0.01


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_saved_track_gives_the_same_run_again(
    refocus: Any, clip: Path, tmp_path: Path, suffix: str
) -> None:
    saved = tmp_path / f"focus.{suffix}"
    pull = ("--focus", "0s:0.123456789, 0.1s:@40,10", "--k", "f0:20, f3:77.7", "--dof-range", "0.05")
    first = refocus(*pull, "--save-focus-track", saved)
    with open_video(tmp_path / "out.mkv") as video:
        pictures = [frame.picture for frame in video]
    second = refocus("--focus-track", saved, "--dof-range", "0.05")
    assert (second["focus"], second["k"]) == (first["focus"], first["k"])
    with open_video(tmp_path / "out.mkv") as video:
        assert all(torch.equal(one.picture, other) for one, other in zip(video, pictures, strict=True))


def test_a_track_is_edited_by_hand(refocus: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("frame, focus\n0, 0.25\n3, 0.75\n")
    saved = tmp_path / "saved.csv"
    refocus("--focus-track", rows, "--k", "9", "--easing", "linear", "--save-focus-track", saved)
    with saved.open() as file:
        read = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert [row["time"] for row in read] == [frame / 24 for frame in range(4)]
    assert [row["focus"] for row in read] == pytest.approx([0.25, 0.25 + 1 / 6, 0.25 + 1 / 3, 0.75])
    assert [row["k"] for row in read] == [9] * 4


def test_k_of_a_lens_breathes_with_the_focus(refocus: Any) -> None:
    lens = ("--f-stop", "2", "--focal-length", "50", "--near-m", "0.5", "--far-m", "10")
    low, high = refocus("--focus", "f0:0, f3:1", *lens)["k"]
    # 1/2 * 0.05^2 / 2 * (1/0.5 - 1/10) * 1024/0.036, times z / (z - 0.05)
    assert low == pytest.approx(33.778 * 10 / 9.95, rel=1e-3)
    assert high == pytest.approx(33.778 * 0.5 / 0.45, rel=1e-3)


def test_focus_in_meters_needs_no_disparity(refocus: Any, tmp_path: Path) -> None:
    """Disparity 1 to 0 is given as 1 to 3 m: 1.5 m is in the middle."""
    saved = tmp_path / "focus.csv"
    distances = ("--near-m", "1", "--far-m", "3", "--save-focus-track", saved)
    document = refocus("--focus-m", "1.5", "--k", "8", *distances)
    assert document["focus"] == pytest.approx([0.5, 0.5])
    assert document["focus_m"] == pytest.approx([1.5, 1.5])
    assert saved.read_text().splitlines()[0] == "time,focus,k,focus_m"


@pytest.mark.parametrize(
    ("options", "code", "facts"),
    [
        (["--focus-at", "64,20"], 1, "64,20 outside {clip} 64x48"),
        (["--focus-at", "9,9@9s"], 1, "{clip} 9 4 frames 0.12"),
        (["--focus", "0s:0.5, 1s:0.2"], 1, "key 1 end {clip} 4 frames 0.17"),
        (["--focus", "0s:0.5, f4:0.2"], 1, "key frame 4 end {clip}"),
        (["--focus", "0.1s:0.5, f1:0.2"], 1, "order {clip} frame 1 0.1"),
        (["--focus-at", "9,9@f0", "--start", "f2"], 1, "0.00 {clip} outside"),
        (["--focus-track", "{folder}/none.csv"], 1, "{folder}/none.csv file"),
        (["--focus-track", "{folder}/words.csv"], 1, "{folder}/words.csv column 'hello'"),
        (["--focus-track", "{folder}/wrong.csv"], 1, "Row 2 {folder}/wrong.csv Focus disparity 0 1"),
        (["--focus-track", "{folder}/text.json"], 1, "{folder}/text.json JSON line 1"),
        (["--focus-track", "{folder}/strong.csv"], 2, "blur --k column {folder}/strong.csv"),
        (
            ["--focus-track", "{folder}/strong.csv", "--focus", "0.5"],
            2,
            "--focus --focus-track",
        ),
    ],
)
def test_what_cannot_be_focused_is_one_sentence(
    options: list[str], code: int, facts: str, bokeh: Bokeh, clip: Path, track: Path
) -> None:
    places = {"clip": clip, "folder": clip.parent}
    (clip.parent / "words.csv").write_text("hello\nworld\n")
    (clip.parent / "wrong.csv").write_text("time,focus\n0,0.5\n1,2\n")
    (clip.parent / "text.json").write_text("focus")
    (clip.parent / "strong.csv").write_text("time,focus,k\n0,0.5,8\n")
    run = bokeh(
        "refocus", clip, "--disparity", track, "--k", "8", *(text.format(**places) for text in options)
    )
    assert (run.code, len(run.errors)) == (code, 1)
    assert names(run.errors[0], *facts.format(**places).split())
    assert list(clip.parent.glob("*.refocus.*")) == []


def test_a_track_without_k_needs_one(bokeh: Bokeh, clip: Path, track: Path) -> None:
    (clip.parent / "rows.csv").write_text("time,focus\n0,0.5\n")
    run = bokeh("refocus", clip, "--disparity", track, "--focus-track", clip.parent / "rows.csv")
    assert run.code == 2
    assert names(run.errors[0], clip.parent / "rows.csv", "column k")


def test_an_existing_track_is_not_replaced_unasked(bokeh: Bokeh, clip: Path, track: Path) -> None:
    saved = clip.parent / "focus.csv"
    saved.write_text("mine")
    command = [
        "refocus",
        clip,
        "--disparity",
        track,
        "--focus",
        "0.5",
        "--k",
        "8",
        "--save-focus-track",
        saved,
    ]
    run = bokeh(*command)
    assert (run.code, len(run.errors)) == (1, 1)
    assert names(run.errors[0], saved, "exists")
    assert not clip.with_name("clip.refocus.mp4").exists()
    assert saved.read_text() == "mine"
    assert bokeh(*command, "--overwrite").code == 0
    assert saved.read_text().startswith("time,focus,k\n")


@pytest.mark.slow
def test_another_focus_never_estimates_disparity_again(bokeh: Bokeh, clip: Path, network: Path) -> None:
    command = ["refocus", clip, "--overwrite", "--depth-size", "56"]
    first = bokeh(*command, "--focus", "0.5", "--k", "8")
    assert (first.code, "estimating disparity" in first.err) == (0, True)
    (network / "model.safetensors").write_bytes(b"unreadable")  # loading it would fail
    ways = (["--focus", "0.2"], ["--focus-at", "0.5,0.5"], ["--follow", "9,9"], ["--focus", "0s:0.1,f3:@9,9"])
    for focus in ways:
        again = bokeh(*command, *focus, "--k", "16", "--dof-range", "0.1")
        assert (again.code, "estimating disparity" in again.err) == (0, False), again.err


def test_each_of_several_clips_has_its_own_mask_and_focus(
    bokeh: Bokeh, make_clip: Any, make_track: Any, tmp_path: Path
) -> None:
    clips, tracks, masks = (tmp_path / name for name in ("clips", "tracks", "masks"))
    for folder in (clips, tracks, masks):
        folder.mkdir()
    columns = torch.arange(64).expand(1, 48, 64)
    for stem, middle in (("a", 16), ("b", 48)):
        make_clip(clips / f"{stem}.mp4")
        make_track(tracks / f"{stem}.mkv")
        (masks / stem).mkdir()
        for number in range(4):
            write_png(masks / stem / f"{number}.png", ((columns - middle).abs() < 5).float())
    options = ["--disparity", tracks, "--focus-mask", masks, "--k", "8", "-o", tmp_path / "out/"]
    run = bokeh("refocus", clips, *options, "--save-focus-track", tmp_path / "focus", "--json")
    assert run.code == 0, run.err
    focus = [result["focus"] for result in json.loads(run.out)["results"]]
    assert focus == [pytest.approx([16 / LAST] * 2, abs=0.01), pytest.approx([48 / LAST] * 2, abs=0.01)]
    assert sorted(path.name for path in (tmp_path / "focus").iterdir()) == ["a.focus.csv", "b.focus.csv"]
    for shared in (["--save-focus-track", "one.csv"], ["--focus-mask", clips / "a.mp4"]):
        refused = bokeh("refocus", clips, *options, *shared)
        assert (refused.code, len(refused.errors)) == (2, 1)
        assert names(refused.errors[0].lower(), "several inputs", shared[1])
    shutil.rmtree(masks / "b")
    half = bokeh("refocus", clips, *options, "--overwrite")
    assert (half.code, len(half.errors)) == (3, 1)
    assert names(half.errors[0], masks, "mask", "b.*", "nothing")


def test_points_are_those_of_the_picture_as_it_is_displayed(
    bokeh: Bokeh, make_clip: Any, make_track: Any, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "turned.mp4", rotation=90)
    track = make_track(tmp_path / "upright.mkv", width=48, height=64)
    options = ["--disparity", track, "--k", "8", "--json", "--overwrite"]
    run = bokeh("refocus", clip, *options, "--focus-at", "40,60")
    assert run.code == 0, run.err
    assert json.loads(run.out)["results"][0]["focus"] == pytest.approx([40 / 47] * 2, abs=0.01)
    refused = bokeh("refocus", clip, *options, "--focus-at", "60,40")
    assert len(refused.errors) == 1
    assert names(refused.errors[0], "60,40", "outside", clip, "48x64")
