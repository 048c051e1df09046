"""What estimating depth costs, what propagation between keyframes loses, and how steady it is.

    python benchmarks/depth_steady.py --cache FOLDER [--clip CLIP --disparity TRACK] [--frames 48]

Prints tables in Markdown, of synthetic clips whose disparity is exact (ray traced once, then kept in the
cache folder) and of a clip with a track of it:

  cost        CPU-seconds per frame of decoding and estimating, by a network of the size of Depth Anything V2
              Small whose weights are random, for each way of choosing frames; the clip only
  propagated  the track is the estimator, asked for keyframes alone: PSNR [dB] of the frames between,
              refocused, against what every frame's own disparity gives, their mean and the worst of them
  stabilized  the track is the estimator, but each frame has its own scale and shift (10 % up or down) and
              smooth noise: what is left of it. "noise alone" has no such scale and shift.

Errors and flicker are in thousandths of the range of disparity, after one scale and shift for a whole clip.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from depth_clips import CASES, Clip, load_clip
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.arrays import Floats
from any2bokeh.depth.depth_anything import DisparityEstimator, in_precision
from any2bokeh.depth.estimator import one_by_one
from any2bokeh.depth.networks import working_size
from any2bokeh.depth.stabilization import Stabilizer
from any2bokeh.depth.stream import Pace, raw_disparity
from any2bokeh.depth.upsample import upsample_disparity
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.propagation import choose_keyframes, link_by_flow
from any2bokeh.motion.shots import ReducedFrame, mark_shots
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import PictureFormat, Scene
from any2bokeh.settings.render_settings import RenderSettings
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import open_video, probe_video
from any2bokeh.video.gray import open_gray

SIDE_PX = 280  # of the network's frame, on a CPU
WOBBLE, NOISE = 0.1, 0.01
NETWORK_SCALE, NETWORK_SHIFT = 20.0, 3.0  # what a network's numbers look like
BEHIND_FRAMES = 6  # for so long something was there, where now it is just behind what moves
STILL = 3 / 255  # change of code values that is noise
WAYS = (("every frame", 1), ("1 in 4", 4), ("auto", None))
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """A clip whose disparity is known: ``T 3 H W`` and ``T 1 h w``, pictures for the flow, and a focus."""

    name: str
    pictures: list[Tensor]
    reduced: list[ReducedFrame]
    disparity: Floats  # T h w
    focus_disparity: float
    blur_strength: float


# What is run ----------------------------------------------------------------------------------------


def estimated(known: Known, raw: Floats, every: int | None, *, steady: bool) -> tuple[Floats, list[int]]:
    """Disparity ``T h w`` of all frames, where ``raw`` is the estimator's output, and the keyframes."""
    stabilizer = Stabilizer() if steady else None
    result, keys, last = np.empty_like(raw), list[int](), raw[0]
    for interval in choose_keyframes(link_by_flow(mark_shots(known.reduced)), every):
        number = interval.keyframe.pts
        here = raw[number]
        if stabilizer:
            here = stabilizer.stabilize(here, interval.keyframe.prepared, interval.back, interval.length)
        for between in interval.between:
            result[between.frame.pts] = between.propagate(last, here)
        result[number] = last = here
        keys.append(number)
    return result, keys


def refocused(known: Known, disparity: Floats, frames: Iterable[int]) -> list[Tensor]:
    """The frames of these numbers through the lens."""
    scenes = (
        Scene(
            sharp=known.pictures[number],
            disparity=upsample_disparity(torch.from_numpy(disparity[number])[None], known.pictures[number]),
            focus_disparity=known.focus_disparity,
            blur_strength=known.blur_strength,
            pts=number,
        )
        for number in frames
    )
    _, height, width = known.pictures[0].shape
    lens = make_renderer(
        RenderSettings(renderer="lens"), torch.device("cpu"), PictureFormat(height=height, width=width)
    )
    return [frame.picture for frame in lens.render(scenes)]


