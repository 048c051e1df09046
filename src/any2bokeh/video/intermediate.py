"""Finished frames that wait for the one encode of all of them: the codes that the encoder will be given.

Not the picture is kept but its codes in the encoder's own pixel format, as FFV1: bit for bit those that a run
in one piece gives its encoder, in a fraction of the bytes of floats.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.color import moved_codes, pixel_layout
from any2bokeh.video.containers import container_of
from any2bokeh.video.encode import as_written
from any2bokeh.video.encoders import EncoderSpec, choose_encoder
from any2bokeh.video.lossless import LosslessWriter, read_codes
from any2bokeh.video.mux import MadeFrame, StoppedError, frame_maker
from any2bokeh.video.opening import VideoInfo

# Of the frames of a file only the order counts; Matroska keeps milliseconds.
_RATE = Fraction(1000)


@dataclass(frozen=True)
class CodedFormat:
    """How codes are kept: in the pixel format of the final encoder, or another for the same codes."""

    encoder: EncoderSpec
    kept_as: str

    @property
    def is_full_range(self) -> bool:
        """The range that ``moved_codes`` is told for both sides, so that it changes none."""
        return pixel_layout(self.encoder.pixel_format).name.startswith("yuvj")


def coded_format(target: Path, like: VideoInfo, settings: EncodeSettings) -> CodedFormat:
    """Return how frames wait for the encoder that writes ``target``; raises ``VideoError`` if they cannot."""
    encoder = choose_encoder(as_written(like, settings), settings, container_of(target))
    kept = kept_format(encoder.pixel_format)
    if kept is None:
        raise VideoError(
            f"{target} cannot be made in parts: no lossless file holds {encoder.pixel_format}.",
            hint="Another `pixel_format` can, such as yuv420p.",
        )
    return CodedFormat(encoder, kept)


def kept_format(pixel_format: str) -> str | None:
    """Return a format of FFV1 that holds the codes of ``pixel_format``, if there is one."""
    layout = pixel_layout(pixel_format)
    taken = [one.name for one in av.Codec("ffv1", "w").video_formats or ()]
    is_rgb_of_bytes = layout.kind == "rgb" and layout.depth <= 8
    same = [layout.name, layout.planar, *(["bgr0"] if is_rgb_of_bytes else [])]
    return next((name for name in same if name in taken and pixel_layout(name).depth >= layout.depth), None)


class CodedFrames:
    """Takes frames as a ``Muxer`` does, and keeps the codes that it would give its encoder.

    ``times`` are the time stamps of the frames so far.
    """

    def __init__(self, path: Path, like: VideoInfo, settings: EncodeSettings, kept: CodedFormat) -> None:
        self.stopped = threading.Event()
        self.times: list[int] = []
        self._kept = kept
        self._maker = frame_maker(as_written(like, settings), kept.encoder)
        self._reformatter = VideoReformatter()
        size = like.orientation.size(like.width, like.height)
        self._file = LosslessWriter(path, size, kept.kept_as, 1 / _RATE)

    def encode(self, frame: Frame) -> None:
        """Append a frame; raises ``VideoError``."""
        if self.stopped.is_set():
            raise StoppedError
        made = self._maker.make(frame.picture.numpy())
        made = moved_codes(
            self._reformatter, made, self._kept.kept_as, is_full_range=self._kept.is_full_range
        )
        self._file.write_codes(made, len(self.times))
        self.times.append(frame.pts)

    def finish(self) -> None:
        """Complete the file; raises ``VideoError``."""
        self._file.finish()

    def close(self) -> None:
        """Let go of the file, complete or not."""
        with suppress(VideoError):  # an incomplete file may also fail to end
            self._file.close()


def made_frames(path: Path, times: list[int]) -> Iterator[MadeFrame]:
    """Yield the frames of a file that ``CodedFrames`` wrote, at their ``times``.

    Raises ``VideoError`` at a frame that is damaged or missing.
    """
    if not times:
        return
    count = 0
    for codes, pts in zip(read_codes(path, _RATE), times, strict=False):
        yield MadeFrame(codes, pts)
        count += 1
    if count < len(times):
        raise VideoError(f"Frame {count} of {path} is missing.")
