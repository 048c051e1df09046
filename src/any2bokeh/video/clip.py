"""A video that is worked on: opened, probed and scanned once, whatever is read of it."""

import threading
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.decode import Beginning, VideoReader, begin_video
from any2bokeh.video.demux import scan_times
from any2bokeh.video.span import ALL_FRAMES, WHOLE_VIDEO, Span, find_span


class VideoClip:
    """A video and the part of it that is worked on; a context manager.

    ``info`` is what is known of the file, ``span`` the part, as its time stamps. Opening decodes the first
    frame, and reading from the beginning goes on from there. Times are in units of ``info.time_base``.
    """

    def __init__(self, path: Path, time_range: TimeRange = WHOLE_VIDEO) -> None:
        """Raises ``VideoError`` if it cannot be read as a video, or has no frame in the range."""
        self.time_range = time_range
        self._lock = threading.Lock()
        self._beginning: Beginning | None = begin_video(path)
        self.info = self._beginning.info
        try:
            self.span = ALL_FRAMES if time_range == WHOLE_VIDEO else self.find(time_range)
        except BaseException:
            self.close()
            raise
        if not self._starts_within(self.span):
            self.close()

    @cached_property
    def all_times(self) -> list[int]:
        """The time stamps of all frames of the video, ascending; for which it is scanned once."""
        return scan_times(self.info.path)[0]

    @cached_property
    def times(self) -> list[int]:
        """The time stamps of the frames in the part, ascending."""
        return [pts for pts in self.all_times if pts in self.span]

    def find(self, time_range: TimeRange) -> Span:
        """Return another part of the video; raises ``VideoError`` if there is no frame in it."""
        return find_span(self.info.path, self.all_times, self.info.time_base, time_range)

    def seconds(self, pts: int) -> float:
        """Return the time of a time stamp [s]; the video's first frame is at 0."""
        return float((pts - self.all_times[0]) * self.info.time_base)

    def frames(self, span: Span | None = None) -> VideoReader:
        """Start to decode the frames of the part, or of another one."""
        span = self.span if span is None else span
        with self._lock:
            beginning = self._beginning if self._starts_within(span) else None
            if beginning:
                self._beginning = None
        return VideoReader(self.info, span, beginning)

    def close(self) -> None:
        """Let go of the file; what was started to be decoded goes on."""
        with self._lock:
            if self._beginning:
                self._beginning.container.close()
            self._beginning = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _starts_within(self, span: Span) -> bool:
        """Whether the part begins with the first frame, which is decoded already."""
        return span.start is None or span.start <= self.info.start_pts
