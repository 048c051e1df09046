"""``bokeh plan``: clips cut into shards, and the command that makes each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from any2bokeh.cli.command_line import quoted
from any2bokeh.cli.exit_codes import Failure, UsageError, attempt, exit_code_of
from any2bokeh.cli.help_page import TYPED
from any2bokeh.cli.jobs import Job, make_jobs
from any2bokeh.cli.option_types import number
from any2bokeh.cli.options import Json
from any2bokeh.cli.progress_bar import show_frames
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.cli.work_options import LONG_JOBS
from any2bokeh.settings.run_settings import Settings
from any2bokeh.settings.work_settings import SHARDS

OWN = ("shards", "work", "commands", "as_json", "output")  # options that the commands do not take over
WORK = Path("bokeh-work")


@dataclass(frozen=True)
class ShardFrames:
    """The frames of a shard, ``first`` to ``stop`` (exclusive), in so many parts."""

    number: int
    first: int
    stop: int
    parts: int


def plan_command(
    *,
    inputs: Annotated[list[str], typer.Argument(metavar="IN...", help="Clips, as refocus takes them.")],
    shards: Annotated[
        int,
        typer.Option(
            "--shards",
            help="Number of shards of each clip. [1 to 100000]",
            parser=number("--shards", SHARDS, int),
            metavar="N",
            rich_help_panel=LONG_JOBS,
        ),
    ],
    work: Annotated[
        Path | None,
        typer.Option(
            "--work",
            metavar="FOLDER",
            help="Folder that all shards share; shots that are found for the plan are kept in it.",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="OUT", help="Result, as refocus takes it.")
    ] = None,
    commands: Annotated[
        bool,
        typer.Option(
            "--commands", help="Print the commands, one a line: a refocus for each shard, then the join."
        ),
    ] = False,
    settings: Settings,
    as_json: Json = False,
    context: typer.Context,
) -> None:
    """Cut clips into shards.

    Takes the options of refocus. Shards can be made anywhere and in any order; all of them together are the
    frames of one run, bit for bit.
    """
    jobs = make_jobs(inputs, output, settings)
    lines = CommandLines(context.meta[TYPED], context.command.params, work or WORK, output)
    if commands:
        _check_names(jobs)
        for job in jobs:
            for line in lines.of(job, shards):
                print_result(quoted(line))
        print_result(quoted(lines.join))
        return
    documents, failures = [], []
    for job in jobs:
        found = attempt(lambda job=job: _planned(job, work, shards))  # type: ignore[misc]
        if isinstance(found, Failure):
            found.report()
            failures.append(found)
            continue
        if not as_json:
            print_result(_told(job, found))
        documents.append(_document(job, found, lines))
    if as_json:
        print_json({"clips": documents, "join": lines.join})
    raise typer.Exit(exit_code_of(failures, len(jobs), len(jobs)))


class CommandLines:
    """The commands of shards: the words of the plan's command line, but its inputs and its own options."""

    def __init__(self, typed: list[str], parameters: list[Any], work: Path, output: str | None) -> None:
        self._options = list(_options(typed, parameters))
        self._work, self._output = work, output

    def of(self, job: Job, shards: int) -> Iterator[list[str]]:
        """Yield the command of each shard of a clip."""
        named = ["-o", self._output] if self._output else []
        source = f"./{job.source}" if str(job.source).startswith("-") else str(job.source)
        for shard in range(1, shards + 1):
            where = ["--shard", f"{shard}/{shards}", "--work", str(self._work)]
            yield ["bokeh", "refocus", source, *self._options, *named, *where]

    @property
    def join(self) -> list[str]:
        """The command that joins all clips."""
        return ["bokeh", "join", str(self._work), *(["-o", self._output] if self._output else [])]


def _options(typed: list[str], parameters: list[Any]) -> Iterator[str]:
    """The options among some words, without those of the plan alone."""
    options = {name: one for one in parameters for name in (*one.opts, *one.secondary_opts) if "-" in name}
    words = iter(typed)
    for word in words:
        if word == "--":
            return
        name, is_joined, _ = word.partition("=")
        option = options.get(name if is_joined and word.startswith("--") else word)
        if option is None and word.startswith("-") and not word.startswith("--"):
            option = options.get(word[:2])  # -oOUT
            is_joined = "="
        if option is None:
            continue
        taken = [word] if option.is_flag or is_joined else [word, next(words, "")]
        if option.name not in OWN:
            yield from taken


def _planned(job: Job, work: Path | None, shards: int) -> list[ShardFrames]:
    job.check()
    from any2bokeh.farm.part_maker import plan_work, shards_of

    with show_frames(job.source.name) as on_progress:
        if work is not None:
            parts = plan_work(job.source, job.target, job.settings, work, shards, on_progress).parts
        else:
            with TemporaryDirectory(prefix="any2bokeh-") as folder:
                parts = shards_of(job.source, job.settings, Path(folder), shards, on_progress)
    found = []
    for shard in range(1, shards + 1):
        own = [part for part in parts if part.shard == shard]
        first, stop = (own[0].first, own[-1].stop) if own else (0, 0)
        found.append(ShardFrames(shard, first, stop, len(own)))
    return found


def _told(job: Job, shards: list[ShardFrames]) -> str:
    width = len(str(len(shards)))
    lines = [
        f"  {shard.number:{width}}/{len(shards)}: frames {shard.first} to {shard.stop - 1}"
        if shard.parts
        else f"  {shard.number:{width}}/{len(shards)}: no frames"
        for shard in shards
    ]
    return "\n".join([f"{job.source} -> {job.target}", *lines])


def _document(job: Job, shards: list[ShardFrames], lines: CommandLines) -> dict[str, Any]:
    commands = lines.of(job, len(shards))
    return {
        "input": job.source,
        "output": job.target,
        "frames": shards[-1].stop if shards[-1].parts else max(shard.stop for shard in shards),
        "shards": [
            {
                "shard": f"{shard.number}/{len(shards)}",
                "first": shard.first,
                "stop": shard.stop,
                "parts": shard.parts,
                "command": command,
            }
            for shard, command in zip(shards, commands, strict=True)
        ],
    }


def _check_names(jobs: list[Job]) -> None:
    """Raise ``UsageError`` where two clips would share one folder in the work folder."""
    from any2bokeh.farm.work_folder import folder_name

    names: dict[str, Path] = {}
    for job in jobs:
        other = names.setdefault(folder_name(job.source), job.source)
        if other != job.source:
            raise UsageError(
                f"{other} and {job.source} have one name, and so one folder for their parts.",
                hint="Plan them one by one, each with a --work of its own.",
            )
