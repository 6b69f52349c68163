"""The results of a report, each section a function of its content; None where there is nothing to say."""

from __future__ import annotations

import io
import math
from typing import Any

import pandas as pd

from astrid_ml.evaluation.breakdown import RATES
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report import names, plots
from astrid_ml.report.content import RunReport
from astrid_ml.report.names import fixed, readable, show, span, with_ends
from astrid_ml.report.svg import whisker
from astrid_ml.report.views import (
    HeatView,
    SectionView,
    TableView,
    View,
    facts,
    figure,
    gallery,
    heat,
    picture,
    table,
)

CURVES = ("pr_curve", "roc_curve", "thresholds", "confusion", "prevalence")


def curves(report: RunReport) -> SectionView | None:
    """PR, ROC and reliability of the headline fold."""
    result = report.headline
    pieces: list[View] = []
    if "pr_curve" in result.tables:
        words = "Precision against recall. The area under the steps is AUCPR; the dot is the operating point."
        pieces.append(figure(plots.pr(result), words))
    if "roc_curve" in result.tables:
        words = "Recall against false positive rate. The left edge also holds everything below one in ten thousand."
        pieces.append(figure(plots.roc(result), words))
    if "reliability_uncalibrated" in result.tables:
        words = (
            "Reliability in 15 bins of equal size, with 95 % intervals. On the line, a probability of 0.7 is right "
            "7 times in 10."
        )
        more = " Of the bins of equal promise each promises as many of the rarer class; rare ones make few bins."
        words += more * ("reliability_rare" in result.tables)
        pieces.append(figure(plots.reliability(result), words))
        pieces += _calibration(result)
    return SectionView("Curves", "pairs", {"pieces": pieces}) if pieces else None


def _calibration(result: EvaluationResult) -> list[TableView]:
    """Before and after, beside the diagram."""
    rows = []
    for name, words in (
        ("ece", "calibration error"),
        ("ece_excess", "calibration error above chance"),
        ("ece_rare", "for one of the rarer class"),
        ("ece_rare_excess", "for one of the rarer class, above chance"),
        ("nll", "negative log-likelihood"),
        ("brier", "Brier score"),
    ):
        before, after = result.metrics.get(f"{name}_uncalibrated"), result.metrics.get(name)
        if before is not None:
            change = span(result.intervals.get(f"{name}_change"), 4)
            both = {"raw score": (f"{name}_uncalibrated", before), "calibrated": (name, after)}
            shown = {head: _with_ends(value, result.intervals.get(key)) for head, (key, value) in both.items()}
            rows.append({"": words, **shown, "change": change})
    if names.repeated(result.metrics):
        rows = [{"": row[""], "the score, which is the probability": row["calibrated"]} for row in rows]
    if not rows:
        return []
    caption = (
        "Smaller is better. A perfect model of this size has a calibration error above 0 by chance. The rows above "
        "chance tell whether an error is there, where the interval does not hold 0; how large it is stands in the row "
        "above each. Where one class is rare its bins are made for it: 0.3 is three promised wrongly for each ten. "
        "In brackets 95 % intervals; that of the change, calibrated less raw, is by resampling."
    )
    return [table(pd.DataFrame(rows), caption, css="across")]


def _with_ends(value: float | None, ends: tuple[float, float] | None) -> str:
    """A number and, where it has one, its interval."""
    return fixed(value, 4) + ("" if ends is None else f" ({span(ends, 4)})")


