"""Tags of 360-degree and stereoscopic pictures, on their way from one file to the next.

PyAV hands on such tags from a stream that is read to one that is made like it, but cannot make them. So a
small Matroska file in memory states them, and the stream of the result is made like its stream.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av

from any2bokeh.video.containers import Container
from any2bokeh.video.metadata import side_data

# FFmpeg's numbers of layouts and projections (AVStereo3DType, AVSphericalProjection).
FLAT, SIDE_BY_SIDE, TOP_BOTTOM = 0, 1, 2
EQUIRECTANGULAR, CUBEMAP, TILE, HALF, RECTILINEAR = 0, 1, 2, 3, 4
INVERTED = 1  # a flag: the right eye comes first
QUARTER = 1 << 30  # of the width or height, in 1 / 2**32

# Matroska's StereoMode (RFC 9559, 5.1.4.1.28.3), by layout and whether the right eye comes first.
STEREO_MODES = {
    (SIDE_BY_SIDE, False): 1,
    (TOP_BOTTOM, True): 2,
    (TOP_BOTTOM, False): 3,
    (SIDE_BY_SIDE, True): 11,
}
MATROSKA_CODECS = {
    "h264": "V_MPEG4/ISO/AVC",
    "hevc": "V_MPEGH/ISO/HEVC",
    "av1": "V_AV1",
    "vp8": "V_VP8",
    "vp9": "V_VP9",
    "ffv1": "V_FFV1",
}
# The formats that FFmpeg writes the tags of, as others read them. In MOV it writes a newer box only.
TAGGED_FORMATS = ("mp4", "matroska", "webm")
TO_STSD = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")  # the boxes around a stream's description
HEAD_BYTES = 8  # of a box: its size and its name
STSD_BYTES, VISUAL_ENTRY_BYTES = 8, 78  # in front of the boxes in them


@dataclass(frozen=True)
class Projection:
    """How a sphere lies in the picture: FFmpeg's number, turn (16.16 degrees) and bounds (0.32)."""

    kind: int
    turn: tuple[int, int, int] = (0, 0, 0)
    bounds: tuple[int, int, int, int] = (0, 0, 0, 0)  # left, top, right, bottom


@dataclass(frozen=True)
class ImmersiveTags:
    """The tags of a picture that is no plain one; ``None`` for those that a file does not have.

    ``stereo_mode`` is Matroska's number.
    """

    stereo_mode: int | None = None
    projection: Projection | None = None

    @property
    def names(self) -> Iterator[str]:
        """The tags as messages name them."""
        if self.stereo_mode is not None:
            yield "stereoscopic tags"
        if self.projection is not None:
            yield "360-degree tags"


PLAIN = ImmersiveTags()


def read_immersive(frame: av.VideoFrame) -> tuple[ImmersiveTags, list[str]]:
    """Return the tags of a frame, and the names of those that no file can be given."""
    found, lost = side_data(frame), []
    stereo_mode = projection = None
    is_one_view_of_two = "VIEW_ID" in found  # of MV-HEVC: the result has one, and is flat
    if (data := found.get("STEREO3D", b"")) and not is_one_view_of_two:
        layout, flags = struct.unpack("=2i", data[:8])
        stereo_mode = STEREO_MODES.get((layout, bool(flags & INVERTED)))
        if stereo_mode is None and layout != FLAT:
            lost.append("stereoscopic tags")
    if data := found.get("SPHERICAL", b""):
        kind, *numbers = struct.unpack("=I3i4I", data[:32])
        projection = _projection(kind, numbers)
        if projection is None and kind != RECTILINEAR:  # which is a plain picture
            lost.append("360-degree tags")
    return ImmersiveTags(stereo_mode, projection), lost


def _projection(kind: int, numbers: list[int]) -> Projection | None:
    yaw, pitch, roll, *bounds = numbers
    left, top, right, bottom = bounds
    if kind == HALF:  # which Matroska and the older boxes know as a tile of the whole
        kind, left, right = TILE, QUARTER, QUARTER
    if kind not in (EQUIRECTANGULAR, CUBEMAP, TILE):
        return None
    return Projection(kind, (yaw, pitch, roll), (left, top, right, bottom))


