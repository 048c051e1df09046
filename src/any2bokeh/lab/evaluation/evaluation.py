"""An evaluation, top to bottom: inputs, methods, every case, and the report. Read this first."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from any2bokeh.atomic import partial_file
from any2bokeh.device import choose_device
from any2bokeh.errors import RefocusError, SettingsError, VideoError, WeightsError
from any2bokeh.lab.evaluation.cases import Case, FilmedCase, dataset_cases, most_telling, thinned
from any2bokeh.lab.evaluation.measurement import CaseResult, Evaluation
from any2bokeh.lab.evaluation.methods import choose_methods
from any2bokeh.lab.evaluation.metric_networks import find_networks
from any2bokeh.lab.evaluation.report import Report
from any2bokeh.lab.evaluation.report_files import markdown, page, picture_bytes
from any2bokeh.lab.evaluation.scores import flow_of
from any2bokeh.lab.evaluation.store import Store
from any2bokeh.lab.synthesis.dataset import DATASET_FILE, open_dataset
from any2bokeh.paths import checked_name
from any2bokeh.progress import Progress
from any2bokeh.settings.evaluation_settings import EvaluationSettings

NAME = "evaluation"  # of the files of a report, without their suffix

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set, or a video with the settings that are its own."""

    path: Path
    settings: EvaluationSettings


@dataclass(frozen=True)
class CaseProgress:
    """The current stage and its progress: frames of all cases, or of one while it is prepared."""

    stage: str
    done: int
    total: int


def evaluate(
    sources: list[Source],
    settings: EvaluationSettings,
    store: Store,
    command: str,
    on_progress: Callable[[CaseProgress], None],
) -> Report:
    """Measure all methods on all cases, write the report into the store's folder and return it.

    Kept results are reused, so a stopped run resumes. The report lists cases and methods that fail.
    Raises ``RefocusError`` if nothing can be compared at all.
    """
    device = choose_device(settings.device)
    cases = thinned(find_cases(sources), settings.limit)
    choice = choose_methods(settings, device)
    if not choice.methods:
        reasons = " ".join(choice.left_out.values())
        raise WeightsError(f"No method can run on this machine. {reasons}")
    networks = find_networks(device)
    shown = {case.name for case in most_telling(cases, settings.shown)}
    evaluation = Evaluation(
        methods=choice.methods,
        networks=networks,
        store=store,
        picture_bytes=picture_bytes(len(shown), len(choice.methods)),
    )
    results: list[CaseResult] = []
    unread: dict[str, str] = {}
    before, total = 0, sum(case.frames for case in cases)
    for case in cases:

        def tell(progress: Progress, before: int = before) -> None:
            if progress.stage == "render":
                on_progress(CaseProgress("measuring", before + progress.done, total))
            else:
                on_progress(CaseProgress(f"{progress.stage} of a clip", progress.done, progress.total))

        before += case.frames
        try:
            results.append(evaluation.run(case, is_shown=case.name in shown, on_progress=tell))
        except RefocusError as error:
            unread[case.name] = error.message
    report = Report(
        command=command,
        device=str(device),
        flow=flow_of(networks)[0],
        methods=choice.methods,
        results=results,
        shown=tuple(shown),
        left_out=choice.left_out,
        missing=networks.missing,
        unread=unread,
    )
    write_report(report, store.folder)
    return report


def find_cases(sources: list[Source]) -> list[Case]:
    """Return the cases of data sets and videos; of several inputs, each name begins with its input's.

    Raises ``RefocusError`` for an input that is neither, and for a name that two cases would have, or that no
    file can have.
    """
    cases: list[Case] = []
    for source in sources:
        prefix = f"{source.path.resolve().name}/" if len(sources) > 1 else ""
        if (source.path / DATASET_FILE).is_file():
            cases += dataset_cases(open_dataset(source.path), prefix)
        else:
            cases.append(FilmedCase(source.path, source.settings, source.path.stem))
    if not cases:
        raise VideoError("No clip is complete: there is nothing to evaluate.")
    for case in cases:
        for part in case.name.split("/"):  # the name of an input, and of a clip in it
            checked_name(part, "The name of a case")
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SettingsError(f"Two cases have the same name: {twice}.", hint="Evaluate them one by one.")
    return cases


def write_report(report: Report, folder: Path) -> None:
    """Write the page, its Markdown and JSON; each appears as a whole. Raises ``VideoError``."""
    texts = {
        ".json": json.dumps(report.as_document(), indent=1) + "\n",
        ".md": markdown(report, folder),
        ".html": page(report, folder),
    }
    for suffix, text in texts.items():
        target = folder / f"{NAME}{suffix}"
        with partial_file(target, overwrite=True) as partial:
            try:
                partial.write_text(text, encoding="utf-8", errors="replace")
            except OSError as error:
                raise VideoError(f"{target} cannot be written: {error.strerror}.") from error
