"""Parts of a video: from which frame on, and up to where."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange

WHOLE_VIDEO = TimeRange()


@dataclass(frozen=True)
class Span:
    """A part of a video in units of its time base: from the frame at ``start`` to before ``end``."""

    start: int | None = None
    end: int | None = None

    def __contains__(self, pts: int) -> bool:
        return (self.start is None or pts >= self.start) and (self.end is None or pts < self.end)


ALL_FRAMES = Span()


def find_span(path: Path, times: Sequence[int], time_base: Fraction, time_range: TimeRange) -> Span:
    """Return the part of a video that a range means; it starts at the time of a frame.

    ``times`` are the time stamps of all of its frames, ascending. Raises ``VideoError`` that names ``path``
    if there is no frame in the range.
    """

    def pts_of(point: TimePoint) -> int | None:
        if point.seconds is not None:
            return times[0] + ceil(point.seconds / time_base)
        number = point.frame or 0
        return times[number] if number < len(times) else None

    start, end = time_range.start, time_range.end
    first, stop = pts_of(start) if start else None, pts_of(end) if end else None
    if start:
        number = len(times) if first is None else bisect_left(times, first)
        first = times[number] if number < len(times) else None
    is_empty = stop is not None and stop <= (times[0] if first is None else first)
    if is_empty or (start and first is None):
        raise _nothing_there(path, times, time_base, time_range)
    return Span(first, stop)


def _nothing_there(
    path: Path, times: Sequence[int], time_base: Fraction, time_range: TimeRange
) -> VideoError:
    """What to say of a range without a frame: where it is, and where the video's frames are."""
    start, end = time_range.start, time_range.end
    where = f"before {end}" if start is None else f"from {start} to {end}" if end else f"from {start} on"
    frames = "1 frame" if len(times) == 1 else f"{len(times)} frames"
    return VideoError(
        f"{path} has no frame {where}: of its {frames}, the last is at"
        f" {float((times[-1] - times[0]) * time_base):.2f} s."
    )
