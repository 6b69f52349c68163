"""Small plots as inline SVG that takes the page's own colours, so that it reads in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Place = Callable[[float], float]

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 46


@dataclass(frozen=True)
class Line:
    """A curve or a set of points.

    Args:
        x: values.
        y: values.
        name: in the legend; empty for none.
        style: a CSS class: ``a``, ``b``, ``c``, ``d`` (colours) or ``ref`` (grey, dashed).
        points: draw markers instead of a line.
        low: lower ends of error bars.
        high: upper ends.
        label: text beside the first point.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    style: str = "a"
    points: bool = False
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    label: str = ""


def plot(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    title: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    legend_on_top: bool = False,
) -> str:
    """An SVG plot; ``title`` is its text for screen readers."""
    if x_range[1] <= x_range[0]:
        x_range = (x_range[0], x_range[0] + 1)
    if y_range[1] <= y_range[0]:
        y_range = (y_range[0], y_range[0] + 1)

    def px(value: float) -> float:
        return LEFT + (value - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)

    def py(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_range[0]) / (y_range[1] - y_range[0]) * (HEIGHT - TOP - BOTTOM)

    parts = [_axes(px, py, x_range, y_range, x_label, y_label)]
    parts += [_points(line, px, py) if line.points else _path(line, px, py) for line in lines]
    parts.append(_legend([line for line in lines if line.name], legend_on_top))
    head = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}"'
    return f'<svg class="plot" {head}>{"".join(parts)}</svg>'


def _axes(
    px: Place, py: Place, x_range: tuple[float, float], y_range: tuple[float, float], x_label: str, y_label: str
) -> str:
    out = []
    for value in ticks(*x_range):
        x = px(value)
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        out.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(value)}</text>'
        )
    for value in ticks(*y_range):
        y = py(value)
        out.append(f'<line class="grid" y1="{y:.1f}" y2="{y:.1f}" x1="{LEFT}" x2="{WIDTH - RIGHT}"/>')
        out.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    centre = (TOP + HEIGHT - BOTTOM) / 2
    out.append(
        f'<text class="axis" transform="translate(14 {centre}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    return "".join(out)


def _path(line: Line, px: Place, py: Place) -> str:
    points = [(px(x), py(y)) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return ""
    return f'<polyline class="line {line.style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _points(line: Line, px: Place, py: Place) -> str:
    out = []
    for place, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        if line.low is not None and line.high is not None and math.isfinite(line.low[place]):
            ends = f'y1="{py(line.low[place]):.1f}" y2="{py(line.high[place]):.1f}"'
            out.append(f'<line class="bar {line.style}" x1="{px(x):.1f}" x2="{px(x):.1f}" {ends}/>')
        out.append(f'<circle class="dot {line.style}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="4"/>')
        if place == 0 and line.label:
            left = px(x) > WIDTH * 0.6
            anchor, shift = ("end", -9) if left else ("start", 9)
            where = f'x="{px(x) + shift:.1f}" y="{py(y) + 16:.1f}" text-anchor="{anchor}"'
            out.append(f'<text class="note" {where}>{escape(line.label)}</text>')
    return "".join(out)


def _legend(lines: Sequence[Line], top: bool) -> str:
    out = []
    for place, line in enumerate(lines):
        y = TOP + 18 + 18 * place if top else HEIGHT - BOTTOM - 12 - 18 * (len(lines) - 1 - place)
        out.append(f'<line class="line {line.style}" x1="{LEFT + 10}" x2="{LEFT + 30}" y1="{y - 4}" y2="{y - 4}"/>')
        out.append(f'<text class="note" x="{LEFT + 36}" y="{y}">{escape(line.name)}</text>')
    return "".join(out)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values within a range."""
    step = 10 ** math.floor(math.log10((high - low) / wanted))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= wanted:
            step *= factor
            break
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """Short and without trailing zeros."""
    return f"{value:.3g}"
