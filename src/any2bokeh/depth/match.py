"""Which frame of a track belongs to which frame of its video."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Times:
    """Time stamps, ascending, in units of ``time_base`` seconds."""

    pts: list[int]
    time_base: Fraction

    def seconds(self) -> NDArray[np.float64]:
        """Return the times in seconds."""
        return np.array(self.pts, dtype=np.float64) * float(self.time_base)


def match_frames(track: Times | int, video: Times) -> NDArray[np.int64] | None:
    """Return for each frame of the video the number of its frame in the track.

    ``track`` is the track's times, or the count of its frames if it has none. Frames belong together by
    time if every frame of both finds its partner, else by number if there are as many; else ``None``.
    """
    count = track if isinstance(track, int) else len(track.pts)
    partners = nearest_in_time(track, video) if isinstance(track, Times) else np.full(1, -1)
    if partners.min() >= 0 and len(np.unique(partners)) == count:
        return partners
    return np.arange(count) if count == len(video.pts) else None


def nearest_in_time(track: Times, video: Times) -> NDArray[np.int64]:
    """Return for each frame of the video the track's frame nearest in time, -1 if half a frame away."""
    own, wanted = track.seconds(), video.seconds()
    nearest = np.searchsorted((own[1:] + own[:-1]) / 2, wanted)
    # Half a frame is half the way to the nearer neighbour, but never below the track's resolution, to
    # which its times are rounded.
    intervals = np.diff(wanted, prepend=-np.inf, append=np.inf)
    half = np.minimum(intervals[1:], intervals[:-1]) / 2
    is_near = abs(own[nearest] - wanted) <= np.maximum(half, float(track.time_base))
    return np.where(is_near, nearest, -1)
