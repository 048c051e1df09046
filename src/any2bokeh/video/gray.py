"""Gray pictures that stand for numbers from 0 to 1: read from many kinds of file, written as FFV1.

A value is its code divided by the largest code of its kind.
"""

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.atomic import partial_file
from any2bokeh.errors import DisparityError, VideoError
from any2bokeh.paths import is_folder
from any2bokeh.video.color import ColorTags, frame_planes, pixel_layout
from any2bokeh.video.demux import (
    UNTIMED_FORMATS,
    Damage,
    decoded_frames,
    decoder_at_rest_after,
    open_source,
    presentation_times,
    seek,
    timed_packets,
    video_stream,
)
from any2bokeh.video.frame_names import PICTURE_SUFFIXES, pictures_in, sequence_name
from any2bokeh.video.limits import check_pixels, check_readable
from any2bokeh.video.lossless import GRAY16, NOTE_TAG, LosslessWriter, checksums_hold
from any2bokeh.video.metadata import display_matrix, orientation_of
from any2bokeh.video.npy import ArrayFile
from any2bokeh.video.pictures.picture_files import read_picture_file

LARGEST_CODE = 65535  # of our own tracks, gray16le
# Compression leaves gray within a few codes of 255; false colors are far from it almost everywhere.
COLORED = 0.08
COLORED_SHARE = 0.02
SAMPLED = 4  # every so many rows and columns are enough to see that


class GrayReader(ABC):
    """Gray pictures of one size in displayed orientation, one after the other.

    ``times`` are their time stamps in units of ``time_base`` seconds, ascending; ``None`` where the file
    has none. ``note`` is a text that the writer of one of our own tracks put into its head. ``numbers`` are
    those in the names of pictures. Floats may be of any scale, and infinite, where ``no_number`` is set
    before reading: to the value that stands for NaN, where nothing was hit.
    """

    path: Path
    width: int
    height: int
    frame_count: int
    time_base: Fraction | None = None
    times: list[int] | None = None
    note: str = ""
    numbers: list[int] | None = None
    has_floats = False
    no_number: float | None = None

    @abstractmethod
    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture (``1 h w`` float32 in 0..1) of each frame from number ``first`` on.

        A video leaves out what it cannot decode. Raises ``DisparityError`` at a frame that cannot be read,
        is not gray, has another size or holds a value outside 0..1 or NaN.
        """


def open_gray(path: Path, what: str = "disparity track") -> GrayReader:
    """Return a reader of ``path``: a video, pictures, a folder of them, or an array in ``.npy`` or ``.npz``.

    ``what`` it is called in messages. Raises ``DisparityError`` if it is none of these.
    """
    if is_folder(path) or sequence_name(path) is not None:
        return GrayPictures(path)
    check_readable(path, f"a {what}", DisparityError)
    if path.suffix.lower() in (".npy", ".npz"):
        return GrayArray(path)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return GrayPictures(path)
    try:
        return GrayVideo(path)
    except VideoError as error:
        raise DisparityError(f"The {what} cannot be used: {error.message}", error.hint) from error


class GrayVideo(GrayReader):
    """A gray video, or the luma of one in YUV, with the times of its frames."""

    def __init__(self, path: Path) -> None:
        """Read all packets once; raises ``DisparityError`` at one whose checksum tells of damage."""
        self.path = path
        self.times, self.time_base, frame, self.note = _scan(path)
        self.frame_count = len(self.times)
        self._orientation = orientation_of(display_matrix(frame))
        self.width, self.height = self._orientation.size(frame.width, frame.height)

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of each frame; see ``GrayReader``."""
        assert self.times is not None
        try:
            with open_source(self.path) as container:
                stream = video_stream(self.path, container)
                seek(container, stream, self.times[first] if first else None)
                for pts, frame in decoded_frames(container, stream, Damage(self.path)):
                    number = bisect_left(self.times, pts)
                    if number >= first:
                        yield number, self._picture(frame, number, stream.codec_context.color_range)
        except VideoError as error:
            raise DisparityError(error.message, error.hint) from error

    def _picture(self, frame: av.VideoFrame, number: int, stated_range: int) -> Tensor:
        if frame.is_corrupt:
            raise DisparityError(f"Frame {number} of {self.path} is damaged.")
        values = gray_values(frame, stated_range, f"Frame {number} of {self.path}")
        return gray_picture(self._orientation.displayed(values), self, number)


