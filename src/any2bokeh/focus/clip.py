"""The clip that a focus is looked for in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from any2bokeh.depth.track import DisparityTrack
from any2bokeh.errors import FocusError
from any2bokeh.focus.clock import Clock
from any2bokeh.scene import Frame
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import VideoInfo, open_video

OnFrames = Callable[[int], None]  # told how many frames have been looked at


@dataclass(frozen=True)
class Clip:
    """A video, the part of it that is worked on (``times`` are the time stamps in it) and its disparity."""

    info: VideoInfo
    times: list[int]
    time_range: TimeRange
    disparity: DisparityTrack

    @cached_property
    def clock(self) -> Clock:
        """The moments of the whole video, whatever part of it is worked on."""
        return Clock.of(self.info, self.times, self.time_range)

    def part(self, first: int, stop: int) -> TimeRange:
        """Return the part from the frame of that number to before the one of number ``stop``."""

        def moment(pts: int) -> TimePoint:
            return TimePoint(seconds=(pts - self.clock.pts[0]) * self.info.time_base)

        return TimeRange(start=moment(self.times[first]), end=moment(self.times[stop - 1] + 1))

    @contextmanager
    def frames(self, time_range: TimeRange) -> Iterator[Iterator[tuple[Frame, Tensor]]]:
        """Give the frames of a part, each with its disparity ``1 h w`` at the track's own size.

        Coming upon a frame outside the part that is worked on raises ``FocusError``.
        """
        with open_video(self.info.path, time_range) as video, self.disparity.again() as track:
            yield ((frame, track.at_own_size(self._inside(frame))) for frame in video)

    def _inside(self, frame: Frame) -> Frame:
        if self.times[0] <= frame.pts <= self.times[-1]:
            return frame
        raise FocusError(
            f"The focus is looked for at {self.clock.seconds(frame.pts):.2f} s of {self.info.path},"
            " outside the part that is asked for."
        )
