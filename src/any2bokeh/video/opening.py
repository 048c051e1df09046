"""Opening a video: the properties of the file, and its first frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from any2bokeh.errors import VideoError
from any2bokeh.scene import PictureFormat, Transfer
from any2bokeh.video.color import UNSPECIFIED, ColorTags, PixelLayout, pixel_layout
from any2bokeh.video.demux import MATROSKA, Damage, decoded_frames, open_source, video_stream
from any2bokeh.video.immersive import PLAIN, ImmersiveTags, read_immersive
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

MAX_PIXEL_ASPECT = 16  # either way; the widest in use, of half-height anamorphic video, is 4


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """Properties of a video that are known before its frames are read.

    ``width``, ``height`` and ``pixel_aspect`` (width by height of a pixel) are those of the displayed
    picture; ``rotation`` is the angle in degrees, counter-clockwise, that the file states, and
    ``display_matrix`` all of that statement. ``start_pts`` is the time of the first frame, in units of
    ``time_base`` seconds. ``crop`` is the border of the stored picture that is not shown; ``immersive`` are
    tags of 360-degree and stereoscopic pictures. ``frame_count`` and ``duration_s`` are hints. ``not_kept``
    names what the pictures that are handed out do not carry. ``curve`` is how code values encode light, where
    ``color`` does not say it, and ``curve_words`` how the file states that; ``code_range`` is the range
    (1 limited, 2 full) in which codes are read and written, whatever ``color`` says. ``copies_streams`` tells
    whether the file may hold sound, subtitles and tags.
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
    immersive: ImmersiveTags = PLAIN
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
    immersive, lost_tags = read_immersive(frame)
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
        not_kept=(*_not_kept(stream, frame, layout), *lost_tags),
        crop=crop,
        immersive=immersive,
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
    if kinds & {"DOVI_METADATA", "DOVI_RPU_BUFFER"}:
        yield "Dolby Vision"
    if "DYNAMIC_HDR_PLUS" in kinds:
        yield "HDR10+"
