"""The cost of the look: apertures and grain, beside the plain disc, on frames of 1080p.

    python benchmarks/look_costs.py [--frames 5 --k 20]

The lens draws a scene with lamps, a floor and a ball, with each aperture in turn. Seconds of all processors
together count: on a shared machine they say more than the clock. The first frame of each is not counted.
"""

import argparse
import os
from dataclasses import dataclass

import numpy as np
import torch
from studio_sequence import SIZES, picture

from any2bokeh.optics.transfer import from_linear
from any2bokeh.render.base import Renderer, make_renderer
from any2bokeh.render.grain.clip_noise import LEVELS, ClipNoise
from any2bokeh.render.grain.flat_blocks import BLOCK_PX
from any2bokeh.render.grain.grained import GrainedRenderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.settings.render_settings import LensSettings, RenderSettings

FOCUS = 0.25


@dataclass(frozen=True)
class Look:
    """A way to draw the frames."""

    name: str
    lens: LensSettings
    grain: bool = False


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--k", type=float, default=20.0)
    wanted = parser.parse_args()
    looks = [
        Look("disc", LensSettings()),
        Look("polygon, 6 blades", LensSettings(aperture="polygon", blades=6)),
        Look("picture of a ring", LensSettings(aperture=ring())),
        Look("disc, with grain", LensSettings(), grain=True),
    ]
    print("| look | CPU-s per frame |\n|---|---|")
    scenes = [one_scene(number / wanted.frames, wanted.k) for number in range(wanted.frames + 1)]
    for look in looks:
        print(f"| {look.name} | {cpu_s_per_frame(look, scenes):.2f} |", flush=True)


def ring() -> AperturePicture:
    """An aperture that is darker in its middle, as of a mirror lens."""
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    distance = np.hypot(rows, columns)
    return AperturePicture.of(
        np.where(distance < 1, np.where(distance < 0.4, 0.1, 1.0), 0.0).astype(np.float32)
    )


def one_scene(share: float, strength: float) -> Scene:
    """A frame as a video has it, with its disparity."""
    light, depth = picture(*SIZES["1080p"], share)
    codes = from_linear(torch.from_numpy(np.ascontiguousarray(light.transpose(2, 0, 1))).clamp(0, 1), "srgb")
    return Scene(
        sharp=codes.float().contiguous(),
        disparity=torch.from_numpy((2 / depth).clip(0, 1).astype(np.float32))[None].contiguous(),
        focus_disparity=FOCUS,
        blur_strength=strength,
        pts=round(1000 * share),
    )


def cpu_s_per_frame(look: Look, scenes: list[Scene]) -> float:
    """Seconds of all processors that a frame more takes."""
    height, width = scenes[0].sharp.shape[1:]
    pictures = PictureFormat(height=height, width=width)
    settings = RenderSettings(renderer="lens", lens=look.lens)
    renderer: Renderer = make_renderer(settings, torch.device("cpu"), pictures)
    if look.grain:
        spectrum = np.zeros((BLOCK_PX, BLOCK_PX, 3, 3), np.complex128)
        spectrum[..., range(3), range(3)] = 1
        noise = ClipNoise(np.full((3, LEVELS), 0.01), spectrum)
        renderer = GrainedRenderer(renderer, noise, 1.0, pictures)
    frames = renderer.render(iter(scenes))
    next(frames)
    before = sum(os.times()[:2])
    count = sum(1 for _ in frames)
    spent_s = sum(os.times()[:2]) - before
    renderer.close()
    return spent_s / count


if __name__ == "__main__":
    main()
