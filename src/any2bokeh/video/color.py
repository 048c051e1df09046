"""Colour: what the numbers of a file mean, and pictures from its frames and back."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from any2bokeh.video.chroma import downsample, upsample
from any2bokeh.video.orientation import Orientation

UNSPECIFIED = 2  # as matrix, primaries or transfer; an unspecified range is 0
LIMITED, FULL = 1, 2  # ranges
RGB, BT709, SMPTE170M = 0, 1, 6  # matrices
PQ, HLG = 16, 18  # transfers

# The matrix of H.273 -> the one that FFmpeg's scaler computes with. BT.2020 with constant luminance is
# read and written as the usual BT.2020, which brings the same codes back.
SCALER_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

CONVERSION = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
# SWS_UNSTABLE, the scaler's new conversions: exact in float, where the old ones are low by half an 8-bit
# code. They read and write past the ends of packed pictures and of very small ones (seen with Valgrind), so
# they get planar pictures only, on a canvas of at least this size.
NEW_CONVERSION = CONVERSION | 1 << 20
CANVAS_WIDTH, CANVAS_HEIGHT = 128, 16


@dataclass(frozen=True)
class ColorTags:
    """What a file says of its colour, in the numbers of ITU-T H.273 (range: 1 limited, 2 full)."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @property
    def light(self) -> Literal["srgb", "pq", "hlg"]:
        """The curve from code values to light; SDR, tagged or not, is taken as sRGB."""
        if self.transfer == PQ:
            return "pq"
        return "hlg" if self.transfer == HLG else "srgb"

    @property
    def is_known(self) -> bool:
        """Whether the matrix is one that can be computed with."""
        return self.matrix in (RGB, UNSPECIFIED, *SCALER_MATRIX)


@dataclass(frozen=True)
class PixelLayout:
    """What a pixel format of FFmpeg holds; ``across`` and ``down`` count luma samples per chroma sample."""

    name: str
    kind: Literal["rgb", "yuv", "gray"]
    depth: int
    across: int
    down: int
    has_alpha: bool

    @property
    def is_halved(self) -> bool:
        """Whether chroma is 4:2:0 or 4:2:2."""
        return self.kind == "yuv" and self.across == 2 and self.down <= 2

    @property
    def planar(self) -> str:
        """The format with the same codes, but alpha, in planes of their own; some rare ones have none."""
        if self.kind != "yuv":
            return _sized("gbrp" if self.kind == "rgb" else "gray", self.depth)
        sampling = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}.get((self.across, self.down))
        return _sized(f"yuv{sampling}p", self.depth) if sampling else self.name

    @property
    def full_chroma(self) -> str:
        """The planar format with as much chroma as luma."""
        return _sized("yuv444p", self.depth) if self.is_halved else self.planar

    def is_full_range(self, tags: ColorTags) -> bool:
        """Whether codes fill the whole range; untagged RGB and gray do, untagged YUV does not."""
        if self.kind == "rgb" or self.name.startswith("yuvj"):
            return True
        return tags.range == FULL or (tags.range != LIMITED and self.kind == "gray")


@cache
def pixel_layout(name: str) -> PixelLayout:
    """Return what the pixel format ``name`` holds; raises ``ValueError`` for an unknown name."""
    pixel_format = av.VideoFormat(name, 16, 16)
    colors = [component for component in pixel_format.components if not component.is_alpha]
    kind: Literal["rgb", "yuv", "gray"] = "yuv" if len(colors) > 1 else "gray"
    return PixelLayout(
        name=name,
        kind="rgb" if pixel_format.is_rgb or pixel_format.has_palette else kind,
        depth=max(component.bits for component in colors),
        across=16 // pixel_format.chroma_width(16),
        down=16 // pixel_format.chroma_height(16),
        has_alpha=len(colors) < len(pixel_format.components),
    )


