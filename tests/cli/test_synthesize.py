import json
from pathlib import Path

import pytest
from facts import names

from any2bokeh.lab.synthesis.dataset import open_dataset

SMALL = (
    "--clips",
    "1",
    "--size",
    "32x18",
    "--frames",
    "2",
    "--versions",
    "1",
    "--samples",
    "4",
    "--jobs",
    "1",
)


@pytest.mark.slow
def test_a_data_set_is_made_and_named(bokeh, tmp_path: Path) -> None:
    run = bokeh("synthesize", tmp_path / "set", *SMALL, "--k", "5")
    assert (run.code, run.out) == (0, f"{tmp_path / 'set'}\n")
    assert "set: making, 1 of 1 clips" in run.err
    (clip,) = open_dataset(tmp_path / "set").clips
    assert clip.settings[0].blur_strength == (5, 5)
    again = bokeh("synthesize", tmp_path / "set", *SMALL, "--k", "5", "--json")
    assert json.loads(again.out) == {"folder": str(tmp_path / "set"), "made": 0, "complete": 1}


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--size", "large"], "--size WIDTHxHEIGHT 'large'"),
        (["--size", "8x8"], "--size pixels 16 8192 8"),
        (["--k", "a,b"], "--k numbers 'a,b'"),
        (["--k", "12,200"], "--k radius pixels 0 128 200"),
        (["--clips", "0"], "--clips 1 0"),
    ],
)
def test_what_cannot_be_made_is_a_usage_error(bokeh, tmp_path: Path, options: list[str], facts: str) -> None:
    run = bokeh("synthesize", tmp_path / "set", *options)
    assert run.code == 2
    assert names(run.err.lower(), *facts.lower().split())
    assert not (tmp_path / "set").exists()


def test_a_folder_that_is_something_else_fails_with_a_sentence(bokeh, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    run = bokeh("synthesize", tmp_path, *SMALL)
    assert run.code == 1
    assert names(run.err, "Error:", tmp_path, "data set")
