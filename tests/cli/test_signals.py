"""Signals become exceptions in the main thread, at a moment when nothing swallows them."""

import importlib
import signal
import time
from pathlib import Path

import pytest

from any2bokeh.cli.errors import Stopped, signals_as_exceptions

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
