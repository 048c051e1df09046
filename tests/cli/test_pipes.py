"""The program in a pipe, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

PROGRAM = "import sys; from any2bokeh.cli import main; sys.exit(main())"
pytestmark = pytest.mark.slow


def bokeh_pipe(*arguments: object, given: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", PROGRAM, "refocus", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, env=dict(os.environ))


def pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def test_a_video_goes_through_a_pipe_with_nothing_else_on_stdout(
    clip: Path, track: Path, tmp_path: Path
) -> None:
    how = ("--disparity", track, "--focus", "0.5", "--k", "0")
    for name, told in (("y4m", ()), ("nut", ("--codec", "ffv1"))):
        run = bokeh_pipe("-", "-o", "-", *how, "--output-format", name, *told, given=clip.read_bytes())
        assert run.returncode == 0, run.stderr
        made = tmp_path / f"made.{name}"
        made.write_bytes(run.stdout)
        before, after = pictures(clip), pictures(made)
        assert before.shape == after.shape and abs(before.astype(int) - after).mean() < 1


def test_what_a_pipe_cannot_do_is_a_usage_error(clip: Path, track: Path, bokeh: object) -> None:
    how = ("--disparity", track, "--focus", "0.5", "--k", "0")
    for arguments in (
        ("-",),
        ("-", clip, "-o", "out/"),
        (clip, "-o", "-", "--json"),
        (clip, clip, "-o", "-"),
    ):
        run = bokeh("refocus", *arguments, *how)  # type: ignore[operator]
        assert run.code == 2, arguments


def test_debian_s_ffmpeg_stands_at_both_ends(clip: Path, track: Path, tmp_path: Path, ffmpeg: str) -> None:
    made = tmp_path / "made.mkv"
    how = f"--disparity {track} --focus 0.5 --k 0"
    line = (
        f"{ffmpeg} -v error -i {clip} -f yuv4mpegpipe - |"
        f" {sys.executable} -c '{PROGRAM}' refocus - --input-format y4m -o - {how} |"
        f" {ffmpeg} -v error -i - -c:v ffv1 {made}"
    )
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True)
    before, after = pictures(clip), pictures(made)
    assert before.shape == after.shape and abs(before.astype(int) - after).mean() < 1
