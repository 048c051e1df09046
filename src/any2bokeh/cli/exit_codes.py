"""From failure to exit code: the one place where every exception ends (signals: see ``signals.py``).

0 done, 1 failed, 2 usage, 3 some of a batch failed, 75 failed for a reason that may pass, 130 Ctrl-C,
143 SIGTERM.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from typer.exceptions import TyperException

from any2bokeh.cli.talk import say
from any2bokeh.errors import LONGEST_SHOWN, RefocusError, SettingsError, may_pass, shown

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LONG = re.compile(f"'([^']{{{LONGEST_SHOWN - 1},}})'")  # a value that an error of the parser quotes

FAILED, USAGE, SOME_FAILED = 1, 2, 3
MAY_PASS = 75  # EX_TEMPFAIL of sysexits.h: whoever started the program may start it again


class UsageError(SettingsError):
    """Options or arguments contradict each other; nothing was started."""


@dataclass(frozen=True)
class Failure:
    """Why something did not work: one sentence, what to do about it, and the exit code."""

    sentence: str
    hint: str
    exit_code: int

    def report(self) -> None:
        """Tell the user."""
        say(f"Error: {self.sentence}")
        if self.hint:
            say(f"  {self.hint}")


def attempt(action: Callable[[], T]) -> T | Failure:
    """Return what ``action`` returns, or why it failed. Signals pass through."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback unasked
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """Return the sentence of an exception for the user, and its exit code."""
    _log.debug("Where it failed", exc_info=error)
    failure = _failure(error)
    return replace(failure, exit_code=MAY_PASS) if may_pass(error) else failure


def _failure(error: Exception) -> Failure:
    if isinstance(error, RefocusError):
        from any2bokeh.cli.command_line import with_options  # here, because it knows all commands' options

        code = USAGE if isinstance(error, SettingsError) else FAILED
        return Failure(with_options(error.message), with_options(error.hint), code)
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help lists the accepted options and values." if context else ""
        sentence = " ".join(error.format_message().split()).replace("Value error, ", "")  # pydantic's word
        return Failure(_LONG.sub(lambda found: shown(found[1]), sentence), hint, error.exit_code)
    hint = "--debug shows the traceback."
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return Failure(f"{error.strerror}{place}", hint, FAILED)
    sentence = " ".join(str(error).split()) or "no message"
    return Failure(f"Unexpected {type(error).__name__}: {sentence}", hint, FAILED)


def exit_code_of(failures: list[Failure], tried: int, wanted: int) -> int:
    """Return the exit code of a run that was to do ``wanted`` things, and came to try ``tried`` of them."""
    if not failures:
        return 0
    if wanted == 1 or all(failure.exit_code == MAY_PASS for failure in failures):
        return failures[0].exit_code
    return FAILED if len(failures) == tried else SOME_FAILED
