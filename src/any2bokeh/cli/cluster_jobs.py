"""Clips that a cluster works on, as the command line shows them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from any2bokeh.cli.batch import BatchOptions, Outcome
from any2bokeh.cli.exit_codes import Failure, attempt, failure_of
from any2bokeh.cli.jobs import Job, check_output, make_folder
from any2bokeh.cli.long_jobs import JobReports, PartsShown
from any2bokeh.farm.cluster import ClusterClip, ClusterEvent, open_cluster
from any2bokeh.farm.whole_run import resume_folder
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.stored_settings import from_document, to_document
from any2bokeh.settings.work_settings import WorkSettings


@dataclass
class _Clip:
    job: Job
    shown: PartsShown


def run_on_cluster(
    jobs: list[Job], batch: BatchOptions, work: WorkSettings, reports: JobReports
) -> Iterator[Outcome]:
    """Refocus all clips together on a cluster, and yield the outcome of each as it ends."""
    clips: dict[int, _Clip] = {}
    asked: list[ClusterClip] = []
    for job in jobs:
        if batch.skip_existing and job.is_done:
            yield Outcome(job=job, status="skipped")
            continue
        made = attempt(partial(_cluster_clip, job, work, overwrite=batch.overwrite))
        if isinstance(made, Failure):
            made.report()
            yield Outcome(job=job, status="failed", failure=made)
            if batch.fail_fast:
                return
            continue
        kind = "plain" if work.progress == "auto" else work.progress
        clips[id(made)] = _Clip(job, PartsShown(job.source.name, kind))
        asked.append(made)
    if not asked:
        return
    shared = (work.work or asked[0].folder.parent).absolute()
    started_s, left = time.monotonic(), dict(clips)
    try:
        with open_cluster(work.cluster or "auto", shared, work.cpus_per_worker) as cluster:
            for event in cluster.refocus(asked, keep_work=work.keep_work):
                if outcome := _outcome(event, clips[id(event.clip)], reports, started_s):
                    del left[id(event.clip)]
                    yield outcome
                    if outcome.failure and batch.fail_fast:
                        return
    except Exception as error:  # noqa: BLE001 - of the cluster: all that is left fails by it
        failure = failure_of(error)
        failure.report()
        for clip in left.values():
            yield Outcome(job=clip.job, status="failed", failure=failure)


def _cluster_clip(job: Job, work: WorkSettings, *, overwrite: bool) -> ClusterClip:
    """The request to the cluster; raises where the clip or its result has a problem that is seen here."""
    job.check()
    check_output(job, overwrite=overwrite)
    if job.folder:
        make_folder(job.folder)
    if work.work:
        work.work.mkdir(parents=True, exist_ok=True)
    folder = work.work or resume_folder(job.target)
    return ClusterClip(
        source=job.source.absolute(),
        target=job.target.absolute(),
        # Workers have other folders to work in: files are named from the root.
        settings=from_document(Settings, to_document(job.settings, lambda path: str(path.absolute()))),
        folder=folder.absolute(),
        overwrite=overwrite,
    )


def _outcome(event: ClusterEvent, clip: _Clip, reports: JobReports, started_s: float) -> Outcome | None:
    """Tell of an event; return the clip's outcome where it is the last one."""
    if event.record:
        clip.shown.on_part(event.record, event.missing)
    if event.joins and event.work:
        reports.add(event.work)
    seconds = round(time.monotonic() - started_s, 3)
    if event.result and event.work:
        reports.joined(event.work, event.result)
        return Outcome(job=clip.job, status="done", result=event.result, seconds=seconds)
    if event.error:
        failure = failure_of(event.error)
        failure.report()
        return Outcome(job=clip.job, status="failed", failure=failure, seconds=seconds)
    return None
