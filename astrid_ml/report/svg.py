"""Small plots as inline SVG that takes the page's own colours, so that it reads in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

Place = Callable[[float], float]

# In SVG units. Text of 12 units stays legible when a phone shows the plot 340 pixels wide.
WIDTH, HEIGHT = 420, 310
LEFT, RIGHT, BOTTOM = 54, 16, 46
LEGEND = 20
CHARACTER = 6.9


@dataclass(frozen=True)
class Line:
    """A curve or a set of points.

    Args:
        x: values.
        y: values.
        name: in the legend; empty for none.
        style: CSS classes: ``a``, ``b``, ``c``, ``d`` (colours), ``ref`` (grey, dashed), ``thin``.
        points: draw markers instead of a line.
        hollow: draw the markers open.
        steps: join the points as average precision adds them: each y holds back to the x before it.
        low: lower ends of error bars.
        high: upper ends.
        label: text beside the first point.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    style: str = "a"
    points: bool = False
    hollow: bool = False
    steps: bool = False
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
    x_log: bool = False,
) -> str:
    """An SVG plot; ``title`` is its text for screen readers. ``x_log`` takes ``x_range`` in powers of ten."""
    x_range, y_range = _wide(x_range), _wide(y_range)
    legend, rows = _legend([line for line in lines if line.name])
    top = 10 + LEGEND * rows

    def px(value: float) -> float:
        place = math.log10(max(value, 10 ** x_range[0])) if x_log else value
        return LEFT + (place - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)

    def py(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_range[0]) / (y_range[1] - y_range[0]) * (HEIGHT - top - BOTTOM)

    powers = range(math.ceil(x_range[0]), math.floor(x_range[1]) + 1) if x_log else ()
    parts = [
        _vertical(px, [10.0**power for power in powers] if x_log else ticks(*x_range), top),
        _horizontal(py, ticks(*y_range)),
        _names(x_label, y_label, top),
    ]
    parts += [_points(line, px, py) if line.points else _path(line, px, py) for line in lines]
    head = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}"'
    return f'<svg class="plot" {head}>{"".join(parts)}{legend}</svg>'


def _wide(span: tuple[float, float]) -> tuple[float, float]:
    return span if span[1] > span[0] else (span[0], span[0] + 1)


def _vertical(px: Place, values: Sequence[float], top: float) -> str:
    out = []
    for value in values:
        x = px(value)
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{HEIGHT - BOTTOM}"/>')
        text = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle"'
        out.append(f'<text class="tick" {text}>{number(value)}</text>')
    return "".join(out)


def _horizontal(py: Place, values: Sequence[float]) -> str:
    out = []
    for value in values:
        y = py(value)
        out.append(f'<line class="grid" y1="{y:.1f}" y2="{y:.1f}" x1="{LEFT}" x2="{WIDTH - RIGHT}"/>')
        out.append(f'<text class="tick" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    return "".join(out)


def _names(x_label: str, y_label: str, top: float) -> str:
    floor = HEIGHT - BOTTOM
    frame = f'<path class="frame" d="M{LEFT} {top}V{floor}H{WIDTH - RIGHT}"/>'
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (top + floor) / 2
    below = f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    turned = f'transform="translate(13 {centre}) rotate(-90)" text-anchor="middle"'
    return f'{frame}{below}<text class="axis" {turned}>{escape(y_label)}</text>'


def _path(line: Line, px: Place, py: Place) -> str:
    known = [(px(x), py(y)) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not known:
        return ""
    path = [f"M{known[0][0]:.1f} {known[0][1]:.1f}"]
    for x, y in known[1:]:
        path.append(f"V{y:.1f}H{x:.1f}" if line.steps else f"L{x:.1f} {y:.1f}")
    return f'<path class="line {line.style}" d="{"".join(path)}"/>'


def _points(line: Line, px: Place, py: Place) -> str:
    out = []
    shape = "hollow" if line.hollow else "dot"
    for place, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        if line.low is not None and line.high is not None and math.isfinite(line.low[place]):
            ends = f'y1="{py(line.low[place]):.1f}" y2="{py(line.high[place]):.1f}"'
            out.append(f'<line class="bar {line.style}" x1="{px(x):.1f}" x2="{px(x):.1f}" {ends}/>')
        out.append(f'<circle class="{shape} {line.style}" cx="{px(x):.1f}" cy="{py(y):.1f}" r="4.5"/>')
        if place == 0 and line.label:
            out.append(_beside(line.label, px(x), py(y)))
    return "".join(out)


def _beside(text: str, x: float, y: float) -> str:
    """A label at the side where there is room for it, below the point."""
    leftwards = x > WIDTH * 0.55
    anchor, shift = ("end", -10) if leftwards else ("start", 10)
    lower = min(y + 18, HEIGHT - BOTTOM - 6)
    return f'<text class="note" x="{x + shift:.1f}" y="{lower:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(lines: Sequence[Line]) -> tuple[str, int]:
    """Above the plot, where it hides nothing: markup and the number of its rows."""
    out: list[str] = []
    x, row = float(LEFT), 0
    for line in lines:
        needed = 26 + CHARACTER * len(line.name) + 16
        if x > LEFT and x + needed > WIDTH:
            x, row = float(LEFT), row + 1
        y = 14 + LEGEND * row
        if line.points:
            shape = "hollow" if line.hollow else "dot"
            out.append(f'<circle class="{shape} {line.style}" cx="{x + 9:.0f}" cy="{y - 4}" r="4.5"/>')
        else:
            out.append(f'<line class="line {line.style}" x1="{x:.0f}" x2="{x + 18:.0f}" y1="{y - 4}" y2="{y - 4}"/>')
        out.append(f'<text class="note" x="{x + 25:.0f}" y="{y}">{escape(line.name)}</text>')
        x += needed
    return "".join(out), (row + 1 if lines else 0)


def whisker(value: float, low: float, high: float, span: tuple[float, float], mean: float | None, words: str) -> str:
    """One value and its interval, small enough for a table's cell; empty where the value is undefined."""
    if not math.isfinite(value):
        return ""
    first, last = _wide(span)

    def px(x: float) -> float:
        return 6 + 168 * min(1.0, max(0.0, (x - first) / (last - first)))

    parts = ['<line class="axis" x1="6" x2="174" y1="9" y2="9"/>']
    if mean is not None:
        parts.append(f'<line class="mean" x1="{px(mean):.1f}" x2="{px(mean):.1f}" y1="0" y2="18"/>')
    if math.isfinite(low) and math.isfinite(high):
        parts.append(f'<line class="span" x1="{px(low):.1f}" x2="{px(high):.1f}" y1="9" y2="9"/>')
    parts.append(f'<circle class="at" cx="{px(value):.1f}" cy="9" r="4"/>')
    head = f'viewBox="0 0 180 18" role="img" aria-label="{escape(words, quote=True)}"'
    return f'<svg class="whisker" {head}>{"".join(parts)}</svg>'


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
    """Short and without trailing zeros; thousands as people write them.

    Example:
        >>> number(0.25), number(1000.0), number(1e6)
        ('0.25', '1000', '1e+06')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e5 and value == round(value) else f"{value:.3g}"
