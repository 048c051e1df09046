"""From the frames of a clip to their disparity, while they pass by.

frames -> reduced -> shots -> flow -> keyframes -> estimated -> stabilized -> propagated to those between
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from any2bokeh.arrays import Floats
from any2bokeh.depth.estimator import Estimates
from any2bokeh.depth.stabilization import Stabilizer
from any2bokeh.motion.flow import prepare_picture
from any2bokeh.motion.propagation import SPACINGS, KeyframeInterval, choose_keyframes, link_by_flow
from any2bokeh.motion.shots import ReducedFrame, mark_shots
from any2bokeh.scene import Frame
from any2bokeh.video.prefetch import prefetch

INTERVALS_AHEAD = 2  # found while the network is busy


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Which frames are estimated, and what each hands to the next.

    ``every`` is the distance of keyframes, ``None`` lets the picture choose it.
    """

    every: int | None = None
    steady: bool = True
    single_shot: bool = False

    def __str__(self) -> str:
        if self.every == 1:
            return "every frame"
        if self.every is None:
            return "as many frames as the motion asks for, the others along it"
        return f"one frame in {self.every}, the others along the motion"

    def least_estimated(self, frames: int) -> int:
        """Return how many of so many frames are estimated if there is no cut and little moves."""
        return 1 + -(-(frames - 1) // (self.every or SPACINGS[0]))


@dataclass(frozen=True, kw_only=True, eq=False)
class RawFrame:
    """A frame's disparity, ``1 h w`` in a scale of the shot's own, and how it was come by."""

    pts: int
    disparity: Tensor
    starts_shot: bool = False
    is_estimated: bool = True


def raw_disparity(
    frames: Iterable[Frame], estimates: Estimates, size: tuple[int, int], pace: Pace
) -> Generator[RawFrame]:
    """Yield the disparity of each frame, in order.

    ``estimates`` makes disparity of frames made smaller to ``size`` (height, width). Frames are read,
    followed and chosen in a thread of their own meanwhile.
    """
    stabilizer = Stabilizer() if pace.steady else None
    with prefetch(_intervals(frames, size, pace), INTERVALS_AHEAD) as intervals:
        before: Floats | None = None
        for interval, estimated in _with_estimates(intervals, estimates):
            if stabilizer:
                keyframe = interval.keyframe.prepared
                estimated = stabilizer.stabilize(estimated, keyframe, interval.back, interval.length)
            for between in interval.between:
                assert before is not None
                yield _raw(between.frame, between.propagate(before, estimated), is_estimated=False)
            yield _raw(interval.keyframe, estimated)
            before = estimated


def found_starts(frames: Iterable[Frame], size: tuple[int, int]) -> Iterator[int]:
    """Yield the times at which ``raw_disparity`` of the same frames and ``size`` finds shots to start."""
    for frame in mark_shots(_reduce(frame, size) for frame in frames):
        if frame.starts_shot:
            yield frame.pts


def _intervals(frames: Iterable[Frame], size: tuple[int, int], pace: Pace) -> Iterator[KeyframeInterval]:
    shots = mark_shots((_reduce(frame, size) for frame in frames), single_shot=pace.single_shot)
    yield from choose_keyframes(link_by_flow(shots, with_flow=pace.steady or pace.every != 1), pace.every)


def _reduce(frame: Frame, size: tuple[int, int]) -> ReducedFrame:
    picture = interpolate(frame.picture[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    return ReducedFrame(pts=frame.pts, picture=picture, prepared=prepare_picture(picture))


def _with_estimates(
    intervals: Iterable[KeyframeInterval], estimates: Estimates
) -> Iterator[tuple[KeyframeInterval, Floats]]:
    """Yield each interval with the estimate of its keyframe, ``h w``; meanwhile it waits."""
    waiting = deque[KeyframeInterval]()

    def keyframes() -> Iterator[ReducedFrame]:
        for interval in intervals:
            waiting.append(interval)
            yield interval.keyframe

    for disparity in estimates(keyframes()):
        yield waiting.popleft(), disparity


def _raw(frame: ReducedFrame, disparity: Floats, *, is_estimated: bool = True) -> RawFrame:
    return RawFrame(
        pts=frame.pts,
        disparity=torch.from_numpy(np.ascontiguousarray(disparity))[None],
        starts_shot=frame.starts_shot,
        is_estimated=is_estimated,
    )
