"""The report as files: a page that needs neither server nor network, and Markdown with its pictures."""

import html
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template

import torch

from any2bokeh.atomic import partial_file, writes_to
from any2bokeh.depth.colormap import colorize
from any2bokeh.errors import VideoError
from any2bokeh.lab.evaluation.measurement import CaseResult
from any2bokeh.lab.evaluation.plots import draw_plot
from any2bokeh.lab.evaluation.report import FigureCell, Report, heads, plots, rows
from any2bokeh.lab.evaluation.stills import CROP, ERROR, SLICE, SLICE_ERROR, STILL, picture_path
from any2bokeh.preview.pack import as_text
from any2bokeh.settings.evaluation_settings import TRUTH

TITLE = "Evaluation of refocused video"
PAGE_BYTES = 9_000_000  # of all pictures of a page, at most
SCALE_STEPS = 9


def picture_bytes(cases: int, methods: int) -> int:
    """Return the bytes that one picture may take, so that the page keeps its size."""
    pictures = cases * (methods + 2) * 5  # the input and the ground truth are shown too
    return PAGE_BYTES // max(1, pictures)


def page(report: Report, folder: Path) -> str:
    """Return the page of a report whose pictures lie in ``folder``."""
    web = files("any2bokeh.lab.evaluation") / "web"
    template = Template((web / "page.html").read_text(encoding="utf-8"))
    summary = report.summary
    shown = [result for result in report.results if result.case.name in report.shown]
    measured = zip(heads(summary), summary.metrics, strict=True)
    return template.substitute(
        title=TITLE,
        style=(web / "page.css").read_text(encoding="utf-8") + _scale_style(),
        facts=html.escape(report.facts),
        command=html.escape(report.command),
        table=_table(report),
        notes=_list(report.notes + [" · ".join(failure) for failure in report.failures]),
        metrics="".join(_entry(head, metric.what) for head, metric in measured),
        methods="".join(_entry(method.name, method.what) for method in report.methods),
        plots=_plots(report),
        cases="".join(_case(result, report, folder) for result in shown),
    )


