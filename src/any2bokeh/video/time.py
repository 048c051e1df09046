"""Moments of a video, as people write them."""

import re
from fractions import Fraction

from any2bokeh.errors import SettingsError
from any2bokeh.settings.values import TimePoint

_FRAME = re.compile(r"f(\d+)", re.ASCII)
_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)s?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d*)?)", re.ASCII)


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
        f"{text!r} is not a time.",
        hint="Write seconds (2.5 or 2.5s), a clock time (00:01:02.5) or a frame (f120).",
    )


def _fraction(digits: str) -> Fraction:
    return Fraction(digits.rstrip(".")) if not digits.startswith(".") else Fraction("0" + digits)
