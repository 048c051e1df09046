"""Whole boxes of MP4 and elements of Matroska that state hostile sizes, counts and kinds.

Unlike damage to single bytes, all around the one that is wrong stays right: readers get as far as that.
"""

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

BOXES = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta"}  # that hold others
ELEMENTS = {
    bytes.fromhex(kind)
    for kind in (
        *("1A45DFA3", "18538067", "114D9B74", "4DBB", "1549A966", "1654AE6B", "AE", "E0", "E1", "1F43B675"),
        *("A0", "1C53BB6B", "BB", "B7", "1254C367", "7373", "63C0", "67C8"),
    )
}
UNKNOWN_SIZE = (1 << 56) - 1  # of an element that ends where its parent does
SIZES = (0, 1, 7, 8, 9, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, UNKNOWN_SIZE, (1 << 63) - 1)
NUMBERS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
DEEPEST = 3000


@dataclass(frozen=True)
class Part:
    """A box or an element: its kind, what is in it, and the size that it states if that is a lie."""

    kind: bytes
    body: bytes | tuple["Part", ...]
    stated: int | None = None


def with_hostile_part(data: bytes, chance: random.Random) -> bytes:
    """An MP4 or Matroska file in which one or two parts lie about themselves."""
    is_matroska = data.startswith(b"\x1aE\xdf\xa3")
    parts = tuple(_elements(data) if is_matroska else _boxes(data))
    for _ in range(chance.choice((1, 1, 2))):
        found = list(_walk(parts))
        chosen, other = chance.choice(found), chance.choice(found)
        lie = chance.choice(LIES)(chosen, other, chance)
        parts = tuple(chain.from_iterable(_exchanged(part, chosen, lie) for part in parts))
    return b"".join(_element_bytes(part) if is_matroska else _box_bytes(part) for part in parts)


def _size(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return [replace(part, stated=chance.choice(SIZES))]


def _number(part: Part, other: Part, chance: random.Random) -> list[Part]:
    """An extreme number in the place of one of the first: versions, counts, sizes of tables."""
    if isinstance(part.body, tuple):
        return _size(part, other, chance)
    body, at = bytearray(part.body), 4 * chance.randrange(6)
    body[at : at + 4] = struct.pack(">I", chance.choice(NUMBERS))
    return [replace(part, body=bytes(body))]


def _kind(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return [replace(part, kind=other.kind)]


def _moved(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return [other]


def _left_out(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return []


def _emptied(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return [replace(part, body=b"")]


def _repeated(part: Part, other: Part, chance: random.Random) -> list[Part]:
    return [part] * chance.choice((2, 3, 100))


def _nested(part: Part, other: Part, chance: random.Random) -> list[Part]:
    """Levels of parts of one kind in each other, written by their sizes alone."""
    head = Part(part.kind, b"", stated=chance.choice((1 << 20, UNKNOWN_SIZE)))
    return [head] * chance.choice((10, DEEPEST))


Lie = Callable[[Part, Part, random.Random], list[Part]]
LIES: tuple[Lie, ...] = (
    _size,
    _size,
    _number,
    _number,
    _kind,
    _moved,
    _left_out,
    _emptied,
    _repeated,
    _nested,
)


def _walk(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part.body, tuple):
            yield from _walk(part.body)


def _exchanged(part: Part, chosen: Part, lie: list[Part]) -> list[Part]:
    if part is chosen:
        return lie
    if isinstance(part.body, bytes):
        return [part]
    body = tuple(chain.from_iterable(_exchanged(inner, chosen, lie) for inner in part.body))
    return [replace(part, body=body)]


def _boxes(data: bytes) -> Iterator[Part]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4]) or len(data) - at
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + size]
        yield Part(kind, tuple(_boxes(body)) if kind in BOXES else body)
        at += max(size, 8)


def _box_bytes(part: Part) -> bytes:
    body = part.body if isinstance(part.body, bytes) else b"".join(map(_box_bytes, part.body))
    size = 8 + len(body) if part.stated is None else part.stated
    if size < 1 << 32:
        return struct.pack(">I", size) + part.kind + body
    return struct.pack(">I", 1) + part.kind + struct.pack(">Q", size) + body


def _elements(data: bytes) -> Iterator[Part]:
    at = 0
    while at < len(data):
        kind, at = _number_at(data, at)
        size, at = _number_at(data, at)
        length = int.from_bytes(size) & ((1 << 7 * len(size)) - 1)
        length = min(length, len(data) - at)  # an unknown one is the largest
        body = data[at : at + length]
        yield Part(kind, tuple(_elements(body)) if kind in ELEMENTS else body)
        at += length


def _number_at(data: bytes, at: int) -> tuple[bytes, int]:
    """The bytes of a number of variable length, and the place behind it."""
    end = at + 9 - data[at].bit_length()
    return data[at:end], end


def _element_bytes(part: Part) -> bytes:
    body = part.body if isinstance(part.body, bytes) else b"".join(map(_element_bytes, part.body))
    size = len(body) if part.stated is None else min(part.stated, UNKNOWN_SIZE)
    return part.kind + (1 << 56 | size).to_bytes(8) + body
