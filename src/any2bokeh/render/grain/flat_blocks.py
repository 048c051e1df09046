"""Blocks of a picture without their trend: flat ones then show noise alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import from_numpy

from any2bokeh.arrays import Floats
from any2bokeh.motion.flow import FlowPreset, dense_flow, to_gray

BLOCK_PX = 32
FRESH = 0.5  # correlation with the next picture from which on a block shows texture, not noise
MOST_VARIANCE = (12 / 255) ** 2  # of luma, of a block that is looked at: more is an edge
SMALLEST_PX = 2 * BLOCK_PX  # of a side of a picture with blocks
# A surface of second degree in x and y, over a block: its trend.
_Y, _X = np.mgrid[-1 : 1 : BLOCK_PX * 1j, -1 : 1 : BLOCK_PX * 1j]
TREND = np.linalg.qr(
    np.stack([np.ones_like(_X), _X, _Y, _X * _Y, _X * _X, _Y * _Y], -1).reshape(-1, 6).astype(np.float32)
)[0]


@dataclass(frozen=True, eq=False)
class FlatBlocks:
    """``N`` blocks: ``level`` of luma, ``residual N 3 b b`` without trend, its ``variance N 3``.

    ``is_fresh`` where the next picture does not show the same again.
    """

    level: NDArray[np.float32]
    residual: Floats
    variance: NDArray[np.float64]
    is_fresh: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: list["FlatBlocks"]) -> "FlatBlocks":
        """All blocks of some pictures."""
        if not parts:
            nothing = np.zeros((0, 3, BLOCK_PX, BLOCK_PX), np.float32)
            return cls(np.zeros(0, np.float32), nothing, np.zeros((0, 3)), np.zeros(0, np.bool_))
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("level", "residual", "variance", "is_fresh")
            )
        )


def find_flat_blocks(picture: Floats, following: Floats | None) -> FlatBlocks:
    """Return the blocks of a picture that may be flat; ``C H W``, of which the first channel is luma."""
    height, width = picture.shape[1:]
    if min(height, width) < SMALLEST_PX:
        return FlatBlocks.joined([])
    tops, lefts = np.arange(0, height - BLOCK_PX + 1, BLOCK_PX), np.arange(0, width - BLOCK_PX + 1, BLOCK_PX)
    top, left = (one.ravel() for one in np.meshgrid(tops, lefts, indexing="ij"))
    luma = _taken(picture[:1], top, left)
    flat = without_trend(luma)[:, 0].var((1, 2)) <= MOST_VARIANCE
    top, left = top[flat], left[flat]
    residual = without_trend(_taken(picture, top, left))
    variance = (residual.astype(np.float64) ** 2).sum((2, 3)) / (BLOCK_PX**2 - TREND.shape[1])
    is_fresh = np.ones(len(top), np.bool_)
    if following is not None and len(top):
        is_fresh = _correlation(residual[:, 0], picture[0], following[0], top, left) < FRESH
    return FlatBlocks(luma[flat, 0].mean((1, 2)), residual, variance, is_fresh)


def without_trend(blocks: Floats) -> Floats:
    """Blocks ``N C b b`` without their mean, slope and bend."""
    flat = blocks.reshape(*blocks.shape[:2], -1)
    rest: Floats = (flat - (flat @ TREND) @ TREND.T).reshape(blocks.shape)
    return rest


def _taken(picture: Floats, top: NDArray[np.int64], left: NDArray[np.int64]) -> Floats:
    """Blocks ``N C b b`` of a picture ``C H W``, by their corners."""
    steps = np.arange(BLOCK_PX)
    rows, columns = top[:, None, None] + steps[:, None], left[:, None, None] + steps
    return np.ascontiguousarray(picture[:, rows, columns].transpose(1, 0, 2, 3))


def _correlation(
    residual: Floats, luma: Floats, following: Floats, top: NDArray[np.int64], left: NDArray[np.int64]
) -> NDArray[np.float64]:
    """How much of each block the next picture shows again: the largest correlation near where flow leads."""
    height, width = luma.shape
    shift = dense_flow(_gray(luma), _gray(following), FlowPreset.UNREFINED)
    steps = np.arange(BLOCK_PX // 4, BLOCK_PX, BLOCK_PX // 4)  # some of its pixels tell where a block goes
    moves = shift[top[:, None, None] + steps[:, None], left[:, None, None] + steps].reshape(len(top), -1, 2)
    right, down = np.rint(np.median(moves, axis=1)).astype(np.int64).T
    own = np.sqrt((residual**2).sum((1, 2)))
    best = np.full(len(top), -1.0)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            there = (
                (top + down + dy).clip(0, height - BLOCK_PX),
                (left + right + dx).clip(0, width - BLOCK_PX),
            )
            other = without_trend(_taken(following[None], *there))[:, 0]
            size = own * np.sqrt((other**2).sum((1, 2)))
            best = np.maximum(best, (residual * other).sum((1, 2)) / np.maximum(size, 1e-12))
    return best


def _gray(luma: Floats) -> NDArray[np.uint8]:
    return to_gray(from_numpy(np.ascontiguousarray(np.broadcast_to(luma, (3, *luma.shape)))).clamp(0, 1))
