"""``bokeh refocus``: clips in, refocused clips out."""

from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.batch import BatchOptions, Outcome, run_jobs, sum_up
from any2bokeh.cli.exit_codes import UsageError
from any2bokeh.cli.jobs import Job, check_output, make_folder, make_jobs, read_streams
from any2bokeh.cli.long_jobs import JobReports, ShardResult, make_job_shard, refocus_job_in_parts, show_parts
from any2bokeh.cli.options import Json
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.work_settings import WorkSettings

if TYPE_CHECKING:
    from any2bokeh.plan import Plan
    from any2bokeh.run import Result


def refocus_command(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...",
            help="Videos, pictures, numbered pictures (shot.%04d.png, shot.####.png), or folders of them"
            " without their subfolders; - is stdin. Earlier results and masks beside their source"
            " are left out.",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="File, numbered pictures (out.%04d.png) or folder to write to; several inputs need a folder."
            " By default <stem>.refocus.<ext> beside the input.",
        ),
    ] = None,
    settings: Settings,
    batch: BatchOptions,
    work: WorkSettings,
    as_json: Json = False,
) -> None:
    """Refocus videos.

    The focal plane stays sharp, everything else blurs: say where it is in one of the ways below, and how
    strong the blur is with --k. Prints the path of each finished result.

    Exit codes: 0 done, 1 failed, 2 usage, 3 some of several inputs failed, 75 failed for a reason that may
    pass (disk, memory, device), 130 Ctrl-C, 143 SIGTERM.
    """
    to_stdout = output == "-"
    if to_stdout and as_json:
        raise UsageError("Conflicting options: --json and -o -. Both write to stdout.")
    is_whole = work.shard is None and not work.in_parts
    if not is_whole and (to_stdout or "-" in inputs):
        raise UsageError("A stream cannot be made in parts: give files.")
    with read_streams(inputs, output, settings) as paths:
        outcomes, jobs = _refocus_all(
            paths, output, settings, batch, work, as_json=as_json, to_stdout=to_stdout
        )
    raise typer.Exit(sum_up(outcomes, jobs))


def _refocus_all(
    inputs: list[str],
    output: str | None,
    settings: Settings,
    batch: BatchOptions,
    work: WorkSettings,
    *,
    as_json: bool,
    to_stdout: bool,
) -> tuple[list[Outcome], list[Job]]:
    """Do all jobs, or plan them, and print what became of each."""
    jobs = make_jobs(inputs, output, settings)
    reports = JobReports(work.report)

    def render(job: Job) -> "Result | ShardResult":
        job.check()
        if work.shard is not None:
            return make_job_shard(job, work, reports)
        if job.is_done and not batch.skip_existing:  # told before seconds of imports
            check_output(job, overwrite=batch.overwrite)
        from any2bokeh.run import refocus

        if job.folder:
            make_folder(job.folder)
        if settings.save_focus_track and not settings.save_focus_track.suffix:
            make_folder(settings.save_focus_track)
        if work.in_parts:
            return refocus_job_in_parts(job, work, reports, overwrite=batch.overwrite)
        with show_parts(job.source.name, work.progress) as (on_progress, _):
            return refocus(
                job.source,
                job.target,
                job.settings,
                on_progress,
                overwrite=batch.overwrite,
                skip_existing=batch.skip_existing,
            )

    def plan(job: Job) -> "Plan":
        job.check()
        check_output(job, overwrite=True)  # the plan says what exists
        from any2bokeh.plan import make_plan

        return make_plan(job.source, job.target, job.settings)

    outcomes: list[Outcome] = []
    found = run_jobs(jobs, batch, plan if batch.dry_run else render)
    if work.cluster and not batch.dry_run:
        from any2bokeh.cli.cluster_jobs import run_on_cluster  # here: it loads torch

        found = run_on_cluster(jobs, batch, work, reports)
    try:
        for outcome in found:
            outcomes.append(outcome)
            if not as_json and not outcome.failure and (batch.dry_run or not to_stdout):
                print_result(outcome.as_text())
    finally:  # also when a signal ends the run
        reports.write()
        if as_json:
            print_json({"results": [outcome.as_document() for outcome in outcomes]})
    return outcomes, jobs
