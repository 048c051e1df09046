from fractions import Fraction

import pytest
from facts import naming

from any2bokeh.errors import SettingsError, shown
from any2bokeh.settings.values import TimePoint, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2.5", Fraction(5, 2)),
        ("2.5s", Fraction(5, 2)),
        ("0", Fraction(0)),
        (".5", Fraction(1, 2)),
        ("3.", Fraction(3)),
        (" 7s ", Fraction(7)),
        ("00:01:02.5", Fraction(125, 2)),
        ("1:02.5", Fraction(125, 2)),
        ("90:00", Fraction(5400)),
        ("10:00:00", Fraction(36000)),
        ("0.041", Fraction(41, 1000)),
    ],
)
def test_seconds_and_clock_times_are_exact(text: str, seconds: Fraction) -> None:
    assert parse_time(text) == TimePoint(seconds=seconds)


def test_frames_are_counted_from_zero() -> None:
    assert parse_time("f0") == TimePoint(frame=0)
    assert parse_time("f120") == TimePoint(frame=120)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "f",
        "f1.5",
        "-1",
        "1e3",
        "nan",
        "inf",
        "1:60",
        "1:61:00",
        "1:2:3:4",
        "2,5",
        "٣",
        "f-1",
        ".",
        "1 2",
    ],
)
def test_anything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(SettingsError, match=naming(shown(text), "time")) as refusal:
        parse_time(text)
    assert "00:01:02.5" in refusal.value.hint
