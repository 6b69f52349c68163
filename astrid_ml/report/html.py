"""Pieces of a page: a frame with its style, tables, notes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd


def style() -> str:
    """The style sheet, which goes into every page."""
    return (Path(__file__).parent / "style.css").read_text(encoding="utf-8")


def page(title: str, body: str, script: str = "") -> str:
    """A whole page that asks the network for nothing."""
    code = f"<script>{script}</script>" if script else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<style>{style()}</style></head><body><main>{body}</main>{code}</body></html>\n"
    )


def table(rows: pd.DataFrame, caption: str, names: Mapping[str, str] | None = None) -> str:
    """A table; numbers right-aligned and short, missing ones empty."""
    names = names or {}
    columns = [str(name) for name in rows.columns]
    side = {name: " class=n" if pd.api.types.is_numeric_dtype(rows[name]) else "" for name in columns}
    head = "".join(f'<th scope="col"{side[name]}>{escape(names.get(name, name))}</th>' for name in columns)
    lines = [
        "<tr>" + "".join(f"<td{side[name]}>{escape(show(row[name]))}</td>" for name in columns) + "</tr>"
        for row in rows.to_dict("records")
    ]
    inner = f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table>{inner}</table></div>'


def show(value: Any) -> str:
    """A value as people write it; nothing for what is missing."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def facts(values: Mapping[str, Any], caption: str) -> str:
    """Names and values in two columns."""
    rows = pd.DataFrame({"": list(values), " ": [show(value) for value in values.values()]})
    return table(rows, caption)


def remarks(texts: Sequence[str]) -> str:
    """What the reader must see."""
    return "".join(f'<div class="remark" role="note">{escape(text)}</div>' for text in texts)


def image(png: bytes, text: str, css: str = "wide") -> str:
    """An embedded PNG."""
    import base64

    content = base64.b64encode(png).decode()
    return f'<img class="{css}" alt="{escape(text, quote=True)}" src="data:image/png;base64,{content}">'
