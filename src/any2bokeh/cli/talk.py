"""What the program says besides its results: warnings and notes of the library, on stderr."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LIBRARY = logging.getLogger("any2bokeh")


@dataclass(frozen=True, kw_only=True)
class Verbosity:
    """How much is said: nothing but errors, warnings (and progress), notes as well, or everything."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    def apply(self) -> None:
        """Let the library's messages from the level asked for on pass."""
        LIBRARY.setLevel(self._level())

    def _level(self) -> int:
        if self.debug:
            return logging.DEBUG
        if self.verbose:
            return logging.INFO
        return logging.ERROR if self.quiet else logging.WARNING


def is_quiet() -> bool:
    """Whether the user asked for silence."""
    return not LIBRARY.isEnabledFor(logging.WARNING)


def say(line: str) -> None:
    """Write a line to stderr, at once: others may be reading along."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Show the library's messages as ``Warning: ...`` lines while the program runs."""
    handler = _StderrHandler()
    level = LIBRARY.level
    LIBRARY.addHandler(handler)
    LIBRARY.setLevel(logging.WARNING)
    try:
        yield
    finally:
        LIBRARY.setLevel(level)
        LIBRARY.removeHandler(handler)


class _StderrHandler(logging.Handler):
    """Writes to the ``sys.stderr`` of the moment, which the progress bar replaces while it is drawn.

    A warning that holds for every clip of a batch is given once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname.capitalize()}: {record.getMessage()}"
        if record.levelno == logging.WARNING and line in self._given:
            return
        self._given.add(line)
        if record.exc_info:
            line += "\n" + logging.Formatter().formatException(record.exc_info)
        say(line)
