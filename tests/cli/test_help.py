"""Help, version and completion: complete, and without loading what they do not need."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer.main

from any2bokeh import __version__
from any2bokeh.cli import main
from any2bokeh.cli.program import app
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, FOCUS_DISPARITY

HEAVY = {"torch", "av", "numpy", "transformers", "diffusers", "huggingface_hub"}
LIST_HEAVY = f"""
import sys
from any2bokeh.cli import main
try:
    main(sys.argv[1:])
finally:
    print("loaded:", sorted({HEAVY!r} & set(sys.modules)))
"""


def run_and_list_heavy(arguments: list[str], **environment: str) -> str:
    command = [sys.executable, "-c", LIST_HEAVY, *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["refocus", "--help"], ["evaluate", "--help"], ["--version"], ["--show-completion", "bash"]],
)
def test_nothing_heavy_is_loaded_to_answer(arguments: list[str]) -> None:
    assert run_and_list_heavy(arguments).splitlines()[-1] == "loaded: []"


def test_completion_offers_commands_and_choices_and_loads_nothing_heavy() -> None:
    request = {"_BOKEH_COMPLETE": "complete_bash"}
    program = LIST_HEAVY.replace("import sys\n", "import sys; sys.argv[0] = 'bokeh'\n", 1)
    for words, position, offered in (
        ("bokeh ", "1", "download-weights"),
        ("bokeh refocus --renderer ", "3", "lens"),
    ):
        out = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **request, "COMP_WORDS": words, "COMP_CWORD": position},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert offered in out
        assert out[-1] == "loaded: []"


def parameters() -> list[Any]:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return [
        pytest.param(parameter, id=f"{name} {parameter.name}")
        for name, command in commands.items()
        for parameter in command.params
    ]


@pytest.mark.parametrize("parameter", parameters())
def test_every_option_of_every_command_is_explained(parameter: Any) -> None:
    assert parameter.help
    assert parameter.help[0].isupper()


def test_numbers_are_explained_with_unit_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    main(["refocus", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert str(FOCUS_DISPARITY) in text
    assert str(BLUR_STRENGTH) in text
    assert "[default: 0.95]" in text


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_the_package_version(option: str, bokeh: Callable[..., Any]) -> None:
    run = bokeh(option)
    assert (run.code, run.out) == (0, f"any2bokeh {__version__}\n")


def test_no_command_shows_help_and_is_a_usage_error(bokeh: Callable[..., Any]) -> None:
    run = bokeh()
    assert run.code == 2
    assert "refocus" in run.out
