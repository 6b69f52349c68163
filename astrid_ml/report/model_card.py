"""The model card: what a checkpoint is for, how well it does, and what to know before using it."""

from __future__ import annotations

import json
import math
from typing import Any

from astrid_ml.files import finite
from astrid_ml.report import names, sections_head
from astrid_ml.report.content import RunReport
from astrid_ml.report.names import fixed, show, span


def card_text(report: RunReport) -> dict[str, str]:
    """File name -> text: Markdown for people, JSON for programs, with the same content."""
    card = card_content(report)
    plain = json.dumps(finite(card), indent=2, default=str, ensure_ascii=False, allow_nan=False)
    return {"model_card.md": markdown(report.title, card), "model_card.json": plain + "\n"}


def markdown(title: str, card: dict[str, Any]) -> str:
    """The card as Markdown; texts cannot become markup."""
    lines = [f"# {_safe(title)}", ""]
    for heading, value in card.items():
        lines += [f"## {heading}", ""]
        if heading == "Repeat":
            lines += [f"    {line}" for line in str(value).splitlines()]  # a line break would end the block
        elif isinstance(value, dict):
            lines += [f"- {_safe(str(name))}: {_safe(show(part))}" for name, part in value.items() if part is not None]
        elif isinstance(value, list):
            lines += [f"- {_safe(str(part))}" for part in value] or ["- nothing"]
        else:
            lines.append(_safe(str(value)))
        lines.append("")
    return "\n".join(lines)


def _safe(text: str) -> str:
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*[]<>|" else c for c in flat)


def card_content(report: RunReport) -> dict[str, Any]:
    """The content of a model card."""
    record = report.record
    dataset, split, audit = (record.get(name) or {} for name in ("dataset", "split", "audit"))
    return {
        "What it is": f"{record.get('name')}, trained by astrid_ml on the domain {dataset.get('domain')}. "
        f"{sections_head.sentence(report)}",
        "Read before use": [*sections_head.alarms(report), *sections_head.remarks(report)],
        "How well it does": {"fold": names.fold(report.headline_fold), **_metrics(report)},
        "Where it does well and where not": _breakdown(report),
        "Trained on": {"dataset": dataset.get("fingerprint"), **(dataset.get("counts") or {})},
        **({"Weights began as": record["init"]} if record.get("init") else {}),
        "Labels": record.get("labels") or {},
        "Split": {"name": split.get("name"), "hash": split.get("hash"), **(split.get("account") or {})},
        "Leak audit": {
            "mode": audit.get("mode"),
            "clean": audit.get("ok"),
            "checked": ", ".join(audit.get("checked") or []),
        },
        "Operating point": record.get("calibration") or {},
        "Domain of validity": _domain(record.get("domain_of_validity") or {}),
        "Cost": record.get("cost") or {},
        "Seeds": record.get("seeds") or {},
        "Versions": record.get("versions") or {},
        "Repeat": report.repeat,
    }


def _domain(found: dict[str, Any]) -> dict[str, Any]:
    """What it was trained on, and how many of the samples of this report lie inside."""
    if not found:
        return {}
    share = found.get("share_inside")
    out = dict(found.get("trained_on") or {})
    if share is not None:
        out["samples of this report inside"] = f"{share:.1%} of {found['inside'] + found['outside']:,}"
    out |= {f"outside because {reason}": count for reason, count in (found.get("because") or {}).items()}
    return out


def _metrics(report: RunReport) -> dict[str, str]:
    result, out = report.headline, {}
    for name in names.ordered([name for name in result.metrics if not name.startswith("aucpr/")]):
        value, interval = result.metrics[name], result.intervals.get(name)
        shown = f"undefined ({result.why.get(name, 'no reason given')})" if value is None else fixed(value, 4)
        if value is not None and name in ("n", "groups"):
            shown = f"{value:,.0f}"
        out[names.metric(name)] = shown + (f" ({span(interval, 4)})" if interval else "")
    return out


def _breakdown(report: RunReport) -> dict[str, str]:
    out = {}
    kinds = report.headline.tables.get("false positives by artefact")
    for row in [] if kinds is None else kinds.to_dict("records"):
        ends = span((float(row["low"]), float(row["high"])))
        out[f"bogus by {row['kind']} called real"] = f"{row['called_real']:,} of {row['bogus']:,} ({ends})"
    for name, table in report.headline.tables.items():
        if not name.startswith("breakdown/"):
            continue
        for row in table.to_dict("records"):
            value, low, high = (float(row[key]) for key in ("aucpr", "low", "high"))
            counts = f"{float(row['n']):,.0f} samples, {float(row['positives']):,.0f} real"
            shown = "undefined" if math.isnan(value) else fixed(value)
            interval = "" if math.isnan(low) else f" ({span((low, high))})"
            out[f"{name.removeprefix('breakdown/')} {row['value']}"] = f"AUCPR {shown}{interval}, {counts}"
    return out
