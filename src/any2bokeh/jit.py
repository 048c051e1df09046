"""Inner loops compiled to machine code on first use, by numba, and kept for the next run.

The compiled code lives in the cache folder, one set for each kind of processor. Where that folder cannot
be written, every run compiles anew.
"""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from any2bokeh.paths import cache_root

log = logging.getLogger(__name__)

IMPORT = re.compile(r"^from any2bokeh\.([\w.]+) import", re.MULTILINE)
UNUSED_S = 30 * 24 * 3600
NOTE = 25  # the level of a message that is news, but no warning
Function = TypeVar("Function", bound=Callable[..., Any])


def _cache_folder() -> Path | None:
    """The folder for compiled code, created; ``None`` if it cannot be written.

    Its name tells the sources apart: numba looks at the file of a function, but not at those it calls.
    """
    folder = cache_root() / "compiled" / _sources_digest()
    is_first = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
        _remove_unused(folder.parent)
    except OSError as error:
        log.warning(
            "%s cannot be written (%s): every run compiles anew, for a minute.", folder, error.strerror
        )
        return None
    if is_first:
        log.log(NOTE, "Compiling for this processor: the first run takes a minute longer.")
    return folder


def _sources_digest() -> str:
    """What tells compiled code apart: all modules that it is written in, or takes constants from."""
    package = Path(__file__).parent
    imports = {path: set(IMPORT.findall(path.read_text(encoding="utf-8"))) for path in package.rglob("*.py")}
    waiting = [path for path, names in imports.items() if "jit" in names]
    sources: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in imports and path not in sources:
            sources.add(path)
            waiting += [package / f"{name.replace('.', '/')}.py" for name in imports[path]]
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _remove_unused(root: Path) -> None:
    """Remove what other versions compiled, once nobody has used it for a while."""
    for folder in root.iterdir():
        if folder.stat().st_mtime < time.time() - UNUSED_S:
            shutil.rmtree(folder, ignore_errors=True)


logging.addLevelName(NOTE, "NOTE")
CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None:
    os.environ.setdefault("NUMBA_CACHE_DIR", str(CACHE_FOLDER))

import numba  # noqa: E402  (it reads the variable when it is imported)

# Sums may be reordered, as vector instructions need; NaN and infinity keep their meaning.
RELAXED = {"contract", "nsz", "reassoc"}


def compiled(function: Function) -> Function:
    """Compile ``function`` on its first call with arguments of new types; it runs without the GIL.

    Array indices are not checked: they must be right.
    """
    settings = {
        "nogil": True,
        "fastmath": RELAXED,
        # Dividing by 0 gives infinity or NaN, as in numpy; checks for it would keep loops from vector units.
        "error_model": "numpy",
        "cache": CACHE_FOLDER is not None,
    }
    result: Function = numba.njit(**settings)(function)
    return result
