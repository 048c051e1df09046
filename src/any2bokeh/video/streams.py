"""Video through pipes: what comes in is kept in a temporary file, what goes out is written as it is made."""

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from any2bokeh.errors import SettingsError, VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings, StreamFormat
from any2bokeh.video.captions import BesidePictures
from any2bokeh.video.color import FrameMaker, is_hd, pixel_layout, plane_codes, written_tags
from any2bokeh.video.containers import MATROSKA_OPTIONS, Container
from any2bokeh.video.encode import VideoWriter, finishing, shown_transfer
from any2bokeh.video.metadata import Orientation
from any2bokeh.video.mux import READER_GONE, Muxer, StoppedError
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.pipes import STANDARD
from any2bokeh.video.span import Span

COPIED_BYTES = 1 << 20  # at once
SUFFIXES: dict[StreamFormat, str] = {"y4m": ".y4m", "nut": ".nut", "matroska": ".mkv"}
BEGINNINGS: dict[StreamFormat, bytes] = {
    "y4m": b"YUV4MPEG2",
    "nut": b"nut/multimedia",
    "matroska": b"\x1aE\xdf\xa3",
}
USUAL_RATE = Fraction(24)
# How y4m calls the layouts of chroma, by FFmpeg's name of the pixel format without its depth.
Y4M_COLORS = {"yuv420p": "420mpeg2", "yuv422p": "422", "yuv444p": "444", "gray": "mono"}
Y4M_DEPTHS = (8, 9, 10, 12, 14, 16)


@contextmanager
def kept_stream(path: Path, stated: StreamFormat | None = None) -> Iterator[Path]:
    """Give a temporary file with all that a stream holds; it is read to its end before.

    Raises ``VideoError`` if it is empty, cannot be read, or is not of the ``stated`` format.
    """
    with tempfile.TemporaryDirectory(prefix="any2bokeh-") as folder:
        kept = Path(folder) / f"stdin{SUFFIXES[stated] if stated else ''}"
        try:
            with _opened(path) as stream, kept.open("wb") as file:
                shutil.copyfileobj(stream, file, COPIED_BYTES)
        except OSError as error:
            raise VideoError(
                f"The stream {path} cannot be kept in {folder}: {(error.strerror or str(error)).lower()}.",
                hint="TMPDIR names another folder.",
            ) from error
        with kept.open("rb") as file:
            beginning = file.read(32)
        if not beginning:
            raise VideoError(f"The stream {path} is empty.")
        if stated and not beginning.startswith(BEGINNINGS[stated]):
            raise VideoError(f"The stream {path} is not {stated}.", hint="Leave `input_format` out.")
        yield kept


@contextmanager
def open_stream_writer(
    like: VideoInfo, settings: EncodeSettings, span: Span, beside: BesidePictures
) -> Iterator[VideoWriter]:
    """Write a video like ``like`` to stdout as it is made, as y4m, nut or matroska.

    Raises ``VideoError`` if that is not possible, or whoever reads it goes away.
    """
    transfer = shown_transfer(like, settings)
    if settings.output_format == "y4m":
        writer = VideoWriter(Y4mSink(sys.stdout.buffer, like), like, transfer=transfer)
    else:
        name = settings.output_format
        kind = Container(SUFFIXES[name], name, "matroska", MATROSKA_OPTIONS)
        muxer = Muxer("pipe:1", STANDARD, like, settings, span, beside, kind)
        writer = VideoWriter(muxer, like, transfer=transfer)
    with finishing(writer):
        yield writer


class Y4mSink:
    """Writes frames as YUV4MPEG2, displayed upright; used by one thread at a time."""

    def __init__(self, file: BinaryIO, info: VideoInfo) -> None:
        self.stopped = threading.Event()
        self._file = file
        layout = pixel_layout(_y4m_format(info))
        self._depth = layout.depth
        tags = written_tags(info.coding_tags, info.layout, layout, is_hd=is_hd(info.width, info.height))
        self._maker = FrameMaker(layout.name, tags, Orientation())
        rate, aspect = info.frame_rate or USUAL_RATE, info.pixel_aspect
        colors = Y4M_COLORS[_without_depth(layout.name)]
        if layout.depth > 8:
            colors = colors.removesuffix("mpeg2") + ("" if colors == "mono" else "p") + str(layout.depth)
        self._header = (
            f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip"
            f" A{aspect.numerator}:{aspect.denominator} C{colors}"
            f" XCOLORRANGE={'FULL' if layout.is_full_range(tags) else 'LIMITED'}\n"
        ).encode()

    def encode(self, frame: Frame) -> None:
        """Write a frame; raises ``VideoError``."""
        if self.stopped.is_set():
            raise StoppedError
        made = self._maker.make(frame.picture.numpy())
        planes = [plane_codes(plane, self._depth).tobytes() for plane in made.planes]
        self._put(self._header + b"FRAME\n" + b"".join(planes))
        self._header = b""

    def finish(self) -> None:
        """Empty the buffer; raises ``VideoError``."""
        self._put(b"")

    def close(self) -> None:
        """Stdout stays open."""

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except BrokenPipeError as error:
            # Buffered bytes would fail again when the process ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
            raise VideoError(READER_GONE) from error
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise VideoError(f"The video cannot be written to stdout: {why}.") from error


def _opened(path: Path) -> BinaryIO:
    if path != STANDARD:
        return path.open("rb")
    if sys.stdin.isatty():
        raise SettingsError("- reads a video from a pipe, and stdin is a terminal.")
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb")


def _y4m_format(info: VideoInfo) -> str:
    """The pixel format that loses least of the source: the same samples, or 4:4:4 of RGB."""
    layout = info.layout
    if layout.kind == "rgb":
        return "yuv444p" if layout.depth <= 8 else "yuv444p10le"
    name = layout.planar
    return name if layout.depth in Y4M_DEPTHS else f"{_without_depth(name)}10le"


def _without_depth(name: str) -> str:
    return re.sub(r"\d+le$", "", name)
