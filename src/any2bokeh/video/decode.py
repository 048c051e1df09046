"""Frames out of a video file, one after the other, and the properties of the file."""

import logging
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import torch

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame, PictureFormat, Transfer
from any2bokeh.settings.video_settings import TimeRange
from any2bokeh.video.captions import Captions
from any2bokeh.video.color import UNSPECIFIED, ColorTags, PictureReader, PixelLayout, pixel_layout
from any2bokeh.video.demux import (
    MATROSKA,
    Damage,
    decoded_frames,
    open_source,
    scan_times,
    seek,
    video_stream,
)
from any2bokeh.video.log_metadata import stated_curve
from any2bokeh.video.matroska_crop import NO_CROP, Crop, read_crop
from any2bokeh.video.metadata import (
    DisplayMatrix,
    Hdr10,
    Orientation,
    display_matrix,
    orientation_of,
    read_hdr10,
    side_data,
)
from any2bokeh.video.prefetch import Prefetch, prefetch
from any2bokeh.video.span import ALL_FRAMES, WHOLE_VIDEO, Span, find_span

log = logging.getLogger(__name__)

MAX_PIXEL_ASPECT = 16  # either way; the widest in use, of half-height anamorphic video, is 4
CUT_S = 0.5  # so much may be missing at the end: containers round, and last frames last as they like
FRAMES_AHEAD = 1  # decoded and waiting: 25 MB each at 1080p


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Properties of a video that are known before its frames are read.

    ``width``, ``height`` and ``pixel_aspect`` (width by height of a pixel) are those of the displayed
    picture; ``rotation`` is the angle in degrees, counter-clockwise, that the file states, and
    ``display_matrix`` all of that statement. ``start_pts`` is the time of the first frame, in units of
    ``time_base`` seconds. ``crop`` is the border of the stored picture that is not
    shown. ``frame_count`` and ``duration_s`` are hints. ``not_kept`` names what the
    pictures that are handed out do not carry. ``curve`` is how code values encode light, where ``color`` does
    not say it, and ``curve_words`` how the file states that; ``code_range`` is the range (1 limited, 2 full)
    in which codes are read and written, whatever ``color`` says. ``copies_streams`` tells whether the file
    may hold sound, subtitles and tags.
    """

    path: Path
    width: int
    height: int
    pixel_aspect: Fraction
    rotation: int
    display_matrix: DisplayMatrix | None
    time_base: Fraction
    frame_rate: Fraction | None
    frame_count: int | None
    duration_s: float | None
    start_pts: int
    color: ColorTags
    pixel_format: str
    bit_depth: int
    codec: str
    container: str
    hdr10: Hdr10 | None
    not_kept: tuple[str, ...]
    crop: Crop = NO_CROP
    curve: Transfer | None = None
    curve_words: str = ""
    code_range: int | None = None
    copies_streams: bool = True

    @property
    def pictures(self) -> PictureFormat:
        """The format that all decoded pictures share."""
        return PictureFormat(
            height=self.height,
            width=self.width,
            transfer=self.curve or self.color.light,
            pixel_aspect=float(self.pixel_aspect),
        )

    @property
    def coding_tags(self) -> ColorTags:
        """The tags that codes are read by, which may not be those that the file has."""
        return self.color if self.code_range is None else replace(self.color, range=self.code_range)

    @property
    def layout(self) -> PixelLayout:
        """The layout of the stored pixels."""
        return pixel_layout(self.pixel_format)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the stored picture, before cropping."""
        width, height = self.orientation.size(self.width, self.height)
        return width + self.crop.left + self.crop.right, height + self.crop.top + self.crop.bottom

    @property
    def orientation(self) -> Orientation:
        """How the stored picture is turned to be displayed."""
        return orientation_of(self.display_matrix)


