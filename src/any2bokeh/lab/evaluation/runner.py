"""One method at work on one case: its frames drawn, timed, measured and looked at, one after the other."""

import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor

from any2bokeh.errors import RefocusError
from any2bokeh.lab.evaluation.cases import CaseFrame
from any2bokeh.lab.evaluation.methods import Draw, Method
from any2bokeh.lab.evaluation.scores import ClipScores, Scorer, Seen
from any2bokeh.lab.evaluation.stills import Shots
from any2bokeh.scene import Frame
from any2bokeh.video.lossless import code_values, picture_codes

Item = TypeVar("Item")


class Stopwatch:
    """Counts the time that reading and preparing frames takes, whoever asks for them."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._is_running = False

    def counted(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield the items; the time that they take to come is counted, once where one draws on another."""
        while True:
            with self._running():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    @contextmanager
    def _running(self) -> Iterator[None]:
        if self._is_running:
            yield
            return
        started_s, self._is_running = time.perf_counter(), True
        try:
            yield
        finally:
            self.spent_s += time.perf_counter() - started_s
            self._is_running = False


def shared(items: Iterator[Item], count: int) -> list[Iterator[Item]]:
    """Return ``count`` iterators over the same items, which let go of each when all have taken it.

    One that is dropped keeps nothing waiting. (``itertools.tee`` frees items in blocks of 57: gigabytes of
    frames.)
    """
    queues: list[deque[Item]] = [deque() for _ in range(count)]
    waiting = [weakref.ref(queue) for queue in queues]

    def take(own: deque[Item]) -> Iterator[Item]:
        while True:
            if not own:
                try:
                    item = next(items)
                except StopIteration:
                    return
                for reference in waiting:
                    queue = reference()
                    if queue is not None:
                        queue.append(item)
                del item, queue
            yield own.popleft()

    return [take(queue) for queue in queues]


class Runner:
    """Draws a case by one method and measures what comes; ``failure`` says why it ended early.

    ``key`` is what its result is kept under.
    """

    def __init__(self, method: Method, draw: Draw, key: str, scorer: Scorer, shots: Shots | None) -> None:
        self.method, self.key, self.failure = method, key, ""
        self.scorer, self.shots = scorer, shots
        self._draw_all = draw
        self._given: Iterator[CaseFrame] = iter(())
        self._frames: Iterator[Frame] | None = None
        self._seconds, self._done = 0.0, 0

    def start(self, frames: Iterator[CaseFrame]) -> None:
        """Take what is to be drawn."""
        self._given = frames

    def step(self, seen: Seen, watch: Stopwatch) -> bool:
        """Draw and measure the next frame; return whether there may be more of them."""
        try:
            picture = self._draw(watch)
        except RefocusError as error:
            self.failure = error.message
            self._given = self._frames = iter(())  # lets go of the frames that wait for it
            return False
        self.scorer.add(picture, seen)
        if self.shots:
            self.shots.add(picture, seen)
        return True

    def scores(self) -> ClipScores:
        """Return the figures of all frames."""
        result = self.scorer.scores()
        if self.method.is_timed:
            result.scores["seconds"] = self._seconds / self._done
        return result

    def _draw(self, watch: Stopwatch) -> Tensor:
        read_s, started_s = watch.spent_s, time.perf_counter()
        if self._frames is None:
            self._frames = self._draw_all(self._given)
        frame = next(self._frames, None)
        self._seconds += time.perf_counter() - started_s - (watch.spent_s - read_s)
        if frame is None:
            raise RefocusError(f"{self.method.name} drew only {self._done} frames.")
        self._done += 1
        return as_stored(frame.picture.cpu())


def as_stored(picture: Tensor) -> Tensor:
    """Return a picture in steps of 1/255, as a file of 8 bits holds it and as the truth is."""
    return code_values(picture_codes(picture))
