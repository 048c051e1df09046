"""Importing the package changes nothing: no file, environment, logging, thread or random number."""

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import any2bokeh
from any2bokeh.render.base import make_renderer
from any2bokeh.scene import PictureFormat
from any2bokeh.settings.render_settings import RenderSettings

PACKAGE = Path(any2bokeh.__file__).parent
# Imports the given modules, and prints every changed setting. Changes by other packages on import (OpenCV
# sets LD_LIBRARY_PATH, transformers the level of its own logger) are theirs: they come first.
SCRIPT = """
import json, logging, os, random, signal, sys, threading
from importlib import import_module

libraries, modules = json.loads(sys.stdin.read())
for name, attributes in libraries:
    for attribute in attributes:
        if not hasattr(import_module(name), attribute):
            import_module(f"{name}.{attribute}")
import numpy, torch

def state():
    loggers = {name: logger for name, logger in logging.root.manager.loggerDict.items()
               if isinstance(logger, logging.Logger)}
    return {
        "environment": dict(os.environ),
        "levels": {name: logger.level for name, logger in loggers.items() if logger.level},
        "root level": logging.root.level,
        "handlers": [str(handler) for handler in logging.root.handlers],
        "level names": [logging.getLevelName(level) for level in range(60)],
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "random": hash(random.getstate()),
        "numpy's random": numpy.random.get_state()[1].tolist(),
        "torch's random": torch.get_rng_state().tolist(),
        "torch's threads": torch.get_num_threads(),
        "torch's default type": str(torch.get_default_dtype()),
        "folder": os.getcwd(),
        "umask": os.umask(os.umask(0o22)),
    }

before = state()
for name in modules:
    import_module(name)
after = state()
print(json.dumps({key: [before[key], after[key]] for key in before if before[key] != after[key]}))
"""


def modules() -> list[str]:
    """Every module of the package but those that run when they are imported."""
    paths = sorted(path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py"))
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if not name.endswith("__main__")]


def libraries() -> list[tuple[str, list[str]]]:
    """Other packages that this package's modules import when they are imported."""
    found: list[tuple[str, list[str]]] = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                found += [(alias.name, ["__name__"]) for alias in node.names]
            elif (
                isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] != "any2bokeh"
            ):
                found.append((node.module, [alias.name for alias in node.names]))
    return found


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def changed_by_importing(names: list[str], home: Path, **variables: str) -> dict[str, Any]:
    before = files(home)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANY2BOKEH_", "HF_", "NUMBA_", "XDG_", "TORCH_", "MPL"))
    }
    run = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT],
        input=json.dumps([libraries(), names]),
        cwd=home,
        env={**environment, "HOME": str(home), **variables},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    changes: dict[str, Any] = json.loads(run.stdout)
    if files(home) != before:
        changes["files"] = files(home)
    return changes


@pytest.mark.slow
def test_every_change_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "changes.py").write_text(
        "import logging, os, random, threading\n"
        "os.environ['SOME'] = 'thing'\n"
        "logging.addLevelName(25, 'NOTE')\n"
        "logging.getLogger('any2bokeh').setLevel(10)\n"
        "random.random()\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "open('left', 'w').close()\n"
    )
    (tmp_path / "home").mkdir()
    found = changed_by_importing(["changes"], tmp_path / "home", PYTHONPATH=str(tmp_path))
    assert set(found) == {"environment", "level names", "levels", "random", "threads", "files"}


@pytest.mark.slow
def test_importing_every_module_changes_nothing(tmp_path: Path) -> None:
    assert len(modules()) > 100
    tmp_path.chmod(0o500)
    assert changed_by_importing(modules(), tmp_path) == {}


def test_making_a_renderer_leaves_random_numbers_alone() -> None:
    """It compiles, and to that end renders a frame."""
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
    pictures = PictureFormat(height=16, width=32)
    for renderer in ("lens", "small"):
        make_renderer(RenderSettings(renderer=renderer), torch.device("cpu"), pictures).close()
    assert (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()) == before
