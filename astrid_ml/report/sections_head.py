"""The top of a report: what was found in one sentence, the headline on a scale, what must be read first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from astrid_ml.dataset.prepared import said_of_partial
from astrid_ml.evaluation.breakdown import KINDS
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report import names
from astrid_ml.report.content import RunReport
from astrid_ml.report.names import fixed, span

MOSTLY = 0.95  # share of the bogus of which the kinds are named that are nearly all of them


def head(report: RunReport) -> dict[str, Any]:
    """Kind of page, title, sentence, headline, alarms and remarks."""
    dataset = report.record.get("dataset") or {}
    return {
        "title": report.title,
        "kicker": "astrid_ml run report" + (f", {dataset['domain']}" if dataset.get("domain") else ""),
        "heading": report.title,
        "lede": sentence(report),
        "headline": headline(report),
        "alarms": alarms(report),
        "remarks": remarks(report),
    }


def sentence(report: RunReport) -> str:
    """The result in words, as the first lines of an abstract; a baseline that is as good comes first."""
    said = report.headline.verdict
    return f"{said} {_found(report)}" if said else _found(report)


def _found(report: RunReport) -> str:
    result, metrics = report.headline, report.headline.metrics
    where = {"test": "held-out samples", "val": "validation samples (there is no test fold)"}.get(
        report.headline_fold, f"samples of {report.headline_fold}"
    )
    count = metrics.get("n")
    where = f"simulated {where}" if simulated(report) else where
    start = f"On {count:,.0f} {where}" if count else f"On {where}"
    if metrics.get("groups"):
        start += f" in {metrics['groups']:,.0f} groups"
    value, name = metrics.get(result.headline), names.short(result.headline)
    if value is None:
        return f"{start}, {name} is undefined: {result.why.get(result.headline, 'no samples')}."
    interval = result.intervals.get(result.headline)
    text = f"{start}, {name} is {value:.3f}"
    text += f" (95 % interval {span(interval)})" if interval else " (no interval: too few groups)"
    return f"{text}{_beside(result)}.{_operating(report)}"


def simulated(report: RunReport) -> bool:
    """Whether the samples are a simulator's."""
    return (report.record.get("dataset") or {}).get("simulated") is True


def _beside(result: EvaluationResult) -> str:
    parts = []
    if result.headline != "aucpr":
        parts += [f"{words} give{'s' * words.startswith('a ')} {value:.3f}" for words, value, _ in marks(result)]
    column = result.texts.get("baseline_column_name")
    for name, words in (
        ("prevalence", "a guess gives"),
        ("baseline_column_aucpr", f"one single column ({column}) gives" if column else "one single column gives"),
        ("baseline_trees_aucpr", "boosted trees give"),
    ):
        value = result.metrics.get(name)
        if value is not None and result.headline == "aucpr":
            parts.append(f"{words} {value:.3f}")
    return f"; {', '.join(parts)}" if parts else ""


def marks(result: EvaluationResult) -> list[tuple[str, float, tuple[float, float] | None]]:
    """What the headline is held against, where that is not AUCPR: a guess and a baseline; words, value, interval."""
    level, _, rest = result.headline.partition("/")
    trees = f"{level}/baseline_{rest}" if rest else f"baseline_{result.headline}"
    told, ends = result.metrics.get(trees), result.intervals.get(trees)
    out: list[tuple[str, float, tuple[float, float] | None]] = []
    if result.guess is not None:
        out.append(("a guess", result.guess, None))
    return out if told is None else [*out, ("boosted trees on features", told, ends)]


def _operating(report: RunReport) -> str:
    metrics = report.headline.metrics
    calibration = report.record.get("calibration") or {}
    recall, precision, threshold = metrics.get("recall"), metrics.get("precision"), calibration.get("threshold")
    if recall is None or threshold is None:
        return ""
    rule = f" ({calibration['rule']})" if calibration.get("rule") else ""
    text = f" At the threshold {threshold:.3g}{rule} the recall is {recall:.3f}"
    if (report.record.get("joined") or {}).get("of_members"):
        text = f" With each fold's own threshold the recall is {recall:.3f}"
    if precision is None:
        return f"{text}; nothing is called real."
    if "precision_at_prevalence" not in metrics:
        return f"{text}, the precision {precision:.3f}."
    text += f"; the precision in this sample is {precision:.3f}"
    return f"{text}, {at_prevalence(report.headline)}."


