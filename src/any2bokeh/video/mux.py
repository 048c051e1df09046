"""One video file while it is written: the encoded video and the copied streams, interleaved."""

import logging
import math
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags

from any2bokeh.atomic import DISK_FULL
from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.captions import CAPTION_ENCODERS, BesidePictures
from any2bokeh.video.color import LIMITED, ColorTags, FrameMaker, is_hd, pixel_layout, written_tags
from any2bokeh.video.containers import Container, container_of, where_to_write
from any2bokeh.video.encoders import EncoderSpec, choose_encoder, pixel_formats
from any2bokeh.video.immersive import PLAIN, add_tagged_stream, hide_newer_box, holds_immersive
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.priority import usual_priority
from any2bokeh.video.remux import CopiedRange, StreamCopy
from any2bokeh.video.span import Span

log = logging.getLogger(__name__)

MAX_THREADS = 16  # of an encoder
# Broadcasts number their time from anywhere; files made of them start at 0, others keep their times.
ARBITRARY_STARTS = ("mpegts", "mpeg")
SOUND_RATE = 48000  # of most films
MOV_CLOCK_MAX = 2**31 - 1
# ProRes has no word for the range, and is read as limited.
LIMITED_RANGE_CODECS = ("prores",)
# PyAV cannot tell Matroska the shape of pixels; these codecs say it in the video itself.
CODECS_WITH_PIXEL_ASPECT = ("h264", "hevc")
# x265 knows only from its third frame on by how much decoding comes before showing. If it is ended before,
# the times of decoding that it tells are made of memory that was never set.
X265_DELAY_FRAMES = 2


READER_GONE = "The program that reads the video from stdout has gone away."


@dataclass(frozen=True, eq=False)
class MadeFrame:
    """A frame as an encoder takes it, made before: its codes, and its time in the source's time base."""

    codes: av.VideoFrame
    pts: int


class StoppedError(Exception):
    """Writing was stopped from outside."""


def start_of(info: VideoInfo, span: Span) -> int | None:
    """Return the time of the source at which the result starts; ``None`` where all times are kept."""
    starts_anywhere = info.container in ARBITRARY_STARTS or not info.copies_streams
    return info.start_pts if span.start is None and starts_anywhere else span.start


