"""The report in Markdown, with its pictures and plots beside it."""

from collections.abc import Iterator
from pathlib import Path

from any2bokeh.lab.evaluation.plots import draw
from any2bokeh.lab.evaluation.report import Cell, Report, heads, plots, rows
from any2bokeh.lab.evaluation.report_page import TITLE, columns, strips
from any2bokeh.lab.evaluation.run import CaseResult
from any2bokeh.lab.evaluation.stills import picture_path


def markdown(report: Report, folder: Path) -> str:
    """Return the report for a file in ``folder``; writes its plots there."""
    return "\n".join([*_lines(report, folder), ""])


def table(report: Report) -> list[str]:
    """Return the figures as the lines of a table; the best of a column is bold."""
    summary = report.summary
    lines = [_row(["", *heads(summary)]), _row(["---"] * (len(summary.metrics) + 1))]
    return lines + [_row([name, *map(_text, cells)]) for name, cells in rows(summary)]


def _lines(report: Report, folder: Path) -> Iterator[str]:
    yield from (f"# {TITLE}", "", report.facts, "", f"    {report.command}", "", *table(report), "")
    yield from (f"- {note}" for note in report.notes)
    yield from (f"- {case}, {method}: {reason}" for case, method, reason in report.failures)
    yield from ("", "## What is measured", "")
    summary = report.summary
    for head, metric in zip(heads(summary), summary.metrics, strict=True):
        yield f"- **{head}**: {metric.what}"
    yield from ("", "## What is compared", "")
    yield from (f"- **{method.name}**: {method.what}" for method in report.methods)
    for number, plot in enumerate(plots(report)):
        path = folder / "pictures" / f"plot-{number}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(draw(plot), encoding="utf-8")
        yield from ("", f"![{plot.title}]({path.relative_to(folder).as_posix()})")
    for result in report.results:
        if result.case.name in report.shown:
            yield from _case(result, report, folder)


def _case(result: CaseResult, report: Report, folder: Path) -> Iterator[str]:
    shown = columns(result, report)
    yield from ("", f"## {result.case.name}", "", _row(["", *(caption for _, caption in shown)]))
    yield _row(["---"] * (len(shown) + 1))
    for kind, what in strips(result):
        paths = {name: picture_path(folder, result.case.name, name, kind) for name, _ in shown}
        yield _row([what, *(f"![{kind}]({paths[name].relative_to(folder).as_posix()})" for name, _ in shown)])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _text(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.is_best else cell.text
