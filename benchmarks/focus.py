"""How well the focus stays on a thing, and what following it costs in flicker: tables.

    python benchmarks/focus.py CLIP DISPARITY MASK [--at f12] [--clicks 12] [--flicker] [--size 640]

The mask shows the thing. First table: from clicks spread over the mask at one moment, the share of frames in
which the followed point lies inside the mask and in which the focus is near the mask's median disparity.
Second table (--flicker): the mean change from frame to frame of what does not move with the thing, in code
values of 255, for the sharp clip and for results of several ways of saying the focus.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.depth.track import DepthClip, open_mask, open_track
from any2bokeh.focus.depth_of_field import focused_scene
from any2bokeh.focus.focus_track import FocusTrack, smooth_focus
from any2bokeh.focus.follower import follow_thing
from any2bokeh.focus.masked import disparity_in_mask
from any2bokeh.focus.pull import pull_focus
from any2bokeh.motion.flow import FlowPreset, dense_flow, landing_places
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import Scene
from any2bokeh.settings.focus_settings import FocusSettings, Key, Point
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import TimePoint, parse_time
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.clip import VideoClip

NEAR = 0.03  # in disparity: what counts as in focus
K = 16.0
FAR_FROM_THING_PX = 24  # at the flicker's working size: beyond the reach of what is blurred before it

Masks = list[NDArray[np.bool_]]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("clip", "disparity", "mask"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--at", default="f12", help="moment of the clicks")
    parser.add_argument("--clicks", type=int, default=12)
    parser.add_argument("--flicker", action="store_true")
    parser.add_argument("--size", type=int, default=640, help="longer side at which flicker is measured")
    options = parser.parse_args()
    with (
        VideoClip(options.clip) as video,
        open_track(options.disparity, "disparity", video) as track,
        open_mask(options.mask, video) as frames,
    ):
        clip = DepthClip(video, track)
        masks = [(frames.values_at(pts)[0] > 0.5).numpy() for pts in video.times]
        at = parse_time(options.at)
        points = clicks(masks[round_to_frame(clip, at)], options.clicks, at)
        print_following(clip, options.mask, masks, points)
        if options.flicker:
            print_flicker(clip, options.mask, masks, points[0], options.size)


def round_to_frame(clip: DepthClip, at: TimePoint) -> int:
    """The number of the first frame at a moment, or after it."""
    start = clip.video.find(TimeRange(start=at)).start
    assert start is not None
    return clip.video.times.index(start)


def clicks(mask: NDArray[np.bool_], count: int, at: TimePoint) -> list[Point]:
    """Points spread over the inside of a mask, each as far from the others as can be: the deepest first."""
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = (depth > 0.25 * depth.max()).nonzero()
    chosen = [int(depth[rows, columns].argmax())]
    away = np.full(len(rows), np.inf)
    while len(chosen) < count:
        away = np.minimum(away, np.hypot(rows - rows[chosen[-1]], columns - columns[chosen[-1]]))
        chosen.append(int(away.argmax()))
    height, width = mask.shape
    return [Point((columns[i] + 0.5) / width, (rows[i] + 0.5) / height, at) for i in chosen]


def print_following(clip: DepthClip, mask: Path, masks: Masks, points: list[Point]) -> None:
    """Print how each click fared; the focus is the smoothed one, as a run uses it."""
    wanted = disparity_in_mask(mask, clip, lambda done: None).disparity
    times_s = clip.video.times_s
    smoothing_s = FocusSettings(follow=points[0], blur_strength=K).smoothing_s
    print("| click | inside the mask | lost | focus within 0.03 | largest | mean | CPU-ms a frame |")
    print("|---|---|---|---|---|---|---|")
    for point in points:
        started_s = time.process_time()
        seen = follow_thing(point, clip, lambda done: None)
        cost_ms = (time.process_time() - started_s) / len(seen) * 1000
        inside = [
            inside_at(mask_of_frame, one.x, one.y) for mask_of_frame, one in zip(masks, seen, strict=True)
        ]
        measured = np.array([one.disparity for one in seen])
        away = abs(smooth_focus(measured, times_s, smoothing_s) - wanted)
        print(
            f"| {point.x:.3f},{point.y:.3f} | {np.mean(inside):.1%} | {np.isnan(measured).sum()}"
            f" | {np.nanmean(away < NEAR):.1%} | {np.nanmax(away):.3f} | {np.nanmean(away):.3f}"
            f" | {cost_ms:.0f} |"
        )


def inside_at(mask: NDArray[np.bool_], x: float, y: float) -> bool:
    """Whether a place, in shares of the sides, is inside a mask."""
    height, width = mask.shape
    return bool(mask[min(int(y * height), height - 1), min(int(x * width), width - 1)])


def print_flicker(clip: DepthClip, mask: Path, masks: Masks, point: Point, size: int) -> None:
    """Print the change from frame to frame, away from the thing and along what moves, of several runs."""
    base = FocusSettings(focus_at=point, blur_strength=K)
    keys = (Key(TimePoint(frame=0), 0.36), Key(TimePoint(frame=len(clip.video.times) // 2), point))
    ways = {
        "held (--focus-at)": base,
        "--follow": replace(base, focus_at=None, follow=point),
        "--follow, not smoothed": replace(base, focus_at=None, follow=point, smoothing_s=0.0),
        "--focus-mask": replace(base, focus_at=None, focus_mask=mask),
        "--focus-mask, not smoothed": replace(base, focus_at=None, focus_mask=mask, smoothing_s=0.0),
        "a pull over half the clip": replace(base, focus_at=None, focus_disparity=keys),
    }
    with clip.video.frames() as video:
        sharp = [shrunk(frame.picture, size) for frame in video]
    still = [still_part(one, picture) for one, picture in zip(masks, sharp, strict=True)]
    print()
    print("| focus | change from frame to frame | of the focus, largest |")
    print("|---|---|---|")
    print(f"| the sharp clip | {change(sharp, sharp, still):.3f} | |")
    for name, settings in ways.items():
        track = pull_focus(clip, settings)
        planes = [focus.focus_disparity for focus in track.focus]
        renderer = make_renderer(RenderSettings(), torch.device("cpu"), clip.video.info.pictures)
        made = [shrunk(frame.picture, size) for frame in renderer.render(scenes(clip, track))]
        print(f"| {name} | {change(made, sharp, still):.3f} | {max(abs(np.diff(planes))):.4f} |", flush=True)


def scenes(clip: DepthClip, focus: FocusTrack) -> Iterator[Scene]:
    """The frames of the clip, focused."""
    with clip.video.frames() as video, clip.disparity.again() as disparity:
        for frame in video:
            yield focused_scene(frame, disparity.at(frame), focus.at(frame.pts), focus.depth_of_field)


def shrunk(picture: Tensor, size: int) -> NDArray[np.uint8]:
    """The luma of a picture, made smaller: ``h w``, 0..255."""
    scale = size / max(picture.shape[1:])
    small = interpolate(picture[None], scale_factor=scale, mode="area")[0].mean(dim=0)
    return np.asarray((small * 255).round().numpy(), np.uint8)


def still_part(mask: NDArray[np.bool_], picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """What is well away from the thing, at the size of a picture."""
    resized = cv2.resize(mask.astype(np.uint8), picture.shape[::-1], interpolation=cv2.INTER_NEAREST)
    reach = 2 * FAR_FROM_THING_PX + 1
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
