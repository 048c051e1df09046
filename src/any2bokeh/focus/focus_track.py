"""The focal plane and the blur strength over time; pure functions of numbers."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from any2bokeh.optics.smoothstep import smoothstep
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, FOCUS_DISPARITY, DepthOfFieldSettings, Easing

SMOOTHED_OVER = (
    3.0  # standard deviations to each side; beyond, a frame weighs less than 1 % of the middle one
)
GLITCH_FRAMES = 5  # a value that stands out for at most two of so many frames is a wrong measurement


@dataclass(frozen=True)
class Focus:
    """The focus of one frame: the disparity that stays sharp, and K in pixels at a width of 1024.

    ``focus_m`` is how far away that disparity is in meters, where distances are known.
    """

    focus_disparity: float
    blur_strength: float
    focus_m: float | None = None

    def __post_init__(self) -> None:
        FOCUS_DISPARITY.check(self.focus_disparity)
        BLUR_STRENGTH.check(self.blur_strength)


@dataclass(frozen=True)
class FocusTrack:
    """The focus of each frame; ``times`` are their time stamps, ascending, in any unit.

    ``depth_of_field`` says how blur grows away from it, the same in all frames.
    """

    times: Sequence[int]
    focus: Sequence[Focus]
    depth_of_field: DepthOfFieldSettings = field(default_factory=DepthOfFieldSettings)

    def at(self, pts: int) -> Focus:
        """Return the focus at a time: that of the frame shown then."""
        return self.focus[max(0, bisect_right(self.times, pts) - 1)]

    @property
    def disparity_range(self) -> tuple[float, float]:
        """The smallest and the largest disparity in focus."""
        values = [focus.focus_disparity for focus in self.focus]
        return min(values), max(values)

    @property
    def strength_range(self) -> tuple[float, float]:
        """The smallest and the largest K."""
        values = [focus.blur_strength for focus in self.focus]
        return min(values), max(values)

    @property
    def meters_range(self) -> tuple[float, float] | None:
        """The smallest and the largest distance in focus, ``None`` where distances are not known."""
        values = [focus.focus_m for focus in self.focus if focus.focus_m is not None]
        return (min(values), max(values)) if values else None


@dataclass(frozen=True)
class Curve:
    """A value over time, given at some moments (``times_s``, ascending) and eased from one to the next.

    ``smooth`` starts and ends each move at rest (3u^2 - 2u^3), ``linear`` moves at one speed, ``hold``
    stays until the next moment. Before the first moment and after the last the value is held.
    """

    times_s: Sequence[float]
    values: Sequence[float]
    easing: Easing

    def at(self, time_s: float) -> float:
        """Return the value at a time; at a moment that was given, exactly the value given."""
        after = bisect_right(self.times_s, time_s)
        if after == 0:
            return self.values[0]
        start_s, start = self.times_s[after - 1], self.values[after - 1]
        if after == len(self.times_s) or start_s == time_s or self.easing == "hold":
            return start
        share = (time_s - start_s) / (self.times_s[after] - start_s)
        if self.easing == "smooth":
            share = smoothstep(share)
        return start + share * (self.values[after] - start)


def frame_interval_s(times_s: NDArray[np.float64]) -> float:
    """Return how long most frames last [s], of their times; a second where there is one alone."""
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0


def smooth_focus(
    values: NDArray[np.float64],
    times_s: NDArray[np.float64],
    smoothing_s: float,
    starts: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Return measurements as a focus puller would follow them: no jitter, no lag, no overshoot at rest.

    ``values`` (one per time, NaN where nothing was seen) are held over gaps, freed of single wrong ones, and
    fitted by a line around each time, weighted by a Gaussian of ``smoothing_s`` seconds to both sides: a
    steady move comes out as it went in, also at both ends. Nothing is smoothed across ``starts``, the numbers
    of the values with which a new shot begins. Nothing seen at all stays NaN.
    """
    held, shots = _hold(values), []
    for start, stop in pairwise((0, *starts, len(values))):
        # A shot that begins before its subject is seen does not begin with another shot's focus.
        own = _hold(values[start:stop])
        nothing_seen = bool(np.isnan(own).any())
        shot = held[start:stop] if nothing_seen else own
        shots.append(_smooth_shot(shot, times_s[start:stop], smoothing_s))
    return np.concatenate(shots)


def _smooth_shot(
    values: NDArray[np.float64], times_s: NDArray[np.float64], smoothing_s: float
) -> NDArray[np.float64]:
    held = _without_glitches(values)
    if smoothing_s == 0 or len(held) < 3 or np.isnan(held).any():
        return held
    reach_s = SMOOTHED_OVER * smoothing_s
    first = np.searchsorted(times_s, times_s - reach_s)
    last = np.searchsorted(times_s, times_s + reach_s, side="right")
    fitted = np.empty_like(held)
    for number, (start, stop) in enumerate(zip(first, last, strict=True)):
        away_s = times_s[start:stop] - times_s[number]
        weight = np.exp(-0.5 * (away_s / smoothing_s) ** 2)
        fitted[number] = _line_at_zero(away_s, held[start:stop], weight / weight.sum())
    # A line may lead a little beyond everything that was measured around it.
    lows = [held[start:stop].min() for start, stop in zip(first, last, strict=True)]
    highs = [held[start:stop].max() for start, stop in zip(first, last, strict=True)]
    return fitted.clip(lows, highs)


def _hold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values with the last one seen in place of each NaN, and the first one seen before it."""
    seen = np.flatnonzero(~np.isnan(values))
    if not len(seen):
        return values
    latest = np.searchsorted(seen, np.arange(len(values)), side="right") - 1
    held: NDArray[np.float64] = values[seen[latest.clip(0)]]
    return held


def _without_glitches(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median over a few frames; at the ends over those that there are."""
    half = GLITCH_FRAMES // 2
    if len(values) <= half:
        return values
    # At the ends a move goes on as it came.
    padded = np.pad(values, half, mode="reflect", reflect_type="odd")
    windows = np.lib.stride_tricks.sliding_window_view(padded, GLITCH_FRAMES)
    return np.median(windows, axis=1)


def _line_at_zero(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """The value at 0 of the line through points whose weights sum to 1."""
    mean_x, mean_y = weight @ x, weight @ y
    spread = weight @ (x - mean_x) ** 2
    slope = weight @ ((x - mean_x) * (y - mean_y)) / spread if spread > 0 else 0.0
    return float(mean_y - slope * mean_x)
