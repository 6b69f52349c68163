"""The model card: what a checkpoint is for, how well it does, and what to know before using it."""

from __future__ import annotations

import json
import math
from typing import Any

from astrid_ml.evaluation.breakdown import KINDS, RATES, SIGNED
from astrid_ml.files import finite
from astrid_ml.report import names, sections_head, sections_run
from astrid_ml.report.content import RunReport
from astrid_ml.report.names import fixed, show, span, with_ends
from astrid_ml.report.sections_run import counts_of


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
        "Dataset, all folds": {"fingerprint": dataset.get("fingerprint"), **counts_of(dataset)},
        **({"Weights began as": record["init"]} if record.get("init") else {}),
        "Labels": record.get("labels") or {},
        "Split": {
            "name": split.get("name"),
            "hash": split.get("hash"),
            **(split.get("account") or {}),
            **_folds(split.get("counts") or []),
            **({"trained on": drawn} if (drawn := sections_run.drawn_words(report.config)) else {}),
        },
        "Leak audit": {
            "mode": audit.get("mode"),
            "clean": audit.get("ok"),
            "checked": sections_run.checked_words(audit),
            "metadata alone": sections_run.confounding_words(audit),
        },
        "Operating point": _operating(record.get("calibration") or {}),
        "Domain of validity": _domain(record.get("domain_of_validity") or {}),
        "Cost": record.get("cost") or {},
        "Seeds": record.get("seeds") or {},
        "Versions": record.get("versions") or {},
        "Repeat": report.repeat,
    }


def _folds(counts: list[dict[str, Any]]) -> dict[str, str]:
    """What each fold holds; those of several rounds are told by their number."""
    several = len({row.get("round") for row in counts}) > 1
    held = ("samples", "groups", "labelled", "positives")
    return {
        f"round {row['round']}, {row['fold']}" if several else str(row["fold"]): ", ".join(
            f"{row[name]:,} {name}" for name in held if name in row
        )
        for row in counts
    }


def _operating(calibration: dict[str, Any]) -> dict[str, Any]:
    """Calibration and threshold; of the kind none, whether the score may be read as a probability."""
    plain = {name: value for name, value in calibration.items() if name not in ("sets", "chosen")}
    words = str((calibration.get("chosen") or {}).get("words", ""))
    plain |= {"chosen": words} if words else {}
    if calibration.get("kind") == "temperature" and (calibration.get("parameters") or {}).get("offset"):
        plain["kind"] = "temperature and offset of the logit"
    if calibration.get("kind") != "none" or not calibration.get("calibrated"):
        return plain
    return {**plain, "kind": "none was needed", "calibrated": "yes: the score itself is the probability"}


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
    again = names.repeated(result.metrics)
    for name in names.ordered([n for n in result.metrics if not n.startswith("aucpr/") and n not in again]):
        value, interval = result.metrics[name], result.intervals.get(name)
        shown = f"undefined ({result.why.get(name, 'no reason given')})" if value is None else fixed(value, 4)
        if value is not None and name in ("n", "groups"):
            shown = f"{value:,.0f}"
        out[names.metric(name)] = shown + (f" ({span(interval, 4)})" if interval else "")
    return out


def _breakdown(report: RunReport) -> dict[str, str]:
    out = {}
    kinds = report.headline.tables.get(KINDS)
    for row in [] if kinds is None else kinds.to_dict("records"):
        ends = span((float(row["low"]), float(row["high"])))
        out[f"bogus by {row['kind']} called real"] = (
            f"{row['called_real']:,} of {row['bogus']:,} in {row['groups']:,} groups ({ends})"
        )
    for name, table in report.headline.tables.items():
        if not name.startswith("breakdown/"):
            continue
        for row in table.to_dict("records"):
            counts = [f"{float(row['n']):,.0f} samples, {float(row['positives']):,.0f} real"]
            parts = [f"AUCPR {with_ends(row['aucpr'], row['low'], row['high']) or 'undefined'}"]
            of = {
                rate: [float(row.get(key, math.nan)) for key in (rate, f"{rate}_low", f"{rate}_high")] for rate in RATES
            }
            parts += [f"{rate} {shown}" for rate, ends in of.items() if (shown := with_ends(*ends))]
            column = name.removeprefix("breakdown/")
            out[f"{'|S/N|' if column == SIGNED else column} {row['value']}"] = ", ".join(parts + counts)
    return out
