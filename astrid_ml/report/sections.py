"""The sections of a run's report, each a function from its content to HTML; empty where there is nothing to say."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.report import html, plots
from astrid_ml.report.content import RunReport

SHOWN = (
    ("aucpr", "AUCPR"),
    ("aucpr_at_1_in_100", "AUCPR at 1 real in 100"),
    ("baseline_aucpr", "AUCPR of the trivial baseline"),
    ("prevalence", "prevalence"),
    ("roc_auc", "ROC AUC"),
    ("precision", "precision at the threshold"),
    ("recall", "recall at the threshold"),
    ("f1", "F1 at the threshold"),
    ("mcc", "Matthews correlation at the threshold"),
    ("fnr_at_fpr_0.01", "false negative rate at 1 % false positives"),
    ("fnr_at_fpr_0.001", "false negative rate at 0.1 % false positives"),
    ("ece", "calibration error, 15 bins, less its null"),
    ("ece_uncalibrated", "the same before calibration"),
    ("nll", "negative log-likelihood"),
    ("nll_uncalibrated", "the same before calibration "),
    ("brier", "Brier score"),
    ("brier_uncalibrated", "the same before calibration  "),
    ("accuracy", "accuracy (shown, never chosen by)"),
)


def head(report: RunReport) -> str:
    """Title, remarks, headline."""
    record, result = report.record, report.results[report.headline_fold]
    labels = record.get("labels") or {}
    said = list(result.remarks)
    if labels.get("proxy"):
        said.insert(0, f"Labels are a proxy: {labels.get('words', labels.get('source'))}")
    audit = record.get("audit") or {}
    if audit.get("mode") == "off":
        said.append("The leak audit was switched off.")
    if audit and not audit.get("ok", True):
        said.append("The split leaks (audit=warn): " + " ".join(f["message"] for f in audit["findings"]))
    confounded = audit.get("confounding") or {}
    if confounded.get("alarm"):
        columns = ", ".join(confounded["columns"])
        said.append(
            f"Confounded: metadata alone ({columns}) reach ROC AUC {confounded['roc_auc']:.3f}. "
            "The label can partly be told from where a sample comes from."
        )
    counts = (record.get("dataset") or {}).get("counts") or {}
    line = f"{counts.get('samples', '?')} samples in {counts.get('groups', '?')} groups"
    return (
        f"<h1>{escape(report.title)}</h1><p class=soft>{escape(line)}. {escape(str(record.get('run_dir', '')))}</p>"
        + cards(result, report.headline_fold)
        + html.remarks(said)
    )


def cards(result: EvaluationResult, fold: str) -> str:
    """The headline with its interval, beside prevalence and baseline."""
    value = result.metrics.get(result.headline)
    where = {"test": "held out", "val": "validation"}.get(fold, fold)
    name = "AUCPR" if result.headline == "aucpr" else result.headline
    if value is None:
        why = escape(result.why.get(result.headline, "no samples"))
        main = f"<div class='card main'><span>{escape(name)}, {where}</span><b>undefined</b><span>{why}</span></div>"
    else:
        interval = result.intervals.get(result.headline)
        words = f"95 % interval {interval[0]:.4f} to {interval[1]:.4f}" if interval else "no interval: too few groups"
        main = (
            f"<div class='card main'><span>{escape(name)}, {where}</span><b>{value:.4f}</b><span>{words}</span></div>"
        )
    others = ""
    for key, title in (
        ("prevalence", "prevalence"),
        ("baseline_aucpr", "trivial baseline"),
        ("recall", "recall"),
        ("precision", "precision"),
    ):
        other = result.metrics.get(key)
        if other is not None:
            span = result.intervals.get(key)
            tail = f"<span>{span[0]:.3f} to {span[1]:.3f}</span>" if span else ""
            others += f"<div class=card><span>{title}</span><b>{other:.3f}</b>{tail}</div>"
    return f"<div class=headline>{main}{others}</div>"


def numbers(report: RunReport) -> str:
    """Every metric of every fold with its interval, and why some are undefined."""
    return "<h2>Numbers</h2><div class=grid2>" + "".join(_numbers(*item) for item in report.results.items()) + "</div>"


def _numbers(fold: str, result: EvaluationResult) -> str:
    known = dict(SHOWN)
    names = [name for name, _ in SHOWN if name in result.metrics]
    names += [
        name
        for name in result.metrics
        if name not in known and ("/" in name or name in ("n", "groups")) and not name.startswith("aucpr/")
    ]
    rows = []
    for name in names[:60]:
        low, high = result.intervals.get(name, (None, None))
        value = result.metrics[name]
        why = result.why.get(name, "") if value is None else ""
        rows.append({"metric": known.get(name, name), "value": value, "low": low, "high": high, "why undefined": why})
    table = pd.DataFrame(rows).astype({"value": "Float64", "low": "Float64", "high": "Float64"})
    if (table["why undefined"] == "").all():
        table = table.drop(columns="why undefined")
    where = {"test": "Held-out test fold", "val": "Validation fold (it chose the weights and the threshold)"}.get(
        fold, fold
    )
    caption = f"{where}. From and to: 95 % intervals by resampled groups, where one can be made."
    return html.table(_floats(table), caption, {"low": "from", "high": "to"})


def _floats(table: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    for name in out.columns:
        if str(out[name].dtype) == "Float64":
            out[name] = out[name].astype(float)
    return out


def curves(report: RunReport) -> str:
    """PR, ROC and reliability of the headline fold."""
    result = report.results[report.headline_fold]
    figures = []
    if "pr_curve" in result.tables:
        figures.append(figure(plots.pr(result), "Precision against recall; the dot is the operating point."))
    if "roc_curve" in result.tables:
        figures.append(figure(plots.roc(result), "ROC with a logarithmic axis."))
    if "reliability_uncalibrated" in result.tables:
        figures.append(figure(plots.reliability(result), "Reliability in 15 bins of equal size."))
    return f"<h2>Curves</h2><div class=grid2>{''.join(figures)}</div>" if figures else ""


def figure(svg: str, caption: str) -> str:
    """A plot and its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def operating(report: RunReport) -> str:
    """The threshold, its rule, the confusion at it, other thresholds, other prevalences."""
    result = report.results[report.headline_fold]
    if "confusion" not in result.tables:
        return ""
    calibration = report.record.get("calibration") or {}
    on = "the calibrated probability" if calibration.get("calibrated") else "the raw score"
    rule = f"{calibration.get('rule', 'given')}: {html.show(calibration.get('threshold'))} on {on}."
    parts = [f"<h2>Operating point</h2><p>Threshold: {escape(rule)}</p><div class=grid2>"]
    parts.append(html.table(result.tables["confusion"], "Confusion matrix at the threshold."))
    if "prevalence" in result.tables:
        table = result.tables["prevalence"].copy()
        table["prevalence"] = [f"1 in {1 / p:,.0f}" if p else "0" for p in table["prevalence"]]
        names = {"aucpr": "AUCPR", "precision_at_threshold": "precision"}
        parts.append(
            html.table(table, "What the same model shows where real ones are rarer (first row: this fold).", names)
        )
    parts.append("</div>")
    if "thresholds" in result.tables:
        table = result.tables["thresholds"][["threshold", "tp", "fp", "fn", "precision", "recall", "f1", "fpr", "fnr"]]
        parts.append(html.table(table, "Other thresholds and their cost."))
    return "".join(parts)


