"""The program's output: results on stdout (a line each, or one JSON document), everything else on stderr."""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import TextIO

LIBRARY = logging.getLogger("any2bokeh")
NEWS = logging.getLogger("any2bokeh.news")  # no warnings, but shown unless the user asks for silence


CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_lost = Event()  # set where a result could not be printed


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
    """Write a line to stderr, at once: others may be reading along.

    Where stderr is closed, broken or full, nothing is said: that is no reason to end the work.
    """
    line = CONTROLS.sub("?", line)  # of names that would paint the terminal
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed by the parent, it is None
        _let_go(sys.stderr)


def print_result(line: object) -> None:
    """Write a line of result.

    A reader that has gone away is no reason to stop working. Where stdout is closed or full, the work goes on
    as well, and ``results_were_lost`` says so afterwards.
    """
    try:
        try:
            sys.stdout.write(f"{line}\n")
        except UnicodeEncodeError:  # a name that is no text in this locale: its bytes
            sys.stdout.buffer.write(os.fsencode(f"{line}\n"))
        sys.stdout.flush()
    except BrokenPipeError:
        _let_go(sys.stdout)
    except (OSError, ValueError, AttributeError) as error:
        if not _lost.is_set():
            reason = getattr(error, "strerror", None) or "it is closed"
            say(f"Error: results cannot be printed on stdout: {reason.lower()}. They are made all the same.")
        _lost.set()
        _let_go(sys.stdout)


def results_were_lost() -> bool:
    """Whether a result could not be printed since messages were last turned on."""
    return _lost.is_set()


def _let_go(stream: "TextIO | None") -> None:
    """Send what follows nowhere: buffered output would fail again when the process ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


def print_json(document: object) -> None:
    """Write the one JSON document of a command; paths become strings."""
    print_result(json.dumps(document, indent=2, default=str))


@contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Show the library's messages as ``Warning: ...`` lines while the program runs."""
    handler = _StderrHandler()
    _lost.clear()
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
