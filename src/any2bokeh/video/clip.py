"""A video that is worked on: opened, probed and scanned once."""

import logging
import threading
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from math import floor
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from any2bokeh.arrays import Doubles
from any2bokeh.closeable import Closeable
from any2bokeh.errors import VideoError
from any2bokeh.optics.transfer import shown_frame
from any2bokeh.scene import Frame, Transfer
from any2bokeh.settings.values import TimePoint
from any2bokeh.settings.video_settings import InputSettings, TimeRange
from any2bokeh.video.captions import BesidePictures, Captions
from any2bokeh.video.color import FULL, LIMITED
from any2bokeh.video.decode import VideoReader
from any2bokeh.video.demux import INDEXED_FORMATS, Scan, presentation_times, scan_times, stored_packets
from any2bokeh.video.opening import Beginning, VideoInfo, begin_video
from any2bokeh.video.span import ALL_FRAMES, WHOLE_VIDEO, Ending, Span, find_span, number_on_screen, tick_of

news = logging.getLogger("any2bokeh.news")  # no warning, but shown

# A part of a file of this size is looked for and scanned without the rest, which would take long to read.
PART_ALONE_BYTES = 1_000_000_000


class FrameReader(Protocol):
    """The frames of a part of a clip in presentation order; a context manager."""

    @property
    def corrupt_packets(self) -> int:
        """How many packets could not be decoded so far."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Clip(Closeable):
    """A video, or a sequence of pictures, and the part of it that is worked on; a context manager.

    ``info`` holds the facts of the file, ``span`` the part, as its time stamps. Times are in units of
    ``info.time_base``.
    """

    info: VideoInfo
    time_range: TimeRange
    span: Span

    @property
    @abstractmethod
    def all_times(self) -> list[int]:
        """The time stamps of all frames of the clip, ascending."""

    @property
    @abstractmethod
    def times(self) -> list[int]:
        """The time stamps of the frames in the part, ascending."""

    @property
    def beside_pictures(self) -> BesidePictures:
        """What a writer needs of the part beside its pictures."""
        return BesidePictures()

    @property
    def cached_as(self) -> Path:
        """The file that stands for the clip in the cache."""
        return self.info.path

    @property
    def cached_facts(self) -> dict[str, str]:
        """More that tells this clip from others there: how its codes are read, as it was asked for."""
        said = [str(one) for one in (self.info.curve, self.info.code_range) if one is not None]
        return {"light": " ".join(said)} if said else {}

    @abstractmethod
    def find(self, time_range: TimeRange) -> Span:
        """Return another part of the clip; raises ``VideoError`` if there is no frame in it."""

    @abstractmethod
    def number_on_screen(self, seconds: Fraction) -> int | None:
        """Return the number of the frame on the screen at a time of the clip; ``None`` after its end."""

    @abstractmethod
    def frames(self, span: Span | None = None) -> FrameReader:
        """Start to read the frames of the part, or of another one."""

    @contextmanager
    def shown(self, span: Span | None = None) -> Iterator[Iterator[Frame]]:
        """Give the frames as a screen shows them: what finds depth, motion and subjects looks at that."""
        with self.frames(span) as frames:
            yield (shown_frame(frame, self.info.pictures.transfer) for frame in frames)

    def seconds(self, pts: int) -> float:
        """Return the time of a time stamp [s]; the clip's first frame is at 0."""
        return float((pts - self.info.start_pts) * self.info.time_base)

    @property
    def times_s(self) -> Doubles:
        """The times of the frames in the part [s]; the clip's first frame is at 0."""
        return np.array([self.seconds(pts) for pts in self.times])


def input_curve(path: Path, settings: InputSettings) -> Transfer | None:
    """Return how code values encode light, where settings say so; raises ``SettingsError`` if they cannot.

    ``path`` is one file of the clip.
    """
    if settings.ocio is None:
        return settings.color
    from any2bokeh.optics.ocio_space import open_space

    space = open_space(settings.ocio, settings.input_space, path)
    if settings.input_space is None:
        news.info("%s is taken to be in %s; `input_space` says otherwise.", path, space)
    return space


def _range_of(settings: InputSettings) -> int | None:
    return {"full": FULL, "limited": LIMITED, None: None}[settings.code_range]


