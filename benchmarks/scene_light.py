"""The gain of scene light over pictures that end at white, on a path-traced night with lamps.

    python benchmarks/scene_light.py --cache FOLDER [--frames 3 --samples 256] [--pictures FOLDER]

The scene is ray traced all in focus and through a thin lens, in light that is not clipped, which takes
some minutes and is kept in the cache folder. `refocus` then blurs the first as EXR in half floats, as PNG of
8 bits in sRGB, and as that with its clipped lights made brighter (``--highlights``); the disparity is the
tracer's.

Prints PSNR [dB] against the lens's truth after two ways of showing light: a filmic shoulder,
light / (1 + light) in sRGB, which keeps a lamp brighter than what it lights up, and white that clips, as a
screen does.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from lens_scenes import CASES, FRAMES_PER_S, HEIGHT, SHARP_SAMPLES, WIDTH
from torch import Tensor

from any2bokeh import (
    DepthSettings,
    EncodeSettings,
    FocusSettings,
    LensSettings,
    RenderSettings,
    Settings,
    refocus,
)
from any2bokeh.focus.focus_track import Focus
from any2bokeh.lab.frame_metrics import psnr
from any2bokeh.lab.synthesis.ray_tracer import RayTracer
from any2bokeh.lab.synthesis.stage import FrameView
from any2bokeh.optics.transfer import from_linear, to_linear
from any2bokeh.video.pictures.picture_files import picture_kind, read_picture_file
from any2bokeh.video.pictures.stored_picture import blank_picture
from any2bokeh.video.png import write_png

NIGHT = next(case for case in CASES if case.name == "lamps at night")
FIRST = 1001
WAYS = {
    "EXR, half": (".exr", 0.0),
    "PNG, 8 bits, --highlights 0": (".png", 0.0),
    "PNG, 8 bits, --highlights 2": (".png", 2.0),
    "PNG, 8 bits, --highlights 8": (".png", 8.0),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--pictures", type=Path, help="write the first frame of each way here, tone mapped")
    wanted = parser.parse_args()
    sharp, disparity, ground_truth = load_night(wanted.cache, wanted.frames, wanted.samples)
    print(f"lamps: up to {float(sharp.max()):.1f} times white; {wanted.frames} frames of {WIDTH}x{HEIGHT}\n")
    print("| source | shoulder | clipped at white |")
    print("|---|---|---|")
    shown = {"truth": ground_truth}
    with tempfile.TemporaryDirectory() as root:
        np.save(Path(root) / "disparity.npy", disparity.numpy())
        for name, (suffix, highlights) in WAYS.items():
            shown[name] = refocused(Path(root), sharp, suffix, highlights)
            scores = [psnr((tone(shown[name]) - tone(ground_truth)) ** 2) for tone in (shoulder, clipped)]
            print(f"| {name} | {scores[0]:.2f} | {scores[1]:.2f} |", flush=True)
    if wanted.pictures:
        wanted.pictures.mkdir(parents=True, exist_ok=True)
        for name, light in shown.items():
            file = "".join(letter if letter.isalnum() else "_" for letter in name)
            write_png(wanted.pictures / f"{file}.png", shoulder(light[0]))


def load_night(cache: Path, frames: int, samples: int) -> tuple[Tensor, ...]:
    """Picture, disparity and ground truth in linear light, out of the cache or traced and put there."""
    path = cache / f"night-light.{frames}x{samples}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        tracer = RayTracer(NIGHT.make_stage())
        focus = Focus(focus_disparity=NIGHT.focus_disparity, blur_strength=NIGHT.blur_strength)
        views = [FrameView(time_s=n / FRAMES_PER_S, width=WIDTH, height=HEIGHT) for n in range(frames)]
        parts = (
            torch.stack([tracer.sharp(view, SHARP_SAMPLES) for view in views]),
            torch.stack([tracer.geometry(view).disparity for view in views]),
            torch.stack([tracer.refocused(view, focus, samples=samples) for view in views]),
        )
        np.savez(path, *(part.numpy() for part in parts))
    with np.load(path) as stored:
        return tuple(torch.from_numpy(stored[f"arr_{number}"]) for number in range(3))


def refocused(root: Path, sharp: Tensor, suffix: str, highlights: float) -> Tensor:
    """The light that `refocus` makes of pictures in one kind of file, ``T 3 H W``."""
    folder = root / f"{suffix[1:]}-{highlights:g}"
    is_float = suffix == ".exr"
    for number, light in enumerate(sharp, start=FIRST):
        blank = blank_picture(WIDTH, HEIGHT, 16 if is_float else 8, is_float=is_float)
        picture = light if is_float else from_linear(light.clamp(0, 1), "srgb")
        path = folder / f"night.{number}{suffix}"
        path.parent.mkdir(exist_ok=True)
        picture_kind(path).write(path, blank.with_picture(picture.numpy()))
    lens = LensSettings(highlights=highlights)
    settings = Settings(
        focus=FocusSettings(focus_disparity=NIGHT.focus_disparity, blur_strength=NIGHT.blur_strength),
        depth=DepthSettings(track=root / "disparity.npy"),
        render=RenderSettings(renderer="lens", device="cpu", lens=lens),
        encode=EncodeSettings(),
    )
    refocus(folder / f"night.%04d{suffix}", folder / f"made.%04d{suffix}", settings)
    made = [read_picture_file(folder / f"made.{FIRST + number}{suffix}") for number in range(len(sharp))]
    pictures = torch.stack([torch.from_numpy(one.picture()) for one in made])
    return pictures if is_float else to_linear(pictures, "srgb")


def shoulder(light: Tensor) -> Tensor:
    """Light as code values in 0..1, in which brighter is always brighter."""
    level = light.clamp(min=0)
    return from_linear(level / (1 + level), "srgb")


def clipped(light: Tensor) -> Tensor:
    """Light as code values in 0..1 that end at white."""
    return from_linear(light.clamp(0, 1), "srgb")


if __name__ == "__main__":
    main()