def _table(report: Report) -> str:
    summary = report.summary
    head = "".join(f"<th>{html.escape(text)}</th>" for text in ["", *heads(summary)])
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(f"<td{' class=best' * cell.is_best}>{cell.text}</td>" for cell in cells)
        + "</tr>"
        for name, cells in rows(summary)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _list(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _entry(term: str, meaning: str) -> str:
    return f"<dt>{html.escape(term)}</dt><dd>{html.escape(meaning)}</dd>"


def _plots(report: Report) -> str:
    drawn = "".join(draw_plot(plot) for plot in plots(report))
    return f'<h2>Plots</h2><div class="plots">{drawn}</div>' if drawn else ""


def strips(result: CaseResult) -> list[tuple[str, str]]:
    """Return the kinds of pictures of a case, in order, and their captions."""
    frames, other = result.case.frames, "the ground truth" if result.case.has_ground_truth else "the input"
    return [
        (STILL, f"Frame {frames // 2} of {frames}"),
        (CROP, "Where most edges are, three times as large"),
        (ERROR, f"What differs from {other}: white is 32 of 255 codes, or more"),
        (SLICE, "One row of all frames, time runs downwards: what flickers is striped"),
        (SLICE_ERROR, f"What of it differs from {other}"),
    ]


def columns(result: CaseResult, report: Report) -> list[tuple[str, str]]:
    """Return the methods whose pictures stand side by side, and their captions."""
    names = ["none", *([TRUTH] if result.case.has_ground_truth else [])]
    names += [name for name in report.names if name not in names]
    captions = {"none": "input", TRUTH: "truth"}
    return [(name, captions.get(name, name)) for name in names if name in result.scores]


def _case(result: CaseResult, report: Report, folder: Path) -> str:
    parts = [f"<h2>{html.escape(result.case.name)}</h2>"]
    for kind, what in strips(result):
        shown = "".join(
            _figure(folder, result, name, kind, caption) for name, caption in columns(result, report)
        )
        scale = '<span class="scale"></span>' if kind == ERROR else ""
        style = SLICE if kind == SLICE_ERROR else kind
        parts.append(f'<h3>{what}{scale}</h3><div class="strip {style}">{shown}</div>')
    return "".join(parts)


def _figure(folder: Path, result: CaseResult, name: str, kind: str, caption: str) -> str:
    """A picture with its caption; nothing for the reference's own errors."""
    reference = TRUTH if result.case.has_ground_truth else "none"
    if kind in (ERROR, SLICE_ERROR) and name == reference:
        return "<figure></figure>"  # keeps the columns below each other
    psnr = result.scores[name].scores.get("psnr")
    if kind == STILL and psnr is not None:
        caption += f" \u00b7 {psnr:.2f} dB"
    text = html.escape(caption)
    content = as_text(picture_path(folder, result.case.name, name, kind).read_bytes())
    picture = f'<img alt="{text}" src="data:image/webp;base64,{content}">'
    return f"<figure>{picture}<figcaption>{text}</figcaption></figure>"


def _scale_style() -> str:
    """The colors of an error, from none to the brightest."""
    colors = colorize(torch.linspace(0, 1, SCALE_STEPS).view(1, 1, -1))[:, 0].T * 255
    stops = ", ".join(f"rgb({red:.0f} {green:.0f} {blue:.0f})" for red, green, blue in colors.tolist())
    return f".scale {{ background: linear-gradient(to right, {stops}); }}"


def markdown(report: Report, folder: Path) -> str:
    """Return the report for a file in ``folder``; writes its plots there."""
    return "\n".join([*map(_without_tags, _markdown_lines(report, folder)), ""])


def markdown_table(report: Report) -> list[str]:
    """Return the figures as the lines of a table; the best of a column is bold."""
    summary = report.summary
    lines = [_markdown_row(["", *heads(summary)]), _markdown_row(["---"] * (len(summary.metrics) + 1))]
    return lines + [_markdown_row([name, *map(_markdown_text, cells)]) for name, cells in rows(summary)]


def _markdown_lines(report: Report, folder: Path) -> Iterator[str]:
    yield from (f"# {TITLE}", "", report.facts, "", f"    {report.command}", "", *markdown_table(report), "")
    yield from (f"- {note}" for note in report.notes)
    yield from (f"- {case}, {method}: {reason}" for case, method, reason in report.failures)
    yield from ("", "## Metrics", "")
    summary = report.summary
    for head, metric in zip(heads(summary), summary.metrics, strict=True):
        yield f"- **{head}**: {metric.what}"
    yield from ("", "## Methods", "")
    yield from (f"- **{method.name}**: {method.what}" for method in report.methods)
    for number, plot in enumerate(plots(report)):
        path = folder / "pictures" / f"plot-{number}.svg"
        with writes_to(path.parent, VideoError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with partial_file(path, overwrite=True) as partial:
            partial.write_text(draw_plot(plot), encoding="utf-8", errors="replace")
        yield from ("", f"![{plot.title}]({path.relative_to(folder).as_posix()})")
    for result in report.results:
        if result.case.name in report.shown:
            yield from _markdown_case(result, report, folder)


def _markdown_case(result: CaseResult, report: Report, folder: Path) -> Iterator[str]:
    shown = columns(result, report)
    yield from ("", f"## {result.case.name}", "", _markdown_row(["", *(caption for _, caption in shown)]))
    yield _markdown_row(["---"] * (len(shown) + 1))
    for kind, what in strips(result):
        paths = {name: picture_path(folder, result.case.name, name, kind) for name, _ in shown}
        yield _markdown_row(
            [what, *(f"![{kind}]({paths[name].relative_to(folder).as_posix()})" for name, _ in shown)]
        )


def _without_tags(line: str) -> str:
    """A line in which no name is HTML; of an indented one nothing is anyway."""
    line = line.replace("\n", " ")
    return line if line.startswith("    ") else line.replace("<", "&lt;")


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _markdown_text(cell: FigureCell) -> str:
    return f"**{cell.text}**" if cell.is_best else cell.text
