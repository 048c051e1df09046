"""Text that others wrote: every reader refuses what no honest file holds, with an error of its own."""

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from any2bokeh.documents import check_sizes, parse_json, parse_rate, parse_toml, read_document
from any2bokeh.errors import DatasetError, FocusError, SettingsError, WeightsError, shown
from any2bokeh.focus.track_files import read_focus
from any2bokeh.lab.synthesis.dataset_clip import read_json
from any2bokeh.lab.training.training_settings import read_toml, training_settings
from any2bokeh.settings.values import Range, parse_time
from any2bokeh.weights.catalog import load_catalog
from any2bokeh.weights.checkpoint import CheckpointFacts

DEEP = 100_000
BAD_JSON = {
    "nesting": "[" * DEEP + "]" * DEEP,
    "moderate nesting": "[" * 60 + "]" * 60,
    "objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "whole": '{"a": 1' + "0" * 400 + "}",
    "digits": '{"a": ' + "9" * 5000 + "}",
    "exponent": '{"a": 1e999}',
    "NaN": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "empty": "",
    "cut": '{"a": [1, 2',
}
BAD_TOML = {
    "nesting": "a = " + "[" * DEEP + "]" * DEEP,
    "whole": "a = 1" + "0" * 400,
    "digits": "a = " + "9" * 5000,
    "exponent": "a = 1e999",
    "nan": "a = nan",
    "cut": "a = [1, 2",
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_json_beyond_its_bounds_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("text", BAD_TOML.values(), ids=BAD_TOML)
def test_toml_beyond_its_bounds_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_toml(text)


def test_what_is_honest_passes() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x", -9223372036854775807]}')["a"][1] == 2.5
    assert parse_toml("a = 1_000.5\nb = [[1], [2]]") == {"a": 1000.5, "b": [[1], [2]]}


READERS: dict[str, tuple[str, Callable[[Path], object], type[Exception]]] = {
    "focus track": ("focus.json", read_focus, FocusError),
    "data set": ("clip.json", read_json, DatasetError),
    "settings": ("run.toml", read_toml, SettingsError),
    "models": ("models.toml", load_catalog, WeightsError),
    "facts": ("bokeh.json", lambda path: CheckpointFacts.from_json(read_document(path)), WeightsError),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_it_in_its_own_words(reader: str, tmp_path: Path) -> None:
    name, read, error_class = READERS[reader]
    texts = BAD_TOML if name.endswith(".toml") else BAD_JSON
    for kind, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(error_class) as failure:
            read(path)
        assert len(str(failure.value)) < 1000, kind
    if reader != "facts":
        path.write_bytes(b"\xff\xfe\x00 no text")
        with pytest.raises(error_class):
            read(path)


def test_a_file_that_is_very_long_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ValueError, match="longer"):
        read_document(tmp_path / "long.json")


@pytest.mark.parametrize(
    "text", ["1e99999999", "0", "0/1", "1/0", "-24", "nan", "9" * 5000, "24 fps", "", None, True]
)
def test_what_is_no_rate_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError):
        parse_rate(text)


def test_rates_are_exact() -> None:
    assert [parse_rate(one) for one in ("24000/1001", "25", 25, "29.97")] == [
        Fraction(24000, 1001),
        Fraction(25),
        Fraction(25),
        Fraction(2997, 100),
    ]


@pytest.mark.parametrize(
    "config",
    [
        {"layers_per_block": 10**9},
        {"num_attention_heads": [5, 0]},
        {"block_out_channels": [320] * 100},
        {"in_channels": -4},
        {"cross_attention_dim": 10**30},
    ],
)
def test_sizes_of_networks_have_bounds(config: dict[str, object]) -> None:
    with pytest.raises(WeightsError, match=next(iter(config))):
        check_sizes(config)


def test_numbers_without_end_are_settings_errors() -> None:
    accepted = Range("k", "a number", 0, 128)
    for value in (10**400, 10**5000, float("nan"), float("inf"), -1, "x", None):
        with pytest.raises(SettingsError):
            accepted.check(value)  # type: ignore[arg-type]
    for text in ("f" + "9" * 5000, "9" * 5000, "1" * 5000 + ":00:00", "0." + "1" * 5000):
        with pytest.raises(SettingsError):
            parse_time(text)
    assert len(shown(10**5000)) < 200 and len(shown("x" * sys.maxunicode)) < 200


@pytest.mark.parametrize(
    "change", ["steps={}", "steps=[]", "learning_rate=1e999", "perturb=3", f"steps={10**400}"]
)
def test_settings_of_another_kind_are_settings_errors(change: str) -> None:
    with pytest.raises(SettingsError):
        training_settings("geometry", None, [change])


@pytest.mark.parametrize("row", [{"time": True, "focus": 0.5}, {"time": 0, "focus": True}])
def test_a_truth_value_is_no_number_of_a_focus_track(row: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "focus.json").write_text(json.dumps([row]))
    with pytest.raises(FocusError, match="Row 1"):
        read_focus(tmp_path / "focus.json")