def operating(report: RunReport) -> SectionView | None:
    """The threshold, its rule, the confusion at it, other thresholds, other prevalences."""
    result = report.headline
    if "confusion" not in result.tables and "thresholds" not in result.tables:
        return None
    calibration = report.record.get("calibration") or {}
    sentence = ""
    if calibration.get("threshold") is not None:
        on = "the probability" if calibration.get("calibrated") else "the raw score"
        rule = calibration.get("rule", "given")
        sentence = f"Calibration: {chosen['words']}. " if (chosen := calibration.get("chosen")) else ""
        sentence += f"The threshold is {calibration['threshold']:.4g} on {on}; its rule: {rule}."
        if (report.record.get("joined") or {}).get("of_members"):
            sentence += " It is that of the checkpoint of all folds; the decisions shown were made by each fold's own."
    pieces: list[View] = [_confusion(result.tables["confusion"])] if "confusion" in result.tables else []
    if "prevalence" in result.tables:
        pieces.append(_prevalence(result.tables["prevalence"]))
    others = (
        [_thresholds(result.tables["thresholds"], calibration.get("threshold"))]
        if "thresholds" in result.tables
        else []
    )
    content = {"sentence": sentence, "pieces": pieces, "thresholds": others}
    return SectionView("Operating point", "operating", content)


def _confusion(found: pd.DataFrame, title: str = "Confusion matrix at the threshold") -> HeatView:
    """Counts and shares of each true class; shaded by the share."""
    if list(found.columns) == ["truth", "called so", "called otherwise"] and len(found) == 2:
        first, second = (str(name) for name in found["truth"])
        (so, other), (so_2, other_2) = found[["called so", "called otherwise"]].astype(float).to_numpy().tolist()
        side, head, counts = [first, second], [f"called {first}", f"called {second}"], [[so, other], [other_2, so_2]]
    else:
        side = [str(name) for name in found.iloc[:, 0]]
        head = [str(name) for name in found.columns[1:]]
        counts = found.iloc[:, 1:].astype(float).to_numpy().tolist()
    cells = []
    for row in counts:
        total = sum(value for value in row if math.isfinite(value))
        shares = [value / total if total else None for value in row]
        cells.append([_cell(value, share) for value, share in zip(row, shares, strict=True)])
    return heat(cells, head, side, f"{title}: rows are the truth, with the share of each row.")


def _cell(count: float, share: float | None) -> tuple[str, float | None]:
    return (f"{count:,.0f}" if share is None else f"{count:,.0f}\n{share:.1%}", share)


def _prevalence(found: pd.DataFrame) -> TableView:
    shown: dict[str, list[str]] = {
        "real": [
            ("here: " if place == 0 else "") + _in_words(p) for place, p in enumerate(found["prevalence"].astype(float))
        ]
    }
    for name, title, stem in (("aucpr", "AUCPR", "aucpr"), ("precision_at_threshold", "precision", "precision")):
        cells = found[[name, f"{stem}_low", f"{stem}_high"]].astype(float).to_numpy().tolist()
        shown[title] = [
            "not measurable" if why else fixed(value) + (f" ({span((low, high))})" if math.isfinite(low) else "")
            for (value, low, high), why in zip(cells, found[f"{stem}_why"], strict=True)
        ]
    caption = (
        "The same scores at other shares of real ones, with 95 % intervals; precision is at the threshold. It is taken "
        "that the bogus there are the same mixture as here, only of another number. At other shares than the "
        "sample's own, numbers end where fewer than ten bogus carry them: an AUCPR at 1 in 1,000 needs ten thousand in "
        "all, a precision ten above the threshold."
    )
    return table(pd.DataFrame(shown), caption)


def _in_words(share: float) -> str:
    """One in so many, or all but so many.

    Example:
        >>> _in_words(0.015), _in_words(0.999), _in_words(0.0)
        ('1 in 66.7', 'all but 1 in 1,000', 'none')
    """
    if share > 0.9:
        return f"all but 1 in {show(round(1 / (1 - share), 1))}" if share < 1 else "all"
    return f"1 in {show(round(1 / share, 1))}" if share > 0 else "none"


