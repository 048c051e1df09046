"""Codes of planar pictures to R'G'B' and back: the matrices and ranges of ITU-T H.273, in float.

All of it works on a few lines at a time, so that what is in between stays in the cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Planes = Sequence[NDArray[Any]]

# H.273's matrix -> the shares of red and of blue in luma. BT.2020 with constant luminance (10) is read and
# written as the usual BT.2020, which brings the same codes back.
LUMA_SHARES = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601
    6: (0.299, 0.114),
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),
}

FLOAT = 32  # as a depth: the samples are values, not codes
LINES = 32  # worked on at a time: a multiple of those after which the dither repeats
TILE = 128  # columns of a turned picture copied at a time: all at once would touch too many pages
# Blurred gradients would band in 8 bits, so they are dithered; what lies this close to a code is not, so that
# pictures which nobody changed keep their codes.
DITHERED_DEPTH = 8
ON_CODE = 0.01


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What the codes of one planar format mean.

    ``matrix`` is a key of ``LUMA_SHARES``. ``chroma_step`` says which codes of full-size chroma count in
    the end (across, down): (2, 2) if it is halved afterwards.
    """

    kind: Literal["rgb", "yuv", "gray"]
    depth: int
    matrix: int
    is_full_range: bool
    chroma_step: tuple[int, int] = (1, 1)

    @property
    def top(self) -> int:
        """The largest code."""
        return 1 if self.depth == FLOAT else 2**self.depth - 1

    @property
    def luma(self) -> tuple[int, int]:
        """The code of black, and how many codes white is above it; also for R', G' and B'."""
        if self.is_full_range or self.depth == FLOAT:
            return 0, self.top
        return 16 << self.depth - 8, 219 << self.depth - 8

    @property
    def chroma(self) -> tuple[int, int]:
        """The code of no colour, and how many codes lie between both ends of a colour difference."""
        return 1 << self.depth - 1, self.top if self.is_full_range else 224 << self.depth - 8

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of red, green and blue in luma."""
        red, blue = LUMA_SHARES[self.matrix]
        return red, 1 - red - blue, blue


def to_rgb(planes: Planes, coding: Coding, out: Floats) -> None:
    """Fill ``out`` (R'G'B', ``3 H W``, clamped to 0..1) from planes ``H W``: R G B, Y Cb Cr, or gray."""
    buffers = np.empty((5, LINES, out.shape[2]), np.float32)
    for lines, count in _blocks(out.shape[1]):
        block = [plane[lines] for plane in planes]
        if coding.kind == "yuv":
            values = _rgb_of_yuv(block, coding, buffers[:, :count])
        else:
            values = buffers[: len(block), :count]
            for codes, channel in zip(block, values, strict=True):
                _fill_values(codes, *coding.luma, channel)
        np.clip(values, 0, 1, out=values)  # not into out: if that is turned, copies are faster
        out[:, lines] = values


def from_rgb(picture: Floats, coding: Coding, out: Planes) -> None:
    """Fill planes ``H W`` (R G B, Y Cb Cr, or gray) from R'G'B' ``3 H W`` in 0..1, rounded to codes.

    Codes that would be out of range are clipped.
    """
    buffers, turned = np.empty((2, 4, LINES, picture.shape[2]), np.float32)
    rounding = _rounding(coding, picture.shape[2])
    for lines, count in _blocks(picture.shape[1]):
        block = _upright(picture[:, lines], turned[:3, :count])
        levels = _levels(block, coding, buffers[:, :count])
        for plane, level, up in zip(out, levels, rounding, strict=False):
            if coding.depth != FLOAT:
                level += up[:count]
                np.clip(level, 0, coding.top, out=level)
            np.copyto(plane[lines], level, casting="unsafe")  # cuts the fraction off


def _blocks(height: int) -> Iterator[tuple[slice, int]]:
    for start in range(0, height, LINES):
        yield slice(start, start + LINES), min(LINES, height - start)


def _upright(picture: Floats, out: Floats) -> Floats:
    """The picture, copied if its columns and not its rows lie together in memory."""
    if abs(picture.strides[-1]) <= abs(picture.strides[-2]):
        return picture
    for start in range(0, picture.shape[-1], TILE):
        out[..., start : start + TILE] = picture[..., start : start + TILE]
    return out


def _fill_values(codes: NDArray[Any], zero: int, scale: float, out: Floats) -> None:
    np.copyto(out, codes)
    if zero:
        out -= zero
    out /= scale  # and not times 1 / scale: white must be 1


def _rgb_of_yuv(planes: Planes, coding: Coding, buffers: Floats) -> Floats:
    luma, red, green, blue, of_blue = buffers
    red_share, green_share, blue_share = coding.shares
    zero, scale = coding.chroma
    _fill_values(planes[0], *coding.luma, luma)
    _fill_values(planes[1], zero, scale / (2 - 2 * blue_share), blue)  # B' - Y'
    _fill_values(planes[2], zero, scale / (2 - 2 * red_share), red)  # R' - Y'
    np.multiply(red, -red_share / green_share, out=green)  # G' - Y'
    green += np.multiply(blue, -blue_share / green_share, out=of_blue)
    rgb = buffers[1:4]
    rgb += luma
    return rgb


def _levels(picture: Floats, coding: Coding, buffers: Floats) -> list[Floats]:
    """The codes as they would be unrounded and without those of black and of no colour."""
    _, scale = coding.luma
    if coding.kind == "rgb":
        return [np.multiply(channel, scale, out=b) for channel, b in zip(picture, buffers, strict=False)]
    luma, blue, red, part = buffers
    np.multiply(picture[0], coding.shares[0], out=luma)
    for channel, share in zip(picture[1:], coding.shares[1:], strict=True):
        luma += np.multiply(channel, share, out=part)
    if coding.kind == "yuv":
        for difference, channel, share in ((blue, 2, coding.shares[2]), (red, 0, coding.shares[0])):
            np.subtract(picture[channel], luma, out=difference)
            difference *= coding.chroma[1] / (2 - 2 * share)
    luma *= scale
    return [luma, blue, red][: 3 if coding.kind == "yuv" else 1]


def _rounding(coding: Coding, width: int) -> list[Floats]:
    """What to add to the levels of each plane before the fraction is cut off, ``LINES W`` or ``1 1``."""
    luma, chroma = np.full((1, 1), 0.5), np.full((1, 1), 0.5)
    if coding.depth == DITHERED_DEPTH:
        luma, chroma = _dither(width, (1, 1)), _dither(width, coding.chroma_step)
    offset = coding.luma[0]
    offsets = (offset, coding.chroma[0], coding.chroma[0]) if coding.kind == "yuv" else (offset,) * 3
    thresholds = (luma, chroma, chroma) if coding.kind == "yuv" else (luma,) * 3
    return [(t + o).astype(np.float32) for t, o in zip(thresholds, offsets, strict=True)]


def _dither(width: int, step: tuple[int, int]) -> NDArray[np.float64]:
    """Bayer's ordered dither, ``LINES W``, for every so many codes across and down.

    Lines that are averaged later get the same thresholds, and columns that only smooth their neighbours
    are rounded: so the dither survives the halving, and its mean with it.
    """
    order = np.zeros((1, 1))
    for _ in range(3):
        order = np.block([[4 * order, 4 * order + 2], [4 * order + 3, 4 * order + 1]])
    thresholds = ON_CODE + (1 - 2 * ON_CODE) * (order + 0.5) / order.size
    across, down = step
    pattern = np.full((len(order) * down, len(order) * across), 0.5)
    pattern[:, ::across] = thresholds.repeat(down, axis=0)
    rows, columns = pattern.shape
    return np.tile(pattern, (LINES // rows, -(-width // columns)))[:, :width]
