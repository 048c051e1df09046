"""The options of clips that are made in parts; see ``options``."""

from typing import Any

import typer

from any2bokeh.cli.option_types import named, option, parse_shard, parse_workers
from any2bokeh.settings import work_settings

LONG_JOBS = "Long jobs"  # a group of the help

WORK_OPTIONS: dict[object, dict[str, Any]] = {
    work_settings.WorkSettings: {
        "shard": typer.Option(
            "--shard",
            help="Make only this share of each clip, into --work: 1/8 is the first of eight.",
            parser=named("--shard", parse_shard),
            metavar="I/N",
        ),
        "work": option(
            "--work", help="Folder in which finished parts wait; shards share it.", metavar="FOLDER"
        ),
        "resume": typer.Option(
            "--resume",
            help="Keep finished parts, and go on with them where the last run was stopped.",
            rich_help_panel=LONG_JOBS,
        ),
        "workers": typer.Option(
            "--workers",
            help="Processes that make parts at once; auto is one for each GPU.",
            parser=parse_workers,
            metavar="auto|N",
        ),
        "cluster": option(
            "--cluster",
            help="Ray cluster that makes the parts: HOST:PORT, or auto for the one that runs here.",
            metavar="auto|ADDRESS",
        ),
        "cpus_per_worker": option(
            "--cpus-per-worker",
            help="Cores for each process of a cluster without GPUs (4, or as many as a node has).",
            accepted=work_settings.CPUS_PER_WORKER,
            kind=int,
        ),
        "keep_work": option("--keep-work", help="Leave the parts where the result is complete."),
        "report": option("--report", help="Write a JSON file on all parts: times, devices, attempts."),
        "progress": option(
            "--progress", help="How progress is shown on stderr; plain and json tell of each part."
        ),
    },
}