def at_prevalence(result: EvaluationResult) -> str:
    """The precision where real ones are as rare as was assumed, in words, or why nobody knows it.

    Args:
        result: of an evaluation with ``precision_at_prevalence``.
    """
    value, ends = result.metrics["precision_at_prevalence"], result.intervals.get("precision_at_prevalence")
    if value is None:
        return f"in the assumed sky it is {result.why.get('precision_at_prevalence', 'undefined')}"
    return f"in the assumed sky {value:.3f}" + (f" ({span(ends)})" if ends else "")


def headline(report: RunReport) -> dict[str, Any]:
    """The headline with its interval, beside prevalence and baseline; on a scale from 0 to 1 where it lies there."""
    result, name = report.headline, report.headline.headline
    value, interval = result.metrics.get(name), result.intervals.get(name)
    where = f"{names.short(name)}, {names.fold(report.headline_fold)}"
    where += ", simulated" if simulated(report) else ""
    below = f"95 % interval {span(interval)}" if interval else result.why.get(name, "")
    cells = [{"title": where, "value": "undefined" if value is None else f"{value:.3f}", "below": below}]
    titles = {"baseline_column_aucpr": "one column", "baseline_trees_aucpr": "boosted trees"}
    if name != "aucpr":
        cells += [{"title": words, "value": fixed(it), "below": span(ends)} for words, it, ends in marks(result)]
    keys = ["prevalence", "baseline_column_aucpr", "baseline_trees_aucpr", "recall", "precision"]
    if "precision_at_prevalence" in result.metrics:
        keys.append("precision_at_prevalence")
        titles |= {"precision": "precision in this sample", "precision_at_prevalence": "precision in the assumed sky"}
    for key in keys:
        other = result.metrics.get(key)
        if other is None and key == "precision_at_prevalence":
            cells.append({"title": titles[key], "value": "not measurable", "below": ""})
        if other is not None:
            title = titles.get(key, key)
            cells.append({"title": title, "value": fixed(other), "below": span(result.intervals.get(key))})
    return {"cells": cells, "scale": _scale(result) if value is not None and 0 <= value <= 1 else None}


def _scale(result: EvaluationResult) -> dict[str, Any]:
    """Places on the scale in per cent; None for a mark that is not drawn."""
    name = result.headline
    interval = result.intervals.get(name)
    low, high = (_place(end) for end in interval) if interval else (0.0, 0.0)
    if name == "aucpr":
        guess = result.metrics.get("prevalence")
        trees = [("one column", "baseline_column_aucpr"), ("boosted trees", "baseline_trees_aucpr")]
        others = [(words, result.metrics[key]) for words, key in trees if result.metrics.get(key) is not None]
    else:
        guess = result.guess
        others = [(words, value) for words, value, _ in marks(result) if words != "a guess"]
    return {
        "name": names.short(name),
        "at": _percent(result.metrics[name]),
        "span": (f"{low:.2f}", f"{high - low:.2f}") if interval else None,
        "guess": _percent(guess),
        "guess_words": "prevalence, which a guess reaches" if name == "aucpr" else "a guess",
        "baselines": [(words, _percent(value)) for words, value in others],
    }


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{_place(value):.2f}"


def _place(value: float) -> float:
    return 100 * min(1.0, max(0.0, value))


def alarms(report: RunReport) -> list[str]:
    """What makes the numbers untrustworthy: a harmful calibration, a split that leaks, an audit that did not run."""
    audit = report.record.get("audit") or {}
    out = list(report.headline.alarms)
    if audit and not audit.get("ok", True):
        found = " ".join(str(finding.get("message", "")) for finding in audit.get("findings") or [])
        out.append(f"The split leaks (audit=warn): {found} The held-out numbers are too good by an unknown amount.")
    if audit.get("mode") == "off":
        out.append("The leak audit was switched off: nobody knows whether training and test share samples.")
    return out


