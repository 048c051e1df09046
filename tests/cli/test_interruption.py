"""Signals, a kill and a full disk in the middle of a run, in a process of its own."""

import hashlib
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from films import write_clip, write_track

from any2bokeh.cli import main
from any2bokeh.video.decode import frame_times

pytestmark = pytest.mark.slow

FRAMES = 200
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module", autouse=True)
def compiled_loops(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The compiled code that these runs load: making it takes longer than they may."""
    folder = tmp_path_factory.mktemp("compiled")
    clip, track = write_clip(folder / "clip.mp4", frames=2), write_track(folder / "track.mkv", frames=2)
    assert main(["refocus", str(clip), "--disparity", str(track), "--focus", "0.5", "--k", "128"]) == 0


@pytest.fixture
def source(tmp_path: Path, make_clip: Callable[..., Path], make_track: Callable[..., Path]) -> Path:
    """A clip, alone in its folder, that takes a while; its track lies elsewhere."""
    (tmp_path / "clips").mkdir()
    make_track(tmp_path / "track.mkv", frames=FRAMES)
    return make_clip(tmp_path / "clips" / "clip.mp4", frames=FRAMES)


@pytest.fixture
def start_refocus(bokeh_process: Start, source: Path) -> Start:
    """Start to refocus the clip with the lens wide open."""

    def start(*options: object, limit_bytes: int | None = None) -> subprocess.Popen[str]:
        track = source.parents[1] / "track.mkv"
        arguments = ("refocus", source, "--disparity", track, "--focus", "0.5", "--k", "128", *options)
        return bokeh_process(*arguments, limit_bytes=limit_bytes)

    return start


def wait_until_rendering(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    line = process.stderr.readline()
    assert line == f"clip.mp4: rendering, 1 of {FRAMES} frames\n"


@pytest.mark.parametrize(
    ("number", "code", "word", "options", "results"),
    [
        (signal.SIGINT, 130, "Interrupt", [], ""),
        (signal.SIGTERM, 143, "Terminated", ["--json"], '{\n  "results": []\n}\n'),
        (signal.SIGHUP, 129, "Hangup", [], ""),
    ],
)
def test_signal_ends_the_run_and_leaves_nothing(
    number: signal.Signals,
    code: int,
    word: str,
    options: list[str],
    results: str,
    source: Path,
    start_refocus: Start,
) -> None:
    before = hashlib.sha256(source.read_bytes()).digest()
    process = start_refocus(*options)
    wait_until_rendering(process)
    assert len(list(source.parent.iterdir())) == 2  # the clip, and a result under its temporary name
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, results)
    assert err.endswith(f"Stopped: {word}\n")
    assert "Error:" not in err
    assert list(source.parent.iterdir()) == [source]
    assert hashlib.sha256(source.read_bytes()).digest() == before


def test_killed_run_leaves_no_file_under_the_final_name_and_can_be_repeated(
    source: Path, start_refocus: Start
) -> None:
    process = start_refocus()
    wait_until_rendering(process)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not source.with_name("clip.refocus.mp4").exists()
    again = start_refocus("--end", "f2")
    out, err = again.communicate(timeout=60)
    assert (again.returncode, out) == (0, f"{source.with_name('clip.refocus.mp4')}\n"), err


@pytest.mark.parametrize(
    ("options", "kept", "code"),
    [((), "clip.refocus-2.mp4", 1), (("--overwrite",), "clip.refocus.mp4", 0)],
)
def test_file_that_appears_while_a_clip_is_rendered_stays_unless_it_may_be_replaced(
    source: Path, start_refocus: Start, options: tuple[str, ...], kept: str, code: int
) -> None:
    process = start_refocus("--end", "f40", *options)
    assert process.stderr
    assert process.stderr.readline() == "clip.mp4: rendering, 1 of 40 frames\n"
    target = source.with_name("clip.refocus.mp4")
    assert not target.exists()
    target.write_bytes(b"another program's")
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    result = source.with_name(kept)
    assert len(frame_times(result)) == 40
    if code:
        assert out == ""
        assert f"Error: {target} appeared" in err
        assert str(result) in err
        assert target.read_bytes() == b"another program's"
    else:
        assert out == f"{target}\n"
    assert set(source.parent.iterdir()) == {source, target, result}


def test_full_disk_is_named_and_leaves_nothing(source: Path, start_refocus: Start) -> None:
    process = start_refocus("-q", limit_bytes=2000)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (75, "")
    target = source.with_name("clip.refocus.mp4")
    assert err == f"Error: {target} cannot be written: the disk is full.\n"
    assert list(source.parent.iterdir()) == [source]


def test_reader_of_the_results_that_goes_away_is_no_failure(source: Path, start_refocus: Start) -> None:
    process = start_refocus("--end", "f2", "-q")
    assert process.stdout
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr
    assert (process.returncode, process.stderr.read()) == (0, "")
    assert source.with_name("clip.refocus.mp4").exists()
