"""Results of an evaluation: means over cases, one document, rows of a table, plots."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch

from any2bokeh import __version__
from any2bokeh.lab.evaluation.frechet import frechet_distance
from any2bokeh.lab.evaluation.measurement import CaseResult
from any2bokeh.lab.evaluation.methods import Method, unchanged
from any2bokeh.lab.evaluation.metric_networks import ACTIONS, OPTICAL_FLOW, PERCEPTUAL, VIDEO
from any2bokeh.lab.evaluation.plots import Plot
from any2bokeh.lab.evaluation.scores import METRICS, Metric
from any2bokeh.settings.evaluation_settings import PERTURBED, TRUTH

DISTANCES = {"vfid": ACTIONS, "fvd": VIDEO}  # figures of sets of clips, and whose features they compare

MEASURED_BY = {PERCEPTUAL: "LPIPS", OPTICAL_FLOW: "FD by RAFT", VIDEO: "FVD", ACTIONS: "VFID"}
FEW_WINDOWS = 200  # below, a Fréchet distance says little
FEW_CLIPS = 5  # below, means of clips say little about other clips


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Figures of each method: the mean over the cases of a clip, and of these over clips.

    ``by_group`` has the same of each group of cases, such as those of one K. ``cases`` counts those that a
    method was measured on, ``of`` all of them.
    """

    figures: dict[str, dict[str, float]]
    by_group: dict[str, dict[str, dict[str, float]]]
    cases: dict[str, int]
    of: int

    @property
    def metrics(self) -> list[Metric]:
        """Those that some method has a figure of, in the order in which they are shown."""
        there = {key for row in self.figures.values() for key in row}
        return [metric for metric in METRICS if metric.key in there]

    def has_all(self, name: str) -> bool:
        """Say whether a method was measured on all cases."""
        return self.cases[name] == self.of

    def best(self, metric: Metric) -> set[str]:
        """The methods with the best figure, as it is shown; the input and the ground truth do not compete.

        Nor do those that were not measured on all cases.
        """
        shown = {
            name: round(row[metric.key], metric.digits)
            for name, row in self.figures.items()
            if metric.key in row and name not in (unchanged().name, TRUTH) and self.has_all(name)
        }
        if len(shown) < 2 or metric.higher_is_better is None:
            return set()
        best = (max if metric.higher_is_better else min)(shown.values())
        return {name for name, value in shown.items() if value == best}


def summarize(results: list[CaseResult], methods: Iterable[str]) -> Summary:
    """Return the figures of methods, in their order, those without any left out."""
    names = [name for name in methods if any(name in result.scores for result in results)]
    figures = {name: _means(results, name) | _distances(results, name) for name in names}
    groups = sorted({result.case.group for result in results if result.case.group}, key=_in_order)
    by_group = {
        group: {
            name: _means(of_group, name)
            for name in names
            if any(name in result.scores for result in of_group)
        }
        for group in groups
        for of_group in [[result for result in results if result.case.group == group]]
    }
    cases = {name: sum(name in result.scores for result in results) for name in names}
    return Summary(figures=figures, by_group=by_group, cases=cases, of=len(results))


def _means(results: list[CaseResult], name: str) -> dict[str, float]:
    """Of each figure, the mean over the cases of a clip, and of these over clips."""
    there = sorted((result for result in results if name in result.scores), key=lambda one: one.case.clip)
    clips = [list(group) for _, group in groupby(there, key=lambda one: one.case.clip)]
    means = {}
    for metric in METRICS:
        values = [
            [scores[metric.key] for one in clip if metric.key in (scores := one.scores[name].scores)]
            for clip in clips
        ]
        if any(values):
            means[metric.key] = float(np.mean([np.mean(clip) for clip in values if clip]))
    return means


def _by_clip(results: list[CaseResult], key: str) -> dict[str, dict[str, float]]:
    """One figure of each method on each clip, the mean over its cases."""
    found: dict[str, dict[str, list[float]]] = {}
    for result in results:
        for name, measured in result.scores.items():
            if key in measured.scores:
                found.setdefault(name, {}).setdefault(result.case.clip, []).append(measured.scores[key])
    return {name: {clip: float(np.mean(one)) for clip, one in clips.items()} for name, clips in found.items()}


def _distances(results: list[CaseResult], name: str) -> dict[str, float]:
    """How far a method's clips are from those of the ground truth, as sets."""
    if name == TRUTH:
        return {}
    both = [
        (result.scores[name].features, result.scores[TRUTH].features)
        for result in results
        if name in result.scores and TRUTH in result.scores
    ]
    distances = {}
    for key, network in DISTANCES.items():
        pairs = [(own[network], true[network]) for own, true in both if network in own and network in true]
        if pairs:
            own, true = (torch.cat(features) for features in zip(*pairs, strict=True))
            distance = frechet_distance(own, true)
            if distance is not None:
                distances[key] = distance
    return distances


