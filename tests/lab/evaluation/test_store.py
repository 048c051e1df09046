"""Stored results of an evaluation belong to the program that measured them."""

from pathlib import Path
from types import ModuleType

import pytest

import any2bokeh
from any2bokeh.lab.evaluation import store

PACKAGE = Path(any2bokeh.__file__).parent


def test_all_that_decides_a_result_is_part_of_its_key():
    names = {path.relative_to(PACKAGE).as_posix() for path in store.deciding_files()}
    assert {
        "lab/evaluation/scores.py",
        "lab/frame_metrics.py",
        "lab/perturbation.py",
        "motion/flow.py",
        "optics/coc.py",
        "render/base.py",
    } <= names
    assert any(name.startswith("render/") and name.endswith(".safetensors") for name in names)
    assert all(path.is_file() for path in store.deciding_files())


def test_another_version_of_a_deciding_module_gives_another_key(monkeypatch, tmp_path):
    module = ModuleType("decides")
    module.__file__ = str(tmp_path / "decides.py")
    monkeypatch.setattr(store, "DECIDING", (module,))
    keys = []
    for source in ("x = 1", "x = 2"):
        (tmp_path / "decides.py").write_text(source)
        keys.append(store.key_of(["the same"]))
    assert keys[0] != keys[1]


def test_a_deciding_module_without_its_file_is_an_error(monkeypatch, tmp_path):
    module = ModuleType("gone")
    module.__file__ = str(tmp_path / "gone.py")
    monkeypatch.setattr(store, "DECIDING", (module,))
    with pytest.raises(FileNotFoundError):
        store.key_of(["anything"])