class Muxer:
    """A file that takes frames; used by one thread at a time.

    Creating it writes the header, so whatever the encoder or the container cannot take is known before
    the first frame. All methods raise ``VideoError`` with a sentence.
    """

    def __init__(
        self,
        partial: Path | str,
        target: Path,
        info: VideoInfo,
        settings: EncodeSettings,
        span: Span,
        beside: BesidePictures,
        kind: Container | None = None,
    ) -> None:
        """``partial`` is the file, or FFmpeg's name of a pipe; ``kind`` follows from the target's name."""
        self.stopped = threading.Event()
        self._target, self._ending, self._captions = target, beside.ending, beside.captions
        start = start_of(info, span)
        self._start, self._time_base = start or 0, info.time_base
        kind = kind or container_of(target)
        encoder = choose_encoder(info, settings, kind)
        log.info("Writing %s with %s as %s.", target, encoder.name, encoder.pixel_format)
        options = kind.options | (_mov_clock(info) if kind.family == "mov" else {})
        is_tagged = info.immersive != PLAIN and holds_immersive(info.immersive, kind, encoder.codec)
        self._box_to_hide = (
            partial if is_tagged and isinstance(partial, Path) and kind.format == "mp4" else None
        )
        if is_tagged:
            options |= {"strict": "unofficial"}  # as FFmpeg calls these tags of MP4
        with self._sentences():
            # The prefix keeps FFmpeg from reading a colon in the name as the end of a protocol.
            url = partial if isinstance(partial, str) else f"file:{partial}"
            self._file = av.open(url, "w", format=kind.format, container_options=options)
        self._video, self._encoder = _add_video(self._file, info, encoder, kind, is_tagged=is_tagged)
        self._maker = frame_maker(info, encoder)
        self._is_x265, self._given = encoder.name == "libx265", 0
        self._keeps_captions, self._lost_captions = encoder.name in CAPTION_ENCODERS, False
        self._copy = (
            StreamCopy(info.path, self._file, kind, _cut(start, span, info, beside), audio=settings.audio)
            if info.copies_streams
            else None
        )
        with self._sentences():
            self._file.start_encoding()
        not_copied = self._copy.not_kept if self._copy else []
        tags = () if is_tagged else info.immersive.names
        self._warn([*info.not_kept, *tags, *_not_written(info, encoder, kind), *not_copied])

    def encode(self, frame: Frame | MadeFrame) -> None:
        """Encode a frame (its time in the source's), and copy the packets due before it."""
        self._write(frame)

    def encoded(self, frame: Frame | MadeFrame | None) -> Iterator[Any]:
        """Yield the packets that the encoder gives for a frame, or at the end for what it still holds."""
        coded = None
        if frame:
            captions = self._captions.take(frame.pts)
            self._lost_captions |= captions is not None and not self._keeps_captions
            carrier = captions if self._keeps_captions else None
            if isinstance(frame, MadeFrame):
                coded = self._maker.adopt(frame.codes, carrier)
            else:
                coded = self._maker.make(frame.picture.numpy(), carrier)
            coded.pts, coded.time_base = frame.pts - self._start, self._time_base
            self._given += 1
        last = None
        for packet in self._encoder.encode_lazy(coded):
            if self._is_x265 and frame is None and self._given <= X265_DELAY_FRAMES:
                packet.dts = packet.pts  # so few frames are decoded as they are shown
            if self._ending and packet.pts == self._ending.pts - self._start:
                packet.duration = self._ending.end - self._ending.pts
            if last:
                yield last
            last = packet
        if last:
            if self._ending and frame is None:  # stored last, and so the one that MP4 lets end the track
                last.duration = max(last.duration or 0, self._ending.end - self._start - last.pts)
            yield last

    def finish(self) -> None:
        """Flush the encoder, write the rest of the copied streams, and complete the file."""
        self._write(None)
        with self._sentences():
            if self._copy:
                self._copy.until(None)
            self._file.close()
            if self._box_to_hide:
                hide_newer_box(self._box_to_hide)
        if self._lost_captions:
            self._warn(["closed captions"])

    def close(self) -> None:
        """Let go of the files, complete or not."""
        if self._copy:
            self._copy.close()
        with suppress(av.FFmpegError):  # an incomplete file may also fail to end
            self._file.close()

    def _write(self, frame: Frame | MadeFrame | None) -> None:
        with self._sentences():
            for packet in self.encoded(frame):
                if self.stopped.is_set():
                    raise StoppedError
                if self._copy:
                    self._copy.until((packet.dts + self._start) * self._time_base)
                packet.stream = self._video
                self._file.mux_one(packet)

    def _warn(self, not_kept: list[str]) -> None:
        if not_kept:
            log.warning(
                "%s cannot keep from its source: %s.", self._target, ", ".join(dict.fromkeys(not_kept))
            )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise VideoError(READER_GONE) from error
            if error.errno in DISK_FULL:
                raise VideoError(f"{self._target} cannot be written: the disk is full.") from error
            raise VideoError(
                f"{self._target} cannot be written: {(error.strerror or str(error)).lower()}."
            ) from error


def _add_video(
    file: Any, info: VideoInfo, encoder: EncoderSpec, kind: Container, *, is_tagged: bool
) -> tuple[Any, Any]:
    """Add the stream of the pictures; return it and its encoder, which is open."""
    rate = info.frame_rate
    try:
        if is_tagged:
            context = _encoder_alone(encoder, rate)
            _open_encoder(context, info, encoder, kind)
            stream = add_tagged_stream(file, context, info.immersive)
        else:
            stream = file.add_stream(encoder.name, rate=rate, options=encoder.options)
            context = stream.codec_context
            _open_encoder(context, info, encoder, kind)
    except ValueError as error:
        raise VideoError(
            f"A {kind.suffix} file cannot hold video of the encoder {encoder.name}.",
            hint=where_to_write(lambda output: _add_small_video(output, encoder)),
        ) from error
    stream.time_base = info.time_base
    stream.set_display_matrix(info.display_matrix)
    return stream, context


