"""How one option is made: its help, its unit and range, and the reading of its text."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar, get_args

import typer

from any2bokeh.errors import SettingsError, shown
from any2bokeh.paths import exists
from any2bokeh.settings.aperture_picture import AperturePicture
from any2bokeh.settings.focus_settings import Key, Keys, LikeliestPoint, Point, SubjectName, check_values
from any2bokeh.settings.render_settings import ApertureShape
from any2bokeh.settings.values import Range, TimePoint
from any2bokeh.settings.work_settings import WORKERS, ShardNumber

Number = TypeVar("Number", int, float)
Value = TypeVar("Value")

_DIGITS = r"\s*(\d{1,9}(?:\.\d{0,30})?|\.\d{1,30})\s*"
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:/(\d{1,9}))?", re.ASCII)
_PLACE = re.compile(f"{_DIGITS},{_DIGITS}", re.ASCII)
# The last colon before the value ends the time, which may hold colons itself; X,Y holds a comma.
_SUBJECT = re.compile(r"subject(\d{1,3})", re.ASCII)
_KEY = re.compile(rf"([^,;@\s]+)\s*:\s*(?:@{_DIGITS},{_DIGITS}|([^,;:@\s]+)\s*)(?:[,;]\s*|$)", re.ASCII)


def number(
    option_name: str, accepted: Range, kind: type[Number], besides: str = ""
) -> Callable[[str], Number]:
    """Return the parser of one number, whose complaint names the option, the unit and the range.

    ``besides`` is a word that is accepted as well, of which the complaint tells.
    """
    wanted = f"{besides} or {accepted}" if besides else accepted

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError as error:
            raise SettingsError(f"{option_name} must be {wanted}, got {shown(text)}.") from error
        accepted.check(value, called=option_name)
        return value

    return parse


def number_or_auto(
    option_name: str, accepted: Range, kind: type[Number], auto: Value
) -> Callable[[str], Number | Value]:
    """Return the parser of a number or the word ``auto``, which stands for the value ``auto``."""
    parse = number(option_name, accepted, kind, besides="auto")
    return lambda text: auto if text == "auto" else parse(str(text))


def option(
    *names: str, help: str, accepted: Range | None = None, kind: type[Any] = float, metavar: str | None = None
) -> Any:
    """An option; with ``accepted``, a number whose help ends in its range. ``metavar`` is what it takes."""
    if accepted is None:
        return typer.Option(*names, help=help, metavar=metavar)
    return typer.Option(
        *names,
        help=f"{help} {shown_range(accepted)}",
        parser=number(names[0], accepted, kind),
        metavar="N" if kind is int else "X",
    )


def shown_range(accepted: Range) -> str:
    """The range as help texts end with it."""
    return f"[{accepted.low:.10g} to {accepted.high:.10g}]"


def named(option_name: str, parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return a parser whose complaints begin with the option, where they do not name it themselves."""

    def parse_named(text: str) -> Value:
        try:
            return parse(text)
        except SettingsError as error:
            if option_name in error.message or error.arguments:
                raise
            raise SettingsError(f"{option_name}: {error.message}", error.hint) from error

    return parse_named


def auto_option(name: str, help: str, accepted: Range, kind: type[float] = int) -> Any:
    """An option that takes a number, or ``auto``, which is ``None``."""
    return typer.Option(
        name,
        help=f"{help} {shown_range(accepted)}",
        parser=number_or_auto(name, accepted, kind, None),
        metavar="auto|N" if kind is int else "auto|X",
        show_default="auto",
    )


_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)


def parse_shard(text: str) -> ShardNumber:
    """Read ``I/N``."""
    found = _SHARD.fullmatch(text.strip())
    if not found:
        raise SettingsError(f"{shown(text)} is not a shard.", hint="Write I/N: 1/8 is the first of eight.")
    return ShardNumber(int(found[1]), int(found[2]))


def parse_workers(text: str) -> int | None:
    """Read a number of processes, or ``auto``, which is ``None``."""
    return number_or_auto("--workers", WORKERS, int, None)(text)


def grain_option(name: str, help: str, accepted: Range) -> Any:
    """An option that takes a multiple, or ``auto``, which is 1."""
    return typer.Option(
        name,
        help=f"{help} {shown_range(accepted)}",
        parser=number_or_auto(name, accepted, float, 1.0),
        metavar="auto|X",
    )


