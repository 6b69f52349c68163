"""The top of a report: what was found in one sentence, the headline on a scale, what must be read first."""

from __future__ import annotations

from html import escape

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report import html, names
from astrid_ml.report.content import RunReport


def head(report: RunReport) -> str:
    """Title, sentence, headline, remarks."""
    dataset = report.record.get("dataset") or {}
    kicker = "astrid_ml run report" + (f", {dataset['domain']}" if dataset.get("domain") else "")
    opening = f'<p class="kicker">{escape(kicker)}</p><h1>{escape(report.title)}</h1>'
    return opening + f'<p class="lede">{escape(sentence(report))}</p>' + headline(report) + said(report)


def sentence(report: RunReport) -> str:
    """The result in words, as the first lines of an abstract."""
    result, metrics = report.headline, report.headline.metrics
    where = {"test": "held-out samples", "val": "validation samples (there is no test fold)"}.get(
        report.headline_fold, f"samples of {report.headline_fold}"
    )
    count = metrics.get("n")
    start = f"On {count:,.0f} {where}" if count else f"On {where}"
    if metrics.get("groups"):
        start += f" in {metrics['groups']:,.0f} groups"
    value, name = metrics.get(result.headline), names.short(result.headline)
    if value is None:
        return f"{start}, {name} is undefined: {result.why.get(result.headline, 'no samples')}."
    interval = result.intervals.get(result.headline)
    text = f"{start}, {name} is {value:.3f}"
    text += f" (95 % interval {html.span(interval)})" if interval else " (no interval: too few groups)"
    return f"{text}{_beside(result)}.{_operating(report)}"


def _beside(result: EvaluationResult) -> str:
    parts = []
    for name, words in (("prevalence", "a guess gives"), ("baseline_aucpr", "a trivial baseline gives")):
        value = result.metrics.get(name)
        if value is not None and result.headline == "aucpr":
            parts.append(f"{words} {value:.3f}")
    return f"; {', '.join(parts)}" if parts else ""


def _operating(report: RunReport) -> str:
    metrics = report.headline.metrics
    calibration = report.record.get("calibration") or {}
    recall, precision, threshold = metrics.get("recall"), metrics.get("precision"), calibration.get("threshold")
    if recall is None or threshold is None:
        return ""
    rule = f" ({calibration['rule']})" if calibration.get("rule") else ""
    text = f" At the threshold {threshold:.3g}{rule} the recall is {recall:.3f}"
    return f"{text}, the precision {precision:.3f}." if precision is not None else f"{text}; nothing is called real."


def headline(report: RunReport) -> str:
    """The headline with its interval on a scale from 0 to 1, beside prevalence and baseline."""
    result, name = report.headline, report.headline.headline
    value, interval = result.metrics.get(name), result.intervals.get(name)
    where = f"{names.short(name)}, {names.fold(report.headline_fold)}"
    shown = "undefined" if value is None else f"{value:.3f}"
    below = f"95 % interval {html.span(interval)}" if interval else result.why.get(name, "")
    cells = f'<div class="main"><span>{escape(where)}</span><b>{shown}</b><span>{escape(below)}</span></div>'
    for key in ("prevalence", "baseline_aucpr", "recall", "precision"):
        other = result.metrics.get(key)
        if other is not None:
            title = {"baseline_aucpr": "trivial baseline"}.get(key, key)
            tail = f"<span>{html.span(result.intervals.get(key))}</span>"
            cells += f"<div><span>{title}</span><b>{html.fixed(other)}</b>{tail}</div>"
    drawn = _scale(result) if value is not None and 0 <= value <= 1 else ""
    return f'<div class="headline"><div class="figures">{cells}</div>{drawn}</div>'


def _scale(result: EvaluationResult) -> str:
    name = result.headline
    value, interval = result.metrics[name], result.intervals.get(name)
    prevalence = result.metrics.get("prevalence") if name == "aucpr" else None
    baseline = result.metrics.get("baseline_aucpr") if name == "aucpr" else None
    parts = [f'<i class="num" style="left:{x}%">{x / 100:g}</i>' for x in (0, 20, 40, 60, 80, 100)]
    key = '<i class="dot"></i>' + escape(names.short(name))
    if interval:
        low, high = interval
        parts.append(f'<i class="span" style="left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"></i>')
        key += " and its interval"
    if prevalence is not None:
        parts.append(f'<i class="mark" style="left:{100 * prevalence:.2f}%"></i>')
        key += '<i class="bar"></i>prevalence, which a guess reaches'
    if baseline is not None:
        parts.append(f'<i class="mark base" style="left:{100 * baseline:.2f}%"></i>')
        key += '<i class="bar base"></i>trivial baseline'
    parts.append(f'<i class="at" style="left:{100 * (value or 0):.2f}%"></i>')
    return (
        f'<div class="scale" aria-hidden="true">{"".join(parts)}</div><div class="key" aria-hidden="true">{key}</div>'
    )


def alarms(report: RunReport) -> list[str]:
    """What makes the numbers untrustworthy: a split that leaks, an audit that did not run."""
    audit = report.record.get("audit") or {}
    out = []
    if audit and not audit.get("ok", True):
        found = " ".join(str(finding.get("message", "")) for finding in audit.get("findings") or [])
        out.append(f"The split leaks (audit=warn): {found} The held-out numbers are too good by an unknown amount.")
    if audit.get("mode") == "off":
        out.append("The leak audit was switched off: nobody knows whether training and test share samples.")
    return out


def remarks(report: RunReport) -> list[str]:
    """What the reader must know besides: proxy labels, all-bogus models, confounding."""
    record = report.record
    out = list(report.headline.remarks)
    labels = record.get("labels") or {}
    if labels.get("proxy"):
        out.insert(0, f"Labels are a proxy: {labels.get('words', labels.get('source'))}")
    confounded = (record.get("audit") or {}).get("confounding") or {}
    if confounded.get("alarm"):
        columns = ", ".join(confounded.get("columns") or [])
        out.append(
            f"Confounded: metadata alone ({columns}) reach ROC AUC {confounded['roc_auc']:.3f}. "
            "The label can partly be told from where a sample comes from."
        )
    return out


def said(report: RunReport) -> str:
    """Alarms, then remarks."""
    return html.remarks(alarms(report), alarm=True) + html.remarks(remarks(report))
