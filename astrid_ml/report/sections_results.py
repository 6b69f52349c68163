"""The results of a report, each section a function from its content to HTML; empty where there is nothing to say."""

from __future__ import annotations

import io
import math
from html import escape
from typing import Any

import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report import html, names, plots
from astrid_ml.report.content import RunReport
from astrid_ml.report.svg import whisker

CURVES = ("pr_curve", "roc_curve", "thresholds", "confusion", "prevalence")


def curves(report: RunReport) -> str:
    """PR, ROC and reliability of the headline fold."""
    result, figures = report.headline, []
    if "pr_curve" in result.tables:
        words = "Precision against recall. The area under the steps is AUCPR; the dot is the operating point."
        figures.append(html.figure(plots.pr(result), words))
    if "roc_curve" in result.tables:
        words = "Recall against false positive rate. The left edge also holds everything below one in ten thousand."
        figures.append(html.figure(plots.roc(result), words))
    if "reliability_uncalibrated" in result.tables:
        words = (
            "Reliability in 15 bins of equal size, with 95 % intervals. On the line, a probability of 0.7 is right "
            "7 times in 10."
        )
        figures.append(html.figure(plots.reliability(result), words))
        figures.append(_calibration(result))
    return f"{html.heading('Curves')}<div class=grid2>{''.join(figures)}</div>" if figures else ""


def _calibration(result: EvaluationResult) -> str:
    """Before and after, beside the diagram."""
    rows = []
    for name, words in (("ece", "calibration error"), ("nll", "negative log-likelihood"), ("brier", "Brier score")):
        before, after = result.metrics.get(f"{name}_uncalibrated"), result.metrics.get(name)
        if before is not None:
            rows.append({"": words, "raw score": html.fixed(before, 4), "calibrated": html.fixed(after, 4)})
    if not rows:
        return ""
    caption = "Smaller is better. The calibration error is less its null: what a perfect model shows by chance is 0."
    return html.table(pd.DataFrame(rows), caption)


def operating(report: RunReport) -> str:
    """The threshold, its rule, the confusion at it, other thresholds, other prevalences."""
    result = report.headline
    if "confusion" not in result.tables and "thresholds" not in result.tables:
        return ""
    calibration = report.record.get("calibration") or {}
    parts = [html.heading("Operating point")]
    if calibration.get("threshold") is not None:
        on = "the calibrated probability" if calibration.get("calibrated") else "the raw score"
        text = f"The threshold is {calibration['threshold']:.4g} on {on}; its rule: {calibration.get('rule', 'given')}."
        parts.append(f"<p>{escape(text)}</p>")
    pieces = [_confusion(result.tables["confusion"])] if "confusion" in result.tables else []
    if "prevalence" in result.tables:
        pieces.append(_prevalence(result.tables["prevalence"]))
    parts.append(f"<div class=grid2>{''.join(pieces)}</div>")
    if "thresholds" in result.tables:
        parts.append(_thresholds(result.tables["thresholds"], calibration.get("threshold")))
    return "".join(parts)


def _confusion(table: pd.DataFrame, title: str = "Confusion matrix at the threshold") -> str:
    """Counts and shares of each true class; shaded by the share."""
    if list(table.columns) == ["truth", "called so", "called otherwise"] and len(table) == 2:
        first, second = (str(name) for name in table["truth"])
        (so, other), (so_2, other_2) = table[["called so", "called otherwise"]].astype(float).to_numpy().tolist()
        side, head, counts = [first, second], [f"called {first}", f"called {second}"], [[so, other], [other_2, so_2]]
    else:
        side = [str(name) for name in table.iloc[:, 0]]
        head = [str(name) for name in table.columns[1:]]
        counts = table.iloc[:, 1:].astype(float).to_numpy().tolist()
    cells = []
    for row in counts:
        total = sum(value for value in row if math.isfinite(value))
        shares = [value / total if total else None for value in row]
        cells.append([_cell(value, share) for value, share in zip(row, shares, strict=True)])
    return html.heat(cells, head, side, f"{title}: rows are the truth, with the share of each row.")


