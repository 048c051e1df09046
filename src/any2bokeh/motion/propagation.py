"""Keyframes, whose disparity is known, and its propagation to the frames between them.

Disparity is warped along the optical flow from the keyframe before and from the one after. Where one of them
does not show a point, or its picture, warped to this frame, looks different, the other one counts. Where
neither explains the picture, the keyframes stand closer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.motion.flow import Flow, difference, flow_between
from any2bokeh.motion.shots import ReducedFrame

SPACINGS = (12, 8, 6, 4, 3, 2, 1)  # frames from a keyframe to the next: the first that explains the picture

_DIFFERENT = 8 / 255  # of the mean of a neighborhood, from which a picture is not explained
_UNEXPLAINED_SHARE = 0.15  # of the picture may stay so
_LEAST_TRUST, _NOISE, _POWER = (
    0.02,
    2 / 255,
    4,
)  # of the weight of a keyframe: trust / (difference + noise)^4


@dataclass(frozen=True, eq=False)
class FlowStep:
    """A frame and the flow from the frame before to it, and back; ``None`` where a shot starts."""

    frame: ReducedFrame
    there: Flow | None = None
    back: Flow | None = None


@dataclass(frozen=True, eq=False)
class InBetween:
    """A frame between two keyframes: the flow to either, and how much the later one counts, ``h w`` 0..1."""

    frame: ReducedFrame
    to_start: Flow
    to_end: Flow
    end_share: Floats

    def propagate(self, start: Floats, end: Floats) -> Floats:
        """Return this frame's disparity, ``h w``, from that of the two keyframes."""
        from_start, from_end = self.to_start.warp(start), self.to_end.warp(end)
        return from_start + self.end_share * (from_end - from_start)


@dataclass(frozen=True, eq=False)
class KeyframeInterval:
    """A keyframe, and the frames between it and the keyframe before.

    ``back`` leads from the keyframe to the one before; it is ``None`` where a shot starts.
    """

    keyframe: ReducedFrame
    between: Sequence[InBetween] = ()
    back: Flow | None = None

    @property
    def length(self) -> int:
        """How many frames the keyframe is away from the one before."""
        return len(self.between) + 1


def link_by_flow(frames: Iterable[ReducedFrame], *, with_flow: bool = True) -> Iterator[FlowStep]:
    """Yield each frame with the flow between it and the one before, if it is wanted."""
    before = None
    for frame in frames:
        if before is None or frame.starts_shot or not with_flow:
            yield FlowStep(frame)
        else:
            yield FlowStep(frame, *flow_between(before.prepared.gray, frame.prepared.gray))
        before = frame


def choose_keyframes(steps: Iterable[FlowStep], every: int | None = None) -> Iterator[KeyframeInterval]:
    """Yield keyframes with the frames between them; the first and the last frame of a shot are keyframes.

    They stand ``every`` frames apart, or as far as ``SPACINGS`` and the picture allow; so many frames are
    held back.
    """
    spacings = SPACINGS if every is None else (every,)
    ahead: list[FlowStep] = []  # the last keyframe, and the frames after it
    for step in steps:
        if step.frame.starts_shot:
            yield from _intervals(ahead, spacings, down_to=1)
            ahead = [step]
            yield KeyframeInterval(step.frame)
            continue
        ahead.append(step)
        yield from _intervals(ahead, spacings, down_to=spacings[0])
    yield from _intervals(ahead, spacings, down_to=1)


def _intervals(ahead: list[FlowStep], spacings: Sequence[int], down_to: int) -> Iterator[KeyframeInterval]:
    """Take intervals from ``ahead`` while more than ``down_to`` frames wait, the last keyframe among them."""
    while len(ahead) > down_to:
        interval = _next_interval(ahead[0].frame, ahead[1:], spacings)
        del ahead[: interval.length]
        yield interval


def _next_interval(start: ReducedFrame, ahead: list[FlowStep], spacings: Sequence[int]) -> KeyframeInterval:
    """Return the longest interval after the keyframe ``start`` that explains the frames between."""
    limit = _UNEXPLAINED_SHARE if len(spacings) > 1 else 1.0
    flow_back = _FlowBack(start)
    for length in [len(ahead), *(spacing for spacing in spacings if 1 < spacing < len(ahead))]:
        if length > 1 and (between := _meet(flow_back, ahead[:length], limit)) is not None:
            return KeyframeInterval(ahead[length - 1].frame, between, flow_back.of(ahead, length - 1)[0])
    return KeyframeInterval(ahead[0].frame, (), ahead[0].back)


class _FlowBack:
    """The flow from the steps ahead back to a keyframe, and the difference of the pictures, found once."""

    def __init__(self, start: ReducedFrame) -> None:
        self.start = start
        self._found: list[tuple[Flow, Floats]] = []

    def of(self, ahead: Sequence[FlowStep], index: int) -> tuple[Flow, Floats]:
        """Return both for the step at ``index``."""
        while len(self._found) <= index:
            step = ahead[len(self._found)]
            assert step.back is not None
            flow = step.back.then(self._found[-1][0]) if self._found else step.back
            self._found.append((flow, difference(step.frame.prepared, self.start.prepared, flow)))
        return self._found[index]


def _meet(flow_back: _FlowBack, steps: Sequence[FlowStep], limit: float) -> list[InBetween] | None:
    """The frames between ``flow_back.start`` and the last step; ``None`` if over ``limit`` is unexplained."""
    between: list[InBetween] = []
    end, to_end = steps[-1].frame, steps[-1].there
    for index in range(len(steps) - 2, -1, -1):
        frame, there = steps[index].frame, steps[index].there
        assert there is not None and to_end is not None
        to_start, from_start = flow_back.of(steps, index)
        from_end = difference(frame.prepared, end.prepared, to_end)
        if float((np.minimum(from_start, from_end) > _DIFFERENT).mean()) > limit:
            return None
        passed = (frame.pts - flow_back.start.pts) / (end.pts - flow_back.start.pts)
        start_weight: Floats = _weight(to_start, from_start) * np.float32(1 - passed)
        end_weight: Floats = _weight(to_end, from_end) * np.float32(passed)
        end_share: Floats = end_weight / (start_weight + end_weight)
        between.insert(0, InBetween(frame, to_start, to_end, end_share))
        to_end = there.then(to_end)
    return between


def _weight(flow: Flow, different: Floats) -> Floats:
    likeness = np.float32(_NOISE) / (np.float32(_NOISE) + different)
    weight: Floats = (flow.trust + np.float32(_LEAST_TRUST)) * likeness**_POWER
    return weight