def breakdowns(report: RunReport) -> str:
    """Each breakdown as a table and, where cells have values, a plot."""
    result = report.results[report.headline_fold]
    parts = []
    for name, table in result.tables.items():
        if not name.startswith("breakdown/"):
            continue
        column = name.removeprefix("breakdown/")
        drawn = (
            figure(plots.breakdown(table, column), f"AUCPR by {column} with 95 % intervals.")
            if table["aucpr"].notna().any()
            else ""
        )
        names = {"value": column, "aucpr": "AUCPR", "low": "from", "high": "to"}
        caption = f"By {column}. A cell with one class only has no AUCPR."
        parts.append(f"<h3>By {escape(column)}</h3><div class=grid2>{html.table(table, caption, names)}{drawn}</div>")
    return f"<h2>Breakdown</h2>{''.join(parts)}" if parts else ""


def further(report: RunReport) -> str:
    """Tables and figures that a domain adds."""
    parts = [html.table(table, name) for name, table in report.cross.items()]
    known = ("pr_curve", "roc_curve", "thresholds", "confusion", "prevalence")
    result = report.results[report.headline_fold]
    for name, table in result.tables.items():
        if name not in known and not name.startswith(("breakdown/", "reliability")):
            parts.append(html.table(table.head(200), name))
    for title, draw in result.figures.items():
        parts.append(f"<figure>{html.image(figure_png(draw), title)}<figcaption>{escape(title)}</figcaption></figure>")
    return f"<h2>More</h2>{''.join(parts)}" if parts else ""


