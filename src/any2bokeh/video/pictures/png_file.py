"""PNG with 8 or 16 bits, with its color profile, texts and other chunks."""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from any2bokeh.errors import VideoError
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.video.color import HLG, PQ
from any2bokeh.video.pictures.exif import exif_orientation, without_thumbnail
from any2bokeh.video.pictures.stored_picture import StoredPicture
from any2bokeh.video.png import read_png_frame

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What says something of the picture that stays true when it is refocused.
KEPT_CHUNKS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf")
KEPT_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LINEAR = 8  # H.273's transfer of linear light
LINEAR_GAMMA = 100_000
# At zlib's own level, 6, packing took two thirds of a run: 2.4 CPU-s for a frame of 1080p with 16 bits,
# where level 1 takes 0.33. Files grow by 1 to 8 %, those whose codes have 8 bits by up to 20 %.
ZLIB_LEVEL = 1

# What FFmpeg decodes to, and the format with the same codes that NumPy takes.
_READ_AS = {
    **dict.fromkeys(("gray", "monob", "monow"), "gray"),
    **dict.fromkeys(("gray16be", "gray16le"), "gray16le"),
    "rgb24": "rgb24",
    **dict.fromkeys(("rgba", "pal8", "ya8"), "rgba"),
    **dict.fromkeys(("rgb48be", "rgb48le"), "rgb48le"),
    **dict.fromkeys(("rgba64be", "rgba64le", "ya16be", "ya16le"), "rgba64le"),
}
_WRITTEN_AS = {
    (8, 1): ("gray", "gray"),
    (8, 3): ("rgb24", "rgb24"),
    (8, 4): ("rgba", "rgba"),
    (16, 1): ("gray16le", "gray16be"),
    (16, 3): ("rgb48le", "rgb48be"),
    (16, 4): ("rgba64le", "rgba64be"),
}


def read_png_file(path: Path) -> StoredPicture:
    """Return a PNG; raises ``VideoError`` if it cannot be read."""
    frame = read_png_frame(path)
    read_as = _READ_AS.get(frame.format.name)
    if read_as is None:
        raise VideoError(f"{path} is a PNG of a kind that cannot be read: {frame.format.name}.")
    codes = _as_array(frame, read_as)
    kept = [(kind, data) for kind, data in _chunks(path.read_bytes()) if kind in KEPT_CHUNKS + KEPT_TEXTS]
    named = dict(kept)
    exif = named.get(b"eXIf", b"")
    return StoredPicture(
        codes=codes,
        bits=8 * codes.itemsize,
        orientation=exif_orientation(exif),
        pixel_aspect=_pixel_aspect(named.get(b"pHYs", b"")),
        transfer=_transfer(named),
        kept=[(kind, without_thumbnail(data) if kind == b"eXIf" else data) for kind, data in kept],
    )


def write_png_file(path: Path, picture: StoredPicture) -> None:
    """Write a picture of 8 or 16 bits, with the chunks that it keeps."""
    codes, bits = picture.codes, 8 if picture.bits <= 8 else 16
    given, stored = _WRITTEN_AS[bits, codes.shape[2]]
    frame = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(codes.squeeze(-1) if codes.shape[2] == 1 else codes), given
    )
    if given != stored:
        frame = frame.reformat(format=stored)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, stored
    encoder.time_base = 1
    encoder.options = {"compression_level": str(ZLIB_LEVEL)}
    made = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    pixels = [(kind, data) for kind, data in _chunks(made) if kind in (b"IHDR", b"IDAT", b"IEND")]
    path.write_bytes(
        SIGNATURE + b"".join(_chunk(*one) for one in [pixels[0], *(picture.kept or []), *pixels[1:]])
    )


def _as_array(frame: av.VideoFrame, name: str) -> NDArray[Any]:
    if frame.format.name != name:
        frame = frame.reformat(format=name)
    codes: NDArray[Any] = frame.to_ndarray()
    return codes[..., None] if codes.ndim == 2 else codes


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the content of each chunk, as far as the file goes."""
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pixel_aspect(data: bytes) -> Fraction:
    """The width of a pixel over its height, by the pixels per unit of each direction."""
    if len(data) < 9:
        return Fraction(1)
    across, down = struct.unpack_from(">II", data)
    return Fraction(down, across) if across and down else Fraction(1)


def _transfer(chunks: dict[bytes, bytes]) -> TransferFunction | None:
    """What the chunks say of the light; a profile is not looked into."""
    if code := chunks.get(b"cICP"):
        by_number: dict[int, TransferFunction] = {PQ: "pq", HLG: "hlg", LINEAR: "linear"}
        return by_number.get(code[1])
    gamma = chunks.get(b"gAMA", b"")
    is_linear = len(gamma) == 4 and int.from_bytes(gamma) == LINEAR_GAMMA and b"iCCP" not in chunks
    return "linear" if is_linear else None
