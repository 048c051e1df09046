import subprocess
import sys
from pathlib import Path

import pytest
import torch
from evening import evening
from figures import Figure, FigureLight, draw_figures
from promenade import LIGHT, figures_at, promenade

from any2bokeh.lab.compact.scenes.meshes import turn_about
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView, Light, still
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


def test_the_clip_with_people_has_the_disparity_of_whoever_stands_there(tmp_path):
    clip, path = run(
        "make_example.py", tmp_path, "--scene", "people", "--seconds", 1 / 24, "--size", "160x90"
    )
    assert Path(clip).name == "people.mp4" and len(frame_times(Path(clip))) == 1
    [(_, disparity)] = open_gray(Path(path)).frames()
    stage = promenade()
    assert stage.disparity(2.6) < float(disparity[0, 60, 40]) < stage.disparity(2.2)  # the woman in red
    assert float(disparity[0, 88, 70]) < stage.disparity(3)  # the ground before her


def test_a_nearer_thing_of_the_stage_covers_the_people_behind_it():
    view, stage = FrameView(width=96, height=54), promenade()
    picture = torch.full((3, 54, 96), 0.25)
    near, far = torch.full((1, 54, 96), 0.9), torch.zeros(1, 54, 96)
    drawn, disparity = draw_figures(figures_at(0.0), LIGHT, stage, view, picture, near)
    assert torch.equal(drawn, picture) and torch.equal(disparity, near)
    drawn, disparity = draw_figures(figures_at(0.0), LIGHT, stage, view, picture, far)
    assert (drawn != picture).any(0).float().mean() > 0.1
    assert disparity.max() == pytest.approx(stage.disparity(2.35), abs=0.05)


def test_a_figure_shadows_the_one_behind_it():
    view, stage = FrameView(width=96, height=54), promenade()
    picture, far = torch.zeros(3, 54, 96), torch.zeros(1, 54, 96)
    woman = figures_at(0.0)[0]
    # A sun in the upper left behind the camera, and somebody who floats between it and her face.
    sun = Light(color=(4e3, 4e3, 4e3), position=still(-30.3, 31.6, -27.5))
    arms_down = {"LeftArm": turn_about(2, -80), "RightArm": turn_about(2, 80)}
    between = Figure.of("MENA_M_1_Casual", arms_down, 45, (-0.94, 0.55, 1.9))
    light = FigureLight(above=(0.0, 0.0, 0.0), below=(0.0, 0.0, 0.0), key=sun)
    alone, _ = draw_figures([woman], light, stage, view, picture, far)
    both, _ = draw_figures([woman, between], light, stage, view, picture, far)
    face = (slice(None), slice(15, 22), slice(20, 27))
    assert both[face].mean() < 0.5 * alone[face].mean()


def test_before_and_after_stand_together(example, tmp_path):
    clip, _ = example
    still = tmp_path / "still.png"
    small = tmp_path / "small.png"
    run("before_after.py", clip, clip, small, "--at", "f3", "--width", 64, "--beside")
    assert read_png(small).shape == (3, 36, 64 + 8 + 64)
    assert run("before_after.py", clip, clip, still, "--at", "f3") == [str(still)]
    picture = read_png(still)
    assert picture.shape == (3, 72 + 8 + 72, 128)
    assert torch.equal(picture[:, :72], picture[:, 80:])
    assert (picture[:, 72:80] == 1).all()
    with open_video(clip) as frames:
        fourth = [frame.picture for frame in frames][3]
    torch.testing.assert_close(picture[:, :72], fourth, atol=1 / 255, rtol=0)