def figure_png(draw: Any) -> bytes:
    """A matplotlib figure as PNG."""
    import io

    buffer = io.BytesIO()
    made = draw()
    made.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    return buffer.getvalue()


def samples(report: RunReport) -> str:
    """The most certain mistakes and the most uncertain samples, drawn."""
    parts = []
    for heading, pictures in report.samples.items():
        if pictures:
            drawn = "".join(
                f"<figure>{html.image(p.png, p.caption, '')}<figcaption>{escape(p.caption)}</figcaption></figure>"
                for p in pictures
            )
            parts.append(f"<h3>{escape(heading)}</h3><div class=samples>{drawn}</div>")
    return f"<h2>Samples</h2>{''.join(parts)}" if parts else ""


def training(report: RunReport) -> str:
    """Loss and monitored metric by epoch."""
    history = report.history
    if history.empty:
        return ""
    losses = [name for name in history.columns if name.endswith("/loss")]
    others = [name for name in history.columns if name.startswith("val/") and name not in losses][:4]
    drawn = [
        figure(plots.training(history, names, label), f"{label} by epoch.")
        for names, label in ((losses, "loss"), (others, "validation"))
        if names
    ]
    return f"<h2>Training</h2><div class=grid2>{''.join(drawn)}</div>"


def data(report: RunReport) -> str:
    """Counts, drops, labels, split."""
    record = report.record
    dataset, split = record.get("dataset") or {}, record.get("split") or {}
    parts = ["<h2>Data and split</h2><div class=grid2>"]
    counts = {
        name.replace("_", " "): value
        for name, value in (dataset.get("counts") or {}).items()
        if not isinstance(value, dict)
    }
    parts.append(html.facts(counts, f"Dataset {dataset.get('fingerprint', '')[:12]}."))
    drops = dataset.get("drops_by_reason") or {}
    if drops:
        parts.append(
            html.table(
                pd.DataFrame({"reason": list(drops), "dropped": list(drops.values())}), "Records left out, and why."
            )
        )
    labels = record.get("labels") or {}
    parts.append(html.facts(labels, "Labels.") if labels else "")
    parts.append("</div>")
    if split:
        parts.append(
            html.table(
                pd.DataFrame(split["counts"]),
                f"Split: {split['name']}, hash {split['hash']}. {_account(split['account'])}",
            )
        )
    return "".join(parts)


def _account(account: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in account.items())


def audit(report: RunReport) -> str:
    """What the audit checked and found."""
    result = report.record.get("audit")
    if not result:
        return ""
    checked = ", ".join(result["checked"]) or "nothing"
    parts = [f"<h2>Leak audit</h2><p>Checked: {escape(checked)}.</p>"]
    if result["ok"] and result["mode"] != "off":
        parts.append("<div class=fine>Nothing crosses from training to test.</div>")
    for finding in result["findings"]:
        parts.append(html.remarks([finding["message"]]))
        if finding["pairs"]:
            parts.append(html.table(pd.DataFrame(finding["pairs"]), f"{finding['kind']}: the first pairs."))
    confounding = result.get("confounding") or {}
    if "roc_auc" in confounding:
        words = (
            f"A classifier on {', '.join(confounding['columns'])} alone reaches AUCPR {confounding['aucpr']:.3f} "
            f"(prevalence {confounding['prevalence']:.3f}) and ROC AUC {confounding['roc_auc']:.3f}."
        )
    else:
        words = f"How far metadata alone get was not measured: {confounding.get('why', 'no reason given')}."
    return "".join(parts) + f"<p>{escape(words)}</p>"


def cost(report: RunReport) -> str:
    """Time, memory, versions, the command."""
    record = report.record
    parts = ["<h2>Cost, versions, repeat</h2><div class=grid2>"]
    spent = {name.replace("_", " "): value for name, value in (record.get("cost") or {}).items()}
    parts.append(html.facts(spent, "Time (seconds) and memory (MB)."))
    parts.append(html.facts({**(record.get("seeds") or {}), **(record.get("versions") or {})}, "Seeds and versions."))
    parts.append("</div>")
    if report.repeat:
        parts.append(f"<p>The command that repeats it:</p><pre>{escape(report.repeat)}</pre>")
    return "".join(parts)


ALL = (head, curves, operating, numbers, breakdowns, samples, training, data, audit, further, cost)
