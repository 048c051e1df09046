"""Key frames, whose disparity is known, and the frames between them, to which it is carried.

Disparity follows the points of the picture along the optical flow from the key frame before and from the one
after. Where one of them does not show a point, or its picture, brought here, looks different, the other one
counts. Where neither explains the picture, the key frames stand closer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from any2bokeh.arrays import Floats
from any2bokeh.motion.flow import Flow, difference, flow_between
from any2bokeh.motion.shots import ReducedFrame

SPACINGS = (12, 8, 6, 4, 3, 2, 1)  # frames from a key frame to the next: the first that explains the picture

_DIFFERENT = 8 / 255  # of the mean of a neighbourhood, from which a picture is not explained
_UNEXPLAINED_SHARE = 0.15  # of the picture may stay so
_LEAST_TRUST, _NOISE, _POWER = (
    0.02,
    2 / 255,
    4,
)  # of the weight of a key frame: trust / (difference + noise)^4


@dataclass(frozen=True, eq=False)
class Step:
    """A frame and the flow from the frame before to it, and back; ``None`` where a shot starts."""

    frame: ReducedFrame
    there: Flow | None = None
    back: Flow | None = None


@dataclass(frozen=True, eq=False)
class Between:
    """A frame between two key frames: the flow to either, and how much the later one counts, ``h w`` 0..1."""

    frame: ReducedFrame
    to_start: Flow
    to_end: Flow
    end_share: Floats

    def carry(self, start: Floats, end: Floats) -> Floats:
        """Return this frame's disparity, ``h w``, from that of the two key frames."""
        from_start, from_end = self.to_start.bring(start), self.to_end.bring(end)
        return from_start + self.end_share * (from_end - from_start)


@dataclass(frozen=True, eq=False)
class Span:
    """A key frame, and the frames between it and the key frame before.

    ``back`` leads from the key frame to the one before; it is ``None`` where a shot starts.
    """

    key: ReducedFrame
    between: Sequence[Between] = ()
    back: Flow | None = None

    @property
    def length(self) -> int:
        """How many frames the key frame is away from the one before."""
        return len(self.between) + 1


def follow(frames: Iterable[ReducedFrame], *, with_flow: bool = True) -> Iterator[Step]:
    """Yield each frame with the flow between it and the one before, if it is wanted."""
    before = None
    for frame in frames:
        if before is None or frame.starts_shot or not with_flow:
            yield Step(frame)
        else:
            yield Step(frame, *flow_between(before.view.gray, frame.view.gray))
        before = frame


def choose_keys(steps: Iterable[Step], every: int | None = None) -> Iterator[Span]:
    """Yield key frames with what lies between; the first and the last frame of a shot are key frames.

    They stand ``every`` frames apart, or as far as ``SPACINGS`` and the picture allow; so many frames are
    held back.
    """
    spacings = SPACINGS if every is None else (every,)
    ahead: list[Step] = []  # the last key frame, and the frames after it
    for step in steps:
        if step.frame.starts_shot:
            yield from _spans(ahead, spacings, down_to=1)
            ahead = [step]
            yield Span(step.frame)
            continue
        ahead.append(step)
        yield from _spans(ahead, spacings, down_to=spacings[0])
    yield from _spans(ahead, spacings, down_to=1)


def _spans(ahead: list[Step], spacings: Sequence[int], down_to: int) -> Iterator[Span]:
    """Take spans away from ``ahead`` while ``down_to`` frames or more follow the last key frame."""
    while len(ahead) > down_to:
        span = _next_span(ahead[0].frame, ahead[1:], spacings)
        del ahead[: span.length]
        yield span


def _next_span(start: ReducedFrame, ahead: list[Step], spacings: Sequence[int]) -> Span:
    """Return the longest span after the key frame ``start`` that explains the frames between."""
    limit = _UNEXPLAINED_SHARE if len(spacings) > 1 else 1.0
    way = _Way(start)
    for length in [len(ahead), *(spacing for spacing in spacings if 1 < spacing < len(ahead))]:
        if length > 1 and (between := _meet(way, ahead[:length], limit)) is not None:
            return Span(ahead[length - 1].frame, between, way.to(ahead, length - 1)[0])
    return Span(ahead[0].frame, (), ahead[0].back)


class _Way:
    """The flow from the steps ahead back to a key frame, and the difference of the pictures, found once."""

    def __init__(self, start: ReducedFrame) -> None:
        self.start = start
        self._found: list[tuple[Flow, Floats]] = []

    def to(self, ahead: Sequence[Step], index: int) -> tuple[Flow, Floats]:
        """Return both for the step at ``index``."""
        while len(self._found) <= index:
            step = ahead[len(self._found)]
            assert step.back is not None
            flow = step.back.then(self._found[-1][0]) if self._found else step.back
            self._found.append((flow, difference(step.frame.view, self.start.view, flow)))
        return self._found[index]


def _meet(way: _Way, steps: Sequence[Step], limit: float) -> list[Between] | None:
    """The frames between ``way.start`` and the last step; ``None`` if more than ``limit`` is unexplained."""
    between: list[Between] = []
    end, to_end = steps[-1].frame, steps[-1].there
    for index in range(len(steps) - 2, -1, -1):
        frame, there = steps[index].frame, steps[index].there
        assert there is not None and to_end is not None
        to_start, from_start = way.to(steps, index)
        from_end = difference(frame.view, end.view, to_end)
        if float((np.minimum(from_start, from_end) > _DIFFERENT).mean()) > limit:
            return None
        passed = (frame.pts - way.start.pts) / (end.pts - way.start.pts)
        start_weight: Floats = _weight(to_start, from_start) * np.float32(1 - passed)
        end_weight: Floats = _weight(to_end, from_end) * np.float32(passed)
        end_share: Floats = end_weight / (start_weight + end_weight)
        between.insert(0, Between(frame, to_start, to_end, end_share))
        to_end = there.then(to_end)
    return between


def _weight(flow: Flow, different: Floats) -> Floats:
    likeness = np.float32(_NOISE) / (np.float32(_NOISE) + different)
    weight: Floats = (flow.trust + np.float32(_LEAST_TRUST)) * likeness**_POWER
    return weight
