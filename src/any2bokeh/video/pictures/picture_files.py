"""Reading and writing a picture by the end of its name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from any2bokeh.errors import VideoError
from any2bokeh.video.limits import check_readable
from any2bokeh.video.pictures.dpx_file import read_dpx_file, write_dpx_file
from any2bokeh.video.pictures.exr_file import read_exr_depth, read_exr_file, write_exr_file
from any2bokeh.video.pictures.jpeg_file import read_jpeg_file, write_jpeg_file
from any2bokeh.video.pictures.png_file import read_png_file, write_png_file
from any2bokeh.video.pictures.stored_picture import StoredPicture, blank_picture
from any2bokeh.video.pictures.tiff_file import read_tiff_file, write_tiff_file

HALF_BITS = 16


@dataclass(frozen=True)
class PictureKind:
    """A kind of picture file.

    ``integer_bits`` are the bits of the whole numbers that it is written with, ascending; ``holds_floats``
    says whether it holds values beyond white.
    """

    name: str
    read: Callable[[Path], StoredPicture]
    write: Callable[[Path, StoredPicture], None]
    integer_bits: tuple[int, ...] = ()
    holds_floats: bool = False
    holds_alpha: bool = True
    read_gray: Callable[[Path], StoredPicture] | None = None  # where numbers stand in layers of their own

    def bits_for(self, bits: int, *, is_float: bool) -> tuple[int, bool]:
        """Return the bits that lose least of values of so many, and whether they are floats."""
        if self.holds_floats and (is_float or not self.integer_bits):
            return (bits if is_float else HALF_BITS), True
        enough = [own for own in self.integer_bits if own >= bits and not is_float]
        return (enough or self.integer_bits[-1:])[0], False


PNG = PictureKind("PNG", read_png_file, write_png_file, (8, 16))
TIFF = PictureKind("TIFF", read_tiff_file, write_tiff_file, (8, 16), holds_floats=True)
JPEG = PictureKind("JPEG", read_jpeg_file, write_jpeg_file, (8,), holds_alpha=False)
DPX = PictureKind("DPX", read_dpx_file, write_dpx_file, (8, 10, 16), holds_alpha=False)
EXR = PictureKind("EXR", read_exr_file, write_exr_file, holds_floats=True, read_gray=read_exr_depth)
KINDS = {".exr": EXR, ".png": PNG, ".tif": TIFF, ".tiff": TIFF, ".jpg": JPEG, ".jpeg": JPEG, ".dpx": DPX}


def picture_kind(path: Path) -> PictureKind:
    """Return the kind of file that the name says; raises ``VideoError`` for another."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise VideoError(f"{path} is no picture: the name must end in one of {', '.join(KINDS)}.")
    return kind


def read_picture_file(path: Path, *, as_gray: bool = False) -> StoredPicture:
    """Return the picture in a file, or with ``as_gray`` the numbers in its layer of depth, if it has layers.

    Raises ``VideoError`` with a sentence on why it cannot be read.
    """
    kind = picture_kind(path)
    check_readable(path, "a picture")
    try:
        return kind.read_gray(path) if as_gray and kind.read_gray else kind.read(path)
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}.") from error


def converted(picture: StoredPicture, kind: PictureKind) -> StoredPicture:
    """Return a blank picture that ``kind`` holds, of the size of ``picture``; its alpha is kept.

    It is in displayed orientation, and its values are the smallest that hold those of ``picture``.
    """
    width, height = picture.size
    bits, is_float = kind.bits_for(picture.bits, is_float=picture.is_float)
    blank = blank_picture(width, height, bits, is_float=is_float)
    codes = blank.codes[..., : picture.colors]
    if picture.has_alpha and kind.holds_alpha:
        largest = 1.0 if picture.is_float else 2.0**picture.bits - 1
        alpha = picture.orientation.displayed(picture.codes[..., -1]).astype(np.float64) / largest
        stored = alpha if is_float else (alpha.clip(0, 1) * (2**bits - 1)).round()
        codes = np.concatenate([codes, stored.astype(codes.dtype)[..., None]], axis=2)
    return replace(blank, codes=codes, pixel_aspect=picture.pixel_aspect)
