"""Clips in parts, as the command line shows them: each part as it is done, and a report at the end."""

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from any2bokeh.atomic import partial_file
from any2bokeh.cli.jobs import Job
from any2bokeh.cli.progress_bar import show_frames
from any2bokeh.cli.talk import is_quiet, print_result, say
from any2bokeh.progress import OnProgress, Progress, ignore
from any2bokeh.settings.work_settings import ProgressKind, WorkSettings

if TYPE_CHECKING:
    from any2bokeh.farm.part_store import PartRecord
    from any2bokeh.farm.work_folder import Work
    from any2bokeh.run import Result


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """One shard of a clip that is done; ``folder`` is the clip's in the work folder."""

    target: Path
    shard: str
    frames: int
    parts: int


@dataclass
class PartsShown:
    """How far the parts of one clip have come, and the lines that tell it."""

    label: str
    kind: ProgressKind
    done: int = 0
    frames: int = 0
    started_s: float = field(default_factory=time.monotonic)

    def on_part(self, record: "PartRecord", parts: int) -> None:
        """Tell of a part that is done, of so many that were not there at the start."""
        self.done += 1
        self.frames += record.frames
        rate = self.frames / max(time.monotonic() - self.started_s, 1e-3)
        if self.kind == "json":
            say(
                json.dumps(
                    {"event": "part", "clip": self.label, "done": self.done, "parts": parts}
                    | {"first": record.first, "stop": record.stop, "shard": record.shard}
                    | {"seconds": record.seconds, "attempts": record.attempts}
                )
            )
        elif self.kind == "openjd":
            print_result(f"openjd_progress: {min(100, 100 * self.done / parts):.1f}")
        elif self.kind == "plain" and not is_quiet():
            say(
                f"{self.label}: part {self.done} of {parts}, frames {record.first} to {record.stop - 1},"
                f" {record.seconds:.1f} s, {rate:.1f} frames/s"
            )


@contextmanager
def show_parts(label: str, kind: ProgressKind) -> Iterator[tuple[OnProgress, PartsShown]]:
    """Give the callback for frames, and the one for parts, that show progress in one way."""
    shown = PartsShown(label, kind)
    if kind == "auto":
        with show_frames(label) as on_progress:
            yield on_progress, shown
    elif kind == "json":
        yield partial(_say_frames, label, _Rarely()), shown
    else:
        yield ignore, shown


class _Rarely:
    """Says when a line is due: at the beginning and the end of a stage, and every ten seconds between."""

    def __init__(self, every_s: float = 10.0) -> None:
        self._every_s, self._stage, self._last_s = every_s, "", 0.0

    def is_due(self, progress: Progress) -> bool:
        now_s = time.monotonic()
        is_new = progress.stage != self._stage
        if not is_new and progress.done != progress.total and now_s - self._last_s < self._every_s:
            return False
        self._stage, self._last_s = progress.stage, now_s
        return True


def _say_frames(label: str, rarely: _Rarely, progress: Progress) -> None:
    if rarely.is_due(progress):
        say(json.dumps({"event": "frames", "clip": label} | asdict(progress)))


def make_job_shard(job: Job, settings: WorkSettings, report: "JobReports") -> ShardResult:
    """Make the shard of a clip that ``settings`` name."""
    from any2bokeh.farm.whole_run import make_shard

    assert settings.shard is not None and settings.work is not None
    with show_parts(f"{job.source.name} {settings.shard}", settings.progress) as (on_progress, shown):
        work = make_shard(
            job.source, job.target, job.settings, settings.work, settings.shard, on_progress, shown.on_part
        )
    parts = [part for part in work.parts if part.shard == settings.shard.number]
    report.add(work)
    frames = sum(len(part.frames) for part in parts)
    return ShardResult(target=work.folder, shard=str(settings.shard), frames=frames, parts=len(parts))


def refocus_job_in_parts(
    job: Job, settings: WorkSettings, report: "JobReports", *, overwrite: bool
) -> "Result":
    """Make a clip in parts, all of them here."""
    from any2bokeh.farm.whole_run import refocus_in_parts

    begun: list[Work] = []

    def on_joining(work: "Work") -> None:
        report.add(work)
        begun.append(work)

    with show_parts(job.source.name, settings.progress) as (on_progress, shown):
        result = refocus_in_parts(
            job.source,
            job.target,
            job.settings,
            on_progress,
            folder=settings.work,
            workers=settings.workers,
            overwrite=overwrite,
            keep_work=settings.keep_work,
            on_part=shown.on_part,
            on_joining=on_joining,
        )
    report.joined(begun[0], result)
    return result


@dataclass
class JobReports:
    """The report on all parts of a command, in a file if one is asked for."""

    target: Path | None
    clips: dict[Path, dict[str, Any]] = field(default_factory=dict)
    started_s: float = field(default_factory=time.monotonic)

    def add(self, work: "Work") -> None:
        """Add the parts of a clip that are there."""
        if self.target is None:
            return
        from any2bokeh.farm.part_store import read_records
        from any2bokeh.farm.prepared_clip import read_disparity_records

        parts = []
        for record in read_records(work):
            told = asdict(record) | {"frames": record.frames}
            parts.append({name: value for name, value in told.items() if name not in ("times", "digest")})
        self.clips[work.folder] = {
            "input": str(work.source),
            "work": str(work.folder),
            "shards": work.shards,
            "planned_parts": len(work.parts),
            "run": {name: value for name, value in work.belongs_to.items() if "setting " not in name},
            "disparity": read_disparity_records(work.tracks),
            "parts": parts,
            "until_join_s": self._seconds,
        }

    def joined(self, work: "Work", result: "Result") -> None:
        """Add that the parts of a clip were joined."""
        if self.target is not None:
            clip = self.clips[work.folder]
            seconds = round(self._seconds - clip["until_join_s"], 3)
            clip["join"] = {"seconds": seconds, "frames": result.frames, "host": platform.node()}

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self.started_s, 3)

    def write(self) -> None:
        """Write the file, in the place of an earlier one."""
        if self.target is not None:
            document = {"seconds": self._seconds, "clips": list(self.clips.values())}
            with partial_file(self.target, overwrite=True) as partial_path:
                partial_path.write_text(json.dumps(document, indent=2), encoding="utf-8")
