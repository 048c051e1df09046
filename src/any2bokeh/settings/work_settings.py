"""Whether clips are made in parts, where those wait, and who makes them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from any2bokeh.errors import SettingsError
from any2bokeh.settings.values import Range, check_choice

ProgressKind = Literal["auto", "plain", "json", "openjd"]

SHARDS = Range("shards", "a number of shards", 1, 100_000)
WORKERS = Range("workers", "a number of processes", 1, 256)
CPUS_PER_WORKER = Range("cpus_per_worker", "a number of cores", 1, 256)


@dataclass(frozen=True)
class ShardNumber:
    """One of the shards of a clip: ``number``, counted from 1, of ``count``."""

    number: int
    count: int

    def __post_init__(self) -> None:
        SHARDS.check(self.count, called="The number of shards")
        if not 1 <= self.number <= self.count:
            raise SettingsError(f"There is no shard {self.number} of {self.count}: they count from 1.")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, kw_only=True)
class WorkSettings:
    """How a clip is made in parts.

    ``shard`` is the only one to make; it needs ``work``, the folder that all shards share. ``resume`` keeps
    finished parts in a folder, and goes on with those that are there. ``workers`` are processes on this
    machine, ``None`` one for each GPU. ``keep_work`` leaves the parts where the result is complete.
    ``report`` is a JSON file on all parts; ``progress`` is how progress is shown. ``cluster`` is the address
    of a Ray cluster that makes the parts, by processes of ``cpus_per_worker`` cores where it has no GPUs.
    """

    shard: ShardNumber | None = None
    work: Path | None = None
    resume: bool = False
    workers: int | None = 1
    keep_work: bool = False
    report: Path | None = None
    progress: ProgressKind = "auto"
    cluster: str | None = None
    cpus_per_worker: int | None = None

    def __post_init__(self) -> None:
        check_choice("`progress`", self.progress, ProgressKind)
        if self.workers is not None:
            WORKERS.check(self.workers)
        if self.shard is not None and self.work is None:
            raise SettingsError("`shard` needs `work`, a folder that all shards share.")
        if self.shard is not None and self.resume:
            raise SettingsError("`shard` and `resume` conflict: a shard always goes on with its parts.")
        if self.shard is not None and self.workers != 1:
            raise SettingsError("`shard` and `workers` conflict: each shard is made by one process.")
        if self.cluster is not None and (self.shard is not None or self.workers != 1):
            raise SettingsError("`cluster` hands out the work itself: leave out `shard` and `workers`.")
        if self.cpus_per_worker is not None:
            CPUS_PER_WORKER.check(self.cpus_per_worker)
            if self.cluster is None:
                raise SettingsError("`cpus_per_worker` needs `cluster`.")

        needless = [name for name in ("keep_work", "report") if getattr(self, name)]
        if needless and self.shard is None and not self.in_parts:
            raise SettingsError(
                f"`{needless[0]}` is for clips in parts: it needs `resume`, `work`, `workers` or `shard`."
            )

    @property
    def in_parts(self) -> bool:
        """Whether the whole clip is made in parts, here or by a cluster."""
        asked = self.resume or self.work is not None or self.workers != 1 or self.cluster is not None
        return self.shard is None and asked