def written_tags(tags: ColorTags, source: PixelLayout, target: PixelLayout, *, is_hd: bool) -> ColorTags:
    """Return the tags that say of frames in the layout ``target`` what ``tags`` say of ``source``."""
    if target.kind == "rgb":
        return ColorTags(RGB, FULL, tags.primaries, tags.transfer)
    if source.kind == "rgb":
        return ColorTags(BT709 if is_hd else SMPTE170M, LIMITED, tags.primaries, tags.transfer)
    color_range = FULL if source.is_full_range(tags) else tags.range
    return ColorTags(tags.matrix, color_range, tags.primaries, tags.transfer)


class PictureReader:
    """Makes pictures, in displayed orientation, of the frames of one video."""

    def __init__(self, tags: ColorTags, orientation: Orientation) -> None:
        self._tags = tags
        self._orientation = orientation
        # One for each step: a reformatter keeps what it worked out for the conversion before.
        self._to_planar, self._to_rgb = VideoReformatter(), VideoReformatter()
        self._full_chroma: av.VideoFrame | None = None

    def read(self, frame: av.VideoFrame) -> NDArray[np.float32]:
        """Return the frame as R'G'B', ``3 H W`` in 0..1, in memory of its own.

        Colours that YUV holds and R'G'B' in 0..1 does not are clamped.
        """
        layout = pixel_layout(frame.format.name)
        coding = _coding(self._tags, layout, frame)
        if layout.planar != layout.name:
            frame = coding.repack(self._to_planar, frame, layout.planar)
        if layout.is_halved:
            frame = self._with_full_chroma(frame, layout)
        rgb = self._to_rgb.reformat(
            _on_canvas(frame, *_canvas_size(frame.width, frame.height)),
            format="gbrpf32le",
            src_colorspace=coding.matrix,
            src_color_range=coding.range,
            dst_color_range=FULL,
            interpolation=_conversion(layout),
            threads=1,
        )
        width, height = self._orientation.size(frame.width, frame.height)
        picture = np.empty((3, height, width), np.float32)
        for channel, plane in zip(picture, _rgb_planes(rgb), strict=True):
            coded = plane[: frame.height, : frame.width]
            np.clip(self._orientation.displayed(coded), 0, 1, out=channel)
        return picture

    def _with_full_chroma(self, half: av.VideoFrame, layout: PixelLayout) -> av.VideoFrame:
        wanted = half.width, half.height, layout.full_chroma
        full = self._full_chroma  # kept: a new one for each frame would cost page faults
        if full is None or (full.width, full.height, full.format.name) != wanted:
            full = self._full_chroma = av.VideoFrame(*wanted)
        luma, *chromas = (plane_codes(plane, layout.depth) for plane in half.planes)
        full_luma, *full_chromas = (plane_codes(plane, layout.depth) for plane in full.planes)
        full_luma[:] = luma
        for chroma, full_chroma in zip(chromas, full_chromas, strict=True):
            upsample(chroma, full_chroma, lines=layout.down == 2, top=2**layout.depth - 1)
        return full


class FrameMaker:
    """Makes frames in one pixel format of pictures in displayed orientation."""

    def __init__(self, pixel_format: str, tags: ColorTags, orientation: Orientation) -> None:
        self._layout = pixel_layout(pixel_format)
        self._tags = tags
        self._orientation = orientation
        self._rgb: av.VideoFrame | None = None
        self._from_rgb, self._from_planar = VideoReformatter(), VideoReformatter()

    def make(self, picture: NDArray[np.float32]) -> av.VideoFrame:
        """Return the frame of R'G'B' ``3 H W`` in 0..1, tagged."""
        coded = self._orientation.coded(picture)
        height, width = coded.shape[1:]
        if self._rgb is None:
            self._rgb = av.VideoFrame(*_canvas_size(width, height), "gbrpf32le")
        for channel, plane in zip(coded, _rgb_planes(self._rgb), strict=True):
            plane[:height, :width] = channel
        layout, coding = self._layout, _coding(self._tags, self._layout, self._rgb)
        frame = self._from_rgb.reformat(
            self._rgb,
            format=layout.full_chroma,
            dst_colorspace=coding.matrix,
            src_color_range=FULL,
            dst_color_range=coding.range,
            interpolation=_conversion(layout),
            threads=1,
        )
        frame = _on_canvas(frame, width, height)
        if layout.is_halved:
            frame = _with_half_chroma(frame, layout)
        if layout.planar != layout.name:
            frame = coding.repack(self._from_planar, frame, layout.name)
        # Some encoders (ProRes) tell the frame's tags, others the stream's.
        frame.colorspace, frame.color_range = self._tags.matrix, self._tags.range
        frame.color_primaries, frame.color_trc = self._tags.primaries, self._tags.transfer
        return frame


