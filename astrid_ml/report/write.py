"""Writes ``report.html``."""

from __future__ import annotations

import re
from pathlib import Path

from astrid_ml.files import write_text
from astrid_ml.report import html, sections_head, sections_results, sections_run
from astrid_ml.report.content import RunReport
from astrid_ml.report.model_card import card_text

BODY = (
    sections_results.curves,
    sections_results.operating,
    sections_results.breakdowns,
    sections_results.samples,
    sections_results.further,
    sections_results.numbers,
    sections_run.data,
    sections_run.audit,
    sections_run.training,
    sections_run.cost,
)


def write_report(path: Path, report: RunReport) -> None:
    """One self-contained page; it asks the network for nothing."""
    body = "".join(section(report) for section in BODY)
    write_text(path, html.page(report.title, sections_head.head(report) + contents(body) + body))


def contents(body: str) -> str:
    """Links to the sections."""
    links = " ".join(
        f'<a href="#{place}">{text}</a>' for place, text in re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body)
    )
    return f'<nav aria-label="Sections">{links}</nav>'


def write_model_card(folder: Path, report: RunReport) -> None:
    """``model_card.md`` and ``model_card.json``, from the same record as the report."""
    for name, text in card_text(report).items():
        write_text(folder / name, text)
