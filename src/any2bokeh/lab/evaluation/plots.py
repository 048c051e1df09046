"""Plots as SVG: a line for each method."""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# Okabe and Ito's colors, which the color-blind can tell apart, but for their yellow; then dashed.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 40, 34, 40  # room around the lines
TICKS, MOST_LABELS = 5, 12
LETTER_PX, LEGEND_ROW = 7.0, 18  # of the legend: the width of a letter, about, and the height of a row


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot: labels below its points, and the values of each line, ``None`` where a point is missing."""

    title: str
    labels: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class _Frame:
    """Where values stand: from ``low`` to ``high`` upwards, ``count`` of them from left to right."""

    low: float
    high: float
    step: float
    count: int

    def x(self, number: int) -> float:
        share = number / (self.count - 1) if self.count > 1 else 0.5
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def y(self, value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)


def draw_plot(plot: Plot) -> str:
    """Return a plot as one SVG element; its text inherits the color of the page."""
    values = [value for line in plot.lines.values() for value in line if value is not None]
    frame = _Frame(*_scale(min(values), max(values)), len(plot.labels))
    title, places = html.escape(plot.title), _legend_places(plot.lines)
    height = HEIGHT + LEGEND_ROW * places[-1][1]
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            ' font-family="system-ui, sans-serif" font-size="12" fill="currentColor">'
            f'<title>{title}</title><text x="{LEFT}" y="14" font-weight="600">{title}</text>',
            *_axes(plot, frame),
            *_lines(plot, frame),
            *_legend(plot, places),
            "</svg>",
        ]
    )


def _axes(plot: Plot, frame: _Frame) -> Iterator[str]:
    """Ticks with their grid lines, and the labels below the points."""
    for tick in range(round((frame.high - frame.low) / frame.step) + 1):
        value = frame.low + tick * frame.step
        y = frame.y(value)
        yield (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor"'
            ' stroke-opacity=".15"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>'
        )
    for number in range(0, frame.count, max(1, -(-frame.count // MOST_LABELS))):
        x, y = frame.x(number), HEIGHT - BOTTOM + 18
        yield f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{html.escape(plot.labels[number])}</text>'


def _lines(plot: Plot, frame: _Frame) -> Iterator[str]:
    """A line for each method, and its points where they are few."""
    for number, values in enumerate(plot.lines.values()):
        points = [(frame.x(at), frame.y(value)) for at, value in enumerate(values) if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke-width="2" {_stroke(number)}/>'
        if len(points) <= MOST_LABELS:
            color = COLORS[number % len(COLORS)]
            yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in points)


def _legend(plot: Plot, places: Sequence[tuple[float, int]]) -> Iterator[str]:
    """The name of each line behind a piece of it."""
    for number, (name, (x, row)) in enumerate(zip(plot.lines, places, strict=True)):
        y = HEIGHT - 8 + LEGEND_ROW * row
        yield (
            f'<line x1="{x:.0f}" x2="{x + 18:.0f}" y1="{y}" y2="{y}" stroke-width="3" {_stroke(number)}/>'
            f'<text x="{x + 22:.0f}" y="{y + 4}">{html.escape(name)}</text>'
        )


def _legend_places(names: Iterable[str]) -> list[tuple[float, int]]:
    """Where each name of the legend begins, and in which row."""
    places, x, row = [], float(LEFT), 0
    for name in names:
        width = 40 + LETTER_PX * len(name)
        if x > LEFT and x + width > WIDTH:
            x, row = float(LEFT), row + 1
        places.append((x, row))
        x += width
    return places


def _stroke(number: int) -> str:
    dash = ' stroke-dasharray="5 3"' if number >= len(COLORS) else ""
    return f'stroke="{COLORS[number % len(COLORS)]}"{dash}'


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Round ends of a scale that holds both values, and the distance of its ticks."""
    spread = max(high - low, abs(high) * 1e-3, 1e-9)
    magnitude = 10.0 ** _floor_log10(spread / TICKS)
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude * TICKS >= spread)
    bottom = step * (low // step)
    top = step * -(-high // step)
    return bottom, top if top > bottom else bottom + step, step


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])
