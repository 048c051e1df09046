"""Means over cases and clips, the best of a column, and how figures are drawn."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from facts import naming

from any2bokeh.lab.evaluation.cases import Case, CaseFrame, OnProgress, most_telling, thinned
from any2bokeh.lab.evaluation.evaluation import write_report
from any2bokeh.lab.evaluation.measurement import CaseResult
from any2bokeh.lab.evaluation.plots import Plot, draw_plot
from any2bokeh.lab.evaluation.report import Report, rows, summarize
from any2bokeh.lab.evaluation.scores import METRICS, ClipScores
from any2bokeh.scene import PictureFormat


class NamedCase(Case):
    """A case that is never opened."""

    def __init__(self, clip: str, setting: str, strongest: float | None = None) -> None:
        self.clip, self.name, self.group = clip, f"{clip}.{setting}", setting
        self.pictures = PictureFormat(height=2, width=2)
        self.frames, self.strongest, self.has_ground_truth = 1, strongest, True

    def open(self, on_progress: OnProgress = print) -> AbstractContextManager[Iterator[CaseFrame]]:
        pytest.fail("it was opened")

    def fingerprint(self) -> str:
        return self.name

    def prediction_names(self) -> tuple[str, ...]:
        return ()


def result(clip: str, setting: str, **psnr: float) -> CaseResult:
    scores = {name: ClipScores(scores={"psnr": value}) for name, value in psnr.items()}
    return CaseResult(case=NamedCase(clip, setting), scores=scores, failures={}, measured=())


def test_figures_are_means_of_a_clip_and_then_of_clips() -> None:
    results = [result("a", "K 4", lens=10), result("a", "K 16", lens=20), result("b", "K 4", lens=45)]
    summary = summarize(results, ["lens", "missing"])
    assert summary.figures == {"lens": {"psnr": pytest.approx((15 + 45) / 2)}}
    assert list(summary.by_group) == ["K 4", "K 16"]
    assert summary.by_group["K 4"]["lens"]["psnr"] == pytest.approx(27.5)
    assert summary.cases == {"lens": 3}


def test_the_best_is_what_is_shown_as_such_and_neither_input_nor_truth() -> None:
    summary = summarize(
        [result("a", "K 4", none=90, lens=30.001, small=30.004, gather=20, truth=100)],
        ["none", "gather", "lens", "small", "truth"],
    )
    assert summary.best(METRICS[0]) == {"lens", "small"}
    alone = summarize([result("a", "K 4", none=20, lens=30)], ["none", "lens"])
    assert alone.best(METRICS[0]) == set()


def test_what_lacks_a_case_does_not_compete_and_says_so() -> None:
    results = [result("a", "K 4", gather=20, lens=30, peer=40), result("b", "K 4", gather=20, lens=30)]
    summary = summarize(results, ["gather", "lens", "peer"])
    assert summary.best(METRICS[0]) == {"lens"}
    assert [label for label, _ in rows(summary)] == ["gather", "lens", "peer (1 of 2)"]


def notes_of(results: list[CaseResult]) -> str:
    """What a report of the methods lens and small says of them."""
    report = Report(
        command="",
        device="cpu",
        flow="RAFT",
        methods=(),
        results=results,
        shown=(),
        left_out={},
        missing={},
        unread={},
    )
    return " ".join(report.notes)


def test_names_are_no_html_and_need_not_be_utf_8(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>\udcff"
    report = Report(
        command="",
        device="cpu",
        flow="RAFT",
        methods=(),
        results=[result(name, "K 4", lens=30)],
        shown=(),
        left_out={name: "It is not here."},
        missing={},
        unread={name: f"{name} cannot be read."},
    )
    write_report(report, tmp_path)
    for suffix in ("html", "md"):
        text = (tmp_path / f"evaluation.{suffix}").read_text("utf-8")
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


def test_a_table_that_cannot_tell_methods_apart_says_so() -> None:
    names = [f"clip{number}" for number in range(8)]
    even = [result(name, "K 4", lens=30, small=30.5 + 0.01 * number) for number, name in enumerate(names)]
    noisy = [result(name, "K 4", lens=30, small=30.1 + (-1) ** number) for number, name in enumerate(names)]
    assert "apart" not in notes_of(even)
    assert re.search(naming("small", "lens", "0.10 dB", "8 clips"), notes_of(noisy))
    assert re.search(naming("Too few clips", 2), notes_of(even[:2]))
    assert "apart" not in notes_of(
        [result("a", "K 4", none=20, lens=30)]
    )  # one method: nothing to tell apart


def test_fewer_cases_are_spread_over_clips_and_settings() -> None:
    cases: list[Case] = [NamedCase(clip, f"K {k}") for clip in "abc" for k in (4, 8, 16)]
    chosen = thinned(cases, 3)
    assert [case.name for case in chosen] == ["a.K 4", "b.K 8", "c.K 16"]
    assert thinned(cases, 9) == cases
    assert len(thinned(cases, 7)) == 7
    assert thinned(cases, None) == cases
    assert thinned(cases, 0) == []


def test_cases_to_look_at_are_those_of_the_strongest_blur_clip_by_clip() -> None:
    cases: list[Case] = [NamedCase(clip, f"{k}", k) for clip in "ab" for k in (4, 32, 8)]
    assert [case.name for case in most_telling(cases, 3)] == ["a.32", "b.32", "a.8"]
    assert most_telling(cases, 0) == []
    assert len(most_telling(cases, 9)) == 6


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 3.0], [0.0], [5.0, 5.0], [1e-6, None, 2e-6], [-3.0, 80.0], [100.0, 100.0]]
)
def test_a_plot_is_whole_and_its_points_lie_inside(values: list[float | None]) -> None:
    labels = [str(number) for number in range(len(values))]
    svg = ElementTree.fromstring(draw_plot(Plot(title="a < b & c", labels=labels, lines={"<lens>": values})))
    nodes = [node.attrib for node in svg.iter() if "cx" in node.attrib]
    assert len(nodes) == sum(value is not None for value in values)
    assert all(64 <= float(node["cx"]) <= 600 and 34 <= float(node["cy"]) <= 260 for node in nodes)
    assert svg[0].text == "a < b & c"


def test_higher_values_are_drawn_higher() -> None:
    svg = ElementTree.fromstring(draw_plot(Plot(title="", labels=["a", "b"], lines={"lens": [1.0, 9.0]})))
    first, second = (float(node.attrib["cy"]) for node in svg.iter() if "cy" in node.attrib)
    assert second < first


def test_a_legend_that_is_too_wide_goes_on_in_another_row():
    names = ["none", "gather", "gather-perturbed", "lens", "lens-perturbed", "mine", "mine-perturbed"]
    svg = ElementTree.fromstring(
        draw_plot(Plot(title="", labels=["a", "b"], lines={name: [1, 2] for name in names}))
    )
    places = {text.text: text for text in svg.iter() if text.text in names}
    assert list(places) == names
    rows = [float(text.get("y", 0)) for text in places.values()]
    assert rows == sorted(rows) and len(set(rows)) == 2
    *_, width, height = (float(value) for value in svg.attrib["viewBox"].split())
    assert max(rows) < height
    assert all(float(text.get("x", 0)) + 7 * len(name) <= width for name, text in places.items())
