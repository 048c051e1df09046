"""The change from frame to frame that a moving focus causes, beside that of one that is held: a table.

    python benchmarks/focus.py CLIP DISPARITY MASK [--at f12] [--size 640]

The mask shows the subject. For the sharp clip, and for results of several ways of giving the focus: the mean
change from frame to frame away from the subject, in code values of 255, and the largest step
of the focus. ``--at`` is the moment of a click in the middle of the subject.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.track import open_mask
from any2bokeh.motion.flow import FlowPreset, dense_flow, landing_places
from any2bokeh.render.base import make_renderer
from any2bokeh.session import ClipSession
from any2bokeh.settings.clip_settings import ClipSettings
from any2bokeh.settings.depth_settings import DepthSettings
from any2bokeh.settings.focus_settings import FocusSettings, Key, Point
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import TimePoint, parse_time
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.subject.seen_things import Thing

K = 16.0
FIRST = 0.36  # where the pull begins, in disparity
FAR_FROM_SUBJECT_PX = 24  # at the size of the measure: beyond the reach of blur in front of it

Masks = list[NDArray[np.bool_]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clip", "disparity", "mask"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--at", default="f12", help="moment of the click")
    parser.add_argument("--size", type=int, default=640, help="longer side of the measure")
    options = parser.parse_args()
    at = parse_time(options.at)
    depth = DepthSettings(track=options.disparity)
    with ClipSession(options.clip, ClipSettings(depth=depth)) as clip:
        frames, count = clip.times, len(clip.times)
        start = clip.video.find(TimeRange(start=at)).start or frames[0]
        with clip.video.frames() as video:
            sharp = [shrunk(frame.picture, options.size) for frame in video]
        with open_mask(options.mask, clip.video) as track:
            masks = [(track.values_at(pts)[0] > 0.5).numpy() for pts in frames]
    point = Point(*Thing(masks[frames.index(start)].astype(np.float32), 1.0).inner_point(), at)
    still = [still_part(one, picture) for one, picture in zip(masks, sharp, strict=True)]
    print("| focus | change from frame to frame | of the focus, largest |")
    print("|---|---|---|")
    print(f"| the sharp clip | {change(sharp, sharp, still):.2f} | |")
    for name, focus in ways_to_focus(point, options.mask, count).items():
        with ClipSession(options.clip, ClipSettings(depth=depth, focus=focus)) as clip:
            planes = [one.focus_disparity for one in clip.focus.focus]
            renderer = make_renderer(RenderSettings(), torch.device("cpu"), clip.info.pictures)
            made = [shrunk(frame.picture, options.size) for frame in renderer.render(clip.scenes())]
        print(f"| {name} | {change(made, sharp, still):.2f} | {max(abs(np.diff(planes))):.3f} |", flush=True)


def ways_to_focus(point: Point, mask: Path, frames: int) -> dict[str, FocusSettings]:
    """The focus given in several ways, by the options of the command line."""
    held = FocusSettings(focus_at=point, blur_strength=K)
    masked = replace(held, focus_at=None, focus_mask=mask)
    keys = (Key(TimePoint(frame=0), FIRST), Key(TimePoint(frame=frames // 2), point))
    return {
        "`--focus-at`": held,
        "`--focus-mask`": masked,
        "`--focus-mask --subject-depth`": replace(masked, subject_depth=True),
        "`--focus-mask --subject-depth`, not smoothed": replace(masked, subject_depth=True, smoothing_s=0.0),
        "a pull over half the clip": replace(held, focus_at=None, focus_disparity=keys),
    }


def shrunk(picture: Tensor, size: int) -> NDArray[np.uint8]:
    """The luma of a picture, made smaller: ``h w``, 0..255."""
    scale = size / max(picture.shape[1:])
    small = interpolate(picture[None], scale_factor=scale, mode="area")[0].mean(dim=0)
    return np.asarray((small * 255).round().numpy(), np.uint8)


def still_part(mask: NDArray[np.bool_], picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The part well away from the subject, at the size of a picture."""
    resized = cv2.resize(mask.astype(np.uint8), picture.shape[::-1], interpolation=cv2.INTER_NEAREST)
    reach = 2 * FAR_FROM_SUBJECT_PX + 1
    return np.asarray(cv2.dilate(resized, np.ones((reach, reach), np.uint8)) == 0)


def change(made: list[NDArray[np.uint8]], sharp: list[NDArray[np.uint8]], still: Masks) -> float:
    """Mean change along the motion, which is measured on the sharp clip, in code values."""
    changes = []
    for i in range(1, len(made)):
        x, y = landing_places(dense_flow(sharp[i], sharp[i - 1], FlowPreset.MEDIUM))
        before = cv2.remap(made[i - 1].astype(np.float32), x, y, cv2.INTER_CUBIC)
        changes.append(abs(made[i] - before)[still[i] & still[i - 1]].mean())
    return float(np.mean(changes))


if __name__ == "__main__":
    main()
