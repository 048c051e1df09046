"""Processes on this machine that make parts: one for each GPU, or with a share of the cores each."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from any2bokeh.atomic import remove_left_behind
from any2bokeh.device import visible_gpus
from any2bokeh.errors import RefocusError, WorkError, may_pass
from any2bokeh.farm.part_maker import THREADS, PartMaker
from any2bokeh.farm.part_store import PartRecord, read_records
from any2bokeh.farm.parts import Part, runs_of
from any2bokeh.farm.work_folder import Work

SHARES = 4  # runs of parts for each worker: the last to finish is waited for by all others
ATTEMPTS = 3  # to make a run of parts whose workers die
PATIENCE_S = 5.0

log = logging.getLogger(__name__)

OnPart = Callable[[PartRecord, int], None]


@dataclass(eq=False)
class _Worker:
    process: Any
    connection: Connection
    number: int
    run: list[Part] = field(default_factory=list)


def make_with_workers(work: Work, parts: Sequence[Part], count: int, on_part: OnPart) -> None:
    """Make parts in ``count`` processes at once; those that are there stay.

    Each has a GPU of its own where there are several. A process that dies is started anew, and what it was
    making is made again. Raises the first error of any of them, after the others were stopped.
    """
    there = {record.number for record in read_records(work)}
    left = sum(part.number not in there for part in parts)
    longest = max(1, -(-len(parts) // (count * SHARES)))
    waiting = deque(runs_of(parts, longest))
    deaths: dict[int, int] = {}
    with _stopped_at_the_end(work) as workers:
        for number in range(min(count, len(waiting))):
            workers.append(_start(work, number, count))
            _hand_out(workers[-1], waiting)
        while any(worker.run for worker in workers):
            ready = wait([worker.connection for worker in workers if worker.run])
            for worker in [worker for worker in workers if worker.connection in ready]:
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    run = _after_death(worker, deaths)
                    workers.remove(worker)
                    workers.append(_start(work, worker.number, count))
                    waiting.appendleft(run)
                    _hand_out(workers[-1], waiting)
                    continue
                if isinstance(message, BaseException):
                    raise message
                if isinstance(message, PartRecord):
                    on_part(message, left)
                else:
                    _hand_out(worker, waiting)


def _hand_out(worker: _Worker, waiting: deque[list[Part]]) -> None:
    worker.run = waiting.popleft() if waiting else []
    worker.connection.send(worker.run)


def _after_death(worker: _Worker, deaths: dict[int, int]) -> list[Part]:
    """The parts that a worker was making when it died; raises ``WorkError`` where that happens too often."""
    worker.process.join(PATIENCE_S)
    first = worker.run[0].number
    deaths[first] = deaths.get(first, 0) + 1
    if deaths[first] >= ATTEMPTS:
        raise WorkError(
            f"A process ended {ATTEMPTS} times (last with {worker.process.exitcode}) while it made frames"
            f" {worker.run[0].first} to {worker.run[-1].stop - 1}.",
            hint="The system ends processes when memory runs out: fewer `workers` need less.",
        )
    log.warning("A process ended unexpectedly (%s), and is started anew.", worker.process.exitcode)
    return worker.run


def _start(work: Work, number: int, count: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_make_parts, args=(theirs, work), daemon=True, name=f"parts-{number}")
    with _environment_of(work, number, count):
        process.start()
    theirs.close()
    return _Worker(process, ours, number)


@contextmanager
def _environment_of(work: Work, number: int, count: int) -> Iterator[None]:
    """Let a process that is started see its own environment; see ``worker_environment``."""
    changed = worker_environment(work, number, count)
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def worker_environment(work: Work, number: int, count: int) -> dict[str, str]:
    """Return the variables by which process ``number`` of ``count`` sees one GPU, or its share of the cores.

    Where there are more processes than GPUs, some share one. Networks on a CPU keep the number of threads of
    a single process: by it sums come out the same.
    """
    if str(work.belongs_to["device"]).startswith("cuda"):
        gpus = visible_gpus()
        return {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]}
    threads = work.belongs_to.get(THREADS, max(1, (os.cpu_count() or 1) // count))
    return {"OMP_NUM_THREADS": str(threads)}


@contextmanager
def _stopped_at_the_end(work: Work) -> Iterator[list[_Worker]]:
    """Give a list for workers, which end when the block does, whether they are done or not."""
    workers: list[_Worker] = []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.connection.close()
            if worker.run:
                worker.process.terminate()
        ends_s = time.monotonic() + PATIENCE_S
        for worker in workers:
            worker.process.join(max(0.0, ends_s - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
                for folder in (work.parts_folder, work.tracks):
                    remove_left_behind(folder)


def _make_parts(connection: Connection, work: Work) -> None:
    """Make the runs of parts that come through ``connection``, until it is closed or an empty one comes."""
    for name in ("SIGINT", "SIGHUP"):  # a terminal tells all processes at once: the first one decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    # Whoever started this process may be gone: then there is nobody to tell.
    with suppress(BrokenPipeError, EOFError, ConnectionResetError):
        try:
            with PartMaker(work) as maker:
                while run := connection.recv():
                    for record in maker.make(run):
                        connection.send(record)
                    connection.send(None)
        except (BrokenPipeError, EOFError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the parts are waited for
            connection.send(_portable(error))


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process with its files cleaned, at the first signal of this kind."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _portable(error: Exception) -> RefocusError:
    """An error that another process can raise; its causes stay behind, and what they tell goes with it."""
    if isinstance(error, RefocusError):
        copy = type(error)(error.message, error.hint)
    else:
        copy = RefocusError(f"A process failed: {type(error).__name__}: {error}.")
    copy.may_pass = may_pass(error)
    return copy
