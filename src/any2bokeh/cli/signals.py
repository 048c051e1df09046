"""Ctrl-C and its like as exceptions."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from types import FrameType

IMPORT_SYSTEM = ("importlib._bootstrap", "_frozen_importlib")  # the latter until importlib is imported
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is unknown to Windows


class Stopped(BaseException):
    """A signal asked the program to stop; raised where the main thread stands, so that files are cleaned."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.exit_code = 128 + number


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise ``Stopped`` in the main thread at the first signal; the second ends the process at once."""
    delayed: list[tuple[int, Timer]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            # Large packages import parts of themselves on trial and swallow whatever goes wrong.
            delayed.append((number, Timer(0.1, signal.raise_signal, [number])))
            delayed[-1][1].start()
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
        for _, timer in delayed:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    if delayed:  # and the work was done before it came again
        raise Stopped(delayed[0][0])


def _is_importing(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_globals.get("__name__") in IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
