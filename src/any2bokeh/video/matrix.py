"""Codes of planar pictures to R'G'B' and back: the matrices and ranges of ITU-T H.273, in float.

All of it works on a few lines at a time, so that intermediate values stay in the cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Floats
from any2bokeh.jit import compiled

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
FARTHEST_VALUE = np.float32(1e6)  # beyond any code
ON_CODE = 0.01


@dataclass(frozen=True, kw_only=True)
class Coding:
    """The meaning of the codes of one planar format.

    ``matrix`` is a key of ``LUMA_SHARES``. ``chroma_step`` says which codes of full-size chroma count in
    the end (across, down): (2, 2) if it is halved afterwards. Values outside 0..1 are kept where
    ``ends_at_white`` is false: codes of logarithmic curves have light there.
    """

    kind: Literal["rgb", "yuv", "gray"]
    depth: int
    matrix: int
    is_full_range: bool
    chroma_step: tuple[int, int] = (1, 1)
    ends_at_white: bool = True

    @property
    def ends(self) -> tuple[np.float32, np.float32]:
        """The smallest and the largest value that codes may stand for."""
        return (np.float32(0), np.float32(1)) if self.ends_at_white else (-FARTHEST_VALUE, FARTHEST_VALUE)

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
        """The code of no color, and how many codes lie between both ends of a color difference."""
        return 1 << self.depth - 1, self.top if self.is_full_range else 224 << self.depth - 8

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of red, green and blue in luma."""
        red, blue = LUMA_SHARES[self.matrix]
        return red, 1 - red - blue, blue