def _thresholds(found: pd.DataFrame, own: float | None) -> TableView:
    columns = [
        name
        for name in ("threshold", "tp", "fp", "fn", "tn", "precision", "recall", "f1", "mcc", "fpr", "fnr")
        if name in found
    ]
    shown = pd.DataFrame(
        {name: [float(value) if value is not None else None for value in found[name]] for name in columns}
    )
    for name in ("precision", "recall", "f1", "mcc", "fpr", "fnr"):
        if name in shown:
            shown[name] = [fixed(value, 4) for value in shown[name]]
    titles = {"tp": "real kept", "fp": "bogus kept", "fn": "real lost", "tn": "bogus refused"}
    titles |= {"f1": "F1", "mcc": "MCC", "fpr": "FPR", "fnr": "FNR"}

    def here(row: Any) -> str:
        return "here" if own is not None and abs(float(row["threshold"]) - own) < 1e-6 else ""

    caption = "Other thresholds and what they cost on this fold; the shaded row is the run's own."
    if without := int(found.attrs.get("without", 0)):
        kept = int(sum(found[name].iloc[0] for name in ("tp", "fp", "fn", "tn")))
        caption += (
            f" Of {kept + without:,} samples {without:,} are not in it: they lie outside the domain of validity and "
            "have no probability. The confusion matrix counts them, by their scores."
        )
    return table(shown, caption, titles, row_class=here)


def numbers(report: RunReport) -> SectionView | None:
    """Every metric of every fold with its interval, and why some are undefined."""
    found: list[str] = []
    shown, left = names.window(report.headline.headline), 0
    for result in report.results.values():
        passed = {*found, *names.repeated(result.metrics)}
        own = [name for name in result.metrics if name not in passed and not name.startswith("aucpr/")]
        # A tree of classes has hundreds of numbers: at other windows than the headline's they stand in the file alone.
        kept = [name for name in own if not shown or names.window(name) in ("", shown)]
        found, left = found + kept, left + len(own) - len(kept)
    rows, why = [], dict[str, str]()
    lacking = dict[str, str]()
    for name in names.ordered(found):
        row: dict[str, Any] = {"metric": names.metric(name)}
        for fold, result in report.results.items():
            value = result.metrics.get(name)
            row[fold] = _value(name, value)
            row[f"{fold} interval"] = span(result.intervals.get(name), 4)
            if value is None and name in result.metrics:
                why[f"{names.metric(name)}, {names.fold(fold)}"] = result.why.get(name, "undefined")
            if name in result.no_interval:
                lacking[f"{names.metric(name)}, {names.fold(fold)}"] = result.no_interval[name]
        rows.append(row)
    if not rows:
        return None
    caption = (
        f"All metrics. Intervals are 95 %; samples of one group stand or fall together: {report.headline.ends_by} "
        "The validation fold chose weights and threshold, and fitted the calibration: its own are not held out."
    )
    if left:
        caption += f" The {left:,} numbers of other windows of days stand in metrics.json."
    heads = {f"{fold} interval": "95 % interval" for fold in report.results}
    heads |= {fold: names.fold(fold) for fold in report.results}
    pieces: list[View] = [table(pd.DataFrame(rows), caption, heads)]
    if why:
        pieces.append(facts(why, "Undefined, and why."))
    if lacking:
        pieces.append(facts(lacking, "Without an interval, and why."))
    return SectionView("Numbers", "pieces", {"pieces": pieces})


