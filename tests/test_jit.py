"""Compiled code: kept for the next run, made anew where it was damaged, without effects on import."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from any2bokeh import jit

# Compiles one short function, or loads it, calls it, and says which.
CALL = """
import logging
import numpy as np
from any2bokeh.optics.window_max import window_max

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
image = np.array([[1, 5, 2, 0, 0]], np.float32)
out = np.empty(5, np.float32)
window_max(image, 0, 1, 1, out)
print(out.tolist(), "loaded" if window_max._cache_hits else "compiled")
"""
READ_ONLY = "import os; may = os.access; os.access = lambda path, mode: mode != os.W_OK and may(path, mode)\n"
ANSWER = "[5.0, 5.0, 5.0, 2.0, 0.0]"

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """Run the function in a process of its own, with a cache of its own."""

    def run(before: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", before + CALL],
            env={**os.environ, "ANY2BOKEH_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )

    return run


@pytest.fixture
def kept(call: Call, tmp_path: Path) -> Path:
    """The file of the function's compiled code."""
    call()
    (path,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    return path


@pytest.mark.slow
def test_second_run_compiles_nothing(call: Call) -> None:
    first, second = call(), call()
    assert first.stdout == f"{ANSWER} compiled\n"
    assert second.stdout == f"{ANSWER} loaded\n"


AT_ONCE = "from any2bokeh import jit; jit.SILENT_S = 0\n"


@pytest.mark.slow
def test_compiling_for_long_is_told_once_and_loading_is_not(call: Call) -> None:
    assert call(AT_ONCE).stderr.count("INFO any2bokeh.news: Compiling") == 1
    assert call(AT_ONCE).stderr == ""


@pytest.mark.slow
def test_compiling_that_takes_a_moment_is_not_told(call: Call) -> None:
    assert call("from any2bokeh import jit; jit.SILENT_S = 600\n").stderr == ""


@pytest.mark.slow
def test_functions_compiled_later_are_told_too(call: Call, kept: Path) -> None:
    kept.unlink()
    assert "Compiling" in call(AT_ONCE).stderr


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
@pytest.mark.slow
def test_truncated_code_is_made_anew(share: float, call: Call, kept: Path) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[: int(len(whole) * share)])
    assert call().stdout == f"{ANSWER} compiled\n"
    assert call().stdout == f"{ANSWER} loaded\n"


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
@pytest.mark.slow
def test_changed_code_is_made_anew(share: float, call: Call, kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[int(len(content) * share)] ^= 0x40
    kept.write_bytes(content)
    assert call().stdout == f"{ANSWER} compiled\n"
    assert call().stdout == f"{ANSWER} loaded\n"


@pytest.mark.slow
def test_code_belongs_to_its_user_alone(kept: Path) -> None:
    for folder in kept.parents[:2]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.slow
def test_folder_that_others_could_write_is_closed(call: Call, kept: Path) -> None:
    kept.parent.chmod(0o777)
    assert call().stdout == f"{ANSWER} loaded\n"
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.slow
def test_folder_that_cannot_be_written_is_read(call: Call, kept: Path) -> None:
    run = call(READ_ONLY)
    assert run.stdout == f"{ANSWER} loaded\n"
    assert run.stderr == ""


@pytest.mark.slow
def test_folder_that_cannot_be_written_is_worth_one_warning(call: Call, kept: Path) -> None:
    kept.unlink()
    run = call(READ_ONLY + "from any2bokeh.optics.window_max import window_max\n")
    assert run.stdout == f"{ANSWER} compiled\n"
    assert run.stderr.count("WARNING") == 1
    assert f"{kept.parent} cannot be written (it is read-only)" in run.stderr
    assert not kept.exists()


@pytest.mark.slow
def test_folder_that_cannot_be_made_is_worth_one_warning(call: Call, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    run = call()
    assert run.stdout == f"{ANSWER} compiled\n"
    assert run.stderr.count("WARNING") == 1
    assert str(tmp_path / "cache") in run.stderr


@pytest.mark.slow
def test_code_of_a_version_that_nobody_uses_is_removed(call: Call, kept: Path) -> None:
    for name, age_s in (("recent", 3600), ("old", 31 * 24 * 3600)):
        folder = kept.parents[1] / name
        folder.mkdir()
        os.utime(folder, (folder.stat().st_atime, folder.stat().st_mtime - age_s))
    call()
    assert {folder.name for folder in kept.parents[1].iterdir()} == {"recent", kept.parent.name}


def _norm(values: np.ndarray, first: int, power: np.float32) -> np.float32:
    total = np.float32(0)
    for value in values[first:]:
        total += np.abs(value) ** power
    for value in values[::2]:
        total -= np.exp(-value * power)
    return total


@pytest.fixture
def norms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """A compiled function, and one that calls it; both were compiled now, since nothing was kept."""
    monkeypatch.setattr(jit, "compiled_folder", lambda: None)
    norm = jit.compiled(_norm)

    @jit.compiled
    def norms(values: np.ndarray) -> np.float32:
        total = norm(values, 0, np.float32(1.5))
        for start in range(3):
            total += norm(values, start, np.float32(2 + start)) * norm(values[: start + 4], 1, np.float32(3))
        return total

    norms(np.arange(9, dtype=np.float32))
    return norm, norms


@pytest.mark.slow
def test_compiled_code_calls_no_other_so_that_what_was_loaded_first_changes_no_bits(
    norms: tuple[Any, Any],
) -> None:
    (overload,) = norms[1].overloads.values()
    defined = [function.name for function in overload.library.get_defined_functions()]
    assert any("norms" in name for name in defined)
    assert not [name for name in defined if "5_normB" in name]


@pytest.mark.slow
def test_a_function_is_compiled_once_whatever_constants_it_is_called_with(norms: tuple[Any, Any]) -> None:
    assert len(norms[0].signatures) == 1


def test_every_module_that_is_compiled_or_gives_it_constants_tells_code_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "jit.py": "",
        "loops.py": "from any2bokeh.jit import compiled\nfrom any2bokeh.room import (\n    model,\n)\n",
        "room/__init__.py": "",
        "room/model.py": "from any2bokeh.deep.constants import SIZE\n",
        "deep/constants.py": "SIZE = 3\n",
        "other.py": "import numpy\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))

    def digest() -> str:
        jit._sources_digest.cache_clear()
        return jit._sources_digest()

    try:
        known = digest()
        for name in files:
            with (tmp_path / name).open("a") as file:
                file.write("# changed\n")
            assert (digest() == known) == (name == "other.py"), name
            known = digest()
    finally:
        jit._sources_digest.cache_clear()
