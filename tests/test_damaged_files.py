"""Readers and options under damage that chance makes: refused by an error of ours, or read."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from mutations import make_seeds, run_all, table_of

from any2bokeh.cli import main
from any2bokeh.cli.options import OPTIONS

RUNS, SEED = 1500, 20261129


@pytest.mark.slow
def test_whole_files_are_read(tmp_path: Path) -> None:
    for files in make_seeds(tmp_path).values():
        for path, reader in files:
            reader(path)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_damaged_files_are_read_or_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    tallies = run_all(RUNS, SEED)
    assert {kind: one.faults for kind, one in tallies.items() if one.faults} == {}, table_of(tallies)
    assert all(one.read and one.refused for one in tallies.values()), table_of(tallies)


def options_of_settings() -> list[str]:
    """The names of all options that take a value, of settings and those in them."""
    named = [
        next(name for name in (made.default, *made.param_decls) if str(name).startswith("--"))
        for table in OPTIONS.values()
        for made in table.values()
    ]
    return sorted({name for name in named if "/" not in name})


NUMBER = st.one_of(
    st.floats().map(repr), st.integers().map(str), st.sampled_from(["9" * 5000, "1e999", "-0", ""])
)
TIME = st.one_of(NUMBER, st.integers(0, 10**30).map(lambda number: f"f{number}"), st.just("00:99:99"))
POINT = st.tuples(NUMBER, NUMBER, TIME).map(lambda parts: f"{parts[0]},{parts[1]}@{parts[2]}")
KEYS = st.lists(st.tuples(TIME, st.one_of(NUMBER, POINT))).map(
    lambda keys: ", ".join(f"{at}:{value}" for at, value in keys)
)
VALUE = st.one_of(NUMBER, TIME, POINT, KEYS, st.text(st.characters(exclude_characters="\0"), max_size=40))


@pytest.mark.slow
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    command=st.sampled_from(["refocus", "preview", "depth"]),
    name=st.sampled_from(options_of_settings()),
    value=VALUE,
)
@example(command="refocus", name="--k", value="9" * 5000)
@example(command="refocus", name="--focus", value="f" + "9" * 5000 + ":0.5")
@example(command="preview", name="--at", value="1" * 5000 + ":00:00")
@example(command="refocus", name="--fps", value="9" * 5000)
@example(command="refocus", name="--focus-at", value=f"{'9' * 5000},1")
@example(command="refocus", name="--frames", value="1-999999," * 999)
def test_no_value_of_an_option_is_unexpected(
    command: str, name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([command, "/nowhere/clip.mp4", "--focus", "0.5", "--k", "8", "--dry-run", f"{name}={value}"])
    said = capsys.readouterr()
    assert code in (1, 2), said
    assert "unexpected" not in said.err and "Traceback" not in said.err
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said.err)
    assert len(said.err) < 10_000
