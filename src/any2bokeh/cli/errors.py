"""From failure to exit code: the one place where every exception ends.

0 done, 1 failed, 2 usage, 3 some of a batch failed, 130 Ctrl-C, 143 SIGTERM.
"""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from types import FrameType
from typing import TypeVar

from typer.exceptions import TyperException

from any2bokeh.cli.talk import say
from any2bokeh.errors import RefocusError, SettingsError

T = TypeVar("T")
_log = logging.getLogger(__name__)

FAILED, USAGE, SOME_FAILED = 1, 2, 3
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is unknown to Windows


class UsageError(SettingsError):
    """What was asked for does not fit together; nothing was started."""


class Stopped(BaseException):
    """A signal asked the program to stop; raised where the main thread stands, so that files are cleaned."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.exit_code = 128 + number


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
        _log.debug("Where it failed", exc_info=error)
        return _failure(error)


def _failure(error: Exception) -> Failure:
    if isinstance(error, SettingsError):
        return Failure(error.message, error.hint, USAGE)
    if isinstance(error, RefocusError):
        return Failure(error.message, error.hint, FAILED)
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help lists what is accepted." if context else ""
        return Failure(" ".join(error.format_message().split()), hint, error.exit_code)
    hint = "--debug shows the traceback."
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return Failure(f"{error.strerror}{place}", hint, FAILED)
    sentence = " ".join(str(error).split()) or "no message"
    return Failure(f"unexpected {type(error).__name__}: {sentence}", hint, FAILED)


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise ``Stopped`` in the main thread at the first signal; the second ends the process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            # Large packages import parts of themselves on trial and swallow whatever goes wrong.
            Timer(0.1, signal.raise_signal, [number]).start()
            return
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    # A signal that the parent had ignored (nohup, a background job) stays ignored.
    before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False
