"""Parts of a video: from which frame on, and up to where."""

import bisect
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

from any2bokeh.errors import VideoError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.demux import stored_packets

WHOLE_VIDEO = TimeRange()


@dataclass(frozen=True)
class Span:
    """A part of a video in units of its time base: from the frame at ``start`` to before ``end``."""

    start: int | None = None
    end: int | None = None

    def __contains__(self, pts: int) -> bool:
        return (self.start is None or pts >= self.start) and (self.end is None or pts < self.end)


def find_span(path: Path, time_range: TimeRange) -> Span:
    """Return the part of a video that a range means; it starts at the time of a frame.

    Raises ``VideoError`` if the file cannot be read as a video, or has no frame in the range.
    """
    start, end = time_range.start, time_range.end
    if start is None and end is None:
        return Span()
    counted = max(point.frame or 0 for point in (start, end) if point)
    times, time_base = _first_times(path, counted + 1)

    def pts_of(point: TimePoint) -> int | None:
        if point.seconds is None:
            return dict(enumerate(times)).get(point.frame or 0)
        return times[0] + ceil(point.seconds / time_base)

    first, stop = pts_of(start) if start else None, pts_of(end) if end else None
    if start and first is not None:
        first = _first_time_from(path, first)
    is_empty = stop is not None and stop <= (times[0] if first is None else first)
    if is_empty or (start and first is None):
        raise _nothing_there(path, time_range)
    return Span(first, stop)


def _first_times(path: Path, count: int) -> tuple[list[int], Fraction]:
    """The times of the first frames, at most ``count``, and their unit."""
    times: list[int] = []
    time_base = Fraction(1)
    for pts, packet in stored_packets(path):
        bisect.insort(times, pts)
        time_base = packet.time_base
        # Nothing is shown before it is decoded, so no earlier frame follows.
        if len(times) >= count and packet.dts is not None and packet.dts >= times[count - 1]:
            break
    if not times:
        raise VideoError(f"{path} holds no frame.")
    return times[:count], time_base


def _first_time_from(path: Path, pts: int) -> int | None:
    found = None
    for time, packet in stored_packets(path, pts):
        if time >= pts:
            found = time if found is None else min(found, time)
        if found is not None and packet.dts is not None and packet.dts >= found:
            break
    return found


def _nothing_there(path: Path, time_range: TimeRange) -> VideoError:
    """What to say of a range without a frame: where it is, and where the video's frames are."""
    times = [(pts, packet.time_base) for pts, packet in stored_packets(path)]
    first, (last, time_base) = min(times)[0], max(times)
    start, end = time_range.start, time_range.end
    where = f"before {end}" if start is None else f"from {start} to {end}" if end else f"from {start} on"
    frames = "1 frame" if len(times) == 1 else f"{len(times)} frames"
    return VideoError(
        f"{path} has no frame {where}: of its {frames}, the last is at"
        f" {float((last - first) * time_base):.2f} s."
    )
