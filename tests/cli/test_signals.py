"""Signals become exceptions in the main thread, at a moment when nothing swallows them."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from any2bokeh.cli.signals import CONSOLE_ENDS, Stopped, signals_as_exceptions

GREEDY = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException:
    pass
"""


def test_signal_during_an_import_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Stopped) as stopped, signals_as_exceptions():
        importlib.import_module("greedy")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            time.sleep(0.01)
    assert stopped.value.exit_code == 143


def test_signal_while_the_compiler_calls_back_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba
    from numba.core.registry import cpu_target

    engine = cpu_target.target_context.codegen()._engine._ee
    notify, calls = engine._object_cache_notify, list[str]()

    def notify_and_interrupt(*arguments: Any) -> None:
        notify(*arguments)
        if not calls:
            calls.append("compiled")
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(engine, "_object_cache_notify", notify_and_interrupt)
    with pytest.raises(Stopped), signals_as_exceptions():
        assert numba.njit(lambda number: number + 1)(1) == 2
        time.sleep(30)
    assert calls


@pytest.mark.slow
def test_signal_while_a_network_without_memory_is_made_is_not_lost() -> None:
    """One that came while torch changed its default device became an error of torch's."""

    def make_network(signal_at: int) -> int:
        """Calls and returns until the network is made; at one of them a signal comes."""
        count = 0

        def step(*_: object) -> None:
            nonlocal count
            count += 1
            if count == signal_at:
                signal.raise_signal(signal.SIGTERM)

        sys.setprofile(step)
        try:
            with torch.device("meta"):
                torch.nn.Linear(2, 2)
        finally:
            sys.setprofile(None)
        return count

    make_network(signal_at=0)  # the first one imports modules
    for signal_at in range(1, make_network(signal_at=0), 4):
        with pytest.raises(Stopped), signals_as_exceptions():
            make_network(signal_at)
            for _ in range(200):  # a signal from another thread does not end a sleep
                time.sleep(0.01)


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_a_thread_that_compiles(tmp_path: Path) -> None:
    program = """
import signal, sys, threading, time
from numba.core.codegen import CPUCodeLibrary
from any2bokeh import jit
from any2bokeh.cli import main, program

started = threading.Event()

def finalize(library):
    started.set()
    time.sleep(90)

def compile_and_stop(arguments):
    CPUCodeLibrary.finalize = finalize
    threading.Thread(target=jit.compiled(lambda number: number + 1), args=[1]).start()
    started.wait()
    signal.raise_signal(signal.SIGINT)

program.run_command_line = compile_and_stop
sys.exit(main())
"""
    environment = {**os.environ, "ANY2BOKEH_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "Stopped: Interrupt\n")


@pytest.mark.parametrize("module", ["any2bokeh.cli.signals", "typer", "any2bokeh.cli.program"])
def test_ctrl_c_while_the_program_starts_shows_no_traceback(module: str) -> None:
    program = f"""
import os, signal, sys
from any2bokeh.cli import main

class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
sys.exit(main(["refocus", "gone.mp4", "--focus", "0.5", "--k", "8"]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (130, "")
    assert "Traceback" not in run.stderr


def test_nothing_is_imported_before_signals_are_handled() -> None:
    program = """
import sys
before = set(sys.modules)
import any2bokeh.cli
print(sorted(set(sys.modules) - before))
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out == "['any2bokeh', 'any2bokeh.cli']\n"


def test_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with signals_as_exceptions():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_as_before_when_the_program_has_ended() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped), signals_as_exceptions():
        signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class FakeConsole:
    """As ``ctypes.windll``: keeps the handlers that a program has the console call."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[int], int]] = []
        self.kernel32 = self

    def SetConsoleCtrlHandler(self, handler: Callable[[int], int], add: bool) -> int:
        (self.handlers.append if add else self.handlers.remove)(handler)
        return 1


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeConsole:
    """This process as on Windows: SIGBREAK instead of SIGHUP, and a console that calls back."""
    console = FakeConsole()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(signal, "SIGHUP")
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    monkeypatch.setattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE, raising=False)
    monkeypatch.setattr(ctypes, "windll", console, raising=False)
    return console


@pytest.mark.usefixtures("windows")
def test_ctrl_break_stops_the_program_on_windows() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(Stopped) as stopped, signals_as_exceptions():
        signal.raise_signal(signal.SIGUSR1)
    assert stopped.value.exit_code == 128 + signal.SIGUSR1
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.parametrize("event", CONSOLE_ENDS)
def test_console_that_is_closed_waits_until_files_are_cleaned(windows: FakeConsole, event: int) -> None:
    happened = []

    def close_console() -> None:
        happened.append(bool(windows.handlers[0](event)))

    system = threading.Thread(target=close_console)
    with pytest.raises(Stopped) as stopped, signals_as_exceptions():
        try:
            system.start()
            until = time.monotonic() + 30
            while time.monotonic() < until:
                time.sleep(0.01)
        finally:
            time.sleep(0.2)  # cleaning takes a while
            assert happened == []
    system.join(30)
    assert happened == [True]
    assert stopped.value.exit_code == 143
    assert windows.handlers == []


def test_other_events_of_the_console_are_left_to_the_system(windows: FakeConsole) -> None:
    with signals_as_exceptions():
        assert not windows.handlers[0](0)  # CTRL_C_EVENT
