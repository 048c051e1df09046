"""How far the work has come, on stderr: a bar on a terminal, now and then a plain line elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO, cast

from any2bokeh.cli.talk import is_quiet, say
from any2bokeh.progress import OnProgress, ignore

Report = Callable[[str, int, int | None], None]  # what is being done, how much is done, of how much if known
PLAIN_LINE_EVERY_S = 10.0
MEGABYTE = 1_000_000


@contextmanager
def show_frames(label: str, work: str = "rendering") -> Iterator[OnProgress]:
    """Give the callback that shows how many frames of ``label`` are done; ``work`` names the main stage."""
    stages = {
        "depth": "estimating disparity",
        "subject": "following the subject",
        "focus": "finding the focus",
        "things": "finding subjects",
        "render": work,
        "join": "encoding",
    }
    with show_progress(label, "frames") as report:
        yield lambda progress: report(stages[progress.stage], progress.done, progress.total)


@contextmanager
def show_megabytes(label: str, work: str) -> Iterator[Callable[[int], None]]:
    """Give the callback that is told of every piece of ``work`` that is done, in bytes."""
    done_bytes = 0
    with show_progress(label, "MB") as report:

        def on_progress(size_bytes: int) -> None:
            nonlocal done_bytes
            done_bytes += size_bytes
            report(work, done_bytes // MEGABYTE, None)

        yield on_progress


def show_progress(label: str, unit: str) -> AbstractContextManager[Report]:
    """Give the callback that shows how far the work on ``label`` has come, while its context lasts."""
    if is_quiet():
        return _silence()
    if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _bar(label, unit)
    return _plain_lines(label, unit)


@contextmanager
def _silence() -> Iterator[Report]:
    yield ignore


@contextmanager
def _plain_lines(label: str, unit: str) -> Iterator[Report]:
    """One line when a stage begins, when it ends, and every ten seconds between."""
    shown, shown_at_s = "", 0.0

    def report(stage: str, done: int, total: int | None) -> None:
        nonlocal shown, shown_at_s
        if stage == shown and done != total and time.monotonic() - shown_at_s < PLAIN_LINE_EVERY_S:
            return
        shown, shown_at_s = stage, time.monotonic()
        say(f"{label}: {stage}, {done}{f' of {total}' if total else ''} {unit}")

    yield report


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    console = Console(file=cast(TextIO, _Patient(sys.stderr)))
    with Progress(*columns, console=console, redirect_stdout=False) as bar:
        tasks = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"{escape(label)}: {stage}", total=total, speed="")
            speed = bar.tasks[list(tasks).index(stage)].speed  # in the order in which they were added
            shown_speed = f"{speed:.1f} {unit}/s" if speed else ""
            bar.update(tasks[stage], completed=done, speed=shown_speed)

        yield report


class _Patient:
    """A stream whose failures are nobody's: a terminal may go away while the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
