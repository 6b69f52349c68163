"""Writes ``report.html`` and the model card."""

from __future__ import annotations

from pathlib import Path

from astrid_ml.files import write_text
from astrid_ml.report import sections_head, sections_results, sections_run
from astrid_ml.report.content import RunReport
from astrid_ml.report.model_card import card_text
from astrid_ml.report.pages import page

SECTIONS = (
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
    write_text(path, report_page(report))


def report_page(report: RunReport) -> str:
    """The text of that page."""
    sections = [made for section in SECTIONS if (made := section(report)) is not None]
    return page("report.html", sections=sections, **sections_head.head(report))


def write_model_card(folder: Path, report: RunReport) -> None:
    """``model_card.md`` and ``model_card.json``, from the same record as the report."""
    for name, text in card_text(report).items():
        write_text(folder / name, text)