class VideoClip(Clip):
    """A video file; see ``Clip``.

    Opening decodes the first frame, and reading from the beginning goes on from there.
    """

    def __init__(
        self, path: Path, time_range: TimeRange = WHOLE_VIDEO, settings: InputSettings | None = None
    ) -> None:
        """``settings`` say how code values encode light, where the file does not.

        Raises ``VideoError`` if it cannot be read as a video, or has no frame in the range.
        """
        settings = settings or InputSettings()
        self.time_range = time_range
        self._captions = Captions()
        self._lock = threading.Lock()
        self._beginning: Beginning | None = begin_video(path)
        info, curve = self._beginning.info, input_curve(path, settings)
        if info.curve_words and curve is None:
            news.info(
                "%s is taken to be in %s, by %s; `color` says otherwise.", path, info.curve, info.curve_words
            )
        if settings.code_range and info.layout.kind != "yuv":
            raise VideoError(
                f"{path} is in {info.layout.kind}: `code_range` is of video in YUV, whose range is in doubt."
            )
        self.info = replace(info, curve=curve or info.curve, code_range=_range_of(settings))
        is_long = path.stat().st_size >= PART_ALONE_BYTES
        self._reads_parts_alone = is_long and self.info.container in INDEXED_FORMATS
        try:
            self.span = ALL_FRAMES if time_range == WHOLE_VIDEO else self.find(time_range)
        except BaseException:
            self.close()
            raise
        if not self._starts_within(self.span):
            self.close()

    @property
    def all_times(self) -> list[int]:
        """The time stamps of all frames of the video, ascending; for which it is scanned once."""
        return self._scanned.times

    @cached_property
    def _scanned(self) -> Scan:
        return scan_times(self.info.path, self.info.start_pts)

    @cached_property
    def times(self) -> list[int]:
        """The time stamps of the frames in the part, ascending."""
        if self.span == ALL_FRAMES or self._knows_all or not self._reads_parts_alone:
            return [pts for pts in self.all_times if pts in self.span]
        stored = [pts for pts in self._stored_times(self.span) if pts >= self.info.start_pts]
        return [pts for pts in presentation_times(stored) if pts in self.span]

    @property
    def beside_pictures(self) -> BesidePictures:
        """What a writer needs of the part beside its pictures."""
        moves = () if self._reads_parts_alone else tuple(self._scanned.moves)
        return BesidePictures(self._ending, self._captions, moves)

    @property
    def _ending(self) -> Ending | None:
        """The last frame of the part, and when it ends; ``None`` where the file does not say when."""
        if self._reads_parts_alone and not self._knows_all:
            return None
        times, last = self._scanned.times, self.times[-1]
        following = bisect_right(times, last)
        end = times[following] if following < len(times) else self._scanned.end
        if self.span.end is not None:
            end = min(end, self.span.end)
        return Ending(last, end) if end > last else None

    def find(self, time_range: TimeRange) -> Span:
        """Return another part of the video; raises ``VideoError`` if there is no frame in it."""
        alone = self._find_alone(time_range) if self._reads_parts_alone and not self._knows_all else None
        if alone:
            return alone
        scan = self._scanned
        return find_span(self.info.path, scan.times, self.info.time_base, time_range, scan.end)

    def number_on_screen(self, seconds: Fraction) -> int | None:
        """Return the number of the frame on the screen at a time of the video; ``None`` after its end."""
        scan = self._scanned
        return number_on_screen(scan.times, seconds, self.info.time_base, scan.end)

    def frames(self, span: Span | None = None) -> VideoReader:
        """Start to decode the frames of the part, or of another one."""
        span = self.span if span is None else span
        with self._lock:
            beginning = self._beginning if self._starts_within(span) else None
            if beginning:
                self._beginning = None
        return VideoReader(self.info, span, beginning, self._captions)

    def close(self) -> None:
        """Let go of the file; decoding that has started goes on."""
        with self._lock:
            if self._beginning:
                self._beginning.container.close()
            self._beginning = None

    @property
    def _knows_all(self) -> bool:
        return "_scanned" in self.__dict__

    def _find_alone(self, time_range: TimeRange) -> Span | None:
        """A part whose borders are told in seconds; ``None`` where only a scan of all can tell it."""
        start, end = time_range.start, time_range.end
        if any(point and point.seconds is None for point in (start, end)):
            return None
        first, stop = (None if point is None else self._pts_on_screen(point) for point in (start, end))
        if (start and first is None) or (end and stop is None):
            return None
        is_empty = stop is not None and stop <= (self.info.start_pts if first is None else first)
        return None if is_empty else Span(first, stop)

    def _pts_on_screen(self, point: TimePoint) -> int | None:
        """The time stamp of the frame on the screen at some seconds; ``None`` where none is later."""
        at = self.info.start_pts + floor(tick_of(point.seconds or Fraction(0), self.info.time_base))
        around = list(self._stored_times(Span(at, at + 1)))
        return (
            max((pts for pts in around if pts <= at), default=None) if max(around, default=at) > at else None
        )

    def _stored_times(self, span: Span) -> Iterator[int]:
        """The time stamps of all frames in a part as they are stored, of the next one, and of some around."""
        last = None  # of those behind the part, the one that is shown first
        for pts, packet in stored_packets(self.info.path, span.start):
            yield pts
            if span.end is not None and pts >= span.end:
                last = pts if last is None else min(last, pts)
            # Nothing is shown before it is decoded, so packets stored later are shown later.
            if last is not None and packet.dts is not None and packet.dts >= last:
                return

    def _starts_within(self, span: Span) -> bool:
        """Whether the part begins with the first frame, which is decoded already."""
        return span.start is None or span.start <= self.info.start_pts