def holds_immersive(tags: ImmersiveTags, kind: Container, codec: str) -> bool:
    """Whether a file of a kind, with a codec, is given the tags."""
    is_inverted = tags.stereo_mode in (STEREO_MODES[SIDE_BY_SIDE, True], STEREO_MODES[TOP_BOTTOM, True])
    return (
        kind.format in TAGGED_FORMATS
        and codec in MATROSKA_CODECS
        and not (kind.format == "mp4" and is_inverted)
    )


def add_tagged_stream(output: Any, context: Any, tags: ImmersiveTags) -> Any:
    """Add the stream of an encoder, which is open, with ``tags``; the encoder's packets are for it.

    Raises ``ValueError`` if the file cannot hold the codec.
    """
    stated = io.BytesIO(_matroska(context, tags))
    with av.open(stated) as template:
        stream = output.add_stream_from_template(template.streams.video[0], opaque=True)
    theirs = stream.codec_context
    for name in (
        *("width", "height", "pix_fmt", "sample_aspect_ratio", "framerate", "profile", "codec_tag"),
        *("color_range", "colorspace", "color_primaries", "color_trc", "extradata"),
    ):
        value = getattr(context, name)
        if value is not None:
            setattr(theirs, name, value)
    return stream


def hide_newer_box(path: Path) -> None:
    """Let readers of an MP4 pass over Apple's box for spatial video, which FFmpeg adds to the tags.

    It does not say how two pictures lie in one, and who reads it looks at nothing else.
    """
    with path.open("r+b") as file:
        end = file.seek(0, io.SEEK_END)
        for at in _boxes_in_streams(file, end, b"vexu"):
            file.seek(at + 4)
            file.write(b"free")


def _boxes_in_streams(file: BinaryIO, end: int, wanted: bytes) -> list[int]:
    """Where the boxes of a name are in the descriptions of streams."""
    areas = [(0, end)]
    for name in TO_STSD:
        found = [box for area in areas for box in _boxes(file, *area) if box[1] == name]
        areas = [(at + HEAD_BYTES, at + size) for at, _, size in found]
    entries = [box for start, stop in areas for box in _boxes(file, start + STSD_BYTES, stop)]
    inner = [(at + HEAD_BYTES + VISUAL_ENTRY_BYTES, at + size) for at, _, size in entries]
    return [at for area in inner for at, name, _ in _boxes(file, *area) if name == wanted]


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """Place, name and size of the boxes between two places."""
    while at + HEAD_BYTES <= end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(HEAD_BYTES))
        if size == 1:  # the size is in the next eight bytes
            (size,) = struct.unpack(">Q", file.read(8))
        if size < HEAD_BYTES:
            return
        yield at, name, size
        at += size


def _matroska(context: Any, tags: ImmersiveTags) -> bytes:
    """A file of one empty block, whose video has the tags."""
    stated = b"" if tags.stereo_mode is None else _element(0x53B8, _whole(tags.stereo_mode))
    if tags.projection:
        stated += _element(0x7670, _stated_projection(tags.projection))
    size = _element(0xB0, _whole(context.width)) + _element(0xBA, _whole(context.height))
    codec = MATROSKA_CODECS[context.codec.canonical_name].encode()
    track = b"".join(_element(element, _whole(1)) for element in (0xD7, 0x73C5, 0x83))  # number, id, video
    track += _element(0x86, codec) + _element(0xE0, size + stated)
    info = _element(0x2AD7B1, _whole(1_000_000))  # ns in a tick
    cluster = _element(0xE7, _whole(0)) + _element(0xA3, b"\x81\0\0\x80\0")
    segment = _element(0x1549A966, info) + _element(0x1654AE6B, _element(0xAE, track))
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska"))
    return head + _element(0x18538067, segment + _element(0x1F43B675, cluster))


def _stated_projection(projection: Projection) -> bytes:
    left, top, right, bottom = projection.bounds
    is_cube = projection.kind == CUBEMAP
    private = bytes(12) if is_cube else struct.pack(">5I", 0, top, bottom, left, right)
    stated = _element(0x7671, _whole(2 if is_cube else 1)) + _element(0x7672, private)
    for element, turn in zip((0x7673, 0x7674, 0x7675), projection.turn, strict=True):
        stated += _element(element, struct.pack(">f", turn / (1 << 16)))
    return stated


def _element(element: int, content: bytes) -> bytes:
    """An element of EBML: its ID, the size of its content in eight bytes, its content."""
    length = (element.bit_length() + 7) // 8
    return element.to_bytes(length) + (len(content) | 1 << 56).to_bytes(8) + content


def _whole(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8))