def _encoder_alone(encoder: EncoderSpec, rate: Fraction | None) -> Any:
    """An encoder without a stream, told the same as ``add_stream`` tells one."""
    context = av.CodecContext.create(encoder.name, "w")
    context.options = encoder.options
    context.bit_rate, context.framerate = 0, rate or Fraction(24)
    context.flags |= Flags.global_header
    return context


def _add_small_video(file: Any, encoder: EncoderSpec) -> None:
    stream = file.add_stream(encoder.name)
    stream.width, stream.height, stream.pix_fmt = 128, 128, encoder.pixel_format


def _open_encoder(context: Any, info: VideoInfo, encoder: EncoderSpec, kind: Container) -> None:
    """Start the encoder."""
    context.width, context.height = info.orientation.size(info.width, info.height)
    context.pix_fmt = encoder.pixel_format
    context.time_base = info.time_base
    context.sample_aspect_ratio = 1 / info.pixel_aspect if info.orientation.transposed else info.pixel_aspect
    context.thread_count = min(os.cpu_count() or 1, MAX_THREADS)
    if encoder.codec == "hevc" and kind.family == "mov":
        context.codec_tag = "hvc1"  # Apple's players know HEVC by this name only
    tags, _ = _encoded_tags(info, encoder)
    context.colorspace, context.color_range = tags.matrix, tags.range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    try:
        with usual_priority():
            context.open()
    except (av.FFmpegError, OSError) as error:
        told = ", ".join(f"{name} {value}" for name, value in encoder.options.items())
        raise VideoError(
            f"The encoder {encoder.name} cannot write {context.width}x{context.height} pixels as "
            f"{encoder.pixel_format}{f' with {told}' if told else ''}."
        ) from error


def frame_maker(info: VideoInfo, encoder: EncoderSpec) -> FrameMaker:
    """Return the maker of the frames that ``encoder`` is given of a video."""
    tags, coded = _encoded_tags(info, encoder)
    return FrameMaker(encoder.pixel_format, tags, info.orientation, coded_range=coded.range)


def _encoded_tags(info: VideoInfo, encoder: EncoderSpec) -> tuple[ColorTags, ColorTags]:
    """The color tags of what ``encoder`` writes of a video, and those that its codes are of."""
    layout = pixel_layout(encoder.pixel_format)
    is_high = is_hd(*info.orientation.size(info.width, info.height))
    tags = written_tags(info.color, info.layout, layout, is_hd=is_high)
    coded = written_tags(info.coding_tags, info.layout, layout, is_hd=is_high)
    if encoder.codec in LIMITED_RANGE_CODECS:
        tags = replace(tags, range=LIMITED)
        coded = coded if info.code_range else tags
    return tags, coded


def _mov_clock(info: VideoInfo) -> dict[str, str]:
    """MOV and MP4 store where a stream starts in units of their own, milliseconds if they are not told."""
    unit = info.time_base.denominator
    finest = math.lcm(unit, SOUND_RATE)
    return {"movie_timescale": str(next((rate for rate in (finest, unit) if rate <= MOV_CLOCK_MAX), 1000))}


def _cut(start: int | None, span: Span, info: VideoInfo, beside: BesidePictures) -> CopiedRange:
    return CopiedRange(
        None if start is None else start * info.time_base,
        None if span.end is None else span.end * info.time_base,
        beside.moves,
    )


def _not_written(info: VideoInfo, encoder: EncoderSpec, kind: Container) -> Iterator[str]:
    if info.hdr10 and not encoder.writes_hdr10:
        yield "HDR10 metadata"
    written = pixel_layout(encoder.pixel_format)
    if written.depth < info.bit_depth:
        yield f"{info.bit_depth} bits per color ({written.depth} are written)"
    is_coarser = written.across > info.layout.across or written.down > info.layout.down
    if is_coarser and info.layout.kind != "gray":
        full = re.sub("42[02]", "444", written.planar)
        keeps = f"; `pixel_format={full}` keeps it" if full in pixel_formats(encoder.name) else ""
        yield f"the full resolution of color ({encoder.pixel_format} is written{keeps})"
    if info.pixel_aspect != 1 and kind.family == "matroska" and encoder.codec not in CODECS_WITH_PIXEL_ASPECT:
        yield "the pixel aspect ratio"
