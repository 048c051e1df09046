"""Pictures as whole numbers, kept code by code: FFV1 in Matroska, of one rate, read from any frame on."""

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

from any2bokeh.errors import VideoError
from any2bokeh.video.color import FULL, frame_planes
from any2bokeh.video.demux import stored_packets

RGB, GRAY, GRAY16 = "bgr0", "gray", "gray16le"  # FFV1 keeps 8-bit RGB in one packed plane

# Checksums of FFV1 (RFC 9043, 4.9). After each slice: 3 bytes of its size, 1 of its state, 4 of checksum.
TRAILER_BYTES = 8
SIZE_BYTES = 3

# The checksum runs over the bits from the highest down, zlib's from the lowest up.
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def to_uint8(picture: Tensor) -> NDArray[np.uint8]:
    """Return the codes of 8 bits of a picture in 0..1 (others are clamped) of any shape, on any device."""
    codes: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return codes


def to_uint8_rgb(picture: Tensor) -> NDArray[np.uint8]:
    """Return the codes of ``C H W`` as ``H W C``, the order of most libraries for pictures."""
    return np.ascontiguousarray(to_uint8(picture).transpose(1, 2, 0))


def to_float(codes: NDArray[Any]) -> Tensor:
    """Return what codes of 8 or 16 bits stand for: float32 in 0..1."""
    return torch.from_numpy(codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max))


NOTE_TAG = "ANY2BOKEH"  # of the file, under which a track keeps what its numbers stand for


class LosslessWriter:
    """Writes pictures of one kind, full range, each of them a keyframe; a context manager.

    Matroska keeps times to 1 ms. A ``note`` of the writer's stands in the head of the file.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        pixel_format: str,
        time_base: Fraction,
        frame_rate: Fraction | None = None,
        note: str = "",
    ) -> None:
        self._path, self._format, self._reformatter = path, pixel_format, VideoReformatter()
        try:
            # The same pictures give the same file: no random number and no version in its head.
            exact = {"fflags": "+bitexact"}
            self._container: Any = av.open(f"file:{path}", "w", format="matroska", options=exact)
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{path} cannot be written: {error.strerror}.") from error
        if note:
            self._container.metadata[NOTE_TAG] = note
        # Slices are coded and decoded in parallel; the checksums let players tell damage.
        options = {"level": "3", "slices": "4", "slicecrc": "1"}
        self._stream = self._container.add_stream("ffv1", rate=frame_rate, options=options)
        self._stream.codec_context.gop_size = 1  # reading may start at any frame; damage stays in its frame
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = pixel_format
        self._stream.codec_context.color_range = FULL
        self._stream.time_base = self._stream.codec_context.time_base = time_base

    def write_integers(self, values: NDArray[Any], pts: int) -> None:
        """Append ``C H W`` codes at ``pts``, in units of the time base; raises ``VideoError``."""
        if len(values) == 1:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values[0]), format=self._format)
        else:
            packed = np.ascontiguousarray(values.transpose(1, 2, 0))
            frame = self._reformatter.reformat(
                av.VideoFrame.from_ndarray(packed, format="rgb24"), format=self._format, threads=1
            )
        self.write_codes(frame, pts)

    def write_codes(self, frame: av.VideoFrame, pts: int) -> None:
        """Append a frame of the file's size and pixel format, whatever its codes mean."""
        frame.pts, frame.time_base = pts, self._stream.codec_context.time_base
        frame.color_range = FULL
        self._mux(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.close()

    def finish(self) -> None:
        """Write what the encoder still holds, and complete the file; raises ``VideoError``."""
        self._mux(None)
        self.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self._path} cannot be written: {error.strerror}.") from error

    def close(self) -> None:
        """Let go of the file, complete or not; raises ``VideoError``."""
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self._path} cannot be written: {error.strerror}.") from error


def read_lossless(path: Path, rate: Fraction, first: int = 0) -> Iterator[NDArray[Any]]:
    """Yield the codes ``C H W`` (R G B, or gray; uint8 or uint16) of each frame from number ``first`` on.

    ``rate`` frames are shown per second. Raises ``VideoError`` if the file cannot be read, and at a frame
    that is damaged or missing.
    """
    for frame in read_codes(path, rate, first):
        planes, _ = frame_planes(frame)
        yield np.stack([planes[i] for i in ((2, 0, 1) if len(planes) == 3 else (0,))])


def read_codes(path: Path, rate: Fraction, first: int = 0) -> Iterator[av.VideoFrame]:
    """Yield the frames as ``read_lossless`` does, in the file's pixel format."""
    expected = first
    for pts, packet in _packets(path, round(first / rate * 1000) if first else None):
        number = round(pts * packet.time_base * rate)
        if number < first:
            continue
        if number != expected:
            raise VideoError(f"Frame {expected} of {path} is missing.")
        if not checksums_hold(bytes(packet)):
            raise VideoError(f"Frame {number} of {path} is damaged.")
        if expected == first and not packet.stream.codec_context.is_open:
            packet.stream.codec_context.thread_type = "SLICE"  # no frame waits for later ones
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            raise VideoError(f"Frame {number} of {path} is damaged.") from error
        expected += 1


def checksums_hold(packet: bytes) -> bool:
    """Return whether the checksum of each slice in an FFV1 packet holds; ``False`` if it has none.

    FFmpeg conceals damage in it without a word.
    """
    end = len(packet)
    while end > 0:
        size_at = end - TRAILER_BYTES
        start = size_at - int.from_bytes(packet[max(size_at, 0) : size_at + SIZE_BYTES])
        if start < 0 or not _checksum_holds(packet[start:end]):
            return False
        end = start
    return True


def _checksum_holds(piece: bytes) -> bool:
    """CRC-32 starting from 0 over data and checksum gives 0; zlib inverts at the start and at the end."""
    return zlib.crc32(piece.translate(REVERSED_BITS), 0xFFFFFFFF) == 0xFFFFFFFF


def _packets(path: Path, start_pts: int | None) -> Iterator[tuple[int, av.Packet]]:
    try:
        yield from stored_packets(path, start_pts)
    except av.FFmpegError as error:  # a file that was cut cannot be searched for a frame
        raise VideoError(f"{path} is damaged: frames cannot be told apart.") from error
