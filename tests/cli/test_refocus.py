"""The whole command on generated clips: results, batches, plans and what is said of them."""

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from facts import names
from numpy.typing import NDArray

Bokeh = Callable[..., Any]
Make = Callable[..., Path]


@pytest.fixture
def lens(track: Path) -> list[object]:
    return ["--disparity", track, "--focus", "0.5", "--k", "16"]


@pytest.fixture
def batch(tmp_path: Path, make_clip: Make) -> Path:
    """A folder of three clips, the second of which is none."""
    folder = tmp_path / "clips"
    folder.mkdir()
    make_clip(folder / "a.mp4")
    (folder / "b.mp4").write_text("no film")
    make_clip(folder / "c.mp4")
    return folder


@pytest.fixture
def tracks(tmp_path: Path, make_track: Make) -> Path:
    folder = tmp_path / "tracks"
    folder.mkdir()
    for stem in "abc":
        make_track(folder / f"{stem}.mkv")
    return folder


def packet_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def last_frame(path: Path) -> NDArray[np.int32]:
    """Luma as it is stored."""
    with av.open(str(path)) as container:
        *_, frame = container.decode(video=0)
        luma: NDArray[np.uint8] = frame.to_ndarray()[: frame.height]
        return luma.astype(np.int32)


def test_result_has_every_frame_at_its_time_and_its_path_on_stdout(
    bokeh: Bokeh, clip: Path, lens: list[object]
) -> None:
    run = bokeh("refocus", clip, *lens)
    target = clip.with_name("clip.refocus.mp4")
    assert (run.code, run.out, run.errors) == (0, f"{target}\n", [])
    assert packet_times(target) == packet_times(clip)


def test_options_reach_the_encoder_and_the_range(bokeh: Bokeh, clip: Path, lens: list[object]) -> None:
    target = clip.with_name("part.mkv")
    options = ["--start", "f1", "--end", "f3", "--codec", "hevc", "--pix-fmt", "yuv444p", "-o", target]
    assert bokeh("refocus", clip, *lens, *options).code == 0
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("hevc", "yuv444p")
        assert [frame.pts for frame in container.decode(video=0)] == [0, 42]  # ms


@pytest.mark.parametrize(("k", "is_same"), [("0", True), ("128", False)])
def test_lossless_result_differs_only_where_there_is_blur(
    k: str, is_same: bool, bokeh: Bokeh, clip: Path, track: Path
) -> None:
    target = clip.with_name("lossless.mkv")
    run = bokeh("refocus", clip, "--disparity", track, "--focus", "0.5", "--k", k, "--lossless", "-o", target)
    assert run.code == 0
    # The largest change of each column; disparity rises to the right, and the middle is in focus.
    change = np.abs(last_frame(target) - last_frame(clip)).max(axis=0)
    assert change[31:33].max() <= 2  # a code or two of what spreads in from beside
    assert (change.max() == 0) == is_same


def test_json_is_one_document_with_the_facts(bokeh: Bokeh, clip: Path, lens: list[object]) -> None:
    run = bokeh("refocus", clip, *lens, "--json")
    [result] = json.loads(run.out)["results"]
    assert result.pop("seconds") > 0
    assert result == {
        "input": str(clip),
        "output": str(clip.with_name("clip.refocus.mp4")),
        "status": "done",
        "frames": 4,
        "renderer": "lens",
        "corrupt_packets": 0,
        "focus": [0.5, 0.5],
        "k": [16, 16],
        "focus_m": None,
        "exports": [],
        "error": None,
    }


def test_batch_goes_on_after_a_failure_and_says_so(bokeh: Bokeh, batch: Path, tracks: Path) -> None:
    run = bokeh("refocus", batch, "--disparity", tracks, "--focus", "0.5", "--k", "8", "-o", batch / "out")
    assert run.code == 3
    assert run.out.splitlines() == [str(batch / "out" / f"{stem}.refocus.mp4") for stem in "ac"]
    assert len(run.errors) == 1
    assert f"{batch / 'b.mp4'}" in run.errors[0]
    assert names(run.err.splitlines()[-1], "2 of 3", "0 skipped", "1 failed", batch / "b.mp4")
    assert sorted(path.name for path in (batch / "out").iterdir()) == ["a.refocus.mp4", "c.refocus.mp4"]


