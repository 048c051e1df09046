"""Shards, joining and resuming from the command line."""

import errno
import json
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from any2bokeh.errors import VideoError, may_pass

Make = Callable[..., Path]
Bokeh = Callable[..., Any]


@pytest.fixture
def lens(make_clip: Make, make_track: Make, tmp_path: Path) -> list[object]:
    """A clip of a few frames and how it is refocused."""
    make_clip(tmp_path / "clip.mkv", frames=10, audio="aac")
    make_track(tmp_path / "track.mkv", frames=10)
    return [*("--focus", "0.5", "--k", "30", "--renderer", "lens"), "--disparity", tmp_path / "track.mkv"]


def frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.mark.slow
def test_the_planned_commands_make_what_one_run_makes(
    bokeh: Bokeh, lens: list[object], tmp_path: Path
) -> None:
    clip, out = tmp_path / "clip.mkv", tmp_path / "my out.mkv"
    options = [*lens, "--lossless"]
    plan = bokeh("plan", clip, *options, "--shards=3", "-o", out, "--work", tmp_path / "work", "--commands")
    lines = [shlex.split(line) for line in plan.out.splitlines()]
    assert [line[:2] for line in lines] == [["bokeh", "refocus"]] * 3 + [["bokeh", "join"]]
    for line in [lines[2], lines[0], lines[1], lines[3]]:
        run = bokeh(*line[1:])
        assert run.code == 0, run.err
    assert run.out == f"{out}\n"
    assert not (tmp_path / "work").exists()
    assert bokeh("refocus", clip, *options, "-o", tmp_path / "one.mkv").code == 0
    assert frames(out) == frames(tmp_path / "one.mkv")


def test_a_plan_covers_the_clip_and_leaves_nothing(bokeh: Bokeh, lens: list[object], tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    run = bokeh("plan", tmp_path / "clip.mkv", *lens, "--shards", "12", "--json")
    (clip,) = json.loads(run.out)["clips"]
    shards = clip["shards"]
    assert [number for one in shards for number in range(one["first"], one["stop"])] == list(range(10))
    assert sum(one["parts"] == 0 for one in shards) == 2
    assert shards[0]["command"][-4:-1] == ["--shard", "1/12", "--work"]
    assert {path for path in tmp_path.iterdir() if path.name not in ("cache", "home")} <= before


@pytest.mark.slow
def test_an_empty_shard_is_done(bokeh: Bokeh, lens: list[object], tmp_path: Path) -> None:
    work = ("--work", tmp_path / "work", "--json")
    found = [
        bokeh("refocus", tmp_path / "clip.mkv", *lens, "--shard", f"{number}/11", *work)
        for number in range(1, 12)
    ]
    assert [run.code for run in found] == [0] * 11
    results = [json.loads(run.out)["results"][0] for run in found]
    assert sorted(result["frames"] for result in results) == [0, *[1] * 10]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--shard", "1/2"], "--work"),
        (["--shard", "3/2", "--work", "w"], "3"),
        (["--shard", "first", "--work", "w"], "'first'"),
        (["--shard", "1/2", "--work", "w", "--workers", "2"], "--workers"),
        (["--keep-work"], "--keep-work"),
        (["--workers", "none"], "'none'"),
    ],
)
def test_options_that_do_not_go_together(
    bokeh: Bokeh, lens: list[object], tmp_path: Path, options: list[str], told: str
) -> None:
    run = bokeh("refocus", tmp_path / "clip.mkv", *lens, *options)
    assert run.code == 2 and told in run.errors[0]


def test_a_folder_without_work_cannot_be_joined(bokeh: Bokeh, tmp_path: Path) -> None:
    run = bokeh("join", tmp_path)
    assert run.code == 1 and str(tmp_path) in run.errors[0]


@pytest.mark.slow
def test_progress_and_report_tell_of_each_part(bokeh: Bokeh, lens: list[object], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run = bokeh(
        *("refocus", tmp_path / "clip.mkv", *lens, "--resume"), "--progress", "json", "--report", report
    )
    events = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    assert [(one["done"], one["parts"]) for one in events if one["event"] == "part"] == [(1, 1)]
    (clip,) = json.loads(report.read_text())["clips"]
    (part,) = clip["parts"]
    assert (part["frames"], part["attempts"], part["device"]) == (10, 1, "cpu")
    run = bokeh("refocus", tmp_path / "clip.mkv", *lens, "-y", "--resume", "--progress", "openjd")
    assert run.out.splitlines()[0] == "openjd_progress: 100.0"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system kills in another way")
def test_a_killed_run_goes_on(
    bokeh: Bokeh,
    bokeh_process: Callable[..., "subprocess.Popen[str]"],
    make_clip: Make,
    make_track: Make,
    lens: list[object],
    tmp_path: Path,
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", frames=450)
    make_track(tmp_path / "track.mkv", frames=450)
    out, report = tmp_path / "out.mkv", tmp_path / "report.json"
    command = ("refocus", clip, *lens, "--lossless", "-o", out, "--resume", "--progress", "plain")
    process = bokeh_process(*command)
    assert process.stderr
    while not (line := process.stderr.readline()).startswith("clip.mkv: part 2"):
        assert line
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    run = bokeh(*command, "--report", report)
    assert run.code == 0
    (clip_report,) = json.loads(report.read_text())["clips"]
    parts = clip_report["parts"]
    last = [line for line in run.err.splitlines() if ": part " in line][-1].split()
    assert last[2] == last[4].rstrip(",")  # counts those that were left, to the last
    assert clip_report["join"]["frames"] == sum(part["frames"] for part in parts) == 450
    assert all(part["file_bytes"] > 0 for part in parts)
    assert sum(part["attempts"] > 1 for part in parts) <= 1
    assert bokeh("refocus", clip, *lens, "--lossless", "-o", tmp_path / "one.mkv").code == 0
    assert frames(out) == frames(tmp_path / "one.mkv")
    assert not list(tmp_path.glob(".out*"))


def caused_by(cause: BaseException) -> VideoError:
    error = VideoError("It cannot be written.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (caused_by(OSError(errno.ESTALE, "Stale file handle")), True),
        (caused_by(MemoryError()), True),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), True),
        (OSError(errno.ENOENT, "No such file or directory"), False),
        (VideoError("It is damaged."), False),
        (ValueError("wrong"), False),
    ],
)
def test_failures_that_may_pass_are_told_from_others(error: Exception, passes: bool) -> None:
    assert may_pass(error) is passes
