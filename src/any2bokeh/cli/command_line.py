"""Settings as the options that would ask for them: the way back from ``options``."""

import os
import shlex
from dataclasses import fields
from fractions import Fraction
from typing import Any

from any2bokeh.cli.options import OPTIONS
from any2bokeh.settings.focus_settings import MIDDLE, FocusSettings, Point
from any2bokeh.settings.values import TimePoint


def as_options(group: Any, *, filled: bool = False) -> list[str]:
    """Return the options that make ``group``, one of the settings, out of its defaults.

    If ``filled``, those too that it chooses by itself where nothing is said.
    """
    plain = type(group)()
    options: list[str] = []
    for field in fields(group):
        value = getattr(group, field.name)
        if field.name not in OPTIONS[type(group)]:
            options += as_options(value, filled=filled)
        elif value is not None and value != (field.default if filled else getattr(plain, field.name)):
            options += _option(_name(type(group), field.name), value)
    return options


def focus_options(focus: FocusSettings) -> list[str]:
    """Return the options that say where the focus is, where they say more than a number.

    None for a focus track: it may hold K as well.
    """
    given = focus.follow or focus.focus_mask or focus.focus_at or focus.focus_disparity
    if given in (None, MIDDLE) or isinstance(given, float):
        return []
    ways = ("focus_disparity", "focus_at", "follow", "focus_mask", "easing", "smoothing_s")
    plain = {field.name: field.default for field in fields(focus)}
    said = [name for name in ways if getattr(focus, name) != plain[name]]
    return [word for name in said for word in _option(_name(FocusSettings, name), getattr(focus, name))]


def quoted(words: list[str]) -> str:
    """Return words as a shell takes them; what cannot be typed is written as bash and zsh understand it."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _name(group: type[Any], field_name: str) -> str:
    # An option that stands in an annotation keeps its first name as its "default".
    return str(OPTIONS[group][field_name].default)


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        on, off = name.split("/")
        return [on if value else off]
    return [name, _text(value)]


def _text(value: Any) -> str:
    if isinstance(value, TimePoint):
        return f"f{value.frame}" if value.seconds is None else f"{_decimal(value.seconds)}s"
    if isinstance(value, Point):
        return f"{_text(value.x)},{_text(value.y)}" + (f"@{_text(value.at)}" if value.at else "")
    if isinstance(value, tuple):
        return ", ".join(f"{_text(key.at)}:{_key_text(key.value)}" for key in value)
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _key_text(value: float | Point) -> str:
    return f"@{_text(value)}" if isinstance(value, Point) else _text(value)


def _decimal(seconds: Fraction) -> str:
    """A time as it was written; options take no other fractions than decimal ones."""
    return f"{float(seconds):.9f}".rstrip("0").rstrip(".")


def _escaped(word: str) -> str:
    plain = {byte: chr(byte) for byte in range(32, 127) if byte not in b"'\\"}
    return "$'" + "".join(plain.get(byte, f"\\x{byte:02x}") for byte in os.fsencode(word)) + "'"
