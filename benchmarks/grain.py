"""Grain on real clips: the spectrum of noise where all is blurred, against that of the clip; and its cost.

    python benchmarks/grain.py CLIP... [--radii 2 6 16]

All of some frames is blurred by the lens to one radius, with and without grain. Blocks of 32 x 32 pixels
whose noise is that of the clip at their level, and which the next frame does not show again, are compared
before and after: the power of luma and of two differences of color in three bands of frequency [1/px], as
shares of the clip's own. A difference of color that is given no grain has none to compare.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.render.base import make_renderer
from any2bokeh.render.grain.clip_noise import FAINT, LEVELS, ONE_COLOR, SAME_KIND, ClipNoise, opponents
from any2bokeh.render.grain.flat_blocks import BLOCK_PX, find_flat_blocks
from any2bokeh.render.grain.grained import GrainedRenderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.video.span import Span

BANDS = ((0.06, 0.16), (0.16, 0.3), (0.3, 0.5))
CHANNELS = ("luma", "B' - luma", "R' - luma")
MOMENTS = 8  # of 5, the noise is that of a few surfaces; none of these is one at which it was measured
LENS = RenderSettings(renderer="lens", align_edges=False)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--radii", nargs="*", type=float, default=[2.0, 6.0, 16.0])
    wanted = parser.parse_args()
    bands = " | ".join(f"{low} to {high}" for low, high in BANDS)
    print(f"| clip | sigma | radius | channel | {bands} | all | without grain |")
    print("|---|---|---|---|---|---|---|---|---|")
    for clip in wanted.clips:
        compare(clip, wanted.radii)


def compare(path: Path, radii: list[float]) -> None:
    """Print the lines of a clip."""
    with ClipSession(path, ClipSettings()) as clip:
        noise, pictures = clip.find_noise(), clip.info.pictures
        if noise is None:
            print(f"| {path.stem} | none found |", flush=True)
            return
        times = clip.video.all_times
        pairs = []
        for moment in range(MOMENTS):
            first = times[min((moment + 1) * len(times) // (MOMENTS + 1), len(times) - 2)]
            with clip.video.frames(Span(first)) as frames:
                reader = iter(frames)
                pairs.append((next(reader).picture.clone(), next(reader).picture.clone()))
    for radius_px in radii:
        ratios, plain, blocks = ratios_of(noise, pairs, pictures, radius_px)
        for channel in np.flatnonzero(noise.sigma.any(1)):
            name = CHANNELS[channel]
            shares = " | ".join(f"{one:.2f}" for one in ratios[channel])
            print(
                f"| {path.stem}, {blocks} blocks | {255 * noise.strongest:.1f} | {radius_px:g} px | {name}"
                f" | {shares} | {plain[channel]:.2f} |",
                flush=True,
            )


def ratios_of(
    noise: ClipNoise,
    pairs: list[tuple[torch.Tensor, torch.Tensor]],
    pictures: PictureFormat,
    radius_px: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """The power with grain by channel, in bands and in all, the one without, and the number of blocks."""
    lens = make_renderer(LENS, torch.device("cpu"), pictures)
    grained = GrainedRenderer(lens, noise, 1.0, pictures)
    power = []
    for sharp, following in pairs:
        scene = Scene(
            sharp=sharp,
            disparity=torch.zeros(1, *sharp.shape[1:]),
            focus_disparity=1.0,
            blur_strength=radius_px * 1024 / pictures.longer_side_px,
            pts=0,
        )
        blurred = next(lens.render(iter([scene]))).picture
        made = grained.with_grain(scene, blurred)
        power.append(power_of(noise, [sharp, made, blurred], following))
    grained.close()
    every = np.concatenate(power)
    # The median: blur brings the color of things nearby into some blocks.
    own, with_grain, without = np.median(every, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):  # a channel without noise has none to compare
        shares = np.where(own > 1e-12, with_grain / own, np.where(with_grain > 1e-9, np.inf, 1))
        return shares, without[:, -1] / own[:, -1], len(every)


def power_of(noise: ClipNoise, pictures: list[torch.Tensor], following: torch.Tensor) -> NDArray[np.float64]:
    """The power of pictures in the flat blocks of the first one, ``N P 3 B+1``: in bands, and in all."""
    stacked: Floats = np.concatenate([opponents(picture.numpy()) for picture in pictures])
    blocks = find_flat_blocks(stacked, opponents(following.numpy()))
    place = (blocks.level * LEVELS - 0.5).clip(0, LEVELS - 1)
    sigma = np.stack([np.interp(place, np.arange(LEVELS), line) for line in noise.sigma], 1)
    own = blocks.variance[:, :3]
    chosen = blocks.is_fresh & (sigma[:, 0] > 0) & (own[:, 0] >= sigma[:, 0] ** 2 / SAME_KIND)
    chosen &= own[:, 0] <= SAME_KIND * sigma[:, 0] ** 2
    chosen &= (own[:, 1:] <= ONE_COLOR * np.maximum(sigma[:, 1:] ** 2, FAINT)).all(1)
    window = np.outer(np.hanning(BLOCK_PX + 2)[1:-1], np.hanning(BLOCK_PX + 2)[1:-1])
    waves = np.abs(np.fft.fft2(blocks.residual[chosen] * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(BLOCK_PX), np.fft.fftfreq(BLOCK_PX)))
    rings = [(frequency >= low) & (frequency < high) for low, high in (*BANDS, (BANDS[0][0], 1))]
    power = np.stack([waves[..., ring].sum(-1) for ring in rings], -1)
    return power.reshape(len(waves), len(pictures), 3, len(rings))


if __name__ == "__main__":
    main()