def _value(name: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    whole = math.isfinite(value) and (name in ("n", "groups") or (value == int(value) and abs(value) > 1))
    return f"{value:,.0f}" if whole else fixed(value, 4)


def breakdowns(report: RunReport) -> SectionView | None:
    """Each breakdown as a table that draws its intervals; a cell with one class only stays empty."""
    result, tables = report.headline, []
    for name, found in result.tables.items():
        if name.startswith("breakdown/"):
            column = name.removeprefix("breakdown/")
            tables.append((names.column(column), _breakdown(found, column, result.metrics.get("aucpr"))))
    return SectionView("Breakdown", "breakdown", {"tables": tables}) if tables else None


def _breakdown(found: pd.DataFrame, column: str, whole: float | None) -> TableView:
    ends = found[["aucpr", "low", "high"]].astype(float).to_numpy()
    finite = ends[pd.notna(ends)]
    low = math.floor(10 * float(finite.min())) / 10 if finite.size else 0.0
    low = min(low, whole) if whole is not None else low
    whiskers = [
        whisker(a, b, c, (low, 1.0), whole, f"{value}: AUCPR {a:.3f}, {b:.3f} to {c:.3f}")
        for value, (a, b, c) in zip(found["value"], ends.tolist(), strict=True)
    ]
    shown = pd.DataFrame({column: [names.value(column, _range(str(value))) for value in found["value"]]})
    for name, title in (("n", "samples"), ("positives", "real"), ("groups", "groups")):
        if name in found:
            shown[title] = found[name].astype(float)
    shown["AUCPR"] = [fixed(value) for value in ends[:, 0]]
    shown["95 % interval"] = [span((b, c)) if math.isfinite(b) else "" for _, b, c in ends.tolist()]
    scale = f"{low:.2g} to 1"
    shown[scale] = ""
    for name in RATES:
        if name in found:
            ends_of = found.reindex(columns=[name, f"{name}_low", f"{name}_high"]).astype(float).to_numpy().tolist()
            shown[name] = [with_ends(value, low, high) for value, low, high in ends_of]
    perfect = bool(((ends[:, 1] == ends[:, 2]) & pd.notna(ends[:, 1])).any())
    caption = f"AUCPR by {names.column(column)}, precision and recall at the threshold, with counts and 95 % intervals."
    caption += " The real ones of each value against all bogus." * bool(found.attrs.get("of_truth"))
    caption += " Where an interval has no width, all resamples ranked alike: too few samples to know more." * perfect
    wide = "wide" if any(name in shown and shown[name].str.len().max() > 0 for name in RATES) else ""
    return table(shown, caption, {column: names.column(column)}, css=wide, drawings={scale: whiskers})


def _range(cell: str) -> str:
    """``(4.0, 6.2]`` -> ``4.0 to 6.2``; other values as they are."""
    if cell.startswith("(") and cell.endswith("]") and cell.count(",") == 1:
        return cell[1:-1].replace(", ", " to ")
    return cell


def samples(report: RunReport) -> SectionView | None:
    """The most certain mistakes and the most uncertain samples, drawn."""
    galleries = [(title, gallery(pictures)) for title, pictures in report.samples.items() if pictures]
    content = {"galleries": galleries, "legend": _legend(report.record)}
    return SectionView("Samples", "samples", content) if galleries else None


def _legend(record: dict[str, Any]) -> str:
    """How pictures of stamps are to be read; empty for other samples."""
    channels = (record.get("dataset") or {}).get("channels") or []
    if not channels:
        return ""
    return (
        f"From left to right: {', '.join(channels)}, each in a stretch of its own. Dark red is no data. "
        "The difference of a source that faded (S/N below 0) has its sign turned, so that the source is bright."
    )


def further(report: RunReport) -> SectionView | None:
    """Figures and tables that a domain adds; a confusion matrix once, in the page's own colours."""
    result = report.headline
    matrices = [name.removeprefix("confusion/") for name in result.tables if name.startswith("confusion/")]
    again = tuple(f"Confusion, {name}" for name in matrices)
    pieces: list[View] = [
        picture(figure_png(draw), title) for title, draw in result.figures.items() if not title.startswith(again)
    ]
    pieces += [table(other, name) for name, other in report.cross.items()]
    for name, found in result.tables.items():
        if name.startswith("confusion/"):
            pieces.append(_confusion(found, f"Confusion matrix, {name.removeprefix('confusion/')}"))
        elif name not in CURVES and not name.startswith(("breakdown/", "reliability", "normalised_confusion")):
            more = f" The first 200 of {len(found):,} rows." if len(found) > 200 else ""
            title = name.replace("_", " ")
            pieces.append(table(readable(found.head(200)), f"{title[:1].upper()}{title[1:]}.{more}"))
    return SectionView("Further results", "pieces", {"pieces": pieces}) if pieces else None


def figure_png(draw: Any) -> bytes:
    """A matplotlib figure as PNG."""
    buffer = io.BytesIO()
    draw().savefig(buffer, format="png", dpi=130, bbox_inches="tight", facecolor="white")
    return buffer.getvalue()
