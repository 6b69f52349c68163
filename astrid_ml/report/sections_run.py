"""How a result came to be: training, data, split, audit, cost, versions, the command."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from astrid_ml.report import html, plots
from astrid_ml.report.content import RunReport
from astrid_ml.report.sections_results import gallery

COST = {
    "wall_seconds": "wall time, s",
    "fit_seconds": "of which training, s",
    "forward_seconds": "of which scoring, s",
    "cpu_seconds": "processor time, s",
    "peak_memory_mb": "peak memory, MB",
    "peak_anonymous_mb": "peak memory (anonymous), MB",
    "energy_wh": "energy (estimate), Wh",
}


def training(report: RunReport) -> str:
    """Loss and monitored metrics by epoch."""
    history = report.history
    if history.empty:
        return ""
    losses = [name for name in history.columns if name.endswith("/loss")][:4]
    others = [name for name in history.columns if name.startswith("val/") and name not in losses][:4]
    drawn = [
        html.figure(svg, caption)
        for names, label, caption in (
            (losses, "loss", "Loss by epoch."),
            (others, "validation", "Metrics on validation by epoch; the best epoch's weights were kept."),
        )
        if names and (svg := plots.training(history, names, label))
    ]
    return f"{html.heading('Training')}<div class=grid2>{''.join(drawn)}</div>" if drawn else ""


def data(report: RunReport) -> str:
    """Counts, drops, labels, split."""
    record = report.record
    dataset = record.get("dataset") or {}
    counts = {name.replace("_", " "): value for name, value in (dataset.get("counts") or {}).items()}
    parts = [html.facts(counts, f"Dataset {str(dataset.get('fingerprint') or '')[:12]}.")]
    drops = dataset.get("drops_by_reason") or {}
    if drops:
        table = pd.DataFrame({"reason": list(drops), "dropped": list(drops.values())})
        parts.append(html.table(table, "Records left out, and why."))
    failed = dataset.get("failed") or []
    if failed:
        parts.append(html.table(pd.DataFrame(failed).head(20), f"{len(failed)} units that could not be read, and why."))
    labels = {name.replace("_", " "): value for name, value in (record.get("labels") or {}).items()}
    parts.append(html.facts(labels, "Labels.") if labels else "")
    none = "" if drops or failed else "<p class=soft>No record was left out.</p>"
    return f"{html.heading('Data and split')}<div class=grid2>{''.join(parts)}</div>{none}{_split(record)}"


def _split(record: dict[str, Any]) -> str:
    split = record.get("split") or {}
    if not split.get("counts"):
        return ""
    account = ", ".join(
        f"{name.replace('_', ' ')} {html.show(value)}" for name, value in (split.get("account") or {}).items()
    )
    table = pd.DataFrame(split["counts"])
    if "round" in table and table["round"].nunique() < 2:
        table = table.drop(columns="round")
    if {"labelled", "positives"} <= set(table):
        share = table["positives"] / table["labelled"].where(table["labelled"] > 0)
        table["share positive"] = [html.fixed(value) for value in share.astype(float)]
    caption = f"Split: {split.get('name')}, hash {split.get('hash')}" + (f"; {account}." if account else ".")
    return html.table(table, caption)


def audit(report: RunReport) -> str:
    """What the audit checked and found, with pictures of the pairs."""
    result = report.record.get("audit")
    if not result:
        return ""
    checked = ", ".join(result.get("checked") or []) or "nothing"
    parts = [f"{html.heading('Leak audit')}<p>Checked across training and test: {escape(checked)}.</p>"]
    findings = result.get("findings") or []
    if result.get("ok") and result.get("mode") != "off":
        parts.append('<div class="fine">Nothing crosses from training to test.</div>')
    for finding in findings:
        parts.append(html.remarks([str(finding["message"])], alarm=True))
        if finding.get("pairs"):
            parts.append(html.table(pd.DataFrame(finding["pairs"]), f"{finding['kind']}: the first pairs."))
    if report.audit_pictures:
        parts.append(f"<h3>Pairs that leak</h3>{gallery(report.audit_pictures)}")
    return "".join(parts) + f"<p>{escape(_confounding(result.get('confounding') or {}))}</p>"


def _confounding(found: dict[str, Any]) -> str:
    if "roc_auc" not in found:
        return f"How far metadata alone get was not measured: {found.get('why', 'no reason given')}."
    words = "so the label is confounded with them" if found.get("alarm") else "about what a guess reaches"
    return (
        f"A classifier on {', '.join(found['columns'])} alone reaches AUCPR {found['aucpr']:.3f} "
        f"(prevalence {found['prevalence']:.3f}) and ROC AUC {found['roc_auc']:.3f}, {words}."
    )


def cost(report: RunReport) -> str:
    """Time, memory, seeds, versions, the command."""
    record = report.record
    spent = {COST.get(name, name.replace("_", " ")): value for name, value in (record.get("cost") or {}).items()}
    parts = [html.facts(spent, "Cost.") if spent else ""]
    parts.append(html.facts(record["seeds"], "Seeds.") if record.get("seeds") else "")
    parts.append(html.facts(record["versions"], "Versions.") if record.get("versions") else "")
    out = f"{html.heading('Cost, versions, repeat')}<div class=grid2>{''.join(parts)}</div>"
    if report.repeat:
        out += f"<p>The command that repeats it:</p><pre>{escape(report.repeat)}</pre>"
    if record.get("run_dir"):
        out += f"<p class=soft>Run folder: <code>{escape(str(record['run_dir']))}</code></p>"
    return out + _config(report.config)


def _config(config: dict[str, Any]) -> str:
    if not config:
        return ""
    import yaml

    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    return f"<details><summary>The whole configuration</summary><pre>{escape(text)}</pre></details>"
