"""Gray pictures that stand for numbers from 0 to 1, written as numbered files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from any2bokeh.errors import VideoError
from any2bokeh.scene import Frame
from any2bokeh.settings.video_settings import EncodeSettings
from any2bokeh.video.opening import VideoInfo
from any2bokeh.video.pictures.picture_files import picture_kind
from any2bokeh.video.pictures.stored_picture import blank_picture
from any2bokeh.video.sequence_writer import ExistingFrames, PictureSink, plan_pictures

GRAY_BITS = 16


class GrayPictureWriter:
    """Writes values in 0..1, each picture to its file."""

    def __init__(self, sink: PictureSink) -> None:
        self._sink = sink

    def write(self, values: Tensor, pts: int) -> None:
        """Write ``1 h w`` as the picture of a time; raises ``VideoError``."""
        self._sink.encode(Frame(picture=values.clamp(0, 1).cpu().expand(3, -1, -1).contiguous(), pts=pts))


@contextmanager
def open_gray_pictures(
    target: Path, size: tuple[int, int], like: VideoInfo, times: list[int], *, overwrite: bool = False
) -> Iterator[GrayPictureWriter]:
    """Write gray pictures of ``size`` (width, height) for the frames at ``times``, numbered as ``like``'s.

    Raises ``VideoError`` if one is there already, or pictures of the kind cannot hold 16 bits.
    """
    kind = picture_kind(target)
    if not kind.holds_floats and GRAY_BITS not in kind.integer_bits:
        raise VideoError(
            f"{target} cannot be written: a {kind.name} has no {GRAY_BITS} bits.", hint="Use PNG or TIFF."
        )
    paths, _ = plan_pictures(
        target, like, times, EncodeSettings.start_number, ExistingFrames(overwrite=overwrite)
    )
    blank = blank_picture(*size, GRAY_BITS)
    blank = replace(blank, codes=blank.codes[..., :1])
    yield GrayPictureWriter(PictureSink(paths, lambda pts: blank, overwrite=overwrite))
