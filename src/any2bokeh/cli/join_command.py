"""``bokeh join``: the parts in a work folder, put together to the results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.exit_codes import Failure, UsageError, attempt, exit_code_of
from any2bokeh.cli.jobs import make_folder
from any2bokeh.cli.long_jobs import JobReports, show_parts
from any2bokeh.cli.options import OPTIONS, Json, Overwrite
from any2bokeh.cli.talk import print_json, print_result
from any2bokeh.settings.work_settings import ProgressKind, WorkSettings

if TYPE_CHECKING:
    from any2bokeh.run import Result


def join_command(
    *,
    work: Annotated[
        Path, typer.Argument(metavar="WORK", help="Work folder of the shards, or of one clip in it.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="File, numbered pictures or folder to write to; by default as the shards were told.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    keep_work: Annotated[bool, OPTIONS[WorkSettings]["keep_work"]] = False,
    report: Annotated[Path | None, OPTIONS[WorkSettings]["report"]] = None,
    progress: Annotated[ProgressKind, OPTIONS[WorkSettings]["progress"]] = "auto",
    as_json: Json = False,
) -> None:
    """Join the shards of clips.

    Encodes all frames once, with the codec and quality that the shards were told, and copies sound,
    subtitles, chapters and metadata from the source. The work folder goes when the result is complete.
    """
    from any2bokeh.farm.join import join_parts
    from any2bokeh.farm.work_folder import read_work, work_folders

    folders = attempt(lambda: work_folders(work))
    if isinstance(folders, Failure):
        folders.report()
        raise typer.Exit(folders.exit_code)
    is_folder = output is not None and (output.endswith("/") or Path(output).is_dir())
    if len(folders) > 1 and output and not is_folder:
        raise UsageError(
            f"Several clips cannot be written to one file, {output}.", hint="-o FOLDER/ takes all."
        )
    reports = JobReports(report)

    def join(folder: Path) -> "Result":
        found = read_work(folder)
        target = Path(output) / found.target.name if output and is_folder else output and Path(output)
        if output and is_folder:
            make_folder(Path(output))
        elif not target:
            make_folder(found.target.parent)
        reports.add(found)
        with show_parts(folder.name, progress) as (on_progress, _):
            result = join_parts(found, target or None, on_progress, overwrite=overwrite, keep_work=keep_work)
        reports.joined(found, result)
        return result

    failures, documents = [], []
    for folder in folders:
        result = attempt(lambda folder=folder: join(folder))  # type: ignore[misc]
        if isinstance(result, Failure):
            result.report()
            failures.append(result)
        elif not as_json:
            print_result(result.target)
        documents.append(
            {
                "work": folder,
                "output": None if isinstance(result, Failure) else result.target,
                "frames": None if isinstance(result, Failure) else result.frames,
                "status": "failed" if isinstance(result, Failure) else "done",
                "error": result.sentence if isinstance(result, Failure) else None,
            }
        )
    reports.write()
    if as_json:
        print_json({"results": documents})
    raise typer.Exit(exit_code_of(failures, len(folders), len(folders)))