def is_hd(width: int, height: int) -> bool:
    """Whether untagged video of this size is BT.709, not BT.601."""
    return height >= 720 or width >= 1280


def plane_codes(plane: Any, depth: int) -> NDArray[Any]:
    """Return a plane's samples (H W), of 8, up to 16 or 32 bits (float), as a view without the padding."""
    dtype = np.uint8 if depth <= 8 else np.float32 if depth == 32 else np.dtype("<u2")
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:: 1 if plane.line_size > 0 else -1, : plane.width]


@dataclass(frozen=True)
class _Coding:
    """The matrix, in the scaler's numbers, and the range that codes are computed with."""

    matrix: int
    range: int

    def repack(self, reformatter: VideoReformatter, frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
        """The same codes in another format."""
        return reformatter.reformat(
            frame,
            format=pixel_format,
            src_colorspace=self.matrix,
            dst_colorspace=self.matrix,
            src_color_range=self.range,
            dst_color_range=self.range,
            interpolation=CONVERSION,
            threads=1,
        )


def _coding(tags: ColorTags, layout: PixelLayout, frame: av.VideoFrame) -> _Coding:
    untagged = BT709 if is_hd(frame.width, frame.height) else SCALER_MATRIX[SMPTE170M]
    return _Coding(SCALER_MATRIX.get(tags.matrix, untagged), FULL if layout.is_full_range(tags) else LIMITED)


def _rgb_planes(rgb: av.VideoFrame) -> list[NDArray[np.float32]]:
    """The R, G and B planes of a frame in ``gbrpf32le``, which has them as G, B, R."""
    return [plane_codes(rgb.planes[index], 32) for index in (2, 0, 1)]


def _conversion(layout: PixelLayout) -> int:
    has_full_planes = layout.kind != "yuv" or layout.is_halved or layout.across == layout.down == 1
    return NEW_CONVERSION if has_full_planes else CONVERSION


def _canvas_size(width: int, height: int) -> tuple[int, int]:
    return max(width, CANVAS_WIDTH), max(height, CANVAS_HEIGHT)


def _on_canvas(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The picture in the corner of a larger or smaller frame, if it is not of this size already."""
    if (frame.width, frame.height) == (width, height):
        return frame
    depth = pixel_layout(frame.format.name).depth
    canvas = av.VideoFrame(width, height, frame.format.name)
    canvas.colorspace, canvas.color_range = frame.colorspace, frame.color_range
    height, width = min(height, frame.height), min(width, frame.width)
    for plane, canvas_plane in zip(frame.planes, canvas.planes, strict=True):
        plane_codes(canvas_plane, depth)[:height, :width] = plane_codes(plane, depth)[:height, :width]
    return canvas


def _with_half_chroma(full: av.VideoFrame, layout: PixelLayout) -> av.VideoFrame:
    half = av.VideoFrame(full.width, full.height, layout.planar)
    full_luma, *full_chromas = (plane_codes(plane, layout.depth) for plane in full.planes)
    luma, *chromas = (plane_codes(plane, layout.depth) for plane in half.planes)
    luma[:] = full_luma
    for full_chroma, chroma in zip(full_chromas, chromas, strict=True):
        downsample(full_chroma, chroma, lines=layout.down == 2, top=2**layout.depth - 1)
    return half


def _sized(name: str, depth: int) -> str:
    """The name of a planar format with its depth; FFmpeg has no planar integers of other depths."""
    if depth == 32:
        return f"{name}f32le"
    return name if depth <= 8 else f"{name}{depth}le"
