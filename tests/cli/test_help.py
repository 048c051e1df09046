"""Help, version and completion: complete, and without loading what they do not need."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import typer.main

from any2bokeh import __version__
from any2bokeh.cli.help_page import EXAMPLES, EXPERT, GROUPS, grouped, long_name
from any2bokeh.cli.program import app
from any2bokeh.lab.training.training_settings import TrainingSettings
from any2bokeh.settings.focus_settings import BLUR_STRENGTH, FOCUS_DISPARITY

COMMANDS: dict[str, Any] = dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
GROUPS_OF_REFOCUS = (
    *("What stays sharp", "How much blur", "The look", "Depth", "Files", "Pictures", "Long jobs", "Speed"),
)
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
@pytest.mark.slow
def test_nothing_heavy_is_loaded_to_answer(arguments: list[str]) -> None:
    assert run_and_list_heavy(arguments).splitlines()[-1] == "loaded: []"


@pytest.mark.slow
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
    return [
        pytest.param(parameter, id=f"{name} {parameter.name}")
        for name, command in COMMANDS.items()
        for parameter in command.params
    ]


@pytest.mark.parametrize("parameter", parameters())
def test_every_option_of_every_command_is_explained(parameter: Any) -> None:
    assert parameter.help
    assert parameter.help[0].isupper()


def help_of(command: str, bokeh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    run = bokeh(*command.split(), "--help")
    assert run.code == 0
    return list(run.out.splitlines())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_terminal_and_has_no_types_of_a_programming_language(
    command: str, bokeh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = help_of(command, bokeh, monkeypatch)
    assert [line for line in lines if len(line) > 79] == []
    assert [
        line
        for line in lines
        if re.search(r"[{}]|<(str|path|int|float|list)|list\[|--[\w-]+ Path|\(auto\)", line)
    ] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_shows_two_examples_that_it_takes(
    command: str, bokeh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line.strip() for line in help_of(command, bokeh, monkeypatch)]
    examples = EXAMPLES[command]
    assert len(examples) == 2 and set(examples) <= set(lines)
    for example in examples:
        program, name, *arguments = shlex.split(example)
        assert (program, name) == ("bokeh", command)
        COMMANDS[command].make_context(name, arguments)  # raises for an unknown option or a wrong value


def test_everyday_options_come_first_and_in_groups() -> None:
    groups = {
        title: [long_name(one) for one in found] for title, found in grouped(COMMANDS["refocus"].params)
    }
    assert list(groups) == ["Arguments", *GROUPS_OF_REFOCUS, EXPERT]
    assert groups["What stays sharp"][0] == "--focus"
    assert groups["How much blur"][0] == "--k"
    assert groups["Depth"][0] == "--depth"
    assert max(len(names) for names in groups.values()) <= 18


def test_an_option_is_in_one_group_alone() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(set(names)) == sorted(names)


def test_numbers_are_explained_with_range_and_default(
    bokeh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(" ".join(help_of("refocus", bokeh, monkeypatch)).split())
    for accepted in (FOCUS_DISPARITY, BLUR_STRENGTH):
        assert f"[{accepted.low:g} to {accepted.high:g}]" in text
    assert "[0 to 1, default 0.95]" in text


def test_train_names_its_commonest_settings(
    bokeh: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(help_of("train", bokeh, monkeypatch))
    named = {field.name for field in fields(TrainingSettings)} & set(re.findall(r"[a-z_0-9]+", text))
    assert {"steps", "batch", "frames", "learning_rate", "precision", "workers"} <= named


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_the_package_version(option: str, bokeh: Callable[..., Any]) -> None:
    run = bokeh(option)
    assert (run.code, run.out) == (0, f"any2bokeh {__version__}\n")


def test_no_command_shows_help_and_is_a_usage_error(bokeh: Callable[..., Any]) -> None:
    run = bokeh()
    assert run.code == 2
    assert "refocus" in run.out
