"""What settings are made of: numbers that have a range, choices, moments of a video."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import get_args

from any2bokeh.errors import SettingsError


@dataclass(frozen=True)
class Range:
    """The numbers that a setting accepts, both ends included; ``unit`` says what they count."""

    name: str
    unit: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.unit} from {self.low:g} to {self.high:g}"

    def check(self, value: float) -> None:
        """Raise ``SettingsError`` for a value outside the range, or that is no number."""
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise SettingsError(f"{self.name} must be {self}, got {value:g}.")


@dataclass(frozen=True)
class TimePoint:
    """A moment of a video: seconds from its beginning, or the number of a frame, counted from 0."""

    seconds: Fraction | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.frame is None):
            raise SettingsError("A time is either seconds or a frame number.")

    def __str__(self) -> str:
        return f"frame {self.frame}" if self.seconds is None else f"{float(self.seconds):g} s"

    def is_after(self, other: "TimePoint") -> bool | None:
        """Say whether this moment is later than ``other``; ``None`` where only the video can tell."""
        if self.seconds is not None and other.seconds is not None:
            return self.seconds > other.seconds
        if self.frame is not None and other.frame is not None:
            return self.frame > other.frame
        return None


def check_choice(name: str, value: str, choices: object) -> None:
    """Raise ``SettingsError`` unless ``value`` is one of a ``Literal``'s."""
    if value not in get_args(choices):
        raise SettingsError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}.")
