"""Work on a clip in parts, from its plan to the result: one shard of many, or all of it here."""

from collections.abc import Callable
from pathlib import Path

from any2bokeh.atomic import check_target
from any2bokeh.farm.join import join_parts
from any2bokeh.farm.part_maker import PartMaker, planned_work
from any2bokeh.farm.part_store import PartRecord
from any2bokeh.farm.parts import Part
from any2bokeh.farm.prepared_clip import PreparedClip
from any2bokeh.farm.work_folder import Work
from any2bokeh.progress import OnProgress, ignore
from any2bokeh.run import Result
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.work_settings import ShardNumber
from any2bokeh.video.frame_names import PICTURE_SUFFIXES

# Told of each part that is finished, and of how many were not there at the start.
OnPart = Callable[[PartRecord, int], None]


def make_shard(
    source: Path,
    target: Path,
    settings: Settings,
    folder: Path,
    shard: ShardNumber,
    on_progress: OnProgress = ignore,
    on_part: OnPart = ignore,
) -> Work:
    """Make the parts of one shard of a clip in the work folder ``folder``; those that are there stay.

    A shard may have no frames, and is done then. Raises what ``plan_work`` and rendering raise.
    """
    with planned_work(source, target, settings, folder, shard.count, on_progress) as (work, clip):
        make_all(work, [part for part in work.parts if part.shard == shard.number], clip, on_part)
    return work


def make_all(work: Work, parts: list[Part], clip: PreparedClip, on_part: OnPart = ignore) -> None:
    """Make parts of an open clip in this process; those that are there are verified and stay."""
    if not parts:
        return
    with PartMaker(work, clip) as maker:
        missing = maker.missing(parts)
        for record in maker.make(missing):
            on_part(record, len(missing))


def refocus_in_parts(
    source: Path,
    target: Path,
    settings: Settings,
    on_progress: OnProgress = ignore,
    *,
    folder: Path | None = None,
    workers: int | None = 1,
    overwrite: bool = False,
    keep_work: bool = False,
    on_part: OnPart = ignore,
    on_joining: Callable[[Work], None] = ignore,
) -> Result:
    """Write ``source``, refocused, to ``target`` as ``refocus`` does, in parts that survive the process.

    They wait in ``folder``, by default a hidden one beside the target, until the result is complete: a run
    that was killed goes on with them when it is started again. ``workers`` processes make them, ``None``
    one for each GPU. ``on_joining`` is told when all parts are there.

    Raises ``RefocusError`` with a sentence for the user.
    """
    if target.suffix.lower() not in PICTURE_SUFFIXES:
        check_target(target, overwrite=overwrite)
    folder = folder or resume_folder(target)
    with planned_work(source, target, settings, folder, on_progress=on_progress) as (work, clip):
        count = worker_count(workers, work)
        if count == 1:
            make_all(work, work.parts, clip, on_part)
    if count > 1:
        from any2bokeh.farm.workers import make_with_workers

        make_with_workers(work, work.parts, count, on_part)
    on_joining(work)
    return join_parts(work, target, on_progress, overwrite=overwrite, keep_work=keep_work)


def resume_folder(target: Path) -> Path:
    """Return the hidden folder beside a result in which its parts wait."""
    return target.with_name(f".{target.name}.work")


def worker_count(workers: int | None, work: Work) -> int:
    """Return how many processes make the parts: one for each GPU, unless a number is asked for.

    On a CPU that is one, whose threads take all cores.
    """
    if workers is not None:
        return workers
    from any2bokeh.device import choose_device, visible_gpus

    is_cuda = choose_device(work.settings.render.device).type == "cuda"
    return max(1, len(visible_gpus())) if is_cuda else 1