def _cell(count: float, share: float | None) -> tuple[str, float | None]:
    return (f"{count:,.0f}" if share is None else f"{count:,.0f}\n{share:.1%}", share)


def _prevalence(table: pd.DataFrame) -> str:
    shown = pd.DataFrame(
        {
            "real": [
                ("this fold: " if place == 0 else "") + (f"1 in {html.show(round(1 / p, 1))}" if p else "none")
                for place, p in enumerate(table["prevalence"].astype(float))
            ],
            "AUCPR": [html.fixed(value) for value in table["aucpr"].astype(float)],
            "precision": [html.fixed(value) for value in table["precision_at_threshold"].astype(float)],
        }
    )
    return html.table(shown, "The same scores where real ones are rarer. Precision is at the threshold.")


def _thresholds(table: pd.DataFrame, own: float | None) -> str:
    columns = [
        name
        for name in ("threshold", "tp", "fp", "fn", "tn", "precision", "recall", "f1", "mcc", "fpr", "fnr")
        if name in table
    ]
    shown = pd.DataFrame(
        {name: [float(value) if value is not None else None for value in table[name]] for name in columns}
    )
    for name in ("precision", "recall", "f1", "mcc", "fpr", "fnr"):
        if name in shown:
            shown[name] = [html.fixed(value, 4) for value in shown[name]]
    titles = {"tp": "real kept", "fp": "bogus kept", "fn": "real lost", "tn": "bogus refused"}
    titles |= {"f1": "F1", "mcc": "MCC", "fpr": "FPR", "fnr": "FNR"}

    def here(row: Any) -> str:
        return "here" if own is not None and abs(float(row["threshold"]) - own) < 1e-6 else ""

    caption = "Other thresholds and what they cost on this fold; the shaded row is the run's own."
    return html.table(shown, caption, titles, row_class=here)


def numbers(report: RunReport) -> str:
    """Every metric of every fold with its interval, and why some are undefined."""
    found: list[str] = []
    for result in report.results.values():
        found += [name for name in result.metrics if name not in found and not name.startswith("aucpr/")]
    rows, why = [], {}
    for name in names.ordered(found):
        row: dict[str, Any] = {"metric": names.metric(name)}
        for fold, result in report.results.items():
            value = result.metrics.get(name)
            row[names.fold(fold)] = _value(name, value)
            row[f"{names.fold(fold)} interval"] = html.span(result.intervals.get(name), 4)
            if value is None and name in result.metrics:
                why[f"{names.metric(name)}, {names.fold(fold)}"] = result.why.get(name, "undefined")
        rows.append(row)
    caption = (
        "All metrics. Intervals are 95 %, by resampling whole groups. The validation fold chose weights and threshold."
    )
    heads = {f"{names.fold(fold)} interval": "95 % interval" for fold in report.results}
    table = html.table(pd.DataFrame(rows), caption, heads)
    undefined = html.facts(why, "Undefined, and why.") if why else ""
    return html.heading("Numbers") + table + undefined


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    return (
        f"{value:,.0f}" if name in ("n", "groups") or (value == int(value) and abs(value) > 1) else html.fixed(value, 4)
    )


def breakdowns(report: RunReport) -> str:
    """Each breakdown as a table that draws its intervals; a cell with one class only stays empty."""
    result, parts = report.headline, []
    for name, table in result.tables.items():
        if name.startswith("breakdown/"):
            column = name.removeprefix("breakdown/")
            parts.append(
                f"<h3>By {escape(names.column(column))}</h3>{_breakdown(table, column, result.metrics.get('aucpr'))}"
            )
    if not parts:
        return ""
    words = (
        "Where it works and where it does not. The dashed line is the whole fold; a cell with one class has no AUCPR."
    )
    return f"{html.heading('Breakdown')}<p>{words}</p>{''.join(parts)}"