def parse_time_option(text: str) -> TimePoint:
    """Read TIME; the parser is loaded when it is needed."""
    from any2bokeh.settings.values import parse_time

    return parse_time(text)


def time_option(name: str, help: str) -> Any:
    """An option that takes a moment of the video."""
    return typer.Option(name, help=help, parser=named(name, parse_time_option), metavar="TIME")


def rate_option(name: str, help: str) -> Any:
    """An option that takes a frame rate, which may be a fraction."""
    return typer.Option(
        name, help=f"{help} (24, 23.976 or 24000/1001)", parser=parse_frame_rate, metavar="RATE"
    )


def parse_names(text: str) -> tuple[str, ...]:
    """Read names between commas."""
    return tuple(name.strip() for name in text.split(","))


def parse_aperture(text: str) -> str | AperturePicture:
    """Read the name of a shape, or the file of a picture."""
    if text in get_args(ApertureShape):
        return text
    if not exists(Path(text)):
        shapes = ", ".join(get_args(ApertureShape))
        raise SettingsError(
            f"--aperture must be one of {shapes}, or a picture that can be found, got {shown(text)}."
        )
    from any2bokeh.video.aperture_file import read_aperture

    return read_aperture(text)


def parse_frame_rate(text: str) -> Fraction:
    """Read a frame rate; 23.976 and the like are meant as fractions of 1001."""
    found = _RATE.fullmatch(text.strip())
    if not found or not float(found[2] or 1):
        raise SettingsError(f"{shown(text)} is not a frame rate.", hint="Write 24, 23.976 or 24000/1001.")
    rate = Fraction(found[1]) / Fraction(found[2] or 1)
    exact = Fraction(round(rate * Fraction(1001, 1000)) * 1000, 1001)
    return exact if rate.denominator > 1 and abs(exact - rate) < Fraction(1, 200) else rate


def point_option(name: str, help: str) -> Any:
    """An option that takes a place in the picture, at a moment."""
    return typer.Option(name, help=help, parser=named(name, parse_point), metavar="X,Y[@TIME]")


def subject_option(name: str, help: str) -> Any:
    """An option that takes a place in the picture, at a moment, or ``auto``."""

    def parse(text: str) -> Point:
        return LikeliestPoint() if text.strip() == "auto" else parse_point(text)

    return typer.Option(name, help=help, parser=named(name, parse), metavar="auto|X,Y[@TIME]")


def keys_option(name: str, help: str, accepted: Range) -> Any:
    """An option that takes a number, or numbers over time."""
    return typer.Option(
        name,
        help=f"{help} {shown_range(accepted)}",
        parser=named(name, number_or_keys(name, accepted)),
        metavar="X|KEYS",
    )


def parse_point(text: str) -> Point:
    """Read ``X,Y`` or ``X,Y@TIME``."""
    place, at, moment = text.partition("@")
    found = _PLACE.fullmatch(place.strip())
    if not found:
        raise SettingsError(
            f"{shown(text)} is not a point.", hint="Write X,Y or X,Y@TIME, such as 960,540@2.5s."
        )
    return Point(float(found[1]), float(found[2]), parse_time_option(moment) if at else None)


def number_or_keys(option_name: str, accepted: Range) -> Callable[[str], float | Keys]:
    """Return the parser of one number, or of keys ``TIME:NUMBER`` or ``TIME:@X,Y`` between ``,`` or ``;``."""
    parse_number = number(option_name, accepted, float)

    def parse(text: str) -> float | Keys:
        if ":" not in text:
            return parse_number(text)
        keys, rest = [], text.strip()
        while rest:
            found = _KEY.match(rest)
            if not found:
                raise SettingsError(
                    f"{option_name} has no key in {shown(rest)}.",
                    hint="A key is TIME:NUMBER, in --focus also TIME:@X,Y or TIME:subject1:"
                    " '0s:0.9, 2s:0.3, 3s:@960,540'.",
                )
            moment, x, y, value = found.groups()
            keys.append(Key(parse_time_option(moment), _key_value(x, y, value, parse_number)))
            rest = rest[found.end() :]
        check_values(tuple(keys), accepted)
        return tuple(keys)

    return parse


def _key_value(
    x: str | None, y: str | None, value: str, parse: Callable[[str], float]
) -> float | Point | SubjectName:
    """What a key says: a place, a subject or a number."""
    if x and y:
        return Point(float(x), float(y))
    subject = _SUBJECT.fullmatch(value)
    return SubjectName(int(subject[1])) if subject else parse(value)
