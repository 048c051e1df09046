"""DPX (SMPTE 268M): one picture in RGB, RGBA or gray, its header taken over as it is."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from any2bokeh.errors import VideoError
from any2bokeh.settings.color_settings import TransferFunction
from any2bokeh.video.limits import check_pixels
from any2bokeh.video.pictures.stored_picture import StoredPicture

# Places of the header, in bytes.
CREATOR_AT = 160
OFFSET_AT, FILE_SIZE_AT, ELEMENTS_AT, WIDTH_AT, ELEMENT_AT = 4, 16, 770, 772, 780
DESCRIPTOR_AT, TRANSFER_AT, BITS_AT = ELEMENT_AT + 20, ELEMENT_AT + 21, ELEMENT_AT + 23
PACKING_AT, ENCODING_AT, DATA_AT = ELEMENT_AT + 24, ELEMENT_AT + 26, ELEMENT_AT + 28
ASPECT_AT, FRAME_RATE_AT, FILM_RATE_AT = 1628, 1940, 1724
GENERIC_BYTES, HEADER_BYTES = 1664, 2048  # at least; with the words of film and television
UNDEFINED = 0xFFFFFFFF
DESCRIPTORS = {6: 1, 50: 3, 51: 4}  # gray, RGB, RGBA: how many values a pixel has
LINEAR, LOGARITHMIC = 2, (1, 3)  # transfer; printing density is logarithmic as well
FILLED_LOW = 1  # packing: three values of 10 bits in a word, its lowest two bits empty


@dataclass(frozen=True)
class DpxFacts:
    """A header, with all that a program put between it and the picture."""

    header: bytes
    order: str  # of bytes, as struct writes it


def read_dpx_file(path: Path) -> StoredPicture:
    """Return a DPX of 8, 10 or 16 bits; raises ``VideoError`` if it cannot be read, or is of another kind."""
    data = path.read_bytes()
    order = {b"SDPX": ">", b"XPDS": "<"}.get(data[:4])
    offset = struct.unpack_from(order + "I", data, OFFSET_AT)[0] if order and len(data) > GENERIC_BYTES else 0
    if order is None or not GENERIC_BYTES <= offset < len(data):
        raise VideoError(f"{path} cannot be read as a DPX: it is of another kind, or damaged.")
    facts = DpxFacts(data[:offset], order)
    codes = _unpack(path, data, facts)
    return StoredPicture(
        codes=codes,
        bits=data[BITS_AT],
        pixel_aspect=_pixel_aspect(facts),
        transfer=_transfer(facts),
        frame_rate=_frame_rate(facts),
        kept=facts,
    )


def write_dpx_file(path: Path, picture: StoredPicture) -> None:
    """Write a picture of 8, 10 or 16 bits; the header of its source is taken over, if it was a DPX."""
    facts = picture.kept if isinstance(picture.kept, DpxFacts) else DpxFacts(b"", ">")
    pixels = _pack(picture.codes, picture.bits, facts.order)
    header = bytearray(facts.header or _new_header(picture))
    struct.pack_into(facts.order + "I", header, OFFSET_AT, len(header))
    struct.pack_into(facts.order + "I", header, FILE_SIZE_AT, len(header) + len(pixels))
    struct.pack_into(facts.order + "I", header, DATA_AT, len(header))
    header[BITS_AT] = picture.bits
    path.write_bytes(bytes(header) + pixels)


def _unpack(path: Path, data: bytes, facts: DpxFacts) -> NDArray[Any]:
    width, height = struct.unpack_from(facts.order + "II", data, WIDTH_AT)
    (elements,) = struct.unpack_from(facts.order + "H", data, ELEMENTS_AT)
    packing, encoding = struct.unpack_from(facts.order + "HH", data, PACKING_AT)
    values, bits = DESCRIPTORS.get(data[DESCRIPTOR_AT], 0), data[BITS_AT]
    is_packed = bits in (8, 16) or (bits == 10 and packing == FILLED_LOW)
    if elements != 1 or encoding or not values or not is_packed or (bits == 10 and values == 4):
        raise VideoError(
            f"{path} is a DPX of a kind that cannot be read.",
            hint="It must be in RGB or gray with 8, 10 (filled, method A) or 16 bits, uncompressed.",
        )
    place = len(facts.header)
    line = width * values
    dtype = np.dtype({8: "u1", 16: facts.order + "u2", 10: facts.order + "u4"}[bits])
    # Each line of 10-bit values fills whole words.
    per_line = -(-line // 3) if bits == 10 else line if bits == 16 else -(-line // 4) * 4
    count = per_line * height
    check_pixels(path, width, height)
    if not width * height or place + count * dtype.itemsize > len(data):
        raise VideoError(f"{path} cannot be read as a DPX: it ends too early, or is damaged.")
    stored = np.frombuffer(data, dtype, count, place).reshape(height, per_line)
    if bits == 10:
        shifts = np.array([22, 12, 2], np.uint32)
        stored = ((stored[..., None] >> shifts) & 1023).reshape(height, -1)
    codes = stored[:, :line].reshape(height, width, values)
    return np.ascontiguousarray(codes.astype(np.uint8 if bits == 8 else np.uint16))


def _pack(codes: NDArray[Any], bits: int, order: str) -> bytes:
    height = codes.shape[0]
    lines = codes.reshape(height, -1)
    if bits == 10:
        padded = np.zeros((height, -(-lines.shape[1] // 3) * 3), np.uint32)
        padded[:, : lines.shape[1]] = lines
        words = (padded.reshape(height, -1, 3) << np.array([22, 12, 2], np.uint32)).sum(
            axis=2, dtype=np.uint32
        )
        return bytes(words.astype(order + "u4").tobytes())
    if bits == 16:
        return bytes(lines.astype(order + "u2").tobytes())
    padded_bytes = np.zeros((height, -(-lines.shape[1] // 4) * 4), np.uint8)
    padded_bytes[:, : lines.shape[1]] = lines
    return bytes(padded_bytes.tobytes())


def _new_header(picture: StoredPicture) -> bytes:
    """The header of a picture that comes from another kind of file; unknown fields are left undefined."""
    height, width, values = picture.codes.shape
    header = bytearray(b"\xff" * HEADER_BYTES)
    header[:4] = b"SDPX"
    header[8:16] = b"V2.0\0\0\0\0"
    struct.pack_into(">IIII", header, 20, 1, 1664, 384, 0)  # a new picture, the lengths of both headers
    header[36:660] = bytes(624)
    struct.pack_into(">HHII", header, 768, 0, 1, width, height)
    descriptor = next(number for number, count in DESCRIPTORS.items() if count == values)
    struct.pack_into(">IIfIf", header, ELEMENT_AT, 0, 0, 0.0, (1 << picture.bits) - 1, 1.0)
    header[DESCRIPTOR_AT : DESCRIPTOR_AT + 4] = bytes([descriptor, 0, 0, picture.bits])
    struct.pack_into(">HHIII", header, PACKING_AT, FILLED_LOW, 0, HEADER_BYTES, 0, 0)
    return bytes(header)


def _transfer(facts: DpxFacts) -> TransferFunction | None:
    if facts.header[TRANSFER_AT] == LINEAR:
        # FFmpeg writes this word whatever the light is.
        return None if facts.header[CREATOR_AT:].startswith(b"Lavc") else "linear"
    return "cineon" if facts.header[TRANSFER_AT] in LOGARITHMIC else None


def _pixel_aspect(facts: DpxFacts) -> Fraction:
    across, down = struct.unpack_from(facts.order + "II", facts.header, ASPECT_AT)
    is_given = 0 < across < UNDEFINED and 0 < down < UNDEFINED
    return Fraction(across, down) if is_given else Fraction(1)


def _frame_rate(facts: DpxFacts) -> Fraction | None:
    """The rate of television, else of film, if one is given and plausible."""
    for place in (FRAME_RATE_AT, FILM_RATE_AT):
        if place + 4 > len(facts.header):
            continue
        (rate,) = struct.unpack_from(facts.order + "f", facts.header, place)
        if 1 <= rate <= 1000:
            return nearest_rate(rate)
    return None


def nearest_rate(rate: float) -> Fraction:
    """Return a frame rate as a fraction: 23.976 is 24000/1001."""
    whole = round(rate * 1001 / 1000)
    ntsc = Fraction(whole * 1000, 1001)
    return (
        ntsc
        if abs(rate - ntsc) < abs(rate - round(rate)) and abs(rate - ntsc) < 0.01
        else Fraction(rate).limit_denominator(1001)
    )
