"""Chroma at half resolution, up and down again without loss.

FFmpeg's scalers lose a few codes of chroma on the way 4:2:0 -> 4:4:4 -> 4:2:0. The pair here does not:
going down undoes going up to the last bit, because both round the same integers in the same way.

- Across, chroma stands on every second luma column (as in MPEG-2, H.264 and HEVC). Up: a column between
  is the mean of its neighbors. Down: the lifting form of the LeGall 5/3 filter (JPEG 2000), which
  corrects the columns kept by how far those between are from that mean.
- Downwards, chroma stands between two lines. Up: one line lies as far above the chroma sample, along the
  slope from sample to sample, as the other lies below it. Down: the mean of the two.
"""

import numpy as np
from numpy.typing import NDArray

from any2bokeh.arrays import Integers32
from any2bokeh.jit import compiled
from any2bokeh.video.matrix import with_padding

Codes = NDArray[np.uint8] | NDArray[np.uint16]


def upsample(chroma: Codes, out: Codes, *, lines: bool, top: int) -> None:
    """Fill ``out`` (H W) from ``chroma``, half as wide and, with ``lines``, half as high, rounded up.

    ``top`` is the largest code.
    """
    (_upsample if lines else _upsample_across)(with_padding(chroma), with_padding(out), out.shape[1], top)


def downsample(full: Codes, out: Codes, *, lines: bool, top: int) -> None:
    """Fill ``out``, half as wide and, with ``lines``, half as high, rounded up, from ``full`` (H W).

    ``top`` is the largest code.
    """
    _downsample(with_padding(full), with_padding(out), full.shape[1], lines, top)


@compiled
def _upsample_across(chroma: Codes, out: Codes, width: int, top: int) -> None:
    wide = np.empty(width + 1, np.int32)
    for y in range(len(chroma)):
        _widen(chroma[y], width, wide)
        for x in range(width):
            out[y, x] = wide[x]


@compiled
def _upsample(chroma: Codes, out: Codes, width: int, top: int) -> None:
    height, count = len(out), len(chroma)
    wides = np.empty((3, width + 1), np.int32)  # of the line before, this line and the next, in turn
    _widen(chroma[0], width, wides[0])
    for line in range(count):
        before, here, after = (
            wides[max(line - 1, 0) % 3],
            wides[line % 3],
            wides[min(line + 1, count - 1) % 3],
        )
        if line + 1 < count:
            _widen(chroma[line + 1], width, after)
        first = out[2 * line]
        if 2 * line + 1 == height:  # the last line stands alone
            for x in range(width):
                first[x] = here[x]
            return
        second = out[2 * line + 1]
        for x in range(width):
            slope = np.int32(np.int32(after[x] - before[x] + 4) >> 3)
            room = np.minimum(here[x], np.int32(top - here[x]))  # what left 0..top could not be undone
            slope = np.minimum(np.maximum(slope, np.int32(-room)), room)
            first[x], second[x] = here[x] - slope, here[x] + slope


@compiled
def _downsample(full: Codes, out: Codes, width: int, lines: bool, top: int) -> None:
    kept_count, between_count = (width + 1) // 2, width // 2
    kept, excess = np.zeros(kept_count + 1, np.int32), np.zeros(kept_count + 1, np.int32)
    between, after = np.zeros(kept_count + 1, np.int32), excess[1:]
    for line in range(len(out)):
        upper = full[2 * line] if lines else full[line]
        lower = full[2 * line + 1] if lines and 2 * line + 1 < len(full) else upper
        for x in range(between_count):
            kept[x] = (np.int32(upper[2 * x]) + np.int32(lower[2 * x]) + 1) >> 1
            between[x] = (np.int32(upper[2 * x + 1]) + np.int32(lower[2 * x + 1]) + 1) >> 1
        if kept_count > between_count:
            kept[between_count] = (np.int32(upper[width - 1]) + np.int32(lower[width - 1]) + 1) >> 1
        else:
            kept[kept_count] = kept[kept_count - 1]
        following = kept[1:]
        for x in range(between_count):  # how far the columns between are from the mean of those kept
            after[x] = between[x] - ((kept[x] + following[x] + 1) >> 1)
        target = out[line]
        for x in range(kept_count):
            code = np.int32(kept[x] + np.int32((excess[x] + after[x] + 2) >> 2))
            target[x] = np.minimum(np.maximum(code, np.int32(0)), np.int32(top))


@compiled
def _widen(line: Codes, width: int, out: Integers32) -> None:
    """Fill ``out`` with a line of chroma, the columns between being the mean of their neighbors."""
    following, pairs = line[1:], (width - 1) // 2
    for x in range(pairs):
        out[2 * x] = line[x]
        out[2 * x + 1] = (np.int32(line[x]) + np.int32(following[x]) + 1) >> 1
    for x in range(2 * pairs, width):
        out[x] = line[pairs]