def test_missing_track_fails_its_input_alone_and_a_missing_input_is_named_first(
    bokeh: Bokeh, batch: Path, tracks: Path, make_clip: Make
) -> None:
    make_clip(batch / "untracked.mp4")
    inputs = [batch / name for name in ("a.mp4", "gone.mp4", "untracked.mp4", "c.mp4")]
    run = bokeh("refocus", *inputs, "--disparity", tracks, "--focus", "0.5", "--k", "8", "-o", batch / "out")
    assert run.code == 3
    assert [Path(line).name for line in run.out.splitlines()] == ["a.refocus.mp4", "c.refocus.mp4"]
    missing, untracked = run.errors
    assert names(missing, batch / "gone.mp4", "exist")
    assert names(untracked, tracks, "disparity track", "untracked.*", "nothing")


def test_batch_in_json(bokeh: Bokeh, batch: Path, tracks: Path) -> None:
    run = bokeh("refocus", batch, "--disparity", tracks, "--focus", "0.5", "--k", "8", "--json")
    results = json.loads(run.out)["results"]
    assert run.code == 3
    assert [result["status"] for result in results] == ["done", "failed", "done"]
    assert results[1]["error"] in run.errors[0]


def test_fail_fast_stops_at_the_first_failure(bokeh: Bokeh, batch: Path, tracks: Path) -> None:
    run = bokeh("refocus", batch, "--disparity", tracks, "--focus", "0.5", "--k", "8", "--fail-fast")
    assert run.code == 3
    assert run.out.splitlines() == [str(batch / "a.refocus.mp4")]
    assert not (batch / "c.refocus.mp4").exists()


def test_batch_that_fails_as_a_whole_is_a_failure(bokeh: Bokeh, tmp_path: Path, track: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no film")
    run = bokeh("refocus", tmp_path / "a.mp4", tmp_path / "b.mp4", "--focus", "0.5", "--k", "8")
    assert run.code == 1
    assert len(run.errors) == 2


def test_hint_that_every_clip_needs_is_given_once(bokeh: Bokeh, batch: Path) -> None:
    lens = ["--focus", "0.5", "--k", "8"]
    run = bokeh("refocus", batch / "a.mp4", batch / "c.mp4", *lens, "--depth", "small")
    assert (run.code, len(run.errors)) == (1, 2)
    assert run.err.count("bokeh download-weights depth-small") == 1


@pytest.mark.slow
def test_clips_are_refocused_on_a_machine_without_network_or_download(
    bokeh: Bokeh, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    clips = [batch / "a.mp4", batch / "c.mp4"]
    run = bokeh("refocus", *clips, "--focus", "0.5", "--k", "128", "-o", f"{batch}/out/")
    assert (run.code, run.errors) == (0, [])
    assert run.err.count("bokeh download-weights") == 1
    for clip in clips:
        result = batch / "out" / f"{clip.stem}.refocus{clip.suffix}"
        assert packet_times(result) == packet_times(clip)
        assert np.abs(last_frame(result) - last_frame(clip)).max() > 10


def test_plan_of_a_batch_does_not_say_that_it_is_done(bokeh: Bokeh, batch: Path, tracks: Path) -> None:
    run = bokeh("refocus", batch, "--disparity", tracks, "--focus", "0.5", "--k", "8", "--dry-run")
    assert run.code == 3
    assert names(run.err, "2 of 3 clips would be done", "0 skipped", "1 failed")


def test_existing_result_is_skipped_or_replaced(bokeh: Bokeh, clip: Path, lens: list[object]) -> None:
    target = clip.with_name("clip.refocus.mp4")
    target.write_text("mine")
    run = bokeh("refocus", clip, *lens, "--skip-existing", "--json")
    assert (run.code, target.read_text()) == (0, "mine")
    assert json.loads(run.out)["results"][0]["status"] == "skipped"
    assert bokeh("refocus", clip, *lens, "--skip-existing").out == f"{target}\n"
    assert bokeh("refocus", clip, *lens, "--overwrite").code == 0
    assert len(packet_times(target)) == 4


def test_dry_run_shows_the_plan_and_writes_nothing(bokeh: Bokeh, clip: Path, lens: list[object]) -> None:
    before = sorted(clip.parent.rglob("*"))
    target = clip.parent / "new" / "clip.refocus.mp4"
    run = bokeh("refocus", clip, *lens, "-o", f"{clip.parent}/new/", "--dry-run", "--json")
    [plan] = json.loads(run.out)["results"]
    assert run.code == 0
    assert (plan["status"], plan["output"]) == ("planned", str(target))
    assert (plan["frames"], plan["width"], plan["height"]) == (4, 64, 48)
    assert (plan["renderer"], plan["encoder"]) == ("lens", "libx264 yuv420p")
    assert plan["render_seconds"] > 0 and plan["is_rough"] is False
    assert plan["memory_bytes"] is None or 1e8 < plan["memory_bytes"] < 1e9
    text = bokeh("refocus", clip, *lens, "--dry-run").out
    assert "rendering: about " in text
    assert "4 of 64x48" in text
    assert "clip.refocus.mp4" in text
    assert sorted(clip.parent.rglob("*")) == before


def test_dry_run_says_roughly_how_long_it_takes_before_disparity_is_estimated(
    bokeh: Bokeh, clip: Path
) -> None:
    command = ["refocus", clip, "--focus", "0.5", "--k", "8", "--depth", "compact", "--dry-run"]
    assert re.search(r"rendering: roughly \d+ s", bokeh(*command).out)
    [plan] = json.loads(bokeh(*command, "--json").out)["results"]
    assert 0 < plan["render_seconds"] < 60 and plan["is_rough"] is True


def test_dry_run_of_a_result_that_exists_says_so(bokeh: Bokeh, clip: Path, lens: list[object]) -> None:
    target = clip.with_name("clip.refocus.mp4")
    assert "exists" not in bokeh("refocus", clip, *lens, "--dry-run").out
    target.write_text("mine")
    run = bokeh("refocus", clip, *lens, "--dry-run")
    assert (run.code, run.errors, target.read_text()) == (0, [], "mine")
    assert names(run.out, "exists", "--overwrite")
    [plan] = json.loads(bokeh("refocus", clip, *lens, "--dry-run", "--json").out)["results"]
    assert plan["exists"] is True


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["-o", "{}/gone/deeper/"], "created /gone"),
        (["-o", "{}/clip.xyz"], "clip.xyz .mp4 .mkv"),
    ],
)
def test_dry_run_fails_where_the_run_would(
    options: list[str], facts: str, bokeh: Bokeh, clip: Path, lens: list[object]
) -> None:
    clip.with_name("clip.refocus.mp4").touch()
    run = bokeh("refocus", clip, *lens, *(option.format(clip.parent) for option in options), "--dry-run")
    assert (run.code, run.out, len(run.errors)) == (1, "", 1)
    assert names(run.errors[0], *facts.split())