def _breakdown(table: pd.DataFrame, column: str, whole: float | None) -> str:
    ends = table[["aucpr", "low", "high"]].astype(float).to_numpy()
    finite = ends[pd.notna(ends)]
    low = math.floor(10 * float(finite.min())) / 10 if finite.size else 0.0
    low = min(low, whole) if whole is not None else low
    drawn = [
        whisker(a, b, c, (low, 1.0), whole, f"{value}: AUCPR {a:.3f}, {b:.3f} to {c:.3f}")
        for value, (a, b, c) in zip(table["value"], ends.tolist(), strict=True)
    ]
    shown = pd.DataFrame({column: [_range(str(value)) for value in table["value"]]})
    for name, title in (("n", "samples"), ("positives", "real"), ("groups", "groups")):
        if name in table:
            shown[title] = table[name].astype(float)
    shown["AUCPR"] = [html.fixed(value) for value in ends[:, 0]]
    shown["95 % interval"] = [html.span((b, c)) if math.isfinite(b) else "" for _, b, c in ends.tolist()]
    scale = f"{low:.2g} to 1"
    shown[scale] = drawn
    for name in ("precision", "recall"):
        if name in table:
            shown[name] = [html.fixed(value) for value in table[name].astype(float)]
    perfect = bool(((ends[:, 1] == ends[:, 2]) & pd.notna(ends[:, 1])).any())
    caption = f"AUCPR by {names.column(column)}, with counts and 95 % intervals."
    caption += " The real ones of each value against all bogus." * bool(table.attrs.get("of_truth"))
    caption += " Where an interval has no width, all resamples ranked alike: too few samples to know more." * perfect
    return html.table(shown, caption, {column: names.column(column)}, raw=(scale,))


def _range(cell: str) -> str:
    """``(4.0, 6.2]`` -> ``4.0 to 6.2``; other values as they are."""
    if cell.startswith("(") and cell.endswith("]") and cell.count(",") == 1:
        return cell[1:-1].replace(", ", " to ")
    return cell


def samples(report: RunReport) -> str:
    """The most certain mistakes and the most uncertain samples, drawn."""
    parts = [f"<h3>{escape(title)}</h3>{gallery(pictures)}" for title, pictures in report.samples.items() if pictures]
    return html.heading("Samples") + "".join(parts) if parts else ""


def gallery(pictures: list[Any]) -> str:
    """Pictures with their captions, as many across as fit."""
    drawn = "".join(html.figure(html.image(picture.png, picture.caption, ""), picture.caption) for picture in pictures)
    return f"<div class=samples>{drawn}</div>"


def further(report: RunReport) -> str:
    """Figures and tables that a domain adds; a confusion matrix once, in the page's own colours."""
    result = report.headline
    matrices = [name.removeprefix("confusion/") for name in result.tables if name.startswith("confusion/")]
    drawn = tuple(f"Confusion, {name}" for name in matrices)
    figures = [(title, draw) for title, draw in result.figures.items() if not title.startswith(drawn)]
    parts = [html.figure(html.image(figure_png(draw), title), title) for title, draw in figures]
    parts += [html.table(table, name) for name, table in report.cross.items()]
    for name, table in result.tables.items():
        if name.startswith("confusion/"):
            parts.append(_confusion(table, f"Confusion matrix, {name.removeprefix('confusion/')}"))
        elif name not in CURVES and not name.startswith(("breakdown/", "reliability")):
            more = f" The first 200 of {len(table):,} rows." if len(table) > 200 else ""
            parts.append(html.table(table.head(200), f"{name.replace('_', ' ')}.{more}"))
    return html.heading("Further results") + "".join(parts) if parts else ""


def figure_png(draw: Any) -> bytes:
    """A matplotlib figure as PNG."""
    buffer = io.BytesIO()
    draw().savefig(buffer, format="png", dpi=130, bbox_inches="tight", facecolor="white")
    return buffer.getvalue()
