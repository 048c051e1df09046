"""Text from files that others wrote: JSON, TOML and numbers, within bounds that no honest file reaches.

Every fault of a document is a ``ValueError``: each reader says it in its own words.
"""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from any2bokeh.errors import WeightsError, shown

MAX_BYTES = 64 << 20
MAX_DEPTH = 50  # of lists and tables in each other
MAX_WHOLE = 2**63 - 1

# Sizes of networks: a configuration is built before its weights tell that it is wrong.
MAX_SIZE = 1 << 16
MAX_LAYERS = 64  # of a block; and of blocks
COUNTED = ("channels", "heads", "layers", "groups", "factor", "hidden")  # of which there is at least one

_RATE = re.compile(r"\d{1,10}(/\d{1,10})?|\d{1,10}\.\d{1,10}", re.ASCII)


def read_document(path: Path) -> str:
    """Return the text of a file; raises ``OSError``, and ``ValueError`` if it is no text or very long."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} bytes")
    return data.decode("utf-8-sig")


def parse_json(text: str) -> Any:
    """Return what a text of JSON holds; raises ``ValueError``."""
    try:
        found = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in line {error.lineno}") from error
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_extent(found)
    return found


def parse_table(text: str) -> dict[str, Any]:
    """Return the names and values that a text of JSON holds; raises ``ValueError``."""
    found = parse_json(text)
    if not isinstance(found, dict):
        raise ValueError(f"it holds no table of names and values, but {shown(found)}")
    return found


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text of TOML; raises ``ValueError``."""
    try:
        found = tomllib.loads(text, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_extent(found)
    return found


def parse_rate(value: object) -> Fraction:
    """Return the number of frames per second that a text or a number means; raises ``ValueError``."""
    if isinstance(value, bool) or not _RATE.fullmatch(str(value)):
        raise ValueError(f"{shown(value)} is no rate")
    try:
        rate = Fraction(str(value))
    except ZeroDivisionError:
        rate = Fraction(0)
    if not rate:
        raise ValueError("the rate is 0, or divided by 0")
    return rate


def check_sizes(config: Mapping[str, Any]) -> None:
    """Raise ``WeightsError`` for the configuration of a network that would not fit into any memory."""
    for name, value in config.items():
        several = value if isinstance(value, list | tuple) else [value]
        least = int(any(word in name for word in COUNTED))
        most = MAX_LAYERS if "layers" in name else MAX_SIZE
        counts = [one for one in several if isinstance(one, int) and not isinstance(one, bool)]
        if len(several) > MAX_LAYERS or not all(least <= one <= most for one in counts):
            raise WeightsError(f"{name} must be {least} to {most}, got {shown(value)}.")


def _check_extent(found: Any) -> None:
    """Raise ``ValueError`` for a document that is nested too deeply, or holds a number that is too large."""
    level, depth = [found] if isinstance(found, dict | list) else [], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        inner = [one for group in level for one in (group.values() if isinstance(group, dict) else group)]
        if large := [one for one in inner if isinstance(one, int) and abs(one) > MAX_WHOLE]:
            raise ValueError(f"{shown(large[0])} is too large a number")
        level = [one for one in inner if isinstance(one, dict | list)]


def _whole(digits: str) -> int:
    if len(digits) > len(str(MAX_WHOLE)) + 1 or abs(number := int(digits)) > MAX_WHOLE:
        raise ValueError(f"{shown(digits)} is too large a number")
    return number


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits.replace("_", ""))):
        raise ValueError(f"{shown(digits)} is no number that can be used")
    return number
