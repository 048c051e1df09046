"""A whole data set: which clips are still to be made, processes that make them, and its card."""

import logging
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from any2bokeh.atomic import sole_user
from any2bokeh.errors import DatasetError, RefocusError, shown
from any2bokeh.lab.synthesis.clip_maker import clip_format, clip_name, make_clip
from any2bokeh.lab.synthesis.dataset import (
    DATASET_FILE,
    complete_clips,
    open_dataset,
    read_made_by,
    remove_partial_clips,
    write_made_by,
)
from any2bokeh.lab.synthesis.dataset_card import write_card
from any2bokeh.lab.synthesis.drawn_scene import Material
from any2bokeh.lab.synthesis.own_material import OwnMaterial
from any2bokeh.settings.synthesis_settings import SynthesisSettings

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
MAY_CHANGE = ("clips", "device")  # when a run continues an earlier one

ASK_AGAIN_S = 1.0
HELD_SIGNALS = {signal.SIGINT, signal.SIGTERM} | ({signal.SIGHUP} if hasattr(signal, "SIGHUP") else set())

OnClip = Callable[[int, int], None]  # how many clips are complete, of how many


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """The result of a run: how many clips it made, and how many are there."""

    made: int
    complete: int


class ParentGoneError(Exception):
    """The process that asked for clips does not run any more."""


def synthesize(folder: Path, settings: SynthesisSettings, jobs: int, on_clip: OnClip) -> Synthesis:
    """Make the clips of a data set that are not there yet, in ``jobs`` processes.

    A clip is complete or not there, whatever ends a run; another run goes on. The clips do not
    depend on ``jobs``. Raises ``DatasetError`` if the folder holds something else, or another run writes
    to it.
    """
    material = _material(settings)  # which raises before anything is written
    with _alone_in(folder):
        all_clips = _begin(folder, settings)
        there = {path.name for path in complete_clips(folder)}
        missing = [number for number in range(settings.clips) if clip_name(number) not in there]
        done = settings.clips - len(missing)
        on_clip(done, settings.clips)
        try:
            for _ in _made(folder, settings, missing, min(jobs, max(len(missing), 1)), material):
                done += 1
                on_clip(done, settings.clips)
        finally:
            remove_partial_clips(folder)
        dataset = open_dataset(folder)
        write_card(dataset, replace(settings, clips=all_clips))
    return Synthesis(made=len(missing), complete=len(dataset.clips))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a data set, which is made if there is none."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DATASET_FILE).exists():
        names = {path.name for path in folder.iterdir()}
        if not names <= {LOCK_FILE, "clips"}:
            raise DatasetError(f"{folder} exists and is not a data set.", hint="Choose a new folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sole_user(folder, DatasetError(f"Another run writes to {folder}."), LOCK_FILE):
            yield
    except (FileExistsError, NotADirectoryError) as error:
        raise DatasetError(f"{folder} is a file, not a folder for a data set.") from error
    except PermissionError as error:
        raise DatasetError(f"{folder} cannot be written: permission denied.") from error


def _begin(folder: Path, settings: SynthesisSettings) -> int:
    """Record the settings; return how many clips were asked for, by this run or an earlier one.

    Raises ``DatasetError`` if another run asked for something else.
    """
    wanted = recorded(settings)
    if (folder / DATASET_FILE).exists():
        noted = read_made_by(folder)
        for name in (field.name for field in fields(settings) if field.name not in MAY_CHANGE):
            if noted.get(name) != wanted[name]:
                raise DatasetError(
                    f"{folder} was begun with {name} {shown(noted.get(name))}, not {shown(wanted[name])}.",
                    hint="Use the same options, or choose a new folder.",
                )
        wanted["clips"] = max(wanted["clips"], noted.get("clips", 0))  # those that are there stay
    write_made_by(folder, wanted)
    remove_partial_clips(folder)
    return int(wanted["clips"])


def recorded(settings: SynthesisSettings) -> dict[str, Any]:
    """The settings as ``dataset.json`` holds them."""
    content = asdict(settings) | {"size": str(settings.size), "blur_strengths": list(settings.drawn_from)}
    return {key: str(value) if isinstance(value, Path) else value for key, value in content.items()}


def _made(
    folder: Path, settings: SynthesisSettings, numbers: list[int], jobs: int, material: Material
) -> Iterator[int]:
    """Make clips; yield the number of each that is complete."""
    if jobs > 1:
        yield from _made_by_workers(folder, settings, numbers, jobs)
        return
    for number in numbers:
        with _one_thread():
            make_clip(folder, settings, number, material)
        yield number


def _made_by_workers(
    folder: Path, settings: SynthesisSettings, numbers: list[int], jobs: int
) -> Iterator[int]:
    """As ``_made``, in processes that take the next number whenever they are free."""
    spawn = multiprocessing.get_context("spawn")
    taken, answers = spawn.Value("i", 0), spawn.Queue()
    work = (folder, settings, numbers, taken, answers)
    workers = [spawn.Process(target=_work, args=work, daemon=True) for _ in range(jobs)]
    try:
        with _interrupts_held():
            for worker in workers:
                worker.start()
        for _ in numbers:
            answer = _next_answer(answers, workers)
            if isinstance(answer, str):
                raise DatasetError(answer)
            yield answer
    finally:
        for worker in workers:
            if worker.pid is not None:  # it was started
                worker.terminate()
                worker.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes that no signal reaches while they import: one of two that is lost has a traceback.

    Nor is this process ended between them. The parent ends them; Ctrl-C never does.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before, came = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS), list[int]()
    handlers = {}
    # Another thread of this process may get them all the same, and Python then handles them in this one.
    if threading.current_thread() is threading.main_thread():
        handlers = {one: signal.signal(one, lambda number, _: came.append(number)) for one in HELD_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for first in came[:1]:
            signal.raise_signal(first)


def _next_answer(answers: Any, workers: Sequence[BaseProcess]) -> int | str:
    """The number of a clip that is complete, or why one is not; raises ``DatasetError`` if none will come."""
    while True:
        try:
            answer: int | str = answers.get(timeout=ASK_AGAIN_S)
            return answer
        except queue.Empty:
            ended = [worker.exitcode for worker in workers if worker.exitcode]
            if ended:
                raise DatasetError(
                    f"A worker process ended early (code {ended[0]}).",
                    hint="Run the same command to continue; if memory is short, use fewer `jobs`.",
                ) from None


def _work(folder: Path, settings: SynthesisSettings, numbers: list[int], taken: Any, answers: Any) -> None:
    """Make clips until there are no more, or the process that asked is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends this process
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
    parent, material = multiprocessing.parent_process(), _material(settings)

    def stop_alone() -> None:
        if parent is None or not parent.is_alive():
            raise ParentGoneError

    try:
        while True:
            with taken.get_lock():
                place = taken.value
                taken.value += 1
            if place >= len(numbers):
                return
            with _one_thread():
                make_clip(folder, settings, numbers[place], material, stop_alone)
            answers.put(numbers[place])
    except ParentGoneError:
        return
    except RefocusError as error:
        answers.put(error.message)
    except Exception as error:
        log.debug("A clip failed", exc_info=error)
        answers.put(f"Clip {clip_name(numbers[place])} failed: {type(error).__name__}: {error}.")
        raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes share the cores already; and sums do not depend on how many threads add."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _material(settings: SynthesisSettings) -> Material:
    """Where things come from; raises ``DatasetError`` if that cannot be used."""
    if settings.foregrounds or settings.backgrounds:
        return OwnMaterial(settings.foregrounds, settings.backgrounds, clip_format(settings))
    return Material()
