"""Clips on a Ray cluster: tasks are the parts of all clips together; files move through a shared folder.

The driver, which is this process, hands out work and moves no frame. Each worker is an actor: one for each
GPU of the cluster, else one for each set of cores. A worker that is lost gives its task back, and another one
is started where the cluster has room. Our own errors are not tried again: they fail their clip alone.
"""

import os
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from any2bokeh.atomic import partial_file
from any2bokeh.errors import RefocusError, install_hint, shown
from any2bokeh.farm.cluster_worker import ClusterWorker, software
from any2bokeh.farm.part_store import PartRecord, read_records
from any2bokeh.farm.parts import Part, runs_of
from any2bokeh.farm.work_folder import Work
from any2bokeh.run import Result
from any2bokeh.settings.run_settings import Settings

ATTEMPTS = 3  # of a task whose worker was lost
PATIENCE_S = 120.0  # without any worker, before a cluster is given up: importing takes long on shared storage
POLL_S = 0.5
CONNECT_S = 10.0
SHARES = 4  # runs of parts for each worker at least: the last to finish is waited for by all others
LONGEST_RUN = 8  # parts: of what networks draw around a part, a run of so many repeats an eighth
CPUS_PER_WORKER = 4  # unless the smallest node has fewer: the lens gains little from more


class ClusterError(RefocusError):
    """The cluster cannot be used, or was lost; another time it may work."""

    may_pass = True


@dataclass(frozen=True, kw_only=True)
class ClusterClip:
    """A clip to work on, where its result goes, and the folder in which its parts wait."""

    source: Path
    target: Path
    settings: Settings
    folder: Path
    overwrite: bool = False


@dataclass(frozen=True)
class ClusterEvent:
    """News of a clip: a part of it is there, or all are and will be joined; it is done, or it failed.

    ``missing`` is how many parts were not there at the start.
    """

    clip: ClusterClip
    work: Work | None = None
    record: PartRecord | None = None
    missing: int = 0
    joins: bool = False
    result: Result | None = None
    error: Exception | None = None


@dataclass
class ClusterTask:
    """Something that a worker does for a clip; ``parts``, where it makes some, follow each other."""

    clip: ClusterClip
    what: Literal["plan", "parts", "join"]
    parts: tuple[Part, ...] = ()
    attempts: int = 0


@dataclass
class _Hand:
    actor: Any
    clip: ClusterClip | None = None  # the one that it has open


@dataclass
class ClusterQueue:
    """The tasks that wait, clip by clip: a worker stays with its clip while that has parts left."""

    waiting: dict[int, deque[ClusterTask]] = field(default_factory=dict)

    def put(self, task: ClusterTask, *, first: bool = False) -> None:
        """Let a task wait, at the end or at the front of its clip's."""
        tasks = self.waiting.setdefault(id(task.clip), deque())
        tasks.appendleft(task) if first else tasks.append(task)

    def take(self, open_clip: ClusterClip | None) -> ClusterTask | None:
        """Return a task of the clip that is open, else of the one with the most tasks; ``None``: no task."""
        tasks = self.waiting.get(id(open_clip)) or max(self.waiting.values(), key=len, default=None)
        return tasks.popleft() if tasks else None

    def drop(self, clip: ClusterClip) -> None:
        """Forget the tasks of a clip."""
        self.waiting.pop(id(clip), None)

    def holds(self, clip: ClusterClip) -> bool:
        """Say whether tasks of a clip wait."""
        return bool(self.waiting.get(id(clip)))

    def __bool__(self) -> bool:
        return any(self.waiting.values())


