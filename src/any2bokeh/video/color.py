"""Color: the meaning of the numbers in a file, and pictures from its frames and back."""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from any2bokeh.video.chroma import downsample, upsample
from any2bokeh.video.matrix import LUMA_SHARES, Coding, from_rgb, to_rgb
from any2bokeh.video.matroska_crop import NO_CROP, Crop
from any2bokeh.video.metadata import Orientation

UNSPECIFIED = 2  # as matrix, primaries or transfer; an unspecified range is 0
LIMITED, FULL = 1, 2  # ranges
RGB, BT709, SMPTE170M = 0, 1, 6  # matrices
LINEAR, PQ, HLG = 8, 16, 18  # transfers

CONVERSION = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


@dataclass(frozen=True)
class ColorTags:
    """The color tags of a file, in the numbers of ITU-T H.273 (range: 1 limited, 2 full)."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    @property
    def light(self) -> Literal["srgb", "pq", "hlg", "linear"]:
        """The curve from code values to light; SDR, tagged or not, is taken as sRGB."""
        if self.transfer == PQ:
            return "pq"
        if self.transfer == LINEAR:
            return "linear"
        return "hlg" if self.transfer == HLG else "srgb"

    @property
    def is_known(self) -> bool:
        """Whether the matrix is one that can be computed with."""
        return self.matrix in (RGB, UNSPECIFIED, *LUMA_SHARES)


@dataclass(frozen=True)
class PixelLayout:
    """A pixel format of FFmpeg; ``across`` and ``down`` count luma samples per chroma sample."""

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
        """The format with the same codes, but alpha, in planes of their own.

        Rare chroma (4:1:1, 4:4:0, ...) becomes 4:4:4.
        """
        if self.kind != "yuv":
            return _sized("gbrp" if self.kind == "rgb" else "gray", self.depth)
        sampling = {(2, 2): "420", (2, 1): "422"}.get((self.across, self.down), "444")
        return _sized(f"yuv{sampling}p", self.depth)

    @property
    def is_planar(self) -> bool:
        """Whether the codes are in such planes already, maybe with one of alpha behind them."""
        return re.sub("^(yuv|gbr)[aj]", r"\1", self.name) == self.planar

    def is_full_range(self, tags: ColorTags) -> bool:
        """Whether codes fill the whole range; untagged RGB and gray do, untagged YUV does not."""
        if self.kind == "rgb" or self.name.startswith("yuvj"):
            return True
        return tags.range == FULL or (tags.range != LIMITED and self.kind == "gray")


@cache
def pixel_layout(name: str) -> PixelLayout:
    """Return the layout of the pixel format ``name``; raises ``ValueError`` for an unknown name."""
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

    def __init__(
        self, tags: ColorTags, orientation: Orientation, crop: Crop = NO_CROP, *, ends_at_white: bool = True
    ) -> None:
        self._tags, self._ends_at_white = tags, ends_at_white
        self._orientation = orientation
        self._crop = crop
        self._reformatter = VideoReformatter()

    def read(self, frame: av.VideoFrame) -> NDArray[np.float32]:
        """Return the frame as R'G'B', ``3 H W`` in 0..1, in memory of its own.

        Colors that YUV holds and R'G'B' in 0..1 does not are clamped, unless values do not end at white.
        """
        layout = pixel_layout(frame.format.name)
        coding = replace(_coding(self._tags, layout, frame), ends_at_white=self._ends_at_white)
        if not layout.is_planar:
            frame = moved_codes(self._reformatter, frame, layout.planar, is_full_range=coding.is_full_range)
        planes = _color_planes(frame, layout)
        if layout.is_halved:
            chromas = _full_chromas(planes)
            for half, full in zip(planes[1:], chromas, strict=True):
                upsample(half, full, lines=layout.down == 2, top=coding.top)
            planes = [planes[0], *chromas]
        width, height = self._orientation.size(frame.width, frame.height)
        picture = np.empty((3, height, width), np.float32)
        to_rgb(planes, coding, self._orientation.coded(picture))
        if self._crop == NO_CROP:
            return picture
        shown = self._crop.shown(self._orientation.coded(picture))
        return np.ascontiguousarray(self._orientation.displayed(shown))


class FrameMaker:
    """Makes frames in one pixel format of pictures in displayed orientation.

    They are tagged with ``tags``; codes are of ``coded_range`` where that is another range.
    """

    def __init__(
        self,
        pixel_format: str,
        tags: ColorTags,
        orientation: Orientation,
        *,
        coded_range: int | None = None,
    ) -> None:
        self._layout = pixel_layout(pixel_format)
        self._tags = tags
        self._coded = tags if coded_range is None else replace(tags, range=coded_range)
        self._orientation = orientation
        self._reformatter = VideoReformatter()

    def make(self, picture: NDArray[np.float32], carrier: av.VideoFrame | None = None) -> av.VideoFrame:
        """Return the frame of R'G'B' ``3 H W`` in 0..1, tagged; alpha, if any, is opaque.

        It has the side data of ``carrier``, a frame of any size.
        """
        coded, layout = self._orientation.coded(picture), self._layout
        height, width = coded.shape[1:]
        pixel_format = layout.name if layout.is_planar else layout.planar
        frame = (
            carrier.reformat(width=width, height=height, format=pixel_format)
            if carrier
            else av.VideoFrame(width, height, pixel_format)
        )
        frame.pict_type = 0  # a carrier's would be forced upon the encoder
        coding = _coding(self._coded, layout, frame)
        planes = _color_planes(frame, layout)
        if layout.is_halved:
            chromas = _full_chromas(planes)
            from_rgb(coded, coding, [planes[0], *chromas])
            for full, half in zip(chromas, planes[1:], strict=True):
                downsample(full, half, lines=layout.down == 2, top=coding.top)
        else:
            from_rgb(coded, coding, planes)
        if not layout.is_planar:
            frame = moved_codes(self._reformatter, frame, layout.name, is_full_range=coding.is_full_range)
        elif layout.has_alpha:
            plane_codes(frame.planes[-1], layout.depth)[:] = coding.top
        return self._tagged(frame)

    def adopt(self, made: av.VideoFrame, carrier: av.VideoFrame | None = None) -> av.VideoFrame:
        """Return the frame that ``make`` made, given its codes, which ``moved_codes`` may have moved since.

        It has the side data of ``carrier``.
        """
        layout = self._layout
        is_full_range = layout.is_full_range(self._coded)
        made = moved_codes(self._reformatter, made, layout.name, is_full_range=is_full_range)
        width, height = made.width, made.height
        frame = (
            carrier.reformat(width=width, height=height, format=layout.name)
            if carrier
            else av.VideoFrame(width, height, layout.name)
        )
        for own, other in zip(frame.planes, made.planes, strict=True):
            shared = min(abs(own.line_size), abs(other.line_size))
            _plane_bytes(own)[:, :shared] = _plane_bytes(other)[:, :shared]
        frame.pict_type = 0
        return self._tagged(frame)

    def _tagged(self, frame: av.VideoFrame) -> av.VideoFrame:
        # Some encoders (ProRes) tell the frame's tags, others the stream's.
        frame.colorspace, frame.color_range = self._tags.matrix, self._tags.range
        frame.color_primaries, frame.color_trc = self._tags.primaries, self._tags.transfer
        return frame


def moved_codes(
    reformatter: VideoReformatter, frame: av.VideoFrame, pixel_format: str, *, is_full_range: bool
) -> av.VideoFrame:
    """Return the same codes in another format: with equal matrices and ranges FFmpeg only moves them."""
    if frame.format.name == pixel_format:
        return frame
    color_range = FULL if is_full_range else LIMITED
    return reformatter.reformat(
        frame,
        format=pixel_format,
        src_colorspace=BT709,
        dst_colorspace=BT709,
        src_color_range=color_range,
        dst_color_range=color_range,
        interpolation=CONVERSION,
        threads=1,
    )


def is_hd(width: int, height: int) -> bool:
    """Whether untagged video of this size is BT.709, not BT.601."""
    return height >= 720 or width >= 1280


def _plane_bytes(plane: Any) -> NDArray[np.uint8]:
    """A plane's memory as rows of bytes, from the top down, with the padding."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
    return rows if plane.line_size > 0 else rows[::-1]


