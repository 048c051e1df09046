"""The front door: everything public by one import, loaded when it is asked for, and documented."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from films import write_clip, write_track
from folders import use_own_folders

import any2bokeh

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
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
    """They read imports that never run, so those must match the table."""
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


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_page_names_everything_public_and_nothing_else() -> None:
    named = set(re.findall(r"`(\w+)(?:\(.*?\))?`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.M | re.S)))
    assert set(any2bokeh.__all__) <= named
    imported = {
        name
        for example in examples(PAGE)
        for names in re.findall(r"^from any2bokeh import (.+)$", example, re.MULTILINE)
        for name in names.split(", ")
    }
    assert imported <= set(any2bokeh.__all__)
    capitalized = {name for name in named if re.fullmatch(r"[A-Z][a-z]+[A-Za-z]+", name)}
    assert capitalized <= set(any2bokeh.__all__)


def test_the_page_s_examples_run_and_print_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4")
    write_track(tmp_path / "clip.disparity.mkv")
    use_own_folders(tmp_path, "model = []", monkeypatch)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    found = examples(PAGE)
    assert len(found) == 7
    for example in found:
        exec(compile(example, "docs/api.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "4 lens (0.4, 0.4) (12, 12)\n" in printed
    assert "render: 4 of 4\n" in printed
    assert printed.count("(48, 64, 3) uint8\n") == 3
    assert "3 (48, 64) lens (0.2, 0.8) (16.0, 16.0)\n" in printed
    assert printed.endswith(
        "`focus_disparity` must be a disparity from 0 to 1, got 1.5.\n('focus_disparity',)\n"
    )
    written = {"clip.refocus.mp4", "inverted.mkv", "inverted.png", "pull.mkv"}
    assert written <= {path.name for path in tmp_path.iterdir()}


def test_the_readme_s_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(tmp_path / "in.mp4")
    write_track(tmp_path / "in.disparity.mkv")
    monkeypatch.chdir(tmp_path)
    (example,) = examples((ROOT / "README.md").read_text(encoding="utf-8"))
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "out.mp4").is_file()
