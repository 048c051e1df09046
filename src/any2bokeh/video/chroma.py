"""Chroma at half resolution, up and down again without loss.

FFmpeg's scalers lose a few codes of chroma on the way 4:2:0 -> 4:4:4 -> 4:2:0. The pair here does not:
going down undoes going up to the last bit, because both round the same integers in the same way.

- Across, chroma stands on every second luma column (as in MPEG-2, H.264 and HEVC). Up: a column between
  is the mean of its neighbours. Down: the lifting form of the LeGall 5/3 filter (JPEG 2000), which
  corrects the columns kept by how far those between are from that mean.
- Downwards, chroma stands between two lines. Up: one line lies as far above the chroma sample, along the
  slope from sample to sample, as the other lies below it. Down: the mean of the two.
"""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8] | NDArray[np.uint16]
Wide = NDArray[np.signedinteger]

LINES = 32  # worked on at a time: what is in between stays in the cache, which is three times as fast


def upsample(chroma: Codes, out: Codes, *, lines: bool, top: int) -> None:
    """Fill ``out`` (H W) from ``chroma``, half as wide and, with ``lines``, half as high, rounded up.

    ``top`` is the largest code.
    """
    height, width = out.shape
    for start in range(0, len(chroma), LINES):
        stop = min(start + LINES, len(chroma))
        if not lines:
            out[start:stop] = _widen(chroma[start:stop], width, top)
            continue
        neighbours = np.clip(np.arange(start - 1, stop + 1), 0, len(chroma) - 1)
        wide = _widen(chroma[neighbours], width, top)
        here, slope = wide[1:-1], (wide[2:] - wide[:-2] + 4) >> 3
        room = np.minimum(here, top - here)  # a line that left 0..top could not be undone
        np.clip(slope, -room, room, out=slope)
        if 2 * stop > height:
            slope[-1] = 0  # the last line stands alone
        out[2 * start : 2 * stop : 2] = here - slope
        below = out[2 * start + 1 : 2 * stop : 2]
        below[:] = (here + slope)[: len(below)]


def downsample(full: Codes, out: Codes, *, lines: bool, top: int) -> None:
    """Fill ``out``, half as wide and, with ``lines``, half as high, rounded up, from ``full`` (H W).

    ``top`` is the largest code.
    """
    for start in range(0, len(out), LINES):
        mean: Wide
        if lines:
            mean = full[2 * start : 2 * (start + LINES) : 2].astype(_signed(top))
            below = full[2 * start + 1 : 2 * (start + LINES) : 2]
            mean[: len(below)] = (mean[: len(below)] + below + 1) >> 1
        else:
            mean = full[start : start + LINES].astype(_signed(top))
        kept, between = mean[:, 0::2], mean[:, 1::2]
        excess = np.zeros((len(mean), kept.shape[1] + 1), mean.dtype)  # of the columns on either side
        np.subtract(between, _between(kept, between.shape[1]), out=excess[:, 1 : 1 + between.shape[1]])
        out[start : start + LINES] = np.clip(kept + ((excess[:, :-1] + excess[:, 1:] + 2) >> 2), 0, top)


def _widen(chroma: Codes, width: int, top: int) -> Wide:
    kept: Wide = chroma.astype(_signed(top))
    wide = kept.repeat(2, axis=1)[:, :width]
    wide[:, 1::2] = _between(kept, width // 2)
    return wide


def _between(kept: Wide, count: int) -> Wide:
    """The ``count`` columns right of those kept, as the mean of their neighbours."""
    between = kept[:, :count].copy()
    right = kept[:, 1:]
    between[:, : right.shape[1]] = (kept[:, :-1] + right + 1) >> 1
    return between


def _signed(top: int) -> np.dtype[np.signedinteger]:
    """The narrowest type that holds the sum of two codes and a sign."""
    return np.dtype(np.int16 if top < 2**14 else np.int32)