def _in_order(group: str) -> tuple[float, str]:
    """K 4 before K 12, and ramps after them."""
    name, _, number = group.partition(" ")
    return (float(number), "") if name == "K" else (float("inf"), group)


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Methods, cases and their results.

    ``command`` repeats the evaluation, ``device`` rendered it. ``left_out`` gives the reason why a method is
    missing, ``missing`` why a metric is, ``unread`` why a case could not be read. The cases ``shown`` have
    pictures.
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
        """The methods in the order in which they are shown, the ground truth last."""
        return [*(method.name for method in self.methods), TRUTH]

    @cached_property
    def summary(self) -> Summary:
        """Their figures."""
        return summarize(self.results, self.names)

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
        """Cases, frames, sizes, device and version, in a line."""
        frames = sum(result.case.frames for result in self.results)
        clips = len({result.case.clip for result in self.results})
        sizes = {f"{one.case.pictures.width}x{one.case.pictures.height}" for one in self.results}
        return (
            f"Cases: {len(self.results)}, of clips: {clips}; frames: {frames}, of {', '.join(sorted(sizes))};"
            f" on {self.device}; any2bokeh {__version__}"
        )

    @property
    def notes(self) -> list[str]:
        """Caveats for readers of the figures: missing methods and metrics, differences from the paper."""
        return list(self._notes())

    def _notes(self) -> Iterator[str]:
        yield from (f"{name}: left out. {reason}" for name, reason in self.left_out.items())
        has_ground_truth = any(result.case.has_ground_truth for result in self.results)
        if not has_ground_truth:
            yield "These clips have no ground truth: figures that need it are left out."
        for network, reason in self.missing.items() if has_ground_truth else ():
            yield f"{MEASURED_BY[network]}: left out. {reason}"
        if has_ground_truth and self.flow != OPTICAL_FLOW:
            yield f"FD is by OpenCV's {self.flow} flow, not by RAFT: compare it within this table alone."
        for network, count in self._windows().items():
            if count < FEW_WINDOWS:
                yield f"{MEASURED_BY[network]} is over {count} windows only: too few to say much."
        summary = self.summary
        fewer = [name for name in summary.cases if name != TRUTH and not summary.has_all(name)]
        if fewer:
            listed = ", ".join(f"{name} {summary.cases[name]}" for name in fewer)
            yield f"Not all methods have all {summary.of} cases, so compare with care: {listed}."
        yield from self._uncertain()
        if any(method.is_perturbed for method in self.methods):
            yield f"NAME{PERTURBED} is given disparity with an estimator's mistakes (lab/perturbation.py)."

    def _uncertain(self) -> Iterator[str]:
        """Where the cases do not tell methods apart: too few clips, or a difference within its noise.

        Methods are compared with the next best by PSNR, clip by clip: cases of one clip are much alike.
        """
        by_clip = _by_clip(self.results, "psnr")
        named = [name for name in by_clip if name not in (unchanged().name, TRUTH)]
        if len(named) < 2:
            return
        clips = len({result.case.clip for result in self.results})
        if clips < FEW_CLIPS:
            yield (
                f"Too few clips to tell methods apart: {clips}. A difference between them may be chance;"
                f" {FEW_CLIPS} or more say something, 20 are better."
            )
            return
        ranked = sorted(named, key=lambda name: -np.mean(list(by_clip[name].values())))
        for better, worse in pairwise(ranked):
            both = sorted(set(by_clip[better]) & set(by_clip[worse]))
            gains = np.array([by_clip[better][clip] - by_clip[worse][clip] for clip in both])
            if len(gains) < 2:
                continue
            gain, noise = gains.mean(), 2 * gains.std(ddof=1) / len(gains) ** 0.5
            if gain < noise:
                yield (
                    f"{better} and {worse} are not told apart: {gain:.2f} dB of PSNR between them, within"
                    f" the noise of {noise:.2f} dB over {len(gains)} clips."
                )

    def _windows(self) -> dict[str, int]:
        """How many windows of the ground truth each network has seen."""
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
class FigureCell:
    """A figure as it is shown, and whether it is the best of its column."""

    text: str
    is_best: bool = False


def heads(summary: Summary) -> list[str]:
    """Return how the columns of figures are headed: which way is better, too."""
    arrows = {True: " ↑", False: " ↓", None: ""}
    return [metric.title + arrows[metric.higher_is_better] for metric in summary.metrics]


def rows(summary: Summary) -> list[tuple[str, list[FigureCell]]]:
    """Return each method's figures as they are shown, headed by its name; some may lack cases."""
    best = {metric.key: summary.best(metric) for metric in summary.metrics}
    return [
        (
            _label(summary, name),
            [_cell(row, metric, is_best=name in best[metric.key]) for metric in summary.metrics],
        )
        for name, row in summary.figures.items()
    ]


def _label(summary: Summary, name: str) -> str:
    return name if summary.has_all(name) else f"{name} ({summary.cases[name]} of {summary.of})"


def _cell(row: dict[str, float], metric: Metric, *, is_best: bool) -> FigureCell:
    value = row.get(metric.key)
    return FigureCell("" if value is None else f"{value:.{metric.digits}f}", is_best=is_best)


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
    titles = (
        {"psnr": "PSNR [dB]", "rm": "RM"}
        if result.case.has_ground_truth
        else {"vepi": "VEPI", "warp": "warp"}
    )
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