class GrayPictures(GrayReader):
    """A picture, numbered pictures, or the pictures of a folder in the order of the numbers in their names.

    ``numbers`` are the numbers of a sequence, whose frames belong to those of the same numbers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = _numbered_files(path)
        self.numbers = list(found) if found else None
        self._files = list(found.values()) if found else _pictures_of(path)
        if not self._files:
            raise DisparityError(f"The folder {path} contains no PNG, nor any other picture.")
        self.frame_count = len(self._files)
        first, self.has_floats = self._read(0)
        self.height, self.width = first.shape

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of each file; see ``GrayReader``."""
        for number in range(first, self.frame_count):
            yield number, gray_picture(self._read(number)[0], self, number)

    def _read(self, number: int) -> tuple[NDArray[np.float32], bool]:
        """The values, and whether they are stored as floats."""
        file = self._files[number]
        try:
            stored = read_picture_file(file, as_gray=True)
        except VideoError as error:
            raise DisparityError(error.message, error.hint) from error
        values = stored.picture()
        sampled = values[:, ::SAMPLED, ::SAMPLED]
        if not stored.is_float and (abs(sampled[1:] - sampled[0]) > COLORED).mean() > COLORED_SHARE:
            raise _in_color(str(file))
        return values[0], stored.is_float


class GrayArray(GrayReader):
    """An array ``T H W`` or ``T 1 H W``: floats in 0..1, or integers from 0 to the largest of their type."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array = ArrayFile(path)
        shape = self._array.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[1] != 1) or 0 in shape:
            raise DisparityError(f"{path} must contain an array T H W or T 1 H W, got {shape}.")
        self.frame_count, self.height, self.width = shape[0], shape[-2], shape[-1]
        check_pixels(path, self.width, self.height, DisparityError)
        self.has_floats = self._array.dtype.kind == "f"

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of each entry along the first axis; see ``GrayReader``."""
        dtype = self._array.dtype
        largest = np.iinfo(dtype).max if dtype.kind in "iu" else 1
        for number, entry in enumerate(self._array.entries(first), start=first):
            with np.errstate(all="ignore"):  # values that are no disparity are refused below, in a sentence
                values = (entry / largest).astype(np.float32).reshape(self.height, self.width)
            yield number, gray_picture(values, self, number)


class GrayWriter(LosslessWriter):
    """Writes a track as FFV1 ``gray16le`` in Matroska; a context manager."""

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        time_base: Fraction,
        frame_rate: Fraction | None = None,
        note: str = "",
    ) -> None:
        """``size`` is width and height."""
        super().__init__(path, size, GRAY16, time_base, frame_rate, note)

    def write(self, disparity: Tensor, pts: int) -> None:
        """Append ``1 h w`` in 0..1 at ``pts``, in units of the time base; raises ``VideoError``."""
        self.write_integers(to_uint16(disparity), pts)


def to_uint16(disparity: Tensor) -> NDArray[np.uint16]:
    """Codes of one of our own tracks, of values in 0..1 (others are clamped) of any shape."""
    codes = (disparity.clamp(0, 1) * LARGEST_CODE).round().to(torch.int32)
    return codes.cpu().numpy().astype(np.uint16)


@contextmanager
def open_gray_writer(
    target: Path,
    width: int,
    height: int,
    time_base: Fraction,
    frame_rate: Fraction | None = None,
    *,
    note: str = "",
    overwrite: bool = False,
) -> Iterator[GrayWriter]:
    """Write a track that appears as ``target`` when the block ends well; raises ``VideoError``.

    ``note`` stands in its head; see ``GrayReader``.
    """
    with (
        partial_file(target, overwrite=overwrite) as partial,
        GrayWriter(partial, (width, height), time_base, frame_rate, note) as writer,
    ):
        yield writer


