"""The program's output: results on stdout (a line each, or one JSON document), everything else on stderr."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LIBRARY = logging.getLogger("any2bokeh")
NEWS = logging.getLogger("any2bokeh.news")  # no warnings, but shown unless the user asks for silence


@dataclass(frozen=True, kw_only=True)
class Verbosity:
    """How much is said: nothing but errors, warnings (and progress), notes as well, or everything."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    def apply(self) -> None:
        """Let the library's messages from the level asked for on pass."""
        _set_levels(self._level())

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


def print_result(line: object) -> None:
    """Write a line of result; a reader that has gone away is no reason to stop working."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Buffered output would fail again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(document: object) -> None:
    """Write the one JSON document of a command; paths become strings."""
    print_result(json.dumps(document, indent=2, default=str))


@contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Show the library's messages as ``Warning: ...`` lines while the program runs."""
    handler = _StderrHandler()
    levels = LIBRARY.level, NEWS.level
    LIBRARY.addHandler(handler)
    _set_levels(logging.WARNING)
    try:
        yield
    finally:
        LIBRARY.setLevel(levels[0])
        NEWS.setLevel(levels[1])
        LIBRARY.removeHandler(handler)


def _set_levels(level: int) -> None:
    LIBRARY.setLevel(level)
    NEWS.setLevel(level if level > logging.WARNING else logging.INFO)


class _StderrHandler(logging.Handler):
    """Writes to the ``sys.stderr`` of the moment, which the progress bar replaces while it is drawn.

    A warning that holds for every clip of a batch is given once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        from any2bokeh.cli.command_line import with_options  # here, because it knows all commands' options

        kind = "Note" if record.name == NEWS.name else record.levelname.capitalize()
        line = f"{kind}: {with_options(record.getMessage())}"
        if record.levelno == logging.WARNING and line in self._given:
            return
        self._given.add(line)
        if record.exc_info:
            line += "\n" + logging.Formatter().formatException(record.exc_info)
        say(line)