def test_progress_is_plain_lines_where_there_is_no_terminal(
    bokeh: Bokeh, clip: Path, lens: list[object]
) -> None:
    err = bokeh("refocus", clip, *lens).err
    assert err.splitlines() == ["clip.mp4: rendering, 1 of 4 frames", "clip.mp4: rendering, 4 of 4 frames"]


@pytest.mark.slow
def test_verbose_says_what_works_with_what(
    bokeh: Bokeh, clip: Path, track: Path, lens: list[object], network: Path
) -> None:
    lines = bokeh("refocus", clip, *lens, "-v").err.splitlines()
    rendered, written, disparity = [
        line for line in lines if "Info:" in line and "The lens renders" not in line
    ]
    assert names(rendered, clip, "lens", "cuda" if torch.cuda.is_available() else "cpu")
    assert names(written, clip.with_name("clip.refocus.mp4"), "libx264", "yuv420p")
    assert names(disparity, clip, "disparity", track)
    skipped = bokeh("refocus", clip, *lens, "-v", "--skip-existing").err
    assert names(skipped, "Info:", clip, "skipped")
    estimate = ["--depth-size", "56", "--focus", "0.5", "--k", "8", "-v", "-y"]
    first, second = (bokeh("refocus", clip, *estimate).err for _ in range(2))
    assert names(first, "depth-small") and "cache" not in first
    assert names(second, "cache")


def test_quiet_says_nothing_but_results_and_errors(
    bokeh: Bokeh, tmp_path: Path, make_clip: Make, lens: list[object]
) -> None:
    clip = make_clip(tmp_path / "quiet.mp4")
    run = bokeh("refocus", clip, *lens, "-q")
    assert (run.code, run.err) == (0, "")
    assert bokeh("refocus", clip, *lens, "-q").errors != []


def test_names_with_brackets_colons_and_spaces(
    bokeh: Bokeh, tmp_path: Path, make_clip: Make, lens: list[object]
) -> None:
    clip = make_clip(tmp_path / "clip.mp4").rename(tmp_path / "[bold] take: 1 %d ü.mp4")
    run = bokeh("refocus", clip, *lens)
    assert (run.code, run.out) == (0, f"{tmp_path}/[bold] take: 1 %d ü.refocus.mp4\n")
