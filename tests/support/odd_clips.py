"""Odd files made of ordinary ones: their packets copied with a change, or their bytes cut."""

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
