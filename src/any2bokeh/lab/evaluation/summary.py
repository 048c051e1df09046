"""What all cases together say: means of figures, and distances between the sets."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch

from any2bokeh.lab.evaluation.frechet import frechet_distance
from any2bokeh.lab.evaluation.methods import unchanged
from any2bokeh.lab.evaluation.metric_networks import ACTIONS, VIDEO
from any2bokeh.lab.evaluation.run import CaseResult
from any2bokeh.lab.evaluation.scores import METRICS, Metric
from any2bokeh.settings.evaluation_settings import TRUTH

DISTANCES = {"vfid": ACTIONS, "fvd": VIDEO}  # figures of sets of clips, and whose features they compare


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
        """The methods with the best figure, as it is shown; the input and the truth do not compete.

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


def summarise(results: list[CaseResult], methods: Iterable[str]) -> Summary:
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


def _distances(results: list[CaseResult], name: str) -> dict[str, float]:
    """How far a method's clips are from the truth's, as sets."""
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