def said_of_sealed(sealed: Mapping[str, Any]) -> str:
    """That these are the sealed samples, and for the how many-th time they are judged."""
    knows = "this dataset and this checkpoint know" if sealed.get("noted") else "this dataset knows"
    if sealed["opening"] == 1:
        return f"The sealed test set, {sealed['samples']} samples, judged for the first time that {knows} of."
    said = (
        f"The sealed test set was opened before: this is opening {sealed['opening']} that {knows} of, the first was "
        f"{sealed['first']}"
    )
    said += f", {elsewhere} of them of a copy of this dataset." if (elsewhere := sealed.get("elsewhere")) else "."
    return f"{said} What was chosen after an earlier opening has seen it."


def said_of_artefacts(factors: Sequence[float], kinds: pd.DataFrame | None = None) -> str:
    """That a simulator made more, or fewer, artefacts than a frame of the mission has; empty where it did not.

    Args:
        factors: times those of the missions, of each source of the dataset.
        kinds: of the bogus that were judged, with ``kind`` and ``bogus``, how many there are.

    Example:
        >>> said_of_artefacts([1.0]), said_of_artefacts([12.0])[:57]
        ('', 'The simulated frames hold 12 times the artefacts of real ')
        >>> said_of_artefacts([12.0], pd.DataFrame({"kind": ["trail", "star"], "bogus": [90, 3]}))[-74:]
        ' 90 of 93 bogus judged here are by trail: of other kinds little is tested.'
    """
    if all(factor == 1 for factor in factors):
        return ""
    times = " or ".join(f"{factor:g}" for factor in factors)
    said = (
        f"The simulated frames hold {times} times the artefacts of real ones (simulate.artefacts). Their share among "
        "the bogus, and what depends on it, is not that of a survey."
    )
    if kinds is None:
        return said
    most, every = kinds.sort_values("bogus", ascending=False), int(kinds["bogus"].sum())
    most = most[(most["bogus"].cumsum() - most["bogus"]) < MOSTLY * every]
    if len(most) == len(kinds):
        return said
    names = ", ".join(map(str, most["kind"]))
    held = f"{int(most['bogus'].sum()):,} of {every:,}"
    return f"{said} {held} bogus judged here are by {names}: of other kinds little is tested."


def remarks(report: RunReport) -> list[str]:
    """What the reader must know besides: a partial dataset, proxy labels, all-bogus models, folds as one, and more."""
    record = report.record
    out = list(report.headline.remarks)
    labels = record.get("labels") or {}
    if labels.get("proxy"):
        out.insert(0, f"Labels are a proxy: {labels.get('words', labels.get('source'))}")
    if partial := said_of_partial(record.get("dataset") or {}):
        out.insert(0, partial)
    if artefacts := said_of_artefacts(
        (record.get("dataset") or {}).get("artefacts") or [], report.headline.tables.get(KINDS)
    ):
        out.insert(0, artefacts)
    if sealed := record.get("sealed"):
        out.insert(0, said_of_sealed(sealed))
    if joined := record.get("joined"):
        out.append(str(joined["words"]))
    calibration = record.get("calibration") or {}
    chosen = str((calibration.get("chosen") or {}).get("words", ""))
    if calibration.get("calibrated") is False and chosen:
        out.append(f"There are no probabilities: {chosen}.")
    if domain := (record.get("domain_of_validity") or {}).get("words"):
        out.append(str(domain))
    confounded = (record.get("audit") or {}).get("confounding") or {}
    if confounded.get("alarm"):
        columns = ", ".join(confounded.get("columns") or [])
        out.append(
            f"Confounded: metadata alone ({columns}) reach ROC AUC {confounded['roc_auc']:.3f}. "
            "The label can partly be told from where a sample comes from."
        )
    return [note if note.endswith((".", "!", "?")) else f"{note}." for note in out]
