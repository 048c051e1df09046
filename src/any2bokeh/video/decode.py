"""Frames out of a video file, one after the other."""

import logging
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import torch

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.captions import Captions
from any2bokeh.video.color import PictureReader
from any2bokeh.video.demux import (
    Damage,
    decoded_frames,
    open_source,
    scan_times,
    seek,
    video_stream,
)
from any2bokeh.video.opening import Beginning, VideoInfo, begin_video
from any2bokeh.video.prefetch import Prefetch, prefetch
from any2bokeh.video.span import ALL_FRAMES, WHOLE_VIDEO, Span, find_span

log = logging.getLogger(__name__)

CUT_S = 0.5  # so much may be missing at the end: containers round, and last frames last as they like
FRAMES_AHEAD = 1  # decoded and waiting: 25 MB each at 1080p


class NothingShownError(VideoError):
    """Of a part of a video, no frame can be decoded."""


class VideoReader:
    """The frames of a video in presentation order, decoded ahead in a thread; a context manager.

    Packets that cannot be decoded are left out, counted in ``corrupt_packets`` and, at the end,
    reported by one warning; too many of them end the iteration with ``VideoError``, and so does a part of
    which none can be decoded.
    """

    def __init__(
        self,
        info: VideoInfo,
        span: Span,
        beginning: Beginning | None = None,
        captions: Captions | None = None,
    ) -> None:
        """Start to decode the frames in ``span``, going on from ``beginning`` where that is given.

        Their captions are noted in ``captions``.
        """
        self.info = info
        self._damage = beginning.damage if beginning else Damage(info.path)
        frames = (
            _frames_from(info, span, beginning, captions)
            if beginning
            else _sought_frames(info, span, self._damage, captions)
        )
        self._frames: Prefetch[Frame] = prefetch(frames, FRAMES_AHEAD)

    @property
    def corrupt_packets(self) -> int:
        """How many packets could not be decoded so far."""
        return self._damage.packets

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.close()


def open_video(path: Path, time_range: TimeRange = WHOLE_VIDEO) -> VideoReader:
    """Start to decode ``path``, or a part of it.

    Raises ``VideoError`` if it cannot be read as a video, or has no frame in the range.
    """
    beginning = begin_video(path)
    try:
        span = ALL_FRAMES if time_range == WHOLE_VIDEO else _find_span(beginning.info, time_range)
    except BaseException:
        beginning.container.close()
        raise
    return VideoReader(beginning.info, span, beginning)


def probe_video(path: Path) -> VideoInfo:
    """Return the properties of a video; decodes its first frame.

    Raises ``VideoError`` if the file cannot be read as a video.
    """
    beginning = begin_video(path)
    beginning.container.close()
    return beginning.info


def frame_times(path: Path, time_range: TimeRange = WHOLE_VIDEO) -> list[int]:
    """Return the time stamps of all frames in the range, in presentation order; only the first is decoded.

    Raises ``VideoError`` if the file cannot be read as a video, or has no frame in the range.
    """
    info = probe_video(path)
    span = _find_span(info, time_range)
    return [pts for pts in scan_times(path, info.start_pts).times if pts in span]


def _find_span(info: VideoInfo, time_range: TimeRange) -> Span:
    scan = scan_times(info.path, info.start_pts)
    return find_span(info.path, scan.times, info.time_base, time_range, scan.end)


def _frames_from(
    info: VideoInfo, span: Span, beginning: Beginning, captions: Captions | None
) -> Generator[Frame]:
    with beginning.container:
        decoded = _noted(beginning.frames(), captions)
        yield from _frames(info, span, decoded, beginning.stream, beginning.damage)


def _sought_frames(
    info: VideoInfo, span: Span, damage: Damage, captions: Captions | None
) -> Generator[Frame]:
    with open_source(info.path) as container:
        stream = video_stream(info.path, container)
        seek(container, stream, span.start)
        decoded = _noted(decoded_frames(container, stream, damage), captions)
        yield from _frames(info, span, decoded, stream, damage)


def _noted(
    decoded: Iterator[tuple[int, av.VideoFrame]], captions: Captions | None
) -> Iterator[tuple[int, av.VideoFrame]]:
    for pts, frame in decoded:
        if captions:
            captions.note(pts, frame)
        yield pts, frame


def _frames(
    info: VideoInfo,
    span: Span,
    decoded: Iterator[tuple[int, av.VideoFrame]],
    stream: Any,
    damage: Damage,
) -> Iterator[Frame]:
    """The frames in a span, of those that are decoded; logs damage to the file at the end."""
    ends_at_white = not info.pictures.keeps_beyond_white
    pictures = PictureReader(info.coding_tags, info.orientation, info.crop, ends_at_white=ends_at_white)
    width, height = info.stored_size
    ends, is_empty = None, True
    for pts, frame in decoded:
        if span.end is not None and pts >= span.end:
            break
        if (frame.width, frame.height) != (width, height):
            changed = f"from {width}x{height} to {frame.width}x{frame.height} pixels"
            raise VideoError(f"{info.path} changes its size {changed}: only one size per video is supported.")
        if pts in span:
            yield Frame(picture=torch.from_numpy(pictures.read(frame)), pts=pts)
            is_empty = False
        ends = pts + (frame.duration or 0)
    else:
        stated_s = _stated_end_s(stream)
        if ends is not None and stated_s is not None and ends * stream.time_base < stated_s - CUT_S:
            there_s = float(ends * stream.time_base)
            log.warning("%s ends after %.1f of %.1f s: it seems truncated.", info.path, there_s, stated_s)
    if damage.packets:
        log.warning(
            "%s is damaged: %d packets cannot be decoded, and their frames are missing.",
            info.path,
            damage.packets,
        )
    if is_empty:
        raise NothingShownError(f"{info.path} has no decodable frame in the part to process.")


def _stated_end_s(stream: Any) -> float | None:
    """The time at which a video should end [s], where the file lacks a part of it, or may lack one.

    Matroska states it as a tag. The index of MP4 that stands in front lists frames behind the end of a file
    that was cut off.
    """
    if stated := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, stated.groups())
        return hours * 3600 + minutes * 60 + seconds
    listed = stream.index_entries
    if len(listed) > 1 and listed[-1].pos + listed[-1].size > stream.container.size > 0:
        step = listed[-1].timestamp - listed[-2].timestamp
        return float((listed[-1].timestamp + step) * stream.time_base)
    return None
