"""The program in a pipe, as a process of its own, beside ffmpeg as Debian builds it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

PROGRAM = "import sys; from any2bokeh.cli import main; sys.exit(main())"
UNCHANGED = ("--focus", "0.5", "--k", "0")
# How ffmpeg hands a clip over, how it is asked back, and how ffmpeg is to read that.
FORMATS = {
    "y4m": (("-f", "yuv4mpegpipe"), ("--output-format", "y4m")),
    "nut": (
        ("-c:v", "ffv1", "-c:a", "pcm_s16le", "-f", "nut"),
        ("--output-format", "nut", "--codec", "ffv1"),
    ),
    "matroska": (("-c", "copy", "-f", "matroska"), ("--output-format", "matroska", "--codec", "ffv1")),
}
pytestmark = pytest.mark.slow


def refocus_line(*arguments: object) -> str:
    return " ".join([sys.executable, "-c", f"'{PROGRAM}'", "refocus", *map(str, arguments)])


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-o", "pipefail", "-c", line], text=True, stderr=subprocess.PIPE)


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def assert_alike(one: Path, other: Path) -> None:
    before, after = pictures(one), pictures(other)
    assert before.shape == after.shape and abs(before.astype(int) - after).mean() < 1


@pytest.mark.parametrize("name", FORMATS)
def test_debian_s_ffmpeg_stands_at_both_ends(
    name: str, clip: Path, track: Path, tmp_path: Path, ffmpeg: str
) -> None:
    given, asked = FORMATS[name]
    made = tmp_path / "made.mkv"
    line = (
        f"{ffmpeg} -v error -i {clip} {' '.join(given)} - |"
        f" {refocus_line('-', '--input-format', name, '-o', '-', *asked, '--disparity', track, *UNCHANGED)} |"
        f" {ffmpeg} -v error -i - -c:v ffv1 -c:a copy {made}"
    )
    run = in_shell(line)
    assert run.returncode == 0, run.stderr
    assert_alike(clip, made)
    with av.open(str(clip)) as before, av.open(str(made)) as after:
        rates = [file.streams.video[0].average_rate for file in (before, after)]
        assert rates[0] == pytest.approx(rates[1], rel=0.01)
        if name != "y4m":
            assert len(after.streams.audio) == len(before.streams.audio)


@pytest.mark.parametrize("path", ["/dev/stdin", "fifo"])
def test_a_path_that_is_a_stream_is_read_as_one(path: str, clip: Path, track: Path, tmp_path: Path) -> None:
    made, fifo = tmp_path / "made.mkv", tmp_path / "fifo"
    os.mkfifo(fifo)
    source, start = (fifo, f"cat {clip} > {fifo} &") if path == "fifo" else (path, f"cat {clip} |")
    run = in_shell(f"{start} {refocus_line(source, '-o', made, '--disparity', track, *UNCHANGED)}")
    assert run.returncode == 0, run.stderr
    assert_alike(clip, made)


@pytest.mark.parametrize("name", ["y4m", "matroska"])
def test_a_reader_that_goes_away_ends_the_run_with_one_sentence(
    name: str, clip: Path, track: Path, tmp_path: Path
) -> None:
    line = refocus_line(clip, "-o", "-", "--output-format", name, "--disparity", track, *UNCHANGED, "-q")
    run = in_shell(f"({line}; echo $? > {tmp_path}/code) | head -c 40 > {tmp_path}/read")
    assert (tmp_path / "code").read_text().strip() == "1"
    assert run.stderr == "Error: The program that reads the video from stdout has gone away.\n"


def test_a_result_takes_the_place_of_no_pipe_and_no_device(
    clip: Path, track: Path, tmp_path: Path, bokeh: Callable
) -> None:
    os.mkfifo(tmp_path / "fifo.mkv")
    for target in (tmp_path / "fifo.mkv", "/dev/null", "/dev/stdout"):
        run = bokeh("refocus", clip, "--disparity", track, *UNCHANGED, "-o", target, "-y")
        assert run.code == 1 and str(target) in run.err and "-o -" in run.err
    assert (tmp_path / "fifo.mkv").is_fifo()


def test_what_a_pipe_cannot_do_is_a_usage_error(clip: Path, track: Path, bokeh: Callable) -> None:
    how = ("--disparity", track, *UNCHANGED)
    for arguments in (
        ("-",),
        ("-", clip, "-o", "out/"),
        (clip, "-o", "-", "--json"),
        (clip, clip, "-o", "-"),
    ):
        run = bokeh("refocus", *arguments, *how)
        assert run.code == 2, arguments