def plane_codes(plane: Any, depth: int) -> NDArray[Any]:
    """Return a plane's samples (H W), of 8, up to 16 or 32 bits (float), as a view without the padding."""
    dtype = np.uint8 if depth <= 8 else np.float32 if depth == 32 else np.dtype("<u2")
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:: 1 if plane.line_size > 0 else -1, : plane.width]


def frame_planes(frame: av.VideoFrame) -> tuple[list[NDArray[Any]], float]:
    """Return a frame's samples plane by plane (gray; Y, U, V; or G, B, R), and the largest that there is.

    A frame of floats has 1 for its largest.
    """
    layout = pixel_layout(frame.format.name)
    if not layout.is_planar:
        # With equal ranges the codes stay unchanged. Alpha in a plane of its own is left out below, not
        # by this, which would garble planes of 10 and more bits.
        frame = VideoReformatter().reformat(
            frame, format=layout.planar, src_color_range=FULL, dst_color_range=FULL
        )
    depth = max(layout.depth, 8)
    largest = 1.0 if depth == 32 else 2.0**depth - 1
    return [plane_codes(plane, depth) for plane in frame.planes[: 1 if layout.kind == "gray" else 3]], largest


def _coding(tags: ColorTags, layout: PixelLayout, frame: av.VideoFrame) -> Coding:
    untagged = BT709 if is_hd(frame.width, frame.height) else SMPTE170M
    return Coding(
        kind=layout.kind,
        depth=max(layout.depth, 8),
        matrix=tags.matrix if tags.matrix in LUMA_SHARES else untagged,
        is_full_range=layout.is_full_range(tags),
        chroma_step=(layout.across, layout.down) if layout.is_halved else (1, 1),
    )


def _color_planes(frame: av.VideoFrame, layout: PixelLayout) -> list[NDArray[Any]]:
    """The samples of a planar frame: R G B (which FFmpeg has as G, B, R), Y Cb Cr, or gray."""
    order = {"rgb": (2, 0, 1), "yuv": (0, 1, 2), "gray": (0,)}[layout.kind]
    return [plane_codes(frame.planes[index], layout.depth) for index in order]


def _full_chromas(planes: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Room for chroma as large as the luma of these planes."""
    return [np.empty(planes[0].shape, planes[0].dtype) for _ in planes[1:]]


def _sized(name: str, depth: int) -> str:
    """The name of a planar format with its depth; FFmpeg has no planar integers of other depths."""
    if depth == 32:
        return f"{name}f32le"
    return name if depth <= 8 else f"{name}{depth}le"
