"""Pictures, disparity and masks made small enough for a page."""

import base64
import io
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from any2bokeh.arrays import Bytes, Flags
from any2bokeh.preview.moments import fitted
from any2bokeh.preview.sheet import to_image

LARGEST_CODE = 4095  # disparity in steps finer than the third decimal, the last one shown
QUALITIES = (84, 72, 58, 40, 25)  # of WebP, tried in this order
SMALLER = (0.5, 0.25)  # and then, at the last quality, pictures of these shares of the size


class ByteBudget:
    """Bytes to be shared by ``count`` things; the rest of one is there for the others."""

    def __init__(self, size: int, count: int) -> None:
        self._left, self._count = size, count

    def first_that_fits(self, candidates: Iterator[bytes]) -> bytes:
        """Return the first candidate within this thing's share, or the last one."""
        share = self._left / max(1, self._count)
        for candidate in candidates:
            chosen = candidate
            if len(chosen) <= share:
                break
        self._left, self._count = self._left - len(chosen), self._count - 1
        return chosen


def webps(picture: Tensor) -> Iterator[bytes]:
    """Yield a picture (``3 H W``, 0..1) as WebP, each time smaller."""
    for quality in QUALITIES:
        yield _webp(picture, quality)
    for share in SMALLER:
        yield _webp(fitted(picture, max(16, round(picture.shape[2] * share))), QUALITIES[-1])


def _webp(picture: Tensor, quality: int) -> bytes:
    file = io.BytesIO()
    to_image(picture).save(file, "webp", quality=quality, method=2)
    return file.getvalue()


def pack(disparity: Tensor) -> bytes:
    """Return disparity (``1 H W``, 0..1) as the page unpacks it: codes from 0 to ``LARGEST_CODE``.

    Each code is stored as the step from the one to its left (in the first column: above), folded to a number
    from 0 on (0, -1, 1, -2, ...). Deflated: width and height (16 bits, little-endian), all low bytes, all
    high bytes.
    """
    codes = (disparity[0].clamp(0, 1) * LARGEST_CODE).round().to(torch.int32).numpy()
    steps = np.diff(codes, axis=1, prepend=0)
    steps[:, 0] = np.diff(codes[:, 0], prepend=0)
    folded = np.where(steps < 0, -2 * steps - 1, 2 * steps)
    planes = np.stack([folded & 255, folded >> 8]).astype(np.uint8)
    return _deflated(codes.shape[0], codes.shape[1], planes)


def pack_masks(masks: Sequence[Flags]) -> bytes:
    """Return masks (``h w`` each, all of one size) as the page unpacks them.

    Deflated: width and height as those of disparity, then each mask row by row, a bit for each pixel.
    """
    height, width = masks[0].shape if masks else (0, 0)
    return _deflated(height, width, np.array([np.packbits(mask.ravel()) for mask in masks], np.uint8))


def _deflated(height: int, width: int, values: Bytes) -> bytes:
    size = np.array([width, height], dtype="<u2")
    return zlib.compress(size.tobytes() + values.tobytes(), level=9)


def as_text(content: bytes) -> str:
    """Return bytes as a page holds them."""
    return base64.b64encode(content).decode("ascii")
