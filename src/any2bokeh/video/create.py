"""A new video from pictures and sound, for clips that have no source."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.errors import ShapeError, VideoError
from any2bokeh.video.color import BT709, LIMITED, ColorTags, FrameMaker
from any2bokeh.video.containers import container_of
from any2bokeh.video.metadata import Orientation

COLOR = ColorTags(matrix=BT709, range=LIMITED, primaries=BT709, transfer=BT709)
CRF = "16"
AAC_BITS_PER_S = 160_000


@dataclass(frozen=True, eq=False)
class Sound:
    """``samples`` are ``C N`` float32 in -1..1, one or two channels, ``rate`` of them per second."""

    samples: Tensor
    rate: int


class NewVideo:
    """A clip that is being written; ``create_video`` makes and ends it."""

    def __init__(self, path: Path, size: tuple[int, int], frame_rate: Fraction, sound: Sound | None) -> None:
        self._size, self._frame_rate, self._sound = size, frame_rate, sound
        self._frames, self._samples = 0, 0
        self._file: Any = av.open(f"file:{path}", "w", options={"movflags": "+faststart"})
        self._video = self._file.add_stream("libx264", rate=frame_rate, options={"crf": CRF})
        self._video.width, self._video.height = size
        self._video.pix_fmt = "yuv420p"
        context = self._video.codec_context
        context.colorspace, context.color_range = COLOR.matrix, COLOR.range
        context.color_primaries, context.color_trc = COLOR.primaries, COLOR.transfer
        self._maker = FrameMaker("yuv420p", COLOR, Orientation())
        if sound is not None:
            self._audio = self._file.add_stream("aac", rate=sound.rate)
            self._audio.codec_context.layout = "mono" if len(sound.samples) == 1 else "stereo"
            self._audio.codec_context.bit_rate = AAC_BITS_PER_S

    def write(self, picture: Tensor) -> None:
        """Append a picture, R'G'B' ``3 H W`` in 0..1 (others are clamped); raises ``ShapeError``."""
        expected = (3, self._size[1], self._size[0])
        if tuple(picture.shape) != expected:
            raise ShapeError(f"a frame must be {expected}, got {tuple(picture.shape)}")
        frame = self._maker.make(picture.clamp(0, 1).cpu().numpy())
        frame.pts, frame.time_base = self._frames, 1 / self._frame_rate
        self._frames += 1
        self._file.mux(self._video.encode(frame))
        self._write_sound()

    def close(self) -> None:
        """Flush the encoders and complete the file."""
        self._file.mux(self._video.encode(None))
        if self._sound is not None:
            self._file.mux(self._audio.encode(None))
        self._file.close()

    def abort(self) -> None:
        """Let go of the incomplete file."""
        self._file.close()

    def _write_sound(self) -> None:
        """Append the sound up to the end of the last picture."""
        if self._sound is None:
            return
        end = min(round(self._frames / self._frame_rate * self._sound.rate), self._sound.samples.shape[1])
        if end <= self._samples:
            return
        heard = self._sound.samples[:, self._samples : end].contiguous().cpu().numpy()
        layout = self._audio.codec_context.layout.name
        frame = av.AudioFrame.from_ndarray(heard, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = self._sound.rate, self._samples
        frame.time_base = Fraction(1, self._sound.rate)
        self._samples = end
        self._file.mux(self._audio.encode(frame))


@contextmanager
def create_video(
    target: Path,
    width: int,
    height: int,
    frame_rate: Fraction,
    sound: Sound | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[NewVideo]:
    """Write a new H.264 video with AAC sound; it appears as ``target`` when the block ends well.

    Sound beyond the last picture is left out. Raises ``VideoError`` if it cannot be written: a side is
    odd, or the name does not end as that of a video.
    """
    container_of(target)
    if width % 2 or height % 2:
        raise VideoError(f"{target} cannot be written: width and height must be even, got {width}x{height}.")
    with partial_file(target, overwrite=overwrite) as partial:
        try:
            video = NewVideo(partial, (width, height), frame_rate, sound)
            try:
                yield video
                video.close()
            except BaseException:
                video.abort()
                raise
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{target} cannot be written: {error.strerror}.") from error