class Cluster:
    """A connection to a Ray cluster, with its workers."""

    def __init__(self, ray: Any, folder: Path, cpus_per_worker: int | None = None) -> None:
        self._ray, self._folder = ray, folder
        self._uses_gpus = ray.cluster_resources().get("GPU", 0) >= 1
        nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        smallest = min((cpus for cpus in nodes if cpus), default=1)
        self._cpus = cpus_per_worker or min(CPUS_PER_WORKER, smallest)
        self._idle: list[_Hand] = []
        self._running: dict[Any, tuple[_Hand, ClusterTask]] = {}
        self._starting: dict[Any, Any] = {}
        self._last_seen_s = time.monotonic()
        self._works: dict[int, Work] = {}
        self._there: dict[int, set[int]] = {}  # the numbers of the parts of each clip that are there
        self._missing: dict[int, int] = {}  # how many were not there at the start
        self._failed: set[int] = set()
        self._queue = ClusterQueue()
        self._shards = 1
        self._ours = software()

    def refocus(self, clips: list[ClusterClip], *, keep_work: bool = False) -> Iterator[ClusterEvent]:
        """Refocus clips, and yield the news of them, until each has its result or an error.

        Raises ``ClusterError`` where no worker is left, nodes differ, or do not see the work folder.
        """
        # Few and short clips are cut finer than parts would be, so that every worker has something to do.
        self._shards = max(1, self._most_workers() // len(clips)) if clips else 1
        for clip in clips:
            self._queue.put(ClusterTask(clip, "plan"))
        while self._queue or self._running:
            self._start_workers()
            while self._idle and (task := self._queue.take(self._idle[-1].clip)):
                self._hand_out(self._idle.pop(), task, keep_work)
            yield from self._collect()

    def close(self) -> None:
        """End all workers; parts that are not complete leave nothing behind."""
        for actor in self.workers:
            self._ray.kill(actor)

    @property
    def workers(self) -> list[Any]:
        """The processes that work, wait for work or start."""
        busy = [hand.actor for hand, _ in self._running.values()]
        return [*busy, *(hand.actor for hand in self._idle), *self._starting.values()]

    def _most_workers(self) -> int:
        """How many workers the nodes have room for."""
        needed, amount = ("GPU", 1) if self._uses_gpus else ("CPU", self._cpus)
        return sum(
            int(node["Resources"].get(needed, 0) // amount) for node in self._ray.nodes() if node["Alive"]
        )

    def _start_workers(self) -> None:
        """Start a worker wherever the cluster has room for one."""
        for _ in range(self._most_workers() - len(self.workers)):
            self._start_worker()

    def _start_worker(self) -> None:
        options: dict[str, Any] = {"num_cpus": self._cpus, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        if self._uses_gpus:
            options |= {"num_gpus": 1, "num_cpus": 0}
        actor = self._ray.remote(ClusterWorker).options(**options).remote(self._cpus)
        self._starting[actor.software.remote()] = actor

    def _hand_out(self, worker: _Hand, task: ClusterTask, keep_work: bool) -> None:
        clip, actor = task.clip, worker.actor
        work = self._works.get(id(clip))
        if task.what == "plan":
            reference = actor.plan.remote(clip.source, clip.target, clip.settings, clip.folder, self._shards)
        elif task.what == "parts":
            reference = actor.make.options(num_returns="streaming").remote(work, task.parts)
        else:
            reference = actor.join.remote(work, overwrite=clip.overwrite, keep_work=keep_work)
        task.attempts += 1
        worker.clip = clip
        self._running[reference] = worker, task

    def _collect(self) -> Iterator[ClusterEvent]:
        """Wait for the next answers, for a moment at most."""
        waited = [*self._running, *self._starting]
        if not waited:
            self._check_patience()
            time.sleep(POLL_S)
            return
        done, _ = self._ray.wait(waited, num_returns=1, timeout=POLL_S)
        if not done and not self._running:
            self._check_patience()
        for reference in done:
            if reference in self._starting:
                self._welcome(reference)
            else:
                yield from self._finish(reference)

    def _check_patience(self) -> None:
        if time.monotonic() - self._last_seen_s > PATIENCE_S:
            what = "GPU" if self._uses_gpus else f"set of {self._cpus} cores"
            raise ClusterError(
                f"The cluster has had no free {what} for {PATIENCE_S:.0f} s.",
                hint="`ray status` shows its nodes; the same command goes on where this run stopped.",
            )

    def _welcome(self, reference: Any) -> None:
        """Let a worker that has started join, if it is of our version and sees our files."""
        actor = self._starting.pop(reference)
        mark, text = self._folder / f".seen-{secrets.token_hex(4)}", secrets.token_hex(8)
        try:
            theirs, host = self._ray.get([reference, actor.host.remote()])
            if differing := [name for name in self._ours if theirs.get(name) != self._ours[name]]:
                name = differing[0]
                raise ClusterError(
                    f"The node {host} has {name} {theirs.get(name)}, and this machine {self._ours[name]}.",
                    hint="Install the same versions on all nodes.",
                )
            with partial_file(mark, overwrite=True) as partial:
                partial.write_text(text, encoding="ascii")
            if not self._ray.get(actor.sees.remote(mark, text)):
                raise ClusterError(
                    f"The node {host} does not see the folder {self._folder}.",
                    hint="`work=DIR` names one on storage that all nodes see under the same path.",
                )
        except self._ray.exceptions.RayActorError:
            return
        finally:
            mark.unlink(missing_ok=True)
        self._last_seen_s = time.monotonic()
        self._idle.append(_Hand(actor))

    def _finish(self, reference: Any) -> Iterator[ClusterEvent]:
        """Take an answer of a worker: that of its whole task, or the next of the parts that it makes."""
        worker, task = self._running.pop(reference)
        self._last_seen_s = time.monotonic()
        try:
            outcome = self._ray.get(next(reference) if task.what == "parts" else reference)
        except StopIteration:
            self._idle.append(worker)
            yield from self._join_when_complete(task.clip)
        except self._ray.exceptions.RayTaskError as error:
            self._idle.append(worker)
            cause = error.cause if isinstance(error.cause, Exception) else error
            if cause is not error:
                cause.__cause__ = error  # tells where it failed on the node
            yield from self._give_up(task.clip, cause)
        except self._ray.exceptions.RayError as error:  # the worker, or its node
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(worker.actor)
            if task.attempts < ATTEMPTS and id(task.clip) not in self._failed:
                self._queue.put(task, first=True)
                return
            lost = ClusterError(f"{ATTEMPTS} workers were lost while they worked on {task.clip.source}.")
            lost.__cause__ = error
            yield from self._give_up(task.clip, lost)
        else:
            if task.what == "parts":
                self._running[reference] = worker, task
            else:
                self._idle.append(worker)
            yield from self._go_on(task, outcome)

    def _give_up(self, clip: ClusterClip, error: Exception) -> Iterator[ClusterEvent]:
        """Drop the tasks of a clip that are left; of the errors of several workers the first one is told."""
        self._queue.drop(clip)
        if id(clip) not in self._failed:
            self._failed.add(id(clip))
            yield ClusterEvent(clip, error=error)

    def _go_on(self, task: ClusterTask, outcome: Any) -> Iterator[ClusterEvent]:
        """Let the tasks that follow wait, and tell the outcome of this one."""
        clip = task.clip
        if task.what == "join":
            yield ClusterEvent(clip, self._works[id(clip)], result=outcome)
        elif task.what == "plan":
            self._works[id(clip)] = outcome
            there = self._there[id(clip)] = {record.number for record in read_records(outcome)}
            self._missing[id(clip)] = len(outcome.parts) - len(there)
            shares = max(1, self._most_workers()) * SHARES
            for run in runs_of(outcome.parts, min(LONGEST_RUN, -(-len(outcome.parts) // shares))):
                self._queue.put(ClusterTask(clip, "parts", tuple(run)))
        elif outcome.number not in self._there[id(clip)] and id(clip) not in self._failed:
            self._there[id(clip)].add(outcome.number)
            yield ClusterEvent(clip, self._works[id(clip)], outcome, self._missing[id(clip)])

    def _join_when_complete(self, clip: ClusterClip) -> Iterator[ClusterEvent]:
        """Let a clip be joined when the last of its runs of parts has ended."""
        others = any(task.clip is clip for _, task in self._running.values())
        if others or self._queue.holds(clip) or id(clip) in self._failed:
            return
        yield ClusterEvent(clip, self._works[id(clip)], joins=True)
        self._queue.put(ClusterTask(clip, "join"))


@contextmanager
def open_cluster(address: str, folder: Path, cpus_per_worker: int | None = None) -> Iterator[Cluster]:
    """Connect to a Ray cluster for the block; ``auto`` is the one that runs here, else one of this machine.

    ``folder`` is there, on storage that all nodes see. Raises ``ClusterError`` where Ray is not
    installed or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError("Ray is not installed.", hint=install_hint("cluster")) from error
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        _connect(ray, address)
        for number, handler in handlers.items():  # Ray puts one of its own in the place of ours
            signal.signal(number, handler)
        cluster = Cluster(ray, folder, cpus_per_worker)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    said: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address != "auto":
        _check_address(address)
        ray.init(address=address, **said)
        return
    try:
        ray.init(address="auto", **said)
    except ConnectionError:  # no cluster runs here
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or it would call home
        ray.init(include_dashboard=False, **said)


def _check_address(address: str) -> None:
    """Raise ``ClusterError`` where nothing answers, which Ray itself tries for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"No Ray cluster answers at {shown(address)}.",
            hint="Ray prints the address of a cluster when it starts its first node, HOST:6379.",
        ) from error
