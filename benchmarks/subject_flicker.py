"""Whether the outline of a held subject flickers: changes along the sharp clip's own motion.

    python benchmarks/subject_flicker.py CLIP MASK [CLIP MASK ...] [--start f12 --end f24 --depth compact]

Prints the mean change of code values [1/255] from a frame to the next, warped along the optical flow of the
sharp clip (DIS), where going there and back again agrees; in the inner and the outer half of a band of 12 px
along the mask's outline; of the sharp clip, of the result without holding (the same focus) and with it. Held,
the inner half should change as the sharp clip does, the outer as without holding: the last two columns say
how much more they do.
"""

import argparse
import os
import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command does: waiting threads take cores

import cv2
import numpy as np
import torch
from torch import Tensor

from any2bokeh.depth.track import open_mask
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.lab.frame_metrics import TRUSTED, SharpMotion, sharp_motion
from any2bokeh.render.base import make_renderer
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import parse_time
from any2bokeh.settings.video_settings import TimeRange

BAND_PX = 12
Bands = tuple[Tensor, Tensor]  # the inner and the outer half, H W bool


def bands_of(mask: Tensor) -> Bands:
    """Half of the band inside the mask's outline, and half outside."""
    inside = (mask[0] >= 0.5).byte().numpy()
    depth, away = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (inside, 1 - inside))
    half = BAND_PX / 2
    return torch.from_numpy((depth > 0) & (depth <= half)), torch.from_numpy((away > 0) & (away <= half))


def change(before: Tensor, picture: Tensor, motion: SharpMotion, region: Tensor) -> float:
    """Mean change [1/255] along the motion in a region."""
    warped = motion.back.warp(before.permute(1, 2, 0).contiguous().numpy())
    difference = np.abs(warped - picture.permute(1, 2, 0).numpy()).mean(axis=2)
    seen = region.numpy() & (motion.back.trust >= TRUSTED)
    return 255 * float(difference[seen].mean()) if seen.any() else float("nan")


def measure(clip: Path, mask: Path, settings: ClipSettings) -> list[float]:
    """The changes inside (sharp, not held, held), then outside."""
    assert settings.focus is not None
    plain = replace(settings, focus=replace(settings.focus, subject_depth=True))
    with ClipSession(clip, settings) as session, ClipSession(clip, plain) as other:
        focus = session.focus
        lens = make_renderer(RenderSettings(), torch.device("cpu"), session.info.pictures)
        with open_mask(mask, session.video) as masks:
            scenes = list(session.scenes())
            bands = [bands_of(_at_size(masks.values_at(scene.pts), scene.sharp)) for scene in scenes]
        plain_scenes = (
            focused_scene(frame, disparity, focus.at(frame.pts), focus.depth_of_field)
            for frame, disparity in other.frames()
        )
        results = [
            [scene.sharp for scene in scenes],
            [frame.picture for frame in lens.render(plain_scenes)],
            [frame.picture for frame in lens.render(iter(scenes))],
        ]
    motions = [sharp_motion(before, here) for before, here in pairwise(results[0])]
    return [
        statistics.mean(
            change(before, here, motion, band[half])
            for (before, here), motion, band in zip(pairwise(pictures), motions, bands[1:], strict=True)
        )
        for half in (0, 1)
        for pictures in results
    ]


def _at_size(mask: Tensor, picture: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(mask[None], picture.shape[1:], mode="nearest")[0]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", type=Path, nargs="+", help="clips, each followed by its mask")
    parser.add_argument("--k", type=float, default=24)
    parser.add_argument("--start", type=parse_time)
    parser.add_argument("--end", type=parse_time)
    parser.add_argument("--depth", default="auto")
    parser.add_argument("--disparity", type=Path)
    options = parser.parse_args()
    print("| clip | inside: sharp | not held | held | outside: sharp | not held | held | inside | outside |")
    print("|" + "---|" * 9)
    for clip, mask in zip(options.paths[::2], options.paths[1::2], strict=True):
        settings = ClipSettings(
            focus=FocusSettings(focus_mask=mask, blur_strength=options.k),
            depth=DepthSettings(model=options.depth, track=options.disparity),
            time_range=TimeRange(start=options.start, end=options.end),
            device="cpu",
        )
        row = measure(clip, mask, settings)
        more = row[2] / row[0], row[5] / row[4]
        print(f"| {clip.stem} | " + " | ".join(f"{value:.2f}" for value in (*row, *more)) + " |", flush=True)


if __name__ == "__main__":
    main()
