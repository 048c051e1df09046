"""Make an example: a clip of a lantern on a terrace, or of people on a promenade, and its exact disparity.

    python examples/make_example.py OUT_DIR [--scene lantern] [--seconds 3] [--size 960x540]

Writes OUT_DIR/example.mp4 (OUT_DIR/people.mp4; 24 frames per second, with sound) and the disparity track
beside it, and prints their names. This project's own ray tracer draws everything but the people, who are
triangles (examples/people): nothing is downloaded.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from evening import evening
from figures import Figure, draw_figures
from promenade import LIGHT, figures_at, promenade
from torch import Tensor

from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView, Stage
from any2bokeh.optics.transfer import from_linear
from any2bokeh.video.create import Sound, create_video
from any2bokeh.video.gray import open_gray_writer

FRAME_RATE = Fraction(24)
DRAWN_FOR_PX = 960  # the longer side that the stage's textures are made for
SAMPLES = 4  # rays per pixel
SOUND_RATE = 48000
PITCHES_HZ = (146.8, 220.0, 293.7, 370.0, 440.0)  # D major
THREADS = 2


@dataclass(frozen=True)
class Scene:
    """A stage, and whoever is on it at a time; ``stem`` is the name of its files."""

    stem: str
    make_stage: Callable[[], Stage]
    figures_at: Callable[[float], list[Figure]] | None = None


SCENES = {"lantern": Scene("example", evening), "people": Scene("people", promenade, figures_at)}


def main() -> None:
    """Make the clip and its track."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go; made if it does not exist")
    parser.add_argument("--scene", choices=list(SCENES), default="lantern", help="(default lantern)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the clip (default 3)")
    parser.add_argument("--size", default="960x540", help="width x height in pixels (default 960x540)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # frames are rendered in parallel instead: see rendered
    width, height = (int(side) for side in options.size.split("x"))
    options.folder.mkdir(parents=True, exist_ok=True)
    scene = SCENES[options.scene]
    clip, track = options.folder / f"{scene.stem}.mp4", options.folder / f"{scene.stem}.disparity.mkv"
    frame_count = max(1, round(options.seconds * FRAME_RATE))
    views = [FrameView(time_s=float(i / FRAME_RATE), width=width, height=height) for i in range(frame_count)]
    with (
        create_video(
            clip, width, height, FRAME_RATE, evening_sound(options.seconds), overwrite=True
        ) as video,
        open_gray_writer(track, width, height, 1 / FRAME_RATE, FRAME_RATE, overwrite=True) as disparities,
    ):
        for pts, (picture, disparity) in enumerate(rendered(scene, views)):
            video.write(picture)
            disparities.write(disparity, pts)
    print(clip)
    print(track)


def rendered(scene: Scene, views: list[FrameView]) -> Iterator[tuple[Tensor, Tensor]]:
    """Picture (sRGB ``3 H W``) and disparity (``1 H W``) of each view, a few of them worked on at once."""
    stage = scene.make_stage()
    tracer = RayTracer(stage.with_detail(views[0].longer_side_px / DRAWN_FOR_PX))

    def render(view: FrameView) -> tuple[Tensor, Tensor]:
        linear, disparity = tracer.sharp(view, SAMPLES), tracer.geometry(view).disparity
        if scene.figures_at:
            people = scene.figures_at(view.time_s)
            linear, disparity = draw_figures(people, LIGHT, stage, view, linear, disparity)
        return from_linear(linear.clamp(0, 1), "srgb"), disparity

    # A thread per frame costs less than several threads for each of the many small steps of one.
    with ThreadPoolExecutor(THREADS, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(render, views)


def evening_sound(seconds: float) -> Sound:
    """A soft chord that swells slowly, over a breath of wind."""
    time_s = torch.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    swell = 0.6 + 0.4 * (2 * math.pi * time_s / 3).sin()
    wind = torch.randn(2, len(time_s) + 63, generator=torch.Generator().manual_seed(0))
    wind = torch.nn.functional.avg_pool1d(wind, 64, stride=1)
    turns = torch.tensor([0.999, 1.001])[:, None, None] * torch.tensor(PITCHES_HZ)[:, None] * time_s
    chord = ((2 * math.pi * turns).sin() / torch.arange(1, 1 + len(PITCHES_HZ))[:, None]).sum(1)
    fade = (time_s / 0.3).clamp(max=1) * ((seconds - time_s) / 0.3).clamp(0, 1)
    return Sound(fade * (0.06 * swell * chord + 0.15 * wind), SOUND_RATE)


if __name__ == "__main__":
    main()
