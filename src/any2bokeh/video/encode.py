"""Frames into a video file, beside the untouched sound of the file that they come from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from any2bokeh.atomic import partial_file
from any2bokeh.errors import SettingsError, ShapeError, VideoError
from any2bokeh.optics.ocio_space import OcioSpace
from any2bokeh.optics.transfer import recoded
from any2bokeh.scene import Frame, SceneEncoding, Transfer
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.captions import BesidePictures
from any2bokeh.video.color import UNSPECIFIED, ColorTags
from any2bokeh.video.containers import container_of
from any2bokeh.video.mux import Muxer, StoppedError
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.prefetch import Channel
from any2bokeh.video.span import ALL_FRAMES, Span

# The tags (H.273) of curves that have one; SDR is tagged as BT.709, which players take for it.
TAGS: dict[TransferFunction, int] = {"srgb": 1, "pq": 16, "hlg": 18, "linear": 8}
# The same, and the primaries, of color spaces whose names hold these words.
SPACE_TAGS = {
    "2100-pq": (16, 9),
    "2100-hlg": (18, 9),
    "rec.709": (1, 1),
    "srgb - display": (1, 1),
    "srgb encoded rec.709": (1, 1),
}
FRAMES_WAITING = 1  # for the encoder: 25 MB each at 1080p


class FrameSink(Protocol):
    """A file, or files, that take frames in the order of time; used by one thread at a time."""

    @property
    def stopped(self) -> threading.Event:
        """Set from outside to stop it: it then raises ``StoppedError``."""
        ...

    def encode(self, frame: Frame) -> None:
        """Write a frame; raises ``VideoError``."""
        ...

    def finish(self) -> None:
        """Write the rest; raises ``VideoError``."""
        ...

    def close(self) -> None:
        """Let go of files, complete or not."""
        ...


class VideoWriter:
    """Takes frames and encodes them in a thread; ``open_writer`` makes and ends it.

    Pictures are written in the curve ``transfer``, by default the source's. ``kept`` are the times of frames
    that are there already: those need not be written.
    """

    def __init__(
        self,
        muxer: FrameSink,
        info: VideoInfo,
        *,
        transfer: Transfer | None = None,
        kept: frozenset[int] = frozenset(),
    ) -> None:
        self._kept, self._source = kept, info.pictures.transfer
        self._target = transfer or self._source
        self._muxer = muxer
        self._shape = (3, info.height, info.width)
        self._frames: Channel[Frame] = Channel(FRAMES_WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._encode, name="encode", daemon=True)
        self._thread.start()

    def needs(self, pts: int) -> bool:
        """Whether the frame at a time has still to be written."""
        return pts not in self._kept

    def write(self, frame: Frame) -> None:
        """Hand over the next frame: displayed orientation, time of the source. Do not change it after.

        Raises ``ShapeError`` for a picture of another size than the source's, and ``VideoError`` if
        an earlier frame could not be written.
        """
        if tuple(frame.picture.shape) != self._shape:
            raise ShapeError(
                f"A frame must be {self._shape} like its source, got {tuple(frame.picture.shape)}."
            )
        if not self._frames.put(replace(frame, picture=frame.picture.detach().cpu())):
            self._wait()

    def finish(self) -> None:
        """Complete the file; raises ``VideoError`` if it, or an earlier frame, could not be written."""
        self._frames.finish()
        self._wait()

    def abort(self) -> None:
        """Stop as soon as possible and leave the file incomplete."""
        self._muxer.stopped.set()
        self._frames.finish(StoppedError())
        self._frames.close()
        self._thread.join()

    def _wait(self) -> None:
        self._thread.join()
        if self._error:
            raise self._error

    def _encode(self) -> None:
        try:
            for frame in self._frames:
                picture = recoded(frame.picture, self._source, self._target)
                self._muxer.encode(replace(frame, picture=picture))
            self._muxer.finish()
        except StoppedError:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised where frames are handed over
            self._error = error
        finally:
            self._frames.close()
            self._muxer.close()


@contextmanager
def open_writer(
    target: Path,
    like: VideoInfo,
    settings: EncodeSettings,
    span: Span = ALL_FRAMES,
    beside: BesidePictures | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[VideoWriter]:
    """Write a video like ``like``, or like a part of it, with its sound, subtitles, chapters and tags.

    ``beside`` is what the clip has beside its pictures: when the last one ends, and captions.

    The file appears under its name when the block ends well; after any exception nothing is left of
    it. What cannot be kept of the source is named in one warning. Raises ``VideoError`` before the
    block starts if the file cannot be written there, by this encoder or with this sound.
    """
    container_of(target)
    if target.exists() and target.samefile(like.path):
        raise VideoError(f"{target} is the source: choose another name.")
    with partial_file(target, overwrite=overwrite) as partial:
        written = as_written(like, settings)
        muxer = Muxer(partial, target, written, settings, span, beside or BesidePictures())
        with finishing(VideoWriter(muxer, like, transfer=shown_transfer(like, settings))) as writer:
            yield writer


@contextmanager
def finishing(writer: VideoWriter) -> Iterator[VideoWriter]:
    """Yield a writer that is finished when the block ends well, and given up otherwise."""
    try:
        yield writer
        writer.finish()
    except BaseException:
        writer.abort()
        raise


def as_written(like: VideoInfo, settings: EncodeSettings) -> VideoInfo:
    """Return the properties of a video that is written like ``like``, in the curve that ``settings`` name."""
    transfer = shown_transfer(like, settings)
    if transfer == like.pictures.transfer:
        return like
    return replace(like, color=_tagged(like.color, transfer), hdr10=None, code_range=None)


def _tagged(color: ColorTags, transfer: Transfer) -> ColorTags:
    """The tags of a result that has another curve than its source; of a color space, as its name says."""
    if not isinstance(transfer, SceneEncoding):
        return replace(color, transfer=TAGS.get(transfer, UNSPECIFIED))
    name = str(transfer).lower()
    curve, primaries = next((tags for word, tags in SPACE_TAGS.items() if word in name), (UNSPECIFIED,) * 2)
    return replace(color, transfer=curve, primaries=primaries)


def asked_transfer(like: VideoInfo, settings: EncodeSettings, *, holds_floats: bool) -> Transfer | None:
    """Return the curve or color space of the result where settings say it; else ``None``.

    In a color configuration it is the source's, unless ``output_space`` is another. Raises ``SettingsError``
    for linear light in a file of whole numbers, and for a space that is not there.
    """
    source = like.pictures.transfer
    if not isinstance(source, OcioSpace):
        return settings.color_out
    space = source.sibling(settings.output_space) if settings.output_space else source
    if space.is_linear and not holds_floats:
        raise SettingsError(
            f"{space.name} is linear light, which needs floats, as of EXR.",
            hint="`output_space` names a space for the result.",
        )
    return space


def shown_transfer(like: VideoInfo, settings: EncodeSettings) -> Transfer:
    """Return the curve that a video like ``like`` is written in: its own, unless pictures are linear."""
    source = like.pictures.transfer
    is_light = source == "linear" and not like.copies_streams
    own = like.pictures.as_shown.transfer if is_light else source
    return asked_transfer(like, settings, holds_floats=False) or own
