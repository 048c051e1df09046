"""What an evaluation found, as one document, as rows of a table, and as plots."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from any2bokeh import __version__
from any2bokeh.lab.evaluation.methods import Method
from any2bokeh.lab.evaluation.metric_networks import ACTIONS, OPTICAL_FLOW, PERCEPTUAL, VIDEO
from any2bokeh.lab.evaluation.plots import Plot
from any2bokeh.lab.evaluation.run import CaseResult
from any2bokeh.lab.evaluation.scores import METRICS, Metric
from any2bokeh.lab.evaluation.summary import Summary, summarise
from any2bokeh.settings.evaluation_settings import PERTURBED, TRUTH

MEASURED_BY = {PERCEPTUAL: "LPIPS", OPTICAL_FLOW: "FD by RAFT", VIDEO: "FVD", ACTIONS: "VFID"}
FEW_WINDOWS = 200  # below, a Fréchet distance says little


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What was compared on which cases, and what came of it.

    ``command`` is what was asked for, ``device`` what drew; ``left_out`` says of methods and metrics why they
    are missing, ``unread`` of cases why they could not be read; ``shown`` are the cases that have pictures.
    """

    command: str
    device: str
    flow: str
    methods: tuple[Method, ...]
    results: list[CaseResult]
    shown: tuple[str, ...]
    left_out: dict[str, str]
    missing: dict[str, str]
    unread: dict[str, str]

    @property
    def names(self) -> list[str]:
        """The methods in the order in which they are shown, the truth last."""
        return [*(method.name for method in self.methods), TRUTH]

    @cached_property
    def summary(self) -> Summary:
        """Their figures."""
        return summarise(self.results, self.names)

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Case, method and reason of each result that is missing."""
        unread = [(case, "all methods", reason) for case, reason in self.unread.items()]
        return unread + [
            (result.case.name, method, reason)
            for result in self.results
            for method, reason in result.failures.items()
        ]

    @property
    def facts(self) -> str:
        """What was evaluated, in a line."""
        frames = sum(result.case.frames for result in self.results)
        clips = len({result.case.clip for result in self.results})
        sizes = {f"{one.case.pictures.width}x{one.case.pictures.height}" for one in self.results}
        return (
            f"Cases: {len(self.results)}, of clips: {clips}; frames: {frames}, of {', '.join(sorted(sizes))};"
            f" on {self.device}; any2bokeh {__version__}"
        )

    @property
    def notes(self) -> list[str]:
        """What has to be known to read the figures: what is missing, and what differs from the paper."""
        return list(self._notes())

    def _notes(self) -> Iterator[str]:
        yield from (f"{name}: left out. {reason}" for name, reason in self.left_out.items())
        has_truth = any(result.case.has_truth for result in self.results)
        if not has_truth:
            yield "No truth is known of these clips: figures that need one are left out."
        for network, reason in self.missing.items() if has_truth else ():
            yield f"{MEASURED_BY[network]}: left out. {reason}"
        if has_truth and self.flow != OPTICAL_FLOW:
            yield f"FD is by OpenCV's {self.flow} flow, not by RAFT: compare it within this table alone."
        for network, count in self._windows().items():
            if count < FEW_WINDOWS:
                yield f"{MEASURED_BY[network]} is over {count} windows only: too few to say much."
        summary = self.summary
        fewer = [name for name in summary.cases if name != TRUTH and not summary.has_all(name)]
        if fewer:
            listed = ", ".join(f"{name} {summary.cases[name]}" for name in fewer)
            yield f"Not all methods have all {summary.of} cases, so compare with care: {listed}."
        if any(method.is_perturbed for method in self.methods):
            yield f"NAME{PERTURBED} is given disparity with an estimator's mistakes (training/perturb.py)."

    def _windows(self) -> dict[str, int]:
        """How many windows of the truth each network has seen."""
        truths = [result.scores[TRUTH].features for result in self.results if TRUTH in result.scores]
        seen = {network: [one[network] for one in truths if network in one] for network in (VIDEO, ACTIONS)}
        return {network: sum(map(len, windows)) for network, windows in seen.items() if windows}

    def as_document(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        summary = self.summary
        return {
            "program": f"any2bokeh {__version__}",
            "command": self.command,
            "device": self.device,
            "flow": self.flow,
            "methods": {method.name: method.what for method in self.methods},
            "metrics": {metric.key: asdict(metric) for metric in METRICS},
            "figures": summary.figures,
            "by_group": summary.by_group,
            "cases": {
                result.case.name: {
                    "clip": result.case.clip,
                    "group": result.case.group,
                    "frames": result.case.frames,
                    "scores": {name: one.scores for name, one in result.scores.items() if name in self.names},
                }
                for result in self.results
            },
            "notes": self.notes,
            "failures": [
                {"case": case, "method": method, "reason": reason} for case, method, reason in self.failures
            ],
        }


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown, and whether it is the best of its column."""

    text: str
    is_best: bool = False


def heads(summary: Summary) -> list[str]:
    """Return how the columns of figures are headed: which way is better, too."""
    arrows = {True: " ↑", False: " ↓", None: ""}
    return [metric.title + arrows[metric.higher_is_better] for metric in summary.metrics]


def rows(summary: Summary) -> list[tuple[str, list[Cell]]]:
    """Return each method's figures as they are shown, headed by its name; some may lack cases."""
    best = {metric.key: summary.best(metric) for metric in summary.metrics}
    return [
        (_label(summary, name), [_cell(row, metric, name in best[metric.key]) for metric in summary.metrics])
        for name, row in summary.figures.items()
    ]


def _label(summary: Summary, name: str) -> str:
    return name if summary.has_all(name) else f"{name} ({summary.cases[name]} of {summary.of})"


def _cell(row: dict[str, float], metric: Metric, is_best: bool) -> Cell:
    value = row.get(metric.key)
    return Cell("" if value is None else f"{value:.{metric.digits}f}", is_best)


def plots(report: Report) -> list[Plot]:
    """Return plots: figures by K where cases differ in it, and those of each frame of the cases shown."""
    summary = report.summary
    drawn = []
    for metric in METRICS:
        if metric.key in ("psnr", "edges", "vepi") and len(summary.by_group) > 1:
            lines = {
                name: [summary.by_group[group].get(name, {}).get(metric.key) for group in summary.by_group]
                for name in summary.figures
            }
            drawn.append(Plot(title=f"{metric.title} by kind", labels=list(summary.by_group), lines=lines))
    for result in report.results:
        if result.case.name in report.shown:
            drawn += _over_time(result, report.names)
    return [
        plot for plot in drawn if any(value is not None for line in plot.lines.values() for value in line)
    ]


def _over_time(result: CaseResult, names: list[str]) -> Iterator[Plot]:
    titles = {"psnr": "PSNR [dB]", "rm": "RM"} if result.case.has_truth else {"vepi": "VEPI", "warp": "warp"}
    for key, title in titles.items():
        lines = {
            name: series
            for name in names
            if name in result.scores and (series := result.scores[name].series.get(key))
        }
        if lines:
            count = max(map(len, lines.values()))
            first = result.case.frames - count  # figures of pairs begin with the second frame
            labels = [str(first + number) for number in range(count)]
            yield Plot(title=f"{title} of each frame, {result.case.name}", labels=labels, lines=lines)
