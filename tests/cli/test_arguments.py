"""The library speaks of arguments, the command line of options: one mechanism for all messages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import any2bokeh
from any2bokeh.cli.command_line import with_options
from any2bokeh.errors import ARGUMENT, RefocusError, SettingsError
from any2bokeh.settings.focus_settings import CameraSettings, FocusSettings
from any2bokeh.settings.render_settings import LensSettings
from any2bokeh.settings.values import Range

PACKAGE = Path(any2bokeh.__file__).parent
COMMANDS = {  # these write command lines, and reports of them, for people who read on.
    "lab/compact/__main__.py",
    "weights/checkpoint.py",
    "lab/evaluation/methods.py",
    "lab/synthesis/dataset_card.py",
}
# Arguments of functions and settings that no command takes.
PYTHON_ONLY = {"context", "width", "height", "disparity", "frames", "seconds", "frame"}


def texts() -> Iterator[tuple[str, str]]:
    """Each text outside the command line that is no docstring, with the file that it stands in."""
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "cli":
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield path.relative_to(PACKAGE).as_posix(), node.value


@pytest.mark.slow
def test_library_names_no_option() -> None:
    found = [(file, word) for file, text in texts() for word in text.split()]
    named = {file for file, word in found if re.match(r"[(`'\"]?--[a-z]", word)}
    assert len(found) > 5000
    assert named <= COMMANDS


def test_every_argument_that_a_message_names_has_an_option() -> None:
    found = {name for _, text in texts() for name, _ in ARGUMENT.findall(text)}
    assert {"low_memory", "f_stop", "training.precision", "overwrite"} <= found
    unknown = {name for name in found if with_options(f"`{name}`") == f"`{name}`"}
    assert unknown <= PYTHON_ONLY


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`focus_disparity` must be low.", "--focus must be low."),
        ("`dtype=float32`", "--dtype float32"),
        ("`overwrite=True` replaces it.", "--overwrite replaces it."),
        ("`audio=False` leaves it out.", "--no-audio leaves it out."),
        ("`low_memory=True`, or a smaller `work_size`", "--low-memory, or a smaller --work-size"),
        ("`mpi` is off.", "--mpi is off."),
        ("`target=my clip.mkv`", "-o my clip.mkv"),
        ("`training.precision=auto`", "--set precision=auto"),
        ("`size=tiny|small`", "--size tiny|small"),
        ("run `bokeh download-weights depth-small` again", "run `bokeh download-weights depth-small` again"),
        ("`nothing` of that name", "`nothing` of that name"),
    ],
)
def test_options_stand_in_the_place_of_arguments(message: str, shown: str) -> None:
    assert with_options(message) == shown


def test_error_says_which_arguments_it_is_about() -> None:
    with pytest.raises(SettingsError) as raised:
        FocusSettings(
            focus_disparity=0.5, blur_strength=8, camera=CameraSettings(f_stop=2, near_m=1, far_m=9)
        )
    assert raised.value.arguments == ("blur_strength", "f_stop")
    with pytest.raises(SettingsError) as raised:
        LensSettings(rotation_deg=500)
    assert str(raised.value) == "`rotation_deg` must be an angle in degrees from -360 to 360, got 500."
    assert RefocusError("clip.mp4 is empty.").arguments == ()


@pytest.mark.parametrize("value", ["0.5", None, True, float("nan"), float("inf"), -1, 2])
def test_what_is_no_number_of_the_range_is_refused_by_name(value: object) -> None:
    with pytest.raises(SettingsError, match=r"^`share` must be a share from 0 to 1, got "):
        Range("share", "a share", 0, 1).check(value)  # type: ignore[arg-type]
