import subprocess
import sys
from pathlib import Path

import pytest
import torch
from evening import evening

from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView
from any2bokeh.video.decode import frame_times, open_video, probe_video
from any2bokeh.video.gray import open_gray
from any2bokeh.video.png import read_png

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *arguments: object) -> list[str]:
    """The lines that a script of the examples prints."""
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("examples") / "new"
    clip, track = run("make_example.py", folder, "--seconds", 0.25, "--size", "128x72")
    return Path(clip), Path(track)


def test_the_example_is_a_clip_with_sound(example):
    clip, _ = example
    info = probe_video(clip)
    assert (info.width, info.height, info.frame_rate, info.codec) == (128, 72, 24, "h264")
    assert len(frame_times(clip)) == 6
    assert b"mp4a" in clip.read_bytes()  # the name of AAC in its header
    assert info.duration_s == pytest.approx(0.25, abs=0.05)


def test_the_track_is_the_disparity_of_the_clips_frames(example):
    clip, path = example
    track = open_gray(path)
    assert track.times is not None
    assert track.time_base is not None
    seconds = [float(pts * track.time_base) for pts in track.times]
    assert seconds == pytest.approx([i / 24 for i in range(6)], abs=0.001)
    tracer = RayTracer(evening().with_detail(128 / 960))
    for number, disparity in track.frames():
        expected = tracer.geometry(FrameView(time_s=number / 24, width=128, height=72)).disparity
        torch.testing.assert_close(disparity, expected, atol=1 / 65535, rtol=0)
    with open_video(clip) as frames:
        pictures = torch.stack([frame.picture for frame in frames])
    assert pictures.mean() > 0.1
    assert (pictures[0] - pictures[-1]).abs().mean() > 0.01


def test_before_and_after_stand_together(example, tmp_path):
    clip, _ = example
    still = tmp_path / "still.png"
    assert run("before_after.py", clip, clip, still, "--at", "f3") == [str(still)]
    picture = read_png(still)
    assert picture.shape == (3, 72 + 8 + 72, 128)
    assert torch.equal(picture[:, :72], picture[:, 80:])
    assert (picture[:, 72:80] == 1).all()
    with open_video(clip) as frames:
        fourth = [frame.picture for frame in frames][3]
    torch.testing.assert_close(picture[:, :72], fourth, atol=1 / 255, rtol=0)
