"""Odd files made of ordinary ones: their packets copied with a change, or their bytes cut."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

Change = Callable[[int, Any], bool]  # number and packet of the video; whether it is kept


def remuxed(source: Path, target: Path, change: Change) -> Path:
    """Copy a file, packet by packet; ``change`` may alter those of the video in place, or leave them out."""
    with av.open(str(source)) as file, av.open(str(target), "w") as output:
        streams = [output.add_stream_from_template(stream, opaque=True) for stream in file.streams]
        number = 0
        for packet in file.demux():
            if not packet.size:
                continue
            if packet.stream.type == "video":
                number += 1
                if not change(number - 1, packet):
                    continue
            packet.stream = streams[packet.stream_index]
            output.mux(packet)
    return target


def held(source: Path, target: Path, frames: int, ticks: int) -> Path:
    """The last of so many pictures is shown for so many ticks."""

    def change(number: int, packet: Any) -> bool:
        if number == frames - 1:
            packet.duration = ticks
        return True

    return remuxed(source, target, change)


def begun_late(source: Path, target: Path, left_out: int) -> Path:
    """A recording that begins between two keyframes."""
    return remuxed(source, target, lambda number, packet: number >= left_out)


def doubled_times(source: Path, target: Path, every: int) -> Path:
    """Every so many pictures one has the time of the picture before it."""
    last = [0]

    def change(number: int, packet: Any) -> bool:
        if number and number % every == 0:
            packet.pts = packet.dts = last[0]
        last[0] = packet.pts
        return True

    return remuxed(source, target, change)


def cut_off(source: Path, target: Path, share: float) -> Path:
    """The first part of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: round(share * len(data))])
    return target


def with_crop(source: Path, target: Path, *, top: int, bottom: int, left: int, right: int) -> Path:
    """A Matroska file that states a hidden border: in its tracks, behind what FFmpeg writes there."""
    data = source.read_bytes()
    sides = ((0xAA, bottom), (0xBB, top), (0xCC, left), (0xDD, right))
    added = b"".join(bytes([0x54, code, 0x81, value]) for code, value in sides)
    at, sizes = 0, []
    for wanted in (b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\xae", b"\xe0"):  # segment to video
        while True:
            head = 9 - data[at].bit_length()
            element, at = data[at : at + head], at + head
            length = 9 - data[at].bit_length()
            size = int.from_bytes(data[at : at + length]) - (1 << 7 * length)
            sizes.append((at, length))
            at += length
            if element == wanted:
                break
            sizes.pop()
            at += size
    longer = bytearray(data)
    for place, length in sizes:
        old = int.from_bytes(data[place : place + length])
        longer[place : place + length] = (old + len(added)).to_bytes(length)
    longer[at:at] = added
    target.write_bytes(longer)
    return target


def with_boxes(source: Path, target: Path, boxes: bytes) -> Path:
    """An MP4, its index at the end, with boxes more in the description of its video."""
    data = bytearray(source.read_bytes())
    at, sizes = 0, []
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        while bytes(data[at + 4 : at + 8]) != wanted:
            at += int.from_bytes(data[at : at + 4])
        sizes.append(at)
        at += 8
    sizes.append(at + 8)  # the first entry, behind version and count
    end = at + 8 + int.from_bytes(data[at + 8 : at + 12])
    for place in sizes:
        data[place : place + 4] = (int.from_bytes(data[place : place + 4]) + len(boxes)).to_bytes(4)
    data[end:end] = boxes
    target.write_bytes(data)
    return target


def box(name: bytes, *contents: bytes, is_full: bool = False) -> bytes:
    """A box of MP4; full ones begin with version and flags."""
    content = bytes(4 * is_full) + b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def stereo_box(layout: int) -> bytes:
    """How two pictures lie in one: 0 not at all, 1 top and bottom, 2 side by side."""
    return box(b"st3d", bytes([layout]), is_full=True)


def sphere_box(turn_deg: int = 0, *, left: float = 0, is_cube: bool = False) -> bytes:
    """A sphere in the picture, turned to the side, without a share of its left."""
    shape = (
        box(b"cbmp", bytes(8), is_full=True)
        if is_cube
        else box(b"equi", struct.pack(">4I", 0, 0, round(left * 2**32), 0), is_full=True)
    )
    pose = box(b"prhd", struct.pack(">3i", turn_deg << 16, 0, 0), is_full=True)
    return box(b"sv3d", box(b"svhd", b"test\0", is_full=True), box(b"proj", pose, shape))
