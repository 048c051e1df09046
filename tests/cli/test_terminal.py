"""On a terminal: a bar on stderr, messages above it, colors only where they are wanted."""

import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest


def refocus_on_terminal(clip: Path, track: Path, **environment: str) -> str:
    """All that the command writes to a terminal on stderr."""
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    arguments = ["refocus", str(clip), "--disparity", str(track), "--focus", "0.2", "--k", "8"]
    terminal, stderr = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    ) as process:
        os.close(stderr)
        written = b""
        try:
            while chunk := os.read(terminal, 4096):
                written += chunk
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(terminal)
    assert process.returncode == 0
    return written.decode()


@pytest.fixture
def flat_track(tmp_path: Path) -> Path:
    """A track that is worth a warning."""
    np.save(tmp_path / "flat.npy", np.full((4, 48, 64), 0.5, np.float32))
    return tmp_path / "flat.npy"


@pytest.mark.slow
def test_bar_counts_frames_and_leaves_warnings_whole(clip: Path, flat_track: Path) -> None:
    written = refocus_on_terminal(clip, flat_track)
    assert "clip.mp4: rendering" in written
    assert "4/4" in written
    assert "\x1b[3" in written  # colors
    assert written.count("Warning: ") == 1


@pytest.mark.slow
def test_no_color_is_honored(clip: Path, flat_track: Path) -> None:
    written = refocus_on_terminal(clip, flat_track, NO_COLOR="1")
    assert "4/4" in written
    assert "\x1b[3" not in written


@pytest.mark.slow
def test_dumb_terminal_gets_plain_lines(clip: Path, flat_track: Path) -> None:
    written = refocus_on_terminal(clip, flat_track, TERM="dumb")
    assert "\x1b" not in written
    assert "clip.mp4: rendering, 4 of 4 frames" in written


STREAMS = {
    "closed": lambda number: f"{number}>&-",
    "full": lambda number: f"{number}>/dev/full",
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("state", STREAMS)
def test_a_stream_that_takes_nothing_ends_no_run(number: int, state: str, clip: Path, track: Path) -> None:
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    arguments = ("refocus", clip, "--focus", "0.5", "--k", "4", "--disparity", track, "--lossless")
    command = shlex.join([sys.executable, "-c", program, *map(str, arguments)])
    run = subprocess.run(f"{command} {STREAMS[state](number)}", shell=True, capture_output=True, text=True)
    target = clip.with_name("clip.refocus.mkv")
    with av.open(str(target)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 4
    assert run.returncode == (1 if number == 1 else 0)
    assert "Traceback" not in run.stderr
    assert ("stdout" in run.stderr) == (number == 1)