@dataclass(frozen=True, eq=False)
class Beginning:
    """An open video whose first frame is decoded already: reading goes on from there, once.

    ``following`` decodes the frames after ``first``, each with its time stamp.
    """

    info: VideoInfo
    container: Any
    stream: Any
    damage: Damage
    first: tuple[int, av.VideoFrame]
    following: Iterator[tuple[int, av.VideoFrame]]

    def frames(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield time stamp and frame from the first one on."""
        yield self.first
        yield from self.following


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


def begin_video(path: Path) -> Beginning:
    """Open a video and decode its first frame; raises ``VideoError`` if it cannot be read as a video."""
    container = open_source(path)
    try:
        stream, damage = video_stream(path, container), Damage(path)
        frames = decoded_frames(container, stream, damage)
        start_pts, frame = next(frames, (0, None))
        if frame is None:
            raise VideoError(f"{path} contains no decodable frame.")
        info = _info(path, container, stream, start_pts, frame)
    except BaseException:
        container.close()
        raise
    return Beginning(info, container, stream, damage, (start_pts, frame), frames)


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


def _info(path: Path, container: Any, stream: Any, start_pts: int, frame: av.VideoFrame) -> VideoInfo:
    matrix = display_matrix(frame)
    orientation = orientation_of(matrix)
    number = container.streams.video.index(stream)
    crop = read_crop(path, number) if container.format.name == MATROSKA else NO_CROP
    size = crop.size(frame.width, frame.height)
    if min(size) < 1:
        crop, size = NO_CROP, (frame.width, frame.height)
    width, height = orientation.size(*size)
    pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
    duration_s = _duration_s(container, stream)
    rate = _frame_rate(stream)
    layout = pixel_layout(frame.format.name)
    if not 1 / MAX_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT:
        raise VideoError(
            f"{path} says that its pixels are {float(pixel_aspect):.4g} times as wide as high,"
            f" which cannot be processed: at most {MAX_PIXEL_ASPECT} times either way."
        )
    color = _tags(stream.codec_context, frame)
    if not color.is_known:
        raise VideoError(f"{path} uses the unsupported color matrix {color.matrix}.")
    stated = stated_curve(path, container.metadata | stream.metadata)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        pixel_aspect=1 / pixel_aspect if orientation.transposed else pixel_aspect,
        rotation=frame.rotation,
        display_matrix=matrix,
        time_base=stream.time_base,
        frame_rate=rate,
        frame_count=stream.frames or (round(duration_s * rate) if duration_s and rate else None),
        duration_s=duration_s,
        start_pts=start_pts,
        color=color,
        pixel_format=frame.format.name,
        bit_depth=layout.depth,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        hdr10=read_hdr10(frame),
        not_kept=tuple(_not_kept(stream, frame, layout)),
        crop=crop,
        curve=stated.curve if stated else None,
        curve_words=stated.words if stated else "",
    )


def _tags(codec_context: Any, frame: av.VideoFrame) -> ColorTags:
    """The container's word counts before the frame's: some codecs (DNxHR) store a wrong one."""

    def stated(of_stream: int, of_frame: int, unspecified: int = UNSPECIFIED) -> int:
        return of_frame if of_stream == unspecified else of_stream

    return ColorTags(
        matrix=stated(codec_context.colorspace, frame.colorspace),
        range=stated(codec_context.color_range, frame.color_range, 0),
        primaries=stated(codec_context.color_primaries, frame.color_primaries),
        transfer=stated(codec_context.color_trc, frame.color_trc),
    )


def _frame_rate(stream: Any) -> Fraction | None:
    """The average rate, unless it only repeats the unit of time, as in raw DV."""
    average: Fraction | None = stream.average_rate
    guessed: Fraction | None = stream.guessed_rate
    return guessed or average if not average or average * stream.time_base == 1 else average


def _duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _not_kept(stream: Any, frame: av.VideoFrame, layout: PixelLayout) -> Iterator[str]:
    if layout.has_alpha or stream.metadata.get("alpha_mode") == "1":
        yield "transparency"
    if frame.interlaced_frame:
        yield "interlacing"
    kinds = side_data(frame).keys()
    if "VIEW_ID" in kinds:  # of MV-HEVC, as phones record spatial video
        yield "the second view"
    if "STEREO3D" in kinds:
        yield "stereoscopic tags"
    if "SPHERICAL" in kinds:
        yield "360-degree tags"
    if kinds & {"DOVI_METADATA", "DOVI_RPU_BUFFER"}:
        yield "Dolby Vision"
    if "DYNAMIC_HDR_PLUS" in kinds:
        yield "HDR10+"
