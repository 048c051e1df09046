"""Depth tracks as disparity: the depths that become 1 and 0, found in all of a track."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from any2bokeh.errors import DisparityError
from any2bokeh.video.gray import GrayReader

DEPTH_LEVELS = 65536  # all that a 16-bit track can tell apart
DEPTH_OCTAVES = -30.0, 60.0  # powers of two between which depth in floats lies: atoms to light years, in m
NEAREST, FARTHEST = 0.001, 0.999  # shares of all depths that become disparity 1 and 0


@dataclass(frozen=True)
class DepthScale:
    """Between depth and disparity: the inverse depths that become disparity 0 and 1.

    Where ``is_inverse``, the track holds inverse depth itself.
    """

    lowest: float
    highest: float
    is_inverse: bool = False

    def __call__(self, depth: Tensor) -> Tensor:
        """Disparity in 0..1; depth 0 is nearer than all, and becomes 1. One depth everywhere becomes 0."""
        spread = self.highest - self.lowest if self.highest > self.lowest else 1.0
        inverse = depth if self.is_inverse else 1 / depth
        return ((inverse - self.lowest) * (1 / spread)).clamp(0, 1)

    def depth_of(self, disparity: Tensor) -> Tensor:
        """The values of the track, from its nearest to its farthest."""
        inverse = disparity * max(self.highest - self.lowest, 0.0) + self.lowest
        return inverse if self.is_inverse else 1 / inverse


def depth_scale_of(reader: GrayReader, *, is_inverse: bool) -> DepthScale:
    """Return the scale of a track of depth, or of its inverse, which is read from end to end.

    Raises ``DisparityError`` if it holds no depth.
    """
    nearest, farthest = _depth_range(reader, is_inverse=is_inverse)
    # 0 at an infinite distance
    return DepthScale(lowest=1 / farthest, highest=1 / nearest, is_inverse=is_inverse)


def _depth_range(reader: GrayReader, *, is_inverse: bool) -> tuple[float, float]:
    """The depths that become disparity 1 and 0, from a histogram of all that are above 0."""
    in_any_unit = reader.has_floats or is_inverse
    level_of, depth_at = (_float_level, _float_depth) if in_any_unit else (_code_level, _code_depth)
    counts = torch.zeros(DEPTH_LEVELS, dtype=torch.int64)
    for _, values in reader.frames():
        depth = 1 / values if is_inverse else values
        counts += torch.bincount(level_of(depth.flatten()), minlength=DEPTH_LEVELS)
    counts[0] = 0
    if not counts.any():
        raise DisparityError(f"The depth track {reader.path} is 0 everywhere.")
    below = counts.cumsum(0).double() / counts.sum()
    nearest, farthest = (int((below >= share).nonzero()[0]) for share in (NEAREST, FARTHEST))
    if nearest == DEPTH_LEVELS - 1 and in_any_unit:
        raise DisparityError(f"The depth track {reader.path} is infinitely far almost everywhere.")
    # Ends of a level inside the range, so that its own ends become 1 and 0.
    return depth_at(nearest + 1 if in_any_unit else nearest), depth_at(farthest)


def _code_level(depth: Tensor) -> Tensor:
    """The levels of depth in 0..1."""
    return (depth * (DEPTH_LEVELS - 1)).round().to(torch.int64)


def _code_depth(level: int) -> float:
    return level / (DEPTH_LEVELS - 1)


def _float_level(depth: Tensor) -> Tensor:
    """The levels of depth in any unit: steps of 0.1 %, the last for infinity, 0 for 0.

    A level reaches from its ``_float_depth`` up to the next one's.
    """
    last = DEPTH_LEVELS - 1
    octave = depth.log2().clamp(DEPTH_OCTAVES[0], DEPTH_OCTAVES[1])
    share = (octave - DEPTH_OCTAVES[0]) / (DEPTH_OCTAVES[1] - DEPTH_OCTAVES[0])
    level = 1 + (share * (last - 2)).floor().to(torch.int64)
    return torch.where(depth <= 0, 0, torch.where(depth == inf, last, level))


def _float_depth(level: int) -> float:
    last = DEPTH_LEVELS - 1
    if level == last:
        return inf
    share = (level - 1) / (last - 2)
    return float(2 ** (DEPTH_OCTAVES[0] + share * (DEPTH_OCTAVES[1] - DEPTH_OCTAVES[0])))
