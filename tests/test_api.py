"""The front door: everything public by one import, loaded when it is asked for, and documented."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import any2bokeh

PACKAGE = Path(any2bokeh.__file__).parent
HEAVY = {"torch", "numpy", "av", "numba", "cv2", "transformers", "diffusers"}
LIGHT = ["Settings", "FocusSettings", "LensSettings", "TimeRange", "Progress", "SettingsError"]


@pytest.mark.parametrize("name", any2bokeh.__all__)
def test_every_public_name_is_there_and_documented_in_place(name: str) -> None:
    value = getattr(any2bokeh, name)
    assert value is getattr(import_module(value.__module__), name)
    assert value.__module__.startswith("any2bokeh.")
    assert value.__doc__


def test_no_module_hides_a_public_name() -> None:
    names = {path.stem for path in PACKAGE.iterdir()}
    assert names.isdisjoint(any2bokeh.__all__)


def test_the_door_lists_what_it_has() -> None:
    assert set(any2bokeh.__all__) <= set(dir(any2bokeh))
    assert "__version__" in dir(any2bokeh)
    assert list(any2bokeh.__all__) == sorted(any2bokeh.__all__)


def test_type_checkers_see_what_is_loaded() -> None:
    """They read imports that never run, so those must say what the table says."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: f"{node.module}".removeprefix("any2bokeh.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == any2bokeh._MODULES
    assert set(seen) == set(any2bokeh.__all__)


@pytest.mark.parametrize("names", [[], LIGHT], ids=["nothing", "settings and errors"])
def test_nothing_heavy_is_loaded_before_it_is_needed(names: list[str]) -> None:
    program = "import any2bokeh, sys\n" + "".join(f"any2bokeh.{name}\n" for name in names)
    run = subprocess.run(
        [sys.executable, "-c", f"{program}print(sorted({HEAVY!r} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "[]\n"


def test_every_error_is_of_one_family() -> None:
    errors = [name for name in any2bokeh.__all__ if name.endswith("Error")]
    tree = ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8"))
    assert sorted(errors) == sorted(node.name for node in tree.body if isinstance(node, ast.ClassDef))
    for name in errors:
        assert issubclass(getattr(any2bokeh, name), any2bokeh.RefocusError)


def test_names_that_are_not_there_are_refused_as_anywhere() -> None:
    with pytest.raises(AttributeError, match="module 'any2bokeh' has no attribute 'defocus'"):
        any2bokeh.defocus  # noqa: B018
    with pytest.raises(ImportError, match="defocus"):
        exec("from any2bokeh import defocus")