def wobbling(disparity: Floats) -> tuple[Floats, Floats]:
    """What an estimator says, and the same with but its noise (``T h w`` each)."""
    generator = torch.Generator().manual_seed(1)
    noisy, raw = [], []
    for exact in disparity:
        scale, shift = (1 + WOBBLE * (2 * torch.rand(2, generator=generator) - 1)).tolist()
        rough = torch.randn(1, 1, 9, 16, generator=generator)
        noisy.append(exact + NOISE * interpolate(rough, exact.shape, mode="bicubic")[0, 0].numpy())
        raw.append(np.float32(NETWORK_SCALE * scale) * noisy[-1] + np.float32(NETWORK_SHIFT * shift))
    return np.stack(raw), np.stack(noisy)


# What is measured -----------------------------------------------------------------------------------


def psnr(one: Tensor, other: Tensor) -> float:
    """In dB."""
    return float(-10 * torch.log10(((one - other) ** 2).mean()))


def fitted(disparity: Floats, exact: Floats) -> Floats:
    """The disparity of a clip, with the one scale and shift that bring it nearest to the truth."""
    x, y = disparity.astype(np.float64), exact.astype(np.float64)
    scale = ((x - x.mean()) * (y - y.mean())).mean() / x.var()
    result: Floats = (scale * (x - x.mean()) + y.mean()).astype(np.float32)
    return result


def print_propagated(clips: Iterable[Known]) -> None:
    """How near propagated disparity comes to that of every frame."""
    print("\n| propagated | frames | one keyframe in | mean, dB | worst, dB |\n|---|---|---|---|---|")
    for known in clips:
        for name, every in WAYS[1:]:
            disparity, keys = estimated(known, known.disparity, every, steady=False)
            between = sorted(set(range(len(known.reduced))) - set(keys))
            own = refocused(known, known.disparity, between)
            propagated = refocused(known, disparity, between)
            values = [psnr(one, other) for one, other in zip(own, propagated, strict=True)]
            spacing = len(known.reduced) / len(keys)
            print(f"| {known.name} | {name} | {spacing:.1f} | {np.mean(values):.1f} | {min(values):.1f} |")


def print_stabilized(clips: Iterable[tuple[Known, Mask]]) -> None:
    """What is left of an estimator's scale, shift and noise."""
    print("\n| stabilized | | error | in moving objects | just behind | flicker | flicker, refocused |")
    print("|---|---|---|---|---|---|---|")
    for known, moving in clips:
        raw, noisy = wobbling(known.disparity)
        rows = {"noise alone": noisy, "not stabilized": raw}
        for name, every in WAYS:
            rows[f"stabilized, {name}"] = estimated(known, raw, every, steady=True)[0]
        for name, disparity in rows.items():
            figures = " | ".join(
                "" if np.isnan(value) else f"{1000 * value:.1f}" for value in flaws(known, disparity, moving)
            )
            print(f"| {known.name} | {name} | {figures} |", flush=True)


def flaws(known: Known, disparity: Floats, moving: Mask) -> Iterator[float]:
    """Errors: of all, in what moves, just behind it; flicker of what stands still: its own, and refocused."""
    disparity = fitted(disparity, known.disparity)
    error = np.abs(disparity - known.disparity)
    before = [moving[max(0, number - BEHIND_FRAMES) : number].any(axis=0) for number in range(1, len(moving))]
    behind = np.stack([np.zeros_like(moving[0]), *before]) & ~moving
    for mask in (np.ones_like(moving), moving, behind):
        yield float(error[mask].mean()) if mask.any() else float("nan")
    sharp = torch.stack(known.pictures)
    result = torch.stack(refocused(known, disparity.clip(0, 1), range(len(sharp))))
    still = (sharp.diff(dim=0).abs().amax(dim=1).numpy() <= STILL) & (np.diff(known.disparity, axis=0) == 0)
    yield float(np.abs(np.diff(disparity, axis=0))[still].mean())
    yield float((result.diff(dim=0) - sharp.diff(dim=0)).abs().mean(dim=1)[torch.from_numpy(still)].mean())


