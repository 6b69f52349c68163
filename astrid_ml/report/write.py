"""Writes ``report.html`` and the model card."""

from __future__ import annotations

import json
import os
from pathlib import Path

from astrid_ml.report import html, sections
from astrid_ml.report.content import RunReport


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_report(path: Path, report: RunReport) -> None:
    """One self-contained page; it asks the network for nothing."""
    body = "".join(section(report) for section in sections.ALL)
    write_whole(path, html.page(report.title, body))


def write_model_card(folder: Path, report: RunReport) -> None:
    """``model_card.md`` and ``model_card.json``, from the same record as the report."""
    card = card_content(report)
    write_whole(folder / "model_card.json", json.dumps(card, indent=2, default=str) + "\n")
    lines = [f"# {report.title}", ""]
    for heading, value in card.items():
        lines += [f"## {heading}", ""]
        if isinstance(value, dict):
            lines += [f"- {name}: {html.show(part)}" for name, part in value.items()]
        elif isinstance(value, list):
            lines += [f"- {part}" for part in value] or ["- none"]
        else:
            lines.append(str(value))
        lines.append("")
    write_whole(folder / "model_card.md", "\n".join(lines))


def card_content(report: RunReport) -> dict[str, object]:
    """The content of a model card."""
    record, result = report.record, report.results[report.headline_fold]
    named = dict(sections.SHOWN)
    shown: dict[str, str] = {}
    for name, value in result.metrics.items():
        if name not in named or value is None:
            continue
        span = result.intervals.get(name)
        shown[named[name].strip()] = f"{value:.4f}" + (f" ({span[0]:.4f} to {span[1]:.4f})" if span else "")
    dataset, split, audit = (record.get(name) or {} for name in ("dataset", "split", "audit"))
    return {
        "What it is": f"{record.get('name')}, trained by astrid_ml on the domain {dataset.get('domain')}.",
        "How well it does": {"fold": report.headline_fold, **shown},
        "Read before use": [
            *result.remarks,
            *(
                ["Labels are a proxy: " + str(record["labels"].get("words"))]
                if (record.get("labels") or {}).get("proxy")
                else []
            ),
        ],
        "Trained on": {
            "dataset": dataset.get("fingerprint"),
            **{k: v for k, v in (dataset.get("counts") or {}).items() if not isinstance(v, dict)},
        },
        "Labels": record.get("labels") or {},
        "Split": {"name": split.get("name"), "hash": split.get("hash")},
        "Leak audit": {
            "mode": audit.get("mode"),
            "clean": audit.get("ok"),
            "checked": ", ".join(audit.get("checked") or []),
        },
        "Operating point": record.get("calibration") or {},
        "Seeds": record.get("seeds") or {},
        "Versions": record.get("versions") or {},
        "Repeat": report.repeat,
    }