def to_rgb(planes: Planes, coding: Coding, out: Floats) -> None:
    """Fill ``out`` (R'G'B', ``3 H W``, clamped to its ends) from planes ``H W``: R G B, Y Cb Cr, or gray."""
    padded = [with_padding(plane) for plane in planes]
    buffer = np.empty((3, LINES, out.shape[2]), np.float32)
    zero, white = np.float32(coding.luma[0]), np.float32(coding.luma[1])
    for lines, count in _blocks(out.shape[1]):
        rgb = out[:, lines] if out.flags.c_contiguous else buffer[:, :count]
        block = [plane[lines] for plane in padded]
        if coding.kind == "yuv":
            _fill_rgb(_yuv_numbers(coding), coding.ends, *block, *rgb)
        else:
            for codes, channel in zip(block * (3 // len(block)), rgb, strict=True):
                _fill_values(codes, zero, white, coding.ends, channel)
        if not out.flags.c_contiguous:
            out[:, lines] = rgb  # it is turned: copies are faster


def from_rgb(picture: Floats, coding: Coding, out: Planes) -> None:
    """Fill planes ``H W`` (R G B, Y Cb Cr, or gray) from R'G'B' ``3 H W`` in 0..1, rounded to codes.

    Codes that would be out of range are clipped.
    """
    padded = [with_padding(plane) for plane in out]
    buffer = np.empty((3, LINES, picture.shape[2]), np.float32)
    luma_up, chroma_up = _rounding(coding, picture.shape[2])
    scale, top = np.float32(coding.luma[1]), np.float32(coding.top)
    for lines, count in _blocks(picture.shape[1]):
        rgb = _upright(picture[:, lines], buffer[:, :count])
        block = [plane[lines] for plane in padded]
        if coding.kind == "yuv":
            _fill_yuv(_yuv_numbers(coding), luma_up, chroma_up, top, *rgb, *block)
            continue
        channels = rgb if coding.kind == "rgb" else [np.array(coding.shares, np.float32) @ rgb.reshape(3, -1)]
        for channel, plane in zip(channels, block, strict=True):
            values = channel.reshape(rgb.shape[1:])
            if coding.depth == FLOAT:
                plane[:, : values.shape[1]] = values
            else:
                _fill_codes(values, scale, luma_up, top, plane)


def with_padding(plane: NDArray[Any]) -> NDArray[Any]:
    """The plane with the padding of its lines, which makes it contiguous: compiled loops are faster then."""
    pitch = plane.strides[0] // plane.itemsize
    if pitch < plane.shape[1]:  # stored upside down
        return np.ascontiguousarray(plane)
    return np.lib.stride_tricks.as_strided(plane, (len(plane), pitch), (plane.strides[0], plane.itemsize))


def _blocks(height: int) -> Iterator[tuple[slice, int]]:
    for start in range(0, height, LINES):
        yield slice(start, start + LINES), min(LINES, height - start)


def _upright(picture: Floats, out: Floats) -> Floats:
    """The picture, copied if its lines are not each together in memory."""
    if picture[0].flags.c_contiguous and picture.flags.writeable:
        return picture
    for start in range(0, picture.shape[-1], TILE):
        out[..., start : start + TILE] = picture[..., start : start + TILE]
    return out


def _yuv_numbers(coding: Coding) -> tuple[np.float32, ...]:
    """Black and white's distance from it, no color, the reach of B'-Y' and of R'-Y', and luma's shares."""
    zero, scale = coding.chroma
    red, green, blue = coding.shares
    numbers = (*coding.luma, zero, scale / (2 - 2 * blue), scale / (2 - 2 * red), red, green, blue)
    return tuple(np.float32(number) for number in numbers)


@compiled
def _fill_values(
    codes: NDArray[Any],
    zero: np.float32,
    scale: np.float32,
    ends: tuple[np.float32, np.float32],
    out: Floats,
) -> None:
    low, high = ends
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            value = (np.float32(codes[y, x]) - zero) / scale  # not times 1 / scale: white must be 1
            out[y, x] = np.minimum(np.maximum(value, low), high)


@compiled
def _fill_codes(values: Floats, scale: np.float32, up: Floats, top: np.float32, out: NDArray[Any]) -> None:
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            level = values[y, x] * scale + up[y, x]
            out[y, x] = np.int32(np.minimum(np.maximum(level, np.float32(0)), top))


@compiled
def _fill_rgb(
    numbers: tuple[np.float32, ...],
    ends: tuple[np.float32, np.float32],
    luma: NDArray[Any],
    blues: NDArray[Any],
    reds: NDArray[Any],
    out_red: Floats,
    out_green: Floats,
    out_blue: Floats,
) -> None:
    black, scale, zero, reach_blue, reach_red, red_share, green_share, blue_share = numbers
    green_of_red, green_of_blue = -red_share / green_share, -blue_share / green_share
    low, high = ends
    for y in range(out_red.shape[0]):
        for x in range(out_red.shape[1]):
            light = (np.float32(luma[y, x]) - black) / scale  # not times 1 / scale: white must be 1
            blue = (np.float32(blues[y, x]) - zero) / reach_blue
            red = (np.float32(reds[y, x]) - zero) / reach_red
            green = light + (red * green_of_red + blue * green_of_blue)
            out_red[y, x] = np.minimum(np.maximum(light + red, low), high)
            out_green[y, x] = np.minimum(np.maximum(green, low), high)
            out_blue[y, x] = np.minimum(np.maximum(light + blue, low), high)


@compiled
def _fill_yuv(
    numbers: tuple[np.float32, ...],
    luma_up: Floats,
    chroma_up: Floats,
    top: np.float32,
    red: Floats,
    green: Floats,
    blue: Floats,
    luma: NDArray[Any],
    blues: NDArray[Any],
    reds: NDArray[Any],
) -> None:
    _, scale, _, reach_blue, reach_red, red_share, green_share, blue_share = numbers
    none = np.float32(0)
    for y in range(red.shape[0]):
        for x in range(red.shape[1]):
            light = red[y, x] * red_share + green[y, x] * green_share + blue[y, x] * blue_share
            level = light * scale + luma_up[y, x]
            of_blue = (blue[y, x] - light) * reach_blue + chroma_up[y, x]
            of_red = (red[y, x] - light) * reach_red + chroma_up[y, x]
            # The fraction is cut off.
            luma[y, x] = np.int32(np.minimum(np.maximum(level, none), top))
            blues[y, x] = np.int32(np.minimum(np.maximum(of_blue, none), top))
            reds[y, x] = np.int32(np.minimum(np.maximum(of_red, none), top))


@lru_cache(maxsize=4)
def _rounding(coding: Coding, width: int) -> tuple[Floats, Floats]:
    """What to add to levels of luma and of chroma before the fraction is cut off, ``LINES W`` each."""
    luma, chroma = np.full((LINES, width), 0.5), np.full((LINES, width), 0.5)
    if coding.depth == DITHERED_DEPTH:
        luma, chroma = _dither(width, (1, 1)), _dither(width, coding.chroma_step)
    return (luma + coding.luma[0]).astype(np.float32), (chroma + coding.chroma[0]).astype(np.float32)


def _dither(width: int, step: tuple[int, int]) -> NDArray[np.float64]:
    """Bayer's ordered dither, ``LINES W``, for every so many codes across and down.

    Lines that are averaged later get the same thresholds, and columns that only smooth their neighbors
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
