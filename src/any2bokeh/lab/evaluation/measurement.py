"""Every method measured on every case: drawn, timed and scored frame after frame, each case read once."""

import time
import weakref
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from any2bokeh.errors import RefocusError, VideoError
from any2bokeh.lab.evaluation.cases import Case, CaseFrame, OnProgress
from any2bokeh.lab.evaluation.methods import Draw, Method, ground_truth, unchanged
from any2bokeh.lab.evaluation.metric_networks import Networks
from any2bokeh.lab.evaluation.scores import ClipScores, FlowBetween, ReferenceFrame, Scorer, flow_of
from any2bokeh.lab.evaluation.stills import ReportStills, has_pictures, write_pictures
from any2bokeh.lab.evaluation.store import Store, key_of
from any2bokeh.lab.perturbation import Perturbation, PerturbSettings
from any2bokeh.progress import Progress, ignore
from any2bokeh.scene import Frame
from any2bokeh.settings.evaluation_settings import TRUTH
from any2bokeh.video.lossless import to_float, to_uint8

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
    """Renders a case by one method and scores its frames; ``failure`` says why it ended early.

    ``key`` names its result in the store.
    """

    def __init__(
        self, method: Method, draw: Draw, key: str, scorer: Scorer, stills: ReportStills | None
    ) -> None:
        self.method, self.key, self.failure = method, key, ""
        self.scorer, self.stills = scorer, stills
        self._draw_all = draw
        self._given: Iterator[CaseFrame] = iter(())
        self._frames: Iterator[Frame] | None = None
        self._seconds, self._done = 0.0, 0

    def start(self, frames: Iterator[CaseFrame]) -> None:
        """Take the frames to render."""
        self._given = frames

    def step(self, seen: ReferenceFrame, watch: Stopwatch) -> bool:
        """Draw and measure the next frame; return whether there may be more of them."""
        try:
            picture = self._draw(watch)
        except RefocusError as error:
            self.failure = error.message
            self._given = self._frames = iter(())  # lets go of the frames that wait for it
            return False
        self.scorer.add(picture, seen)
        if self.stills:
            self.stills.add(picture, seen)
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
            raise RefocusError(f"{self.method.name} returned only {self._done} frames.")
        self._done += 1
        return as_stored(frame.picture.cpu())


def as_stored(picture: Tensor) -> Tensor:
    """Return a picture in steps of 1/255, as 8-bit files and the ground truth have it."""
    return to_float(to_uint8(picture))


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseResult:
    """The methods' results on a case, and the reasons of those that failed; ``measured`` are new."""

    case: Case
    scores: dict[str, ClipScores]
    failures: dict[str, str]
    measured: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Shared by the cases: methods, the networks of metrics, and the store of results.

    ``picture_bytes`` is the limit for a picture of the report.
    """

    methods: tuple[Method, ...]
    networks: Networks
    store: Store
    picture_bytes: int

    def run(self, case: Case, *, is_shown: bool, on_progress: OnProgress = ignore) -> CaseResult:
        """Measure the methods on a case that were not measured before; with ``is_shown``, take pictures.

        The ground truth is measured as well, and the input where it is shown. A method that fails leaves the
        others running. Raises ``RefocusError`` if the case cannot be read.
        """
        known: dict[str, ClipScores] = {}
        failures: dict[str, str] = {}
        runners: list[Runner] = []
        for method in self._methods_for(case, is_shown=is_shown):
            try:
                key = self._key(method, case)
                found = self._find(method, case, key, is_shown=is_shown)
                if found:
                    known[method.name] = found
                else:
                    runners.append(self._runner(method, case, key, is_shown=is_shown))
            except RefocusError as error:
                failures[method.name] = error.message
        if runners:
            _measure(case, runners, self._flow, on_progress)
        for runner in runners:
            if runner.failure:
                failures[runner.method.name] = runner.failure
            else:
                known[runner.method.name] = self._keep(runner, case)
        measured = tuple(runner.method.name for runner in runners if not runner.failure)
        return CaseResult(case=case, scores=known, failures=failures, measured=measured)

    def _methods_for(self, case: Case, *, is_shown: bool) -> list[Method]:
        methods = [*self.methods, *([ground_truth()] if case.has_ground_truth else [])]
        is_there = any(method.name == unchanged().name for method in methods)
        return methods if is_there or not is_shown else [unchanged(), *methods]

    def _runner(self, method: Method, case: Case, key: str, *, is_shown: bool) -> Runner:
        scorer = Scorer(self.networks, is_ground_truth=method.name == TRUTH)
        return Runner(method, method.make(case), key, scorer, ReportStills(case.frames) if is_shown else None)

    def _key(self, method: Method, case: Case) -> str:
        networks = self.networks
        used = (
            bool(network) for network in (networks.lpips, networks.raft, networks.video, networks.actions)
        )
        return key_of([case.fingerprint(), method.facts(case), method.is_perturbed, *used])

    def _find(self, method: Method, case: Case, key: str, *, is_shown: bool) -> ClipScores | None:
        """The kept result of a method, if the pictures that the report shows are there as well."""
        if is_shown and not has_pictures(self.store.folder, case.name, method.name):
            return None
        return self.store.find(case.name, method.name, key)

    def _keep(self, runner: Runner, case: Case) -> ClipScores:
        """Write a method's result, its pictures first: so a result that exists is complete."""
        name, scores = runner.method.name, runner.scores()
        if runner.stills:
            write_pictures(self.store.folder, case.name, name, runner.stills, self.picture_bytes)
        self.store.keep(case.name, name, runner.key, scores)
        return scores

    @property
    def _flow(self) -> FlowBetween:
        return flow_of(self.networks)[1]


def _measure(case: Case, runners: list[Runner], flow: FlowBetween, on_progress: OnProgress) -> None:
    """Read each frame once and give it to all runners; only frames that one still waits for are kept."""
    watch = Stopwatch()
    with case.open(on_progress) as frames:
        exact = [runner for runner in runners if not runner.method.is_perturbed]
        perturbed = [runner for runner in runners if runner.method.is_perturbed]
        streams = shared(watch.counted(frames), 1 + len(exact) + bool(perturbed))
        for runner in exact:
            runner.start(streams.pop())
        if perturbed:
            wrong = shared(watch.counted(with_mistakes(streams.pop(), case.name)), len(perturbed))
            for runner in perturbed:
                runner.start(wrong.pop())
        before: CaseFrame | None = None
        done = 0
        for done, frame in enumerate(streams.pop(), start=1):
            seen = ReferenceFrame(frame, flow, before)
            runners = [runner for runner in runners if runner.step(seen, watch)]
            before = frame
            on_progress(Progress("render", done, case.frames))
    if done != case.frames:
        raise VideoError(f"Only {done} of the {case.frames} frames of {case.name} can be read.")


def with_mistakes(frames: Iterator[CaseFrame], name: str) -> Iterator[CaseFrame]:
    """Yield the frames with disparity as an estimator would err: see ``perturbation``, its defaults.

    The same ``name`` gets the same mistakes.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    perturbation = Perturbation(PerturbSettings(), generator)
    for frame in frames:
        disparity = perturbation.apply(frame.scene.disparity, frame.scene.focus_disparity)
        yield replace(frame, scene=replace(frame.scene, disparity=disparity))
