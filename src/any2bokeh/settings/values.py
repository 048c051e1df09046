"""The types of settings: numbers in a range, choices, and moments of a video as people write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import get_args

from any2bokeh.errors import SettingsError, shown

_FRAME = re.compile(r"f(\d{1,12})", re.ASCII)
_SECONDS = re.compile(r"(\d{1,12}(?:\.\d{0,30})?|\.\d{1,30})s?", re.ASCII)
_FRAMES = re.compile(r"\s*(\d{1,9})(?:-(\d{1,9})(?:x(\d{1,9}))?)?\s*", re.ASCII)
MOST_FRAMES = 1_000_000  # that a list of frames may name
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2}(?:\.\d{0,30})?)", re.ASCII)


@dataclass(frozen=True)
class Range:
    """The numbers that the setting ``name`` accepts, both ends included; ``unit`` says what they count."""

    name: str
    unit: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.unit} from {self.low:g} to {self.high:g}"

    def check(self, value: float, called: str = "") -> None:
        """Raise ``SettingsError`` for a value outside the range, or that is no number.

        The message calls it by its name, unless it is ``called`` otherwise where it was given.
        """
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and self.low <= value <= self.high):  # which NaN is not
            got = shown(float(value) if isinstance(value, float) else value)
            raise SettingsError(f"{called or f'`{self.name}`'} must be {self}, got {got}.")


@dataclass(frozen=True)
class TimePoint:
    """A moment of a video: seconds from its beginning, or the number of a frame, counted from 0."""

    seconds: Fraction | None = None
    frame: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.frame is None):
            raise SettingsError("A time needs either `seconds` or `frame`.")

    def __str__(self) -> str:
        return f"frame {self.frame}" if self.seconds is None else f"{float(self.seconds):g} s"

    def is_after(self, other: "TimePoint") -> bool | None:
        """Say whether this moment is later than ``other``; ``None`` where only the video can tell."""
        if self.seconds is not None and other.seconds is not None:
            return self.seconds > other.seconds
        if self.frame is not None and other.frame is not None:
            return self.frame > other.frame
        return None


def parse_time(text: str) -> TimePoint:
    """Return the moment that ``text`` names: ``2.5``, ``2.5s``, ``1:02.5``, ``00:01:02.5`` or ``f120``.

    Raises ``SettingsError`` for anything else.
    """
    text = text.strip()
    if frame := _FRAME.fullmatch(text):
        return TimePoint(frame=int(frame[1]))
    if seconds := _SECONDS.fullmatch(text):
        return TimePoint(seconds=_fraction(seconds[1]))
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = int(clock[1] or 0), int(clock[2]), _fraction(clock[3])
        # Minutes may pass 59 only where no hours stand before them.
        if rest < 60 and (minutes < 60 or clock[1] is None):
            return TimePoint(seconds=3600 * hours + 60 * minutes + rest)
    raise SettingsError(
        f"{shown(text)} is not a time.",
        hint="Write seconds (2.5 or 2.5s), a clock time (00:01:02.5) or a frame (f120).",
    )


def check_choice(name: str, value: str, choices: object) -> None:
    """Raise ``SettingsError`` unless ``value`` is one of a ``Literal``'s; the message calls it ``name``."""
    if value not in get_args(choices):
        raise SettingsError(f"{name} must be one of {', '.join(get_args(choices))}, got {shown(value)}.")


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.rstrip(".")) if not digits.startswith(".") else Fraction("0" + digits)


def parse_frames(text: str) -> list[int]:
    """Return the frame numbers in ``1001-1100``, ``1001-1100x10`` or ``1001, 1010-1020``, ascending.

    Raises ``SettingsError`` for anything else.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = _FRAMES.fullmatch(part)
        first, last, step = (
            (int(found[1]), int(found[2] or found[1]), int(found[3] or 1)) if found else (0, -1, 1)
        )
        if last < first or step < 1 or (last - first) // step >= MOST_FRAMES - len(numbers):
            raise SettingsError(
                f"`frames` cannot be {shown(text)}.",
                hint="Write 1001-1100, 1001-1100x10 (every tenth) or 1001,1005.",
            )
        numbers.update(range(first, last + 1, step))
    return sorted(numbers)


def frame_ranges(numbers: Sequence[int], most: int = 8) -> str:
    """Return numbers, ascending, as text: ``1003, 1007-1012``; no more than ``most`` ranges of them."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in ranges[:most]]
    return ", ".join(texts + ["..."] * (len(ranges) > most))
