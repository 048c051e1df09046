"""Inner loops compiled to machine code on first use, by numba, and kept for the next run.

Compiled code lives in the cache folder, a file for each function, types of its arguments and kind of
processor. Where that folder cannot be used, every run compiles anew. Nothing happens on import: the folder is
looked at when the first function is called.
"""

import errno
import hashlib
import logging
import os
import pickle
import re
import shutil
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from any2bokeh.atomic import partial_file
from any2bokeh.errors import RefocusError
from any2bokeh.paths import cache_root, private_folder

log = logging.getLogger(__name__)
news = logging.getLogger("any2bokeh.news")  # no warnings, but worth knowing: the command line shows it

# A module's top-level imports from others of the package.
IMPORT = re.compile(r"^from any2bokeh\.?([\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
UNUSED_S = 30 * 24 * 3600
DIGEST_BYTES = hashlib.sha256().digest_size
PRIVATE = 0o700
SILENT_S = 2.0  # of compiling in a run before that is told
# Sums may be reordered, as vector instructions need; NaN and infinity keep their meaning.
RELAXED = {"contract", "nsz", "reassoc"}
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile ``function`` on its first call with arguments of new types; it runs without the GIL.

    Array indices are not checked: they must be right.
    """
    settings = {
        "nogil": True,
        "fastmath": RELAXED,
        # Dividing by 0 gives infinity or NaN, as in numpy; checks for it would keep loops from vector units.
        "error_model": "numpy",
        # A function called out of line exists once for itself and, optimized again, in every caller; the
        # one loaded first answers for all. Last bits would depend on what the cache has and on timing.
        "forceinline": True,
    }
    dispatcher = numba.njit(**settings)(function)
    # numba's own cache creates its folder at once, looks at the file of a function but not at those that it
    # calls, and executes a file that was damaged.
    dispatcher._cache = _KeptCode(function)
    template_of = dispatcher.get_call_template

    # A constant in a call counts as any number of its type. numba would compile for each constant, even for
    # the 0 that a counter begins with; as calls are inlined, that gains nothing.
    def get_call_template(arguments: Any, named: Any) -> Any:
        types = [numba.types.unliteral(one) for one in arguments]
        return template_of(types, {name: numba.types.unliteral(one) for name, one in named.items()})

    dispatcher.get_call_template = get_call_template
    result: Function = dispatcher
    return result


class _KeptCode:
    """The compiled forms of one function on disk, in the place of numba's own cache of a dispatcher.

    A file is the SHA-256 of the rest, and numba's serialized result. A file that was truncated or changed
    counts as missing: its function is compiled anew and the file replaced.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the code compiled for a signature on a kind of processor, or ``None``."""
        payload = self._read(signature, target)
        if payload is None:
            _compiling.begin()
            return None
        target.refresh()
        return CompileResult._rebuild(target, *pickle.loads(payload))

    def _read(self, signature: Any, target: Any) -> bytes | None:
        folder = compiled_folder()
        if folder is None:
            return None
        path = folder / self._file_name(signature, target.codegen())
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() == digest:
            return payload
        log.debug("%s is damaged, and made anew.", path)
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep the code compiled for a signature."""
        _compiling.end()
        folder = compiled_folder()
        if folder is None or result.lifted or result.library.has_dynamic_globals:
            return
        if not os.access(folder, os.W_OK):
            _say_not_kept(folder, "it is read-only")
            return
        payload = dumps(result._reduce())
        path = folder / self._file_name(signature, result.codegen)
        try:
            with partial_file(path, overwrite=True) as partial:
                partial.write_bytes(hashlib.sha256(payload).digest() + payload)
        except OSError as error:
            _say_not_kept(folder, error.strerror)
        except RefocusError as error:
            _say_not_kept(folder, error.message.rstrip("."))

    def _file_name(self, signature: Any, codegen: Any) -> str:
        """A name for each version that numba compiles differently."""
        function = self._function
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
        facts = (
            (function.__module__, function.__qualname__, str(signature), codegen.magic_tuple()),
            (numba.__version__, llvmlite.__version__),
            (function.__code__.co_code, dumps(cells) if cells else b""),
        )
        return f"{function.__name__}.{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}"


class _Compiling:
    """Says, once in a run, that functions are being compiled, when that has taken a while.

    numba compiles under one lock, a function inside the one that calls it.
    """

    def __init__(self) -> None:
        self.depth, self._since_s, self._spent_s = 0, 0.0, 0.0
        self._news = threading.Timer(0, self._tell)

    def begin(self) -> None:
        """A function is missing in the cache, and is compiled now."""
        if self.depth == 0:
            self._since_s = time.monotonic()
            self._news = threading.Timer(max(SILENT_S - self._spent_s, 0), self._tell)
            self._news.daemon = True
            self._news.start()
        self.depth += 1

    def end(self) -> None:
        """It is compiled."""
        self.depth -= 1
        if self.depth == 0:
            self._news.cancel()
            self._spent_s += time.monotonic() - self._since_s

    @staticmethod
    @cache
    def _tell() -> None:
        news.info("Compiling for this processor, once: up to 40 s.")


_compiling = _Compiling()


def is_compiling() -> bool:
    """Whether a thread of this process is compiling a function, which nothing interrupts, or failed to."""
    return _compiling.depth > 0


def compiled_folder() -> Path | None:
    """The folder for compiled code, created; ``None`` if it cannot be used.

    Its name tells the sources apart. Its files are executed: it belongs to the user alone.
    """
    return _make_folder(cache_root() / "compiled")


@cache
def _make_folder(root: Path) -> Path | None:
    folder = root / _sources_digest()
    try:
        private_folder(folder)
        _make_private(root)
        _make_private(folder)
        if os.access(folder, os.W_OK):
            os.utime(folder)
            _remove_unused(root)
    except OSError as error:
        _say_not_kept(folder, error.strerror)
        return None
    return folder


def _make_private(folder: Path) -> None:
    """Leave a folder to its owner alone; raises ``PermissionError`` where that is another user."""
    if os.access(folder, os.W_OK):
        if folder.stat().st_mode & 0o077:
            folder.chmod(PRIVATE)
    elif hasattr(os, "getuid") and folder.stat().st_uid not in (os.getuid(), 0):
        raise PermissionError(errno.EPERM, "it belongs to another user")


@cache
def _say_not_kept(folder: Path, reason: str) -> None:
    log.warning("%s cannot be written (%s): every run compiles anew, for a minute.", folder, reason)


@cache
def _sources_digest() -> str:
    """A digest of all modules that compiled code is written in, or takes constants from."""
    package = Path(__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    waiting = [path for path, text in texts.items() if "from any2bokeh.jit import" in text]
    sources: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in texts and path not in sources:
            sources.add(path)
            waiting += _imported(texts[path], package)
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _imported(text: str, package: Path) -> list[Path]:
    """The files that a module's imports may stand for: a name can be a module, or stand in one."""
    files = []
    for module, names in IMPORT.findall(text):
        place = package.joinpath(*module.split("."))
        files += [place.with_suffix(".py"), place / "__init__.py"]
        files += [place / f"{name}.py" for name in re.findall(r"\w+", names)]
    return files


def _remove_unused(root: Path) -> None:
    """Remove what other versions compiled, once nobody has used it for a while."""
    for folder in root.iterdir():
        if folder.stat().st_mtime < time.time() - UNUSED_S:
            shutil.rmtree(folder, ignore_errors=True)