def print_cost(clip: Path, frames: int, repeats: int) -> None:
    """CPU-seconds per frame, the best of several."""
    print("\n| cost | frames | CPU-s per frame |\n|---|---|---|")
    size = working_size(probe_video(clip), SIDE_PX)
    for dtype in (torch.float32, torch.bfloat16):
        network = DisparityEstimator(in_precision(random_network(), dtype), patch=14)
        for name, every in (WAYS[0], WAYS[2]):
            seconds = min(
                time_estimate(clip, frames, network, size, Pace(every=every)) for _ in range(repeats)
            )
            print(f"| {str(dtype).removeprefix('torch.')} | {name} | {seconds / frames:.3f} |", flush=True)


def time_estimate(
    clip: Path, frames: int, network: DisparityEstimator, size: tuple[int, int], pace: Pace
) -> float:
    """CPU-seconds of one pass over the first frames of a clip."""
    started_s = time.process_time()
    with open_video(clip, TimeRange(end=TimePoint(frame=frames))) as video:
        estimates = one_by_one(network, size, torch.device("cpu"), batch=1)
        for _ in raw_disparity(video, estimates, size, pace):
            pass
    return time.process_time() - started_s


def random_network() -> torch.nn.Module:
    """Depth Anything V2 Small, untrained."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        patch_size=14,
        image_size=518,
        out_indices=[3, 6, 9, 12],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=384,
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
        head_hidden_size=32,
    )
    network: torch.nn.Module = DepthAnythingForDepthEstimation(config)
    return network.eval()


# What it is run on ----------------------------------------------------------------------------------


def made_up(clip: Clip) -> Known:
    """A ray-traced clip."""
    return Known(
        name=clip.case.name,
        pictures=list(clip.pictures),
        reduced=[reduce(picture, number) for number, picture in enumerate(clip.pictures)],
        disparity=clip.disparity[:, 0].numpy(),
        focus_disparity=clip.case.focus_disparity,
        blur_strength=32,
    )


def filmed(path: Path, track: Path, focus_disparity: float, blur_strength: float) -> Known:
    """A clip with its track, both at the size at which a network would work on them."""
    size = working_size(probe_video(path), SIDE_PX)
    with open_video(path) as video:
        pictures = [frame.picture for frame in video]
    disparity = [
        interpolate(values[None], size, mode="bilinear", antialias=True)[0, 0].numpy()
        for _, values in open_gray(track).frames()
    ]
    small = (interpolate(picture[None], size, mode="bicubic", antialias=True)[0] for picture in pictures)
    return Known(
        name=path.stem,
        pictures=pictures,
        reduced=[reduce(picture.clamp(0, 1), number) for number, picture in enumerate(small)],
        disparity=np.stack(disparity),
        focus_disparity=focus_disparity,
        blur_strength=blur_strength,
    )


def reduce(picture: Tensor, number: int) -> ReducedFrame:
    """A frame as the flow sees it."""
    return ReducedFrame(pts=number, picture=picture, prepared=prepare_picture(picture))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=48, help="of the synthetic clips, and of the cost")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--disparity", type=Path)
    parser.add_argument("--focus", type=float, default=0.53)
    parser.add_argument("--k", type=float, default=16)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = [load_clip(case, options.cache, options.frames) for case in CASES]
    known = [made_up(clip) for clip in clips]
    if options.clip:
        print_cost(options.clip, options.frames, options.repeats)
    print_stabilized(zip(known, (clip.moving[:, 0].numpy() for clip in clips), strict=True))
    if options.clip and options.disparity:
        known.append(filmed(options.clip, options.disparity, options.focus, options.k))
    print_propagated(known)


if __name__ == "__main__":
    main()
