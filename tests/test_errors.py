"""Messages about missing packages, wherever this one came from."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from any2bokeh.errors import LONGEST_SHOWN, install_hint, shown

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
OF_A_WHEEL = ["torch>=2.6", 'torchmetrics>=1.4; extra == "evaluate"', "accelerate<2,>=1.10 ; extra=='train'"]


def extras_named_in_the_code() -> set[str]:
    sources = (PROJECT.parent / "src").rglob("*.py")
    return {
        name for path in sources for name in re.findall(r'install_hint\("(.+?)"\)', path.read_text("utf-8"))
    }


def test_the_packages_of_an_extra_are_named_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: OF_A_WHEEL)
    assert install_hint("evaluate") == 'pip install "torchmetrics>=1.4"'
    assert install_hint("train") == 'pip install "accelerate<2,>=1.10"'


def test_every_extra_that_messages_name_is_one_of_the_package() -> None:
    extras = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["optional-dependencies"]
    named = extras_named_in_the_code()
    assert {"evaluate", "train"} <= named <= set(extras)
    for name in named:
        packages = [re.split(r"[<>=]", need)[0] for need in extras[name]]
        assert packages == [
            re.split(r"[<>=]", need)[0] for need in re.findall(r'"(.+?)"', install_hint(name))
        ]


def test_a_source_folder_that_is_not_installed_names_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert "extra train" in install_hint("train") and "pyproject.toml" in install_hint("train")


def test_no_message_takes_the_package_for_one_on_an_index() -> None:
    paths = [*(PROJECT.parent / "src").rglob("*.py"), *(PROJECT.parent / "docs").rglob("*.md")]
    assert len(paths) > 100
    assert [str(path) for path in paths if "any2bokeh[" in path.read_text("utf-8")] == []


@pytest.mark.slow
def test_pip_understands_the_command() -> None:
    command = [
        sys.executable,
        "-m",
        *re.findall(r'[^\s"]+', install_hint("exr")),
        "--dry-run",
        "--no-index",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_long_value_is_cut_in_the_middle() -> None:
    text = "begin" + "-" * 1000 + "end"
    assert len(shown(text)) == LONGEST_SHOWN
    assert shown(text).startswith("'begin-") and "..." in shown(text) and shown(text).endswith("-end'")


@pytest.mark.parametrize(("value", "text"), [("a b", "'a b'"), (0.1 + 0.2, "0.3"), (7, "7"), (None, "None")])
def test_a_short_value_is_shown_whole(value: object, text: str) -> None:
    assert shown(value) == text
