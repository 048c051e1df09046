"""The distances that disparity stands for, where they are known: the nearest and the farthest of a shot."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from any2bokeh.documents import parse_json
from any2bokeh.errors import DisparityError

FARTHEST_M = 1e6  # stands for infinity


@dataclass(frozen=True)
class DepthRange:
    """The distances that disparity 1 and 0 stand for; between them disparity is linear in 1 / distance."""

    near_m: float
    far_m: float

    @classmethod
    def of_inverse(cls, low: float, high: float) -> "DepthRange":
        """Return the range from 1 / ``high`` to 1 / ``low``, both in 1/m; one that is not above 0 is far."""
        return cls(1 / max(high, 1 / FARTHEST_M), 1 / max(low, 1 / FARTHEST_M))

    @property
    def per_disparity(self) -> float:
        """How much 1 / distance changes over the whole disparity, in 1/m."""
        return 1 / self.near_m - 1 / self.far_m

    def distance_m(self, disparity: float) -> float:
        """Return how far away a disparity is."""
        return 1 / (1 / self.far_m + disparity * self.per_disparity)

    def disparity(self, distance_m: float) -> float:
        """Return the disparity of a distance: 0 to 1, which stand for all that is farther, or nearer."""
        if self.per_disparity <= 0:
            return 0.0
        return min(1.0, max(0.0, (1 / distance_m - 1 / self.far_m) / self.per_disparity))


@dataclass(frozen=True)
class MetricScale:
    """The depth range of each shot of a track; ``starts`` are the numbers of the frames they begin with."""

    starts: Sequence[int]
    ranges: Sequence[DepthRange]

    def at(self, number: int) -> DepthRange:
        """Return the depth range of a frame."""
        return self.ranges[max(0, bisect_right(self.starts, number) - 1)]

    @classmethod
    def of_frames(cls, ranges: Sequence[DepthRange]) -> "MetricScale":
        """Return the scale of a track, given the range of each of its frames."""
        starts = [number for number, here in enumerate(ranges) if not number or here != ranges[number - 1]]
        return cls(starts, [ranges[start] for start in starts])

    def to_text(self) -> str:
        """Return it as the text that a track's file keeps."""
        shots = zip(self.starts, self.ranges, strict=True)
        return json.dumps([[start, one.near_m, one.far_m] for start, one in shots])

    @classmethod
    def from_text(cls, text: str, path: object) -> "MetricScale":
        """Return the scale that the track at ``path`` states; raises ``DisparityError`` if it is none."""
        try:
            shots = [(int(start), float(near_m), float(far_m)) for start, near_m, far_m in parse_json(text)]
        except (ValueError, TypeError, OverflowError) as error:
            raise DisparityError(f"The distances in {path} cannot be read: {error}.") from error
        starts = [start for start, _, _ in shots]
        if not shots or starts != sorted(set(starts)) or not all(0 < near <= far for _, near, far in shots):
            raise DisparityError(f"The distances in {path} are none: {text[:80]}.")
        return cls(starts, [DepthRange(near_m, far_m) for _, near_m, far_m in shots])
