"""Ctrl-C and its like as exceptions, on every platform."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Timer
from types import FrameType

# Modules whose functions lose what is raised in them. Large packages import parts of themselves on trial and
# swallow whatever goes wrong; C code that calls back into Python drops it; and while torch's default device
# changes, another error takes its place.
SWALLOWING = (
    *("importlib._bootstrap", "_frozen_importlib"),  # the latter until importlib is imported
    "llvmlite.binding.executionengine",
    *("torch.overrides", "torch.utils._device"),
)
# No system has all of them: the third is POSIX's word for a terminal that is closed, the last is Ctrl-Break
# on Windows.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

CONSOLE_ENDS = (2, 5, 6)  # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT
CONSOLE_PATIENCE_S = 4.5  # Windows ends the process 5 s after it said so


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
        if _is_swallowed(frame):
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
        with _console_end_as_signal():
            yield
    finally:
        for _, timer in delayed:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
    if delayed:  # and the work was done before it came again
        raise Stopped(delayed[0][0])


@contextmanager
def _console_end_as_signal() -> Iterator[None]:
    """On Windows, let the end of the console (its window is closed, the user logs off) count as SIGTERM.

    Windows tells of it in a thread of its own, and ends the process as soon as that thread returns: it waits
    until the block has ended and its files are cleaned.
    """
    if sys.platform != "win32":
        yield
        return
    import ctypes
    from _thread import interrupt_main

    cleaned = Event()

    def told(event: int) -> bool:
        if event not in CONSOLE_ENDS:
            return False  # Ctrl-C and Ctrl-Break are signals already
        interrupt_main(signal.SIGTERM)
        cleaned.wait(CONSOLE_PATIENCE_S)
        return True

    handler = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)(told)
    kernel = ctypes.windll.kernel32
    kernel.SetConsoleCtrlHandler(handler, True)
    try:
        yield
    finally:
        cleaned.set()
        kernel.SetConsoleCtrlHandler(handler, False)


def _is_swallowed(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_globals.get("__name__") in SWALLOWING:
            return True
        frame = frame.f_back
    return False
