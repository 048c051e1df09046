"""Gray videos of ours with an index beside them: read without looking ahead, compared frame by frame."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from torch import Tensor

from any2bokeh.errors import DisparityError, VideoError
from any2bokeh.video.demux import Damage, decoded_frames, open_source, seek, timed_packets, video_stream
from any2bokeh.video.gray import GrayReader, gray_picture, gray_values
from any2bokeh.video.lossless import NOTE_TAG


@dataclass(frozen=True, kw_only=True)
class PacketIndex:
    """A gray video's packets, told without reading them: the time of each frame, ascending, and a digest."""

    width: int
    height: int
    time_base: Fraction
    times: list[int]
    digests: list[str]
    note: str = ""


class IndexedGrayVideo(GrayReader):
    """A gray video that we wrote and indexed: read without a first pass, each packet compared.

    Damage of any kind is a ``DisparityError`` at the first frame that it reaches.
    """

    def __init__(self, path: Path, index: PacketIndex) -> None:
        self.path = path
        self.width, self.height, self.frame_count = index.width, index.height, len(index.times)
        self.times, self.time_base, self.note = index.times, index.time_base, index.note
        self._digests = index.digests
        self._numbers = {pts: number for number, pts in enumerate(index.times)}

    def frames(self, first: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Yield number and picture of every frame from number ``first`` on; see ``GrayReader``."""
        assert self.times is not None
        expected = first
        try:
            with open_source(self.path) as container:
                stream = video_stream(self.path, container)
                seek(container, stream, self.times[first] if first else None)
                for pts, frame in decoded_frames(container, stream, Damage(self.path), self._compare):
                    number = self._numbers.get(pts, self.frame_count)
                    if number > expected:
                        break
                    if number == expected:
                        name = f"Frame {number} of {self.path}"
                        values = gray_values(frame, stream.codec_context.color_range, name)
                        yield number, gray_picture(values, self, number)
                        expected += 1
        except (VideoError, av.FFmpegError) as error:
            raise DisparityError(f"{self.path} cannot be read at frame {expected}: {error}") from error
        if expected < self.frame_count:
            raise DisparityError(f"Frame {expected} of {self.path} cannot be read.")

    def _compare(self, pts: int, packet: Any) -> None:
        """Raise ``DisparityError`` if the packet differs from the written one."""
        number = self._numbers.get(pts)
        if number is None or _digest(packet) != self._digests[number]:
            where = "A frame" if number is None else f"Frame {number}"
            raise DisparityError(f"{where} of {self.path} is damaged.")


def index_gray(path: Path) -> PacketIndex:
    """Return the index of a track that was just written; raises ``VideoError`` if it cannot be read."""
    digests: dict[int, str] = {}
    with open_source(path) as container:
        stream = video_stream(path, container)
        for pts, packet in timed_packets(container, stream, Damage(path)):
            if pts is not None:
                digests[pts] = _digest(packet)
        size, time_base = stream.codec_context, stream.time_base
        times = sorted(digests)
        return PacketIndex(
            width=size.width,
            height=size.height,
            time_base=time_base,
            times=times,
            digests=[digests[pts] for pts in times],
            note=container.metadata.get(NOTE_TAG, ""),
        )


def _digest(packet: Any) -> str:
    return hashlib.blake2b(packet, digest_size=8).hexdigest()
