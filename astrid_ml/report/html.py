"""Pieces of a page: a frame with its style, tables, notes, pictures. Every text that comes in is escaped here."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

# Nothing may be fetched, from anywhere: what a page needs stands in it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def style() -> str:
    """The style sheet, which goes into every page."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def page(title: str, body: str, script: str = "") -> str:
    """A whole page that asks the network for nothing."""
    code = f"<script>{script}</script>" if script else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f'<style>{style()}</style></head><body><a class="skip" href="#content">To the content</a>'
        f'<main id="content">{body}</main>{code}</body></html>\n'
    )


def heading(text: str) -> str:
    """A section's heading, which the list of contents can point to."""
    return f'<h2 id="{anchor(text)}">{escape(text)}</h2>'


def anchor(text: str) -> str:
    """``Data and split`` -> ``data-and-split``."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def table(
    rows: pd.DataFrame,
    caption: str,
    names: Mapping[str, str] | None = None,
    raw: Collection[str] = (),
    row_class: Callable[[Mapping[Any, Any]], str] | None = None,
    css: str = "",
) -> str:
    """A table; numbers right-aligned and short, missing ones empty.

    Args:
        rows: the content; the first column names the rows.
        caption: what the table is.
        names: column -> what its head says.
        raw: columns that hold markup made by this package.
        row_class: a row -> its CSS class.
        css: the table's class.
    """
    names = names or {}
    columns = [str(name) for name in rows.columns]
    side = {name: " class=n" if pd.api.types.is_numeric_dtype(rows[name]) else "" for name in columns}
    head = "".join(f'<th scope="col"{side[name]}>{escape(names.get(name, name))}</th>' for name in columns)
    lines = []
    for row in rows.to_dict("records"):
        kind = row_class(row) if row_class else ""
        cells = ""
        for place, name in enumerate(columns):
            text = str(row[name]) if name in raw else escape(show(row[name]))
            cells += f'<th scope="row"{side[name]}>{text}</th>' if place == 0 else f"<td{side[name]}>{text}</td>"
        lines.append(f'<tr class="{kind}">{cells}</tr>' if kind else f"<tr>{cells}</tr>")
    inner = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    opened = f'<table class="{css}">' if css else "<table>"
    return f'<div class="scroll" tabindex="0">{opened}{inner}</table></div>'


def missing(value: Any) -> bool:
    """None, NaN or NA."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def show(value: Any) -> str:
    """A value as people write it; nothing for what is missing."""
    if missing(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {show(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show(part) for part in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def fixed(value: Any, digits: int = 3) -> str:
    """A rate with the same number of decimals as its neighbours; scientific where that would show only zeros."""
    if missing(value):
        return ""
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:.{digits}f}"


def span(interval: tuple[float, float] | None, digits: int = 3) -> str:
    """``0.951 to 0.979``."""
    return "" if interval is None else f"{fixed(interval[0], digits)} to {fixed(interval[1], digits)}"


def facts(values: Mapping[str, Any], caption: str) -> str:
    """Names and values in two columns."""
    lines = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(show(value))}</td></tr>'
        for name, value in values.items()
    )
    inner = f"<caption>{escape(caption)}</caption><tbody>{lines}</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{inner}</table></div>'


def remarks(texts: Sequence[str], alarm: bool = False) -> str:
    """What the reader must see."""
    kind = "remark alarm" if alarm else "remark"
    return "".join(f'<div class="{kind}" role="note">{escape(text)}</div>' for text in texts)


def figure(drawn: str, caption: str) -> str:
    """A plot (markup) and its caption."""
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"


def image(png: bytes, text: str, css: str = "wide") -> str:
    """An embedded PNG; ``text`` says what it shows to those who cannot see it."""
    content = base64.b64encode(png).decode()
    return f'<img class="{css}" alt="{escape(text, quote=True)}" src="data:image/png;base64,{content}">'


def heat(
    cells: Sequence[Sequence[tuple[str, float | None]]], head: Sequence[str], side: Sequence[str], caption: str
) -> str:
    """A matrix whose cells are the darker the larger their share.

    Args:
        cells: rows of (text, share in [0, 1]; None for an empty cell).
        head: of the columns.
        side: of the rows.
        caption: what the matrix is.
    """
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = ""
    for name, row in zip(side, cells, strict=True):
        lines += f'<tr><th scope="row">{escape(name)}</th>'
        for text, share in row:
            first, _, second = text.partition("\n")
            inner = escape(first) + (f"<small>{escape(second)}</small>" if second else "")
            strength = 0.0 if share is None else min(1.0, max(0.0, share))
            lines += f'<td class="heat" style="--s:{strength:.3f}">{inner}</td>'
        lines += "</tr>"
    return (
        f'<div class="scroll" tabindex="0"><table class="matrix"><caption>{escape(caption)}</caption>'
        f"<thead><tr><td></td>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )
