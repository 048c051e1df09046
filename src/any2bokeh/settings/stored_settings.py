"""Settings as a document of JSON's types, and back: what a work folder says of its run."""

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from any2bokeh.errors import SettingsError, shown

NamePath = Callable[[Path], str]


def to_document(value: Any, name_path: NamePath = str) -> Any:
    """Return settings (frozen dataclasses, and what their fields hold) as dicts, lists and plain values.

    ``name_path`` says how a path is written.
    """
    if is_dataclass(value):
        return {one.name: to_document(getattr(value, one.name), name_path) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [to_document(one, name_path) for one in value]
    if isinstance(value, Path):
        return name_path(value)
    return str(value) if isinstance(value, Fraction) else value


def from_document(kind: Any, document: Any) -> Any:
    """Return the settings that ``to_document`` wrote; ``kind`` is their class.

    Raises ``SettingsError`` for a document of anything else.
    """
    try:
        return _value(kind, document)
    except (TypeError, ValueError, KeyError) as error:
        raise SettingsError(f"{shown(document)} does not hold settings: {error}.") from error


def _value(kind: Any, document: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _value(next(one for one in get_args(kind) if _fits(one, document)), document)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{name: _value(hints[name], inner) for name, inner in document.items()})  # type: ignore[operator]
    if origin is tuple:
        return tuple(_value(get_args(kind)[0], one) for one in document)
    return kind(document) if kind in (Path, Fraction) else document


def _fits(kind: Any, document: Any) -> bool:
    """Whether a document may be of one of the kinds in a union; a float may be written without a point."""
    if is_dataclass(kind):
        return isinstance(document, dict) and set(document) == {one.name for one in fields(kind)}
    origin = get_origin(kind)
    if origin is tuple:
        return isinstance(document, list)
    if origin is Literal:
        return document in get_args(kind)
    if kind in (Path, Fraction, str):
        return isinstance(document, str)
    if kind is type(None):
        return document is None
    is_number = isinstance(document, int | float) and not isinstance(document, bool)
    return is_number if kind in (int, float) else isinstance(document, kind)
