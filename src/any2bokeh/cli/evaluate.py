"""``bokeh evaluate``: methods compared on data sets and on real clips."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from any2bokeh.cli.command_line import as_options, quoted, with_options
from any2bokeh.cli.exit_codes import FAILED, SOME_FAILED, UsageError
from any2bokeh.cli.jobs import make_folder
from any2bokeh.cli.options import Json
from any2bokeh.cli.progress_bar import show_progress
from any2bokeh.cli.talk import is_quiet, print_json, print_result, say
from any2bokeh.cli.tracks import check_folders_of_tracks, with_own_tracks, with_tracks_of_its_own
from any2bokeh.settings.evaluation_settings import EvaluationSettings

WIDEST = 1000  # characters of a table
CASES_NAMED = 3  # of those that failed in the same way

CaseFailure = tuple[str, str, str]  # case, method and reason

if TYPE_CHECKING:
    from any2bokeh.lab.evaluation.evaluation import CaseProgress, Source
    from any2bokeh.lab.evaluation.report import Report


def evaluate_command(
    *,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Data sets made by bokeh synthesize, and videos."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Folder of results and report; a run goes on there."
        ),
    ] = Path("evaluation"),
    settings: EvaluationSettings,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again, even where the folder has results.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare methods on data sets and videos: figures, stills, error maps.

    On a data set, each refocused version of each clip is compared with its ground truth. A video is
    refocused as --focus and --k say, and gets figures that need no ground truth. Results are kept: after an
    interruption the same command goes on. Writes evaluation.html, .md and .json.

    Exit codes: 0 done, 1 failed, 2 usage, 3 some results are missing, 130 Ctrl-C, 143 SIGTERM.
    """
    missing = next((path for path in inputs if not path.exists()), None)
    if missing:
        raise UsageError(f"{missing} does not exist.")
    from any2bokeh.lab.evaluation.evaluation import evaluate
    from any2bokeh.lab.evaluation.store import Store

    videos = _videos(inputs)
    sources = _sources(inputs, videos, settings)
    focus = as_options(settings.focus, filled=bool(videos))
    command = _command(inputs, output, settings, focus)
    make_folder(output)
    with show_progress(output.name, "frames") as report:

        def on_progress(progress: "CaseProgress") -> None:
            report(progress.stage, progress.done, progress.total)

        found = evaluate(sources, settings, Store(output, fresh), command, on_progress)
    if not is_quiet():
        if videos:
            say(f"Videos are refocused with {quoted(focus)}.")
        for note in found.notes:
            say(with_options(note))
    for (case, method, reason), *others in alike(found.failures):
        say(f"Error: {case}, {method}: {with_options(reason)}")
        if others:
            names = [name for name, _, _ in others]
            left_out = ", ..." if len(names) > CASES_NAMED else ""
            say(f"  {len(names)} more failed in this way: {', '.join(names[:CASES_NAMED])}{left_out}")
    if as_json:
        print_json(found.as_document())
    else:
        print_result(_table(found))
        print_result(output / "evaluation.html")
    if found.failures:
        raise typer.Exit(SOME_FAILED if any(result.scores for result in found.results) else FAILED)


def alike(failures: list[CaseFailure]) -> list[list[CaseFailure]]:
    """Failures of one method that differ in nothing but the case they name, together, in their order."""
    groups: dict[tuple[str, str], list[CaseFailure]] = {}
    for case, method, reason in failures:
        parts = "|".join(map(re.escape, re.split(r"[./]", case)))
        pattern = re.sub(rf"(?<![^\W_])({parts})(?![^\W_])", "*", reason)
        groups.setdefault((method, pattern), []).append((case, method, reason))
    return list(groups.values())


def _sources(inputs: list[Path], videos: list[Path], settings: EvaluationSettings) -> "list[Source]":
    """Each input; the tracks and masks of a video are those of its own where folders of them are given."""
    from any2bokeh.lab.evaluation.evaluation import Source
    from any2bokeh.lab.synthesis.dataset import DATASET_FILE

    if folder := next((path for path in videos if path.is_dir()), None):
        raise UsageError(f"{folder} is a folder, but no data set: it has no {DATASET_FILE}.")
    if len(videos) > 1:
        check_folders_of_tracks(settings)
    own = with_tracks_of_its_own if len(videos) > 1 else with_own_tracks
    return [
        Source(path=path, settings=own(settings, path) if path in videos else settings) for path in inputs
    ]


def _videos(inputs: list[Path]) -> list[Path]:
    """The inputs that are no data sets."""
    from any2bokeh.lab.synthesis.dataset import DATASET_FILE

    return [path for path in inputs if not (path / DATASET_FILE).is_file()]


def _command(inputs: list[Path], output: Path, settings: EvaluationSettings, focus: list[str]) -> str:
    """The command line that asks for the same; ``focus`` are the options for the focus."""
    words = ["bokeh", "evaluate", *map(str, inputs), "-o", str(output)]
    if settings.methods is not None:
        words += ["--methods", ",".join(settings.methods)]
    for prediction in settings.predictions:
        words += ["--predictions", f"{prediction.name}={prediction.folder}"]
    for checkpoint in settings.checkpoints:
        words += ["--checkpoint", f"{checkpoint.name}={checkpoint.folder}"]
    words += ["--perturb"] * settings.perturb + ["--ablations"] * settings.ablations
    if settings.limit is not None:
        words += ["--limit", str(settings.limit)]
    words += focus
    kept = (settings.depth, settings.lens, settings.diffusion, settings.time_range)
    return quoted([*words, *(word for group in kept for word in as_options(group))])


def _table(report: "Report") -> str:
    """The figures as a terminal shows them; the best of a column is bold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from any2bokeh.lab.evaluation.report import heads, rows

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("")
    for head in heads(report.summary):
        table.add_column(head, justify="right", no_wrap=True)
    for name, cells in rows(report.summary):
        shown = (Text(cell.text, style="bold" if cell.is_best else "") for cell in cells)
        table.add_row(Text(name), *shown)
    console = Console(width=WIDEST)  # figures are not cut, however narrow the terminal
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines())
