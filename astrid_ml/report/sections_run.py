"""How a result came to be: training, data, split, audit, cost, versions, the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from astrid_ml.report import plots
from astrid_ml.report.content import RunReport
from astrid_ml.report.names import fixed, show, spaced
from astrid_ml.report.views import SectionView, TableView, View, facts, figure, gallery, table

COST = {
    "wall_seconds": "wall time, s",
    "fit_seconds": "of which training, s",
    "forward_seconds": "of which scoring, s",
    "cpu_seconds": "processor time, s",
    "peak_memory_mb": "peak memory, MB",
    "peak_anonymous_mb": "peak memory (anonymous), MB",
    "energy_wh": "energy (estimate), Wh",
}

LOSSES = (
    "Loss by epoch. That of training is of the mixture that it draws, which balance= may change, and with dropout. "
    "That of validation is of the fold's own mixture, without dropout: one may lie below the other for that alone."
)


def training(report: RunReport) -> SectionView | None:
    """Loss and monitored metrics by epoch."""
    history = report.history
    if history.empty:
        return None
    losses = [name for name in history.columns if name.endswith("/loss")][:4]
    others = [name for name in history.columns if name.startswith("val/") and name not in losses][:4]
    pieces = [
        figure(svg, caption)
        for names, label, caption in (
            (losses, "loss", LOSSES),
            (others, "validation", "Metrics on validation by epoch; the best epoch's weights were kept."),
        )
        if names and (svg := plots.training(history, names, label))
    ]
    return SectionView("Training", "pairs", {"pieces": pieces}) if pieces else None


def counts_of(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a dataset, and how many times the artefacts of real frames its simulated ones hold."""
    factors = {"artefacts_times_real": ", ".join(f"{factor:g}" for factor in dataset.get("artefacts") or [])}
    return {**(dataset.get("counts") or {}), **(factors if dataset.get("artefacts") else {})}


def data(report: RunReport) -> SectionView | None:
    """Counts, drops, labels, split."""
    dataset, labels = (report.record.get(name) or {} for name in ("dataset", "labels"))
    fingerprint = str(dataset.get("fingerprint") or "")[:12]
    pieces: list[View] = []
    if dataset:
        pieces.append(facts(spaced(counts_of(dataset)), f"Dataset {fingerprint}".strip() + "."))
    drops, failed = dataset.get("drops_by_reason") or {}, dataset.get("failed") or []
    if drops:
        dropped = pd.DataFrame({"reason": list(drops), "dropped": list(drops.values())})
        pieces.append(table(dropped, "Records left out, and why."))
    if failed:
        pieces.append(table(pd.DataFrame(failed).head(20), f"{len(failed)} units that could not be read, and why."))
    if labels:
        pieces.append(facts(spaced(labels), "Labels."))
    split = _split(report.record, drawn_words(report.config))
    content = {"pieces": pieces, "complete": bool(dataset) and not (drops or failed), "split": split}
    return SectionView("Data and split", "data", content) if pieces or split else None


def drawn_words(config: Mapping[str, Any] | None) -> str:
    """What the network saw of the training fold, where that is not all of it, each once."""
    data = (config or {}).get("datamodule") or {}
    if data.get("balance") == "undersample":
        ratio = f"{data.get('undersample_ratio', 3.0):g}"
        return (
            f"The network was trained on a part of the larger class: {ratio} for each of the smaller one, the same in "
            "every epoch (datamodule.balance=undersample). Baselines and the ranges of the domain have the whole fold."
        )
    if data.get("balance") == "oversample":
        return "The network saw the rarer class several times in an epoch (datamodule.balance=oversample)."
    return ""


def _split(record: dict[str, Any], drawn: str) -> list[TableView]:
    split = record.get("split") or {}
    if not split.get("counts"):
        return []
    account = ", ".join(f"{name} {show(value)}" for name, value in spaced(split.get("account") or {}).items())
    counts = pd.DataFrame(split["counts"])
    if "round" in counts and counts["round"].nunique() < 2:
        counts = counts.drop(columns="round")
    if {"labelled", "positives"} <= set(counts):
        share = counts["positives"] / counts["labelled"].where(counts["labelled"] > 0)
        counts["share positive"] = [fixed(value) for value in share.astype(float)]
    caption = f"Split: {split.get('name')}, hash {split.get('hash')}" + (f"; {account}." if account else ".")
    return [table(counts, f"{caption} {drawn}".strip())]


def audit(report: RunReport) -> SectionView | None:
    """What the audit checked and found, with pictures of the pairs."""
    result = report.record.get("audit")
    if not result:
        return None
    findings = []
    for found in result.get("findings") or []:
        pairs = found.get("pairs")
        shown = [table(pd.DataFrame(pairs), f"{found['kind']}: the first pairs.")] if pairs else []
        findings.append((str(found["message"]), shown))
    content = {
        "checked": checked_words(result),
        "clean": bool(result.get("ok")) and result.get("mode") != "off",
        "findings": findings,
        "pictures": gallery(report.audit_pictures),
        "confounding": confounding_words(result),
    }
    return SectionView("Leak audit", "audit", content)


def checked_words(result: Mapping[str, Any]) -> str:
    """What an audit checked, and the samples that a check could not look at."""
    unchecked = ", ".join(f"{name}: {number} samples" for name, number in (result.get("unchecked") or {}).items())
    words = ", ".join(result.get("checked") or []) or "nothing"
    return words + (f" (could not be looked at, {unchecked})" if unchecked else "")


def confounding_words(result: Mapping[str, Any]) -> str:
    """How far metadata alone get."""
    found = result.get("confounding") or {}
    if "roc_auc" not in found:
        return f"How far metadata alone get was not measured: {found.get('why', 'no reason given')}."
    words = (
        "so the label is confounded with them"
        if found.get("alarm")
        else "below where the audit warns; a single column of them may tell more"
    )
    return (
        f"A classifier on {', '.join(found['columns'])} alone reaches AUCPR {found['aucpr']:.3f} "
        f"(prevalence {found['prevalence']:.3f}) and ROC AUC {found['roc_auc']:.3f}, {words}."
    )


def cost(report: RunReport) -> SectionView | None:
    """Time, memory, seeds, versions, the command."""
    record = report.record
    spent = {COST.get(name, name.replace("_", " ")): value for name, value in (record.get("cost") or {}).items()}
    parts = {"Cost.": spent, "Seeds.": record.get("seeds"), "Versions.": record.get("versions")}
    content = {
        "pieces": [facts(values, caption) for caption, values in parts.items() if values],
        "repeat": report.repeat,
        "run_dir": str(record.get("run_dir") or ""),
        "config": _config(report.config),
    }
    return SectionView("Cost, versions, repeat", "cost", content) if any(content.values()) else None


def _config(config: dict[str, Any]) -> str:
    if not config:
        return ""
    import yaml

    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
