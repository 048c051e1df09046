"""Focus over time as a file: CSV or JSON, one row for each moment."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from any2bokeh.atomic import partial_file
from any2bokeh.documents import parse_json, read_document
from any2bokeh.errors import FocusError, RefocusError, shown
from any2bokeh.focus.focus_track import FocusTrack
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, FOCUS_DISPARITY, Key, Keys
from any2bokeh.settings.values import Range, TimePoint, parse_time

_COLUMNS = ("time", "frame", "focus", "k", "focus_m")


@dataclass(frozen=True)
class FocusKeys:
    """The content of a file: the focus at some moments, and K at the same ones if it holds K."""

    focus: Keys
    strength: Keys | None


def read_focus(path: Path) -> FocusKeys:
    """Return the keys in a file.

    A CSV has a line of column names: ``time`` (as on the command line) or ``frame`` (counted from 0),
    ``focus``, and ``k`` if wanted; a JSON file a list of objects with these names. ``focus_m``, the distance
    in focus in meters, is for whoever reads the file. Raises ``FocusError`` that names the row at fault.
    """
    rows = _rows(path)
    if not rows:
        raise FocusError(f"The focus track {path} has no rows.")
    has_strength = rows[0].get("k") not in (None, "")
    focus, strength = [], []
    for number, row in enumerate(rows, start=1):
        try:
            at = _moment(row)
            focus.append(Key(at, _number(row, "focus", FOCUS_DISPARITY)))
            if has_strength:
                strength.append(Key(at, _number(row, "k", BLUR_STRENGTH)))
        except (RefocusError, ValueError) as error:
            reason = error.message if isinstance(error, RefocusError) else str(error)
            raise FocusError(f"Row {number} of the focus track {path} cannot be used: {reason}") from error
    return FocusKeys(tuple(focus), tuple(strength) if has_strength else None)


def write_focus(
    target: Path, track: FocusTrack, seconds: Callable[[int], float], *, overwrite: bool = False
) -> None:
    """Write the focus of every frame, as ``read_focus`` reads it; ``seconds`` turns time stamps into times.

    Numbers are written so that reading gives the same ones. Raises ``VideoError`` if it cannot be written.
    """
    rows = [
        {"time": seconds(pts), "focus": focus.focus_disparity, "k": focus.blur_strength}
        | ({} if focus.focus_m is None else {"focus_m": focus.focus_m})
        for pts, focus in zip(track.times, track.focus, strict=True)
    ]
    text = _as_json(rows) if target.suffix.lower() == ".json" else _as_csv(rows)
    with partial_file(target, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = read_document(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise FocusError(f"The focus track {path} cannot be read: {reason}.") from error
    if path.suffix.lower() == ".json":
        return _json_rows(path, text)
    try:
        reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
        _check_columns(path, reader.fieldnames or ())
        return [dict(row) for row in reader]
    except csv.Error as error:  # a cell that is longer than 128 kB
        raise FocusError(f"The focus track {path} cannot be read: {error}.") from error


def _json_rows(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        rows = parse_json(text)
    except ValueError as error:
        raise FocusError(f"The focus track {path} is not valid JSON: {error}.") from error
    if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
        raise FocusError(f"The focus track {path} must be a list of objects.", hint=_example_json())
    for row in rows:
        _check_columns(path, row)
    return rows


def _check_columns(path: Path, names: Iterable[str]) -> None:
    """Raise ``FocusError`` unless there are a time and a focus, and nothing that is not known."""
    found = set(names)
    if unknown := sorted(found - set(_COLUMNS), key=str):
        raise FocusError(
            f"The focus track {path} has the unknown column {shown(unknown[0])}: use {', '.join(_COLUMNS)}."
        )
    if "focus" not in found or not found & {"time", "frame"}:
        raise FocusError(
            f"The focus track {path} must have the columns time (or frame) and focus.", hint=_example_json()
        )


def _example_json() -> str:
    return 'CSV: "time,focus,k" and rows such as "2.5,0.4,12"; JSON: [{"time": 2.5, "focus": 0.4, "k": 12}]'


def _moment(row: Mapping[str, Any]) -> TimePoint:
    time = row.get("time")
    is_truth = isinstance(time, bool)
    if isinstance(time, int | float) and not is_truth and math.isfinite(time) and time >= 0:  # of JSON
        return TimePoint(seconds=Fraction(time))
    return parse_time(f"f{row.get('frame')}" if time in (None, "") else str(time))


def _number(row: Mapping[str, Any], name: str, accepted: Range) -> float:
    text = row.get(name)
    try:
        value = float("" if isinstance(text, bool) else text)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be {accepted}, got {shown(text)}.") from error
    accepted.check(value, called=name.capitalize())
    return value


def _as_csv(rows: list[dict[str, float]]) -> str:
    # Each number with just the digits that tell it from all others, and never as 1e-05.
    lines = [",".join(format(Decimal(repr(value)), "f") for value in row.values()) for row in rows]
    return "\n".join([",".join(rows[0]), *lines, ""])


def _as_json(rows: list[dict[str, float]]) -> str:
    """One object a line, so that it can be edited like a table."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