def gray_values(frame: av.VideoFrame, stated_range: int, name: str) -> NDArray[np.float32]:
    """Return ``h w`` as stored (not turned): 0..1, unless the frame holds floats, which stay as they are.

    ``stated_range`` is the container's range of YUV (0: nothing, 1: limited, 2: full); ``name`` is the
    frame's, for messages. Gray and RGB formats are full range, whatever their tags say; YUV is full range
    only where the file says so. RGB and YUV must be gray in fact: false colors, made for looking, cannot be
    read back as numbers. Raises ``DisparityError`` if the frame is in color.
    """
    layout = pixel_layout(frame.format.name)
    (first, *others), largest = frame_planes(frame)
    gray: NDArray[np.float32] = first.astype(np.float32)
    if layout.kind == "gray":
        return gray / np.float32(largest)
    reference = gray[::SAMPLED, ::SAMPLED] if layout.kind == "rgb" else (largest + 1) / 2
    for other in others:
        if (abs(other[::SAMPLED, ::SAMPLED] - reference) > COLORED * largest).mean() > COLORED_SHARE:
            raise _in_color(name)
    if layout.is_full_range(ColorTags(range=stated_range or frame.color_range)):
        return gray / np.float32(largest)
    step = (largest + 1) / 256
    expanded: NDArray[np.float32] = (gray - np.float32(16 * step)) / np.float32(219 * step)
    return expanded.clip(0, 1)


def _in_color(name: str) -> DisparityError:
    return DisparityError(
        f"{name} is in color; a gray picture is required.",
        hint="A track in false colors is only for looking: give the gray track it was made from.",
    )


def _scan(path: Path) -> tuple[list[int], Fraction, av.VideoFrame, str]:
    """The times of all frames, their unit, the first frame, the only one that is decoded, and the note.

    Raises ``DisparityError`` at a frame whose checksum tells of damage, ``VideoError`` if there is none.
    """
    times: list[int] = []
    damaged: list[int] = []
    first: av.VideoFrame | None = None
    with open_source(path) as container:
        stream = video_stream(path, container)
        has_checksums = stream.codec_context.name == "ffv1"
        with decoder_at_rest_after(stream):
            for pts, packet in timed_packets(container, stream, Damage(path)):
                if first is None:
                    with suppress(av.FFmpegError):
                        first = next(iter(packet.decode()), None)
                if pts is None or packet.is_discard:
                    continue
                if has_checksums and not checksums_hold(bytes(packet)):
                    damaged.append(len(times))
                times.append(pts)
        if 0 < len(damaged) < len(times):  # where none holds, none was written
            raise DisparityError(f"Frame {damaged[0]} of {path} is damaged.")
        if first is None:
            raise VideoError(f"{path} contains no decodable frame.")
        if first.pts is not None and container.format.name not in UNTIMED_FORMATS:
            times = [pts for pts in times if pts >= first.pts]
        return presentation_times(times), stream.time_base, first, container.metadata.get(NOTE_TAG, "")


def _numbered_files(path: Path) -> dict[int, Path] | None:
    """The files of a pattern, or of a folder that holds nothing but one sequence, by number."""
    name = sequence_name(path)
    if name is None:
        return None
    files = pictures_in(name.folder) if name.folder.is_dir() else []
    found = {number: file for file in files if (number := name.number_of(file)) is not None}
    if not found:
        raise DisparityError(f"There are no pictures {path}.")
    return dict(sorted(found.items())) if not path.is_dir() or len(found) == len(files) else None


def _pictures_of(path: Path) -> list[Path]:
    return sorted(pictures_in(path), key=_natural_order) if path.is_dir() else [path]


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def gray_picture(values: NDArray[np.float32], reader: GrayReader, number: int) -> Tensor:
    """Return ``h w`` as ``1 h w``; raises ``DisparityError`` unless it fits the reader's other pictures."""
    if values.shape != (reader.height, reader.width):
        size, own = f"{values.shape[1]}x{values.shape[0]}", f"{reader.width}x{reader.height}"
        raise DisparityError(f"Frame {number} of {reader.path} is {size} while the others are {own}.")
    if reader.no_number is not None and reader.has_floats:
        values = np.where(np.isnan(values), np.float32(reader.no_number), values)
        return torch.from_numpy(np.ascontiguousarray(values.clip(0)))[None]
    # NaN fails both comparisons.
    if not (values.min() >= 0 and values.max() <= 1):
        raise DisparityError(
            f"Frame {number} of {reader.path} contains values outside 0 to 1.",
            hint="`kind=depth` takes distances, `kind=inverse-depth` 1 / distance; else scale the whole track"
            " by one factor and offset, not each frame by its own.",
        )
    return torch.from_numpy(np.ascontiguousarray(values))[None]
