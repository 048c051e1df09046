"""Plots as SVG: a line for each method."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Okabe and Ito's colours, which the colour-blind can tell apart, but for their yellow; then dashed.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 40  # room around the lines
TICKS = 5
LETTER_PX = 7.0  # the width of one in the legend, about


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot: what is below its points, and the values of each line, ``None`` where there is no point."""

    title: str
    labels: Sequence[str]
    lines: Mapping[str, Sequence[float | None]]


def draw(plot: Plot) -> str:
    """Return a plot as one SVG element; text takes the colour of what is around it."""
    values = [value for line in plot.lines.values() for value in line if value is not None]
    low, high, step = _scale(min(values), max(values))
    count = len(plot.labels)

    def place(number: int, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (number / (count - 1) if count > 1 else 0.5)
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12" fill="currentColor">',
        f"<title>{html.escape(plot.title)}</title>",
        f'<text x="{LEFT}" y="14" font-weight="600">{html.escape(plot.title)}</text>',
    ]
    tick = low
    while tick <= high + step / 2:
        _, y = place(0, tick)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor"'
            f' stroke-opacity=".15"/><text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
        )
        tick += step
    every = max(1, -(-count // 12))
    for number in range(0, count, every):
        x, _ = place(number, low)
        label = html.escape(plot.labels[number])
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    across = float(LEFT)
    for number, (name, line) in enumerate(plot.lines.items()):
        color, dash = COLORS[number % len(COLORS)], ' stroke-dasharray="5 3"' * (number >= len(COLORS))
        points = [place(at, value) for at, value in enumerate(line) if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        if len(points) <= 12:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in points]
        parts.append(
            f'<line x1="{across:.0f}" x2="{across + 18:.0f}" y1="{HEIGHT - 8}" y2="{HEIGHT - 8}"'
            f' stroke="{color}" stroke-width="3"{dash}/>'
            f'<text x="{across + 22:.0f}" y="{HEIGHT - 4}">{html.escape(name)}</text>'
        )
        across += 22 + LETTER_PX * len(name) + 18
    return "".join([*parts, "</svg>"])


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
