"""Parts of a video: from which frame on, and up to where."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
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
MILLISECOND_S, LAST_DECIMAL_S = Fraction(1, 1000), Fraction(1, 1_000_000)


def tick_of(seconds: Fraction, time_base: Fraction) -> Fraction:
    """Return the tick after the first frame up to which frames are on the screen at a time.

    A time that stands for a frame, but is written with fewer digits than the container's, means that frame:
    a tick of at most a millisecond is rounded to, and six decimals are enough everywhere.
    """
    tolerance_s = max(LAST_DECIMAL_S / 2, time_base / 2 if time_base <= MILLISECOND_S else 0)
    return (seconds + tolerance_s) / time_base


def number_on_screen(
    times: Sequence[int], seconds: Fraction, time_base: Fraction, end: int | None = None
) -> int | None:
    """Return the number of the frame that is on the screen at a time, counted from the first frame.

    ``None`` after the end of the video: its last frame is on the screen up to ``end``, where that is known,
    but not for a shorter time than the one before.
    """
    tick = tick_of(seconds, time_base)
    last = times[-1] - times[-2] if len(times) > 1 else 1
    if times[0] + tick >= max(times[-1] + last, end or 0):
        return None
    return bisect_right(times, times[0] + tick) - 1


@dataclass(frozen=True)
class Ending:
    """The last frame of a part, and the time at which it ends, in units of the video's time base."""

    pts: int
    end: int


def find_span(
    path: Path,
    times: Sequence[int],
    time_base: Fraction,
    time_range: TimeRange,
    video_end: int | None = None,
) -> Span:
    """Return the part of a video that a range means; it starts and ends at the times of frames.

    A time means the frame that is on the screen then: the part starts with it, or ends before it. ``times``
    are the time stamps of all frames of the video, ascending; the last is on the screen up to ``video_end``,
    where that is known. Raises ``VideoError`` that names ``path`` if
    there is no frame in the range.
    """

    def pts_of(point: TimePoint) -> int | None:
        number = point.frame
        if point.seconds is not None:
            number = number_on_screen(times, point.seconds, time_base, video_end)
        return times[number] if number is not None and number < len(times) else None

    start, end = time_range.start, time_range.end
    first, stop = pts_of(start) if start else None, pts_of(end) if end else None
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
