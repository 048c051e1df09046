"""The moments of a clip in seconds from its beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from any2bokeh.errors import FocusError
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import VideoInfo, frame_times


@dataclass(frozen=True)
class Clock:
    """The time stamps of all frames of a clip, whatever part of it is worked on."""

    path: Path
    pts: Sequence[int]
    time_base: Fraction

    @classmethod
    def of(cls, info: VideoInfo, times: Sequence[int], time_range: TimeRange) -> "Clock":
        """The clock of a clip; ``times`` are the time stamps of the frames in ``time_range``."""
        whole = times if time_range == TimeRange() else frame_times(info.path)
        return cls(info.path, whole, info.time_base)

    def seconds(self, pts: int) -> float:
        """Return the time of a time stamp [s]; the first frame is at 0."""
        return float((pts - self.pts[0]) * self.time_base)

    def moment_s(self, point: TimePoint) -> float:
        """Return a moment that a user named [s]; raises ``FocusError`` if it is after the clip's end."""
        if point.frame is not None:
            if point.frame < len(self.pts):
                return self.seconds(self.pts[point.frame])
        elif float(point.seconds or 0) <= self._end_s:
            return float(point.seconds or 0)
        raise FocusError(
            f"The focus has a key at {point}, after the end of {self.path}: its {len(self.pts)} frames last"
            f" {self._end_s:.2f} s."
        )

    def moments_s(self, points: Sequence[TimePoint]) -> list[float]:
        """Return moments that a user named in order [s]; raises ``FocusError`` if they are not in order."""
        moments = [self.moment_s(point) for point in points]
        for number in range(1, len(moments)):
            if moments[number] <= moments[number - 1]:
                raise FocusError(
                    f"The keys are out of order in {self.path}: {points[number]} does not come after"
                    f" {points[number - 1]}."
                )
        return moments

    @property
    def _end_s(self) -> float:
        """When the last frame ends, which is taken to last as long as the one before."""
        last = self.pts[-1]
        length = last - self.pts[-2] if len(self.pts) > 1 else 0
        return self.seconds(last + length)
