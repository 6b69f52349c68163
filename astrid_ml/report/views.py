"""What templates place, as plain data: tables, matrices, names with values, figures, sections."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd
from markupsafe import Markup

from astrid_ml.report.content import SamplePicture
from astrid_ml.report.names import show
from astrid_ml.report.pages import drawn

# What a printed page can hold side by side, in characters; of a wider table, each row is printed as a block of names
# and values.
PRINTED = 112
GAP = 2.5
WHISKER = 18
# A table of more rows may break between pages.
UNBROKEN_ROWS = 30
# Texts up to this length stay on one line, also where a phone makes columns narrow.
UNWRAPPED = 18
# Stamps are square or strips of three; a curve of this shape, with its axes, needs more room.
BROAD, STRIP = 1.3, 2.6

_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?%)?")
_SPAN = re.compile(r"[-+\d.,e]+ to [-+\d.,e]+")


@dataclass(frozen=True)
class TableColumn:
    """The head of a column.

    Args:
        title: what it says.
        css: ``n`` for numbers, ``s`` for what stays on one line, ``t`` for longer texts, else empty.
    """

    title: str
    css: str = ""

    @property
    def head(self) -> str:
        """The class of its head, which wraps where it is long."""
        return "t" if self.css == "s" and len(self.title) > UNWRAPPED else self.css


@dataclass(frozen=True)
class TableRow:
    """One row: the first cell names it.

    Args:
        cells: texts, or drawings.
        css: the row's class, or empty.
    """

    cells: list[str]
    css: str = ""


@dataclass(frozen=True)
class TableView:
    """A table.

    Args:
        caption: what the table is.
        columns: heads.
        rows: as many cells each as there are columns.
        css: the table's class, or empty.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: list[TableColumn]
    rows: list[TableRow]
    css: str = ""

    @cached_property
    def wide(self) -> bool:
        """Whether it is wider than paper."""
        cells = zip(*(row.cells for row in self.rows), strict=True) if self.rows else [()] * len(self.columns)
        found = zip(self.columns, cells, strict=True)
        return sum(_width(column.title, texts, column.css == "t") for column, texts in found) > PRINTED

    @property
    def classes(self) -> str:
        """Of the table, separated by spaces."""
        found = [self.css, "wide" * self.wide, "long" * (len(self.rows) > UNBROKEN_ROWS)]
        return " ".join(name for name in found if name)


@dataclass(frozen=True)
class FactsView:
    """Names and values in two columns.

    Args:
        caption: what they are.
        pairs: (name, value) as texts.
    """

    kind: ClassVar[str] = "facts"
    caption: str
    pairs: list[tuple[str, str]]


@dataclass(frozen=True)
class HeatCell:
    """A cell of a matrix.

    Args:
        text: the value.
        small: a second line, or empty.
        strength: how dark it is, 0 to 1, with three decimals.
    """

    text: str
    small: str
    strength: str


@dataclass(frozen=True)
class HeatView:
    """A matrix whose cells are the darker the larger their share.

    Args:
        caption: what the matrix is.
        head: names of the columns.
        rows: (name, cells) of each row.
    """

    kind: ClassVar[str] = "heat"
    caption: str
    head: list[str]
    rows: list[tuple[str, list[HeatCell]]]

    @cached_property
    def wide(self) -> bool:
        """Whether it is wider than paper."""
        cells = zip(*(row for _, row in self.rows), strict=True) if self.rows else [()] * len(self.head)
        found = zip(self.head, cells, strict=True)
        widths = [2 + _width(name, [cell.text for cell in column], False) for name, column in found]
        return sum(widths) + max((len(name) for name, _ in self.rows), default=0) > PRINTED


@dataclass(frozen=True)
class FigureView:
    """A drawing, or a picture, and its caption.

    Args:
        caption: below it; what the picture shows to those who cannot see it.
        svg: a drawing; empty for a picture.
        source: of a picture, a ``data:`` address.
        css: the picture's class.
    """

    kind: ClassVar[str] = "figure"
    caption: str
    svg: Markup = field(default_factory=Markup)
    source: str = ""
    css: str = ""


View = TableView | FactsView | HeatView | FigureView


@dataclass(frozen=True)
class SectionView:
    """A part of a page.

    Args:
        title: its heading.
        template: below ``templates/sections``, without its ending.
        content: what the template places.
    """

    title: str
    template: str
    content: dict[str, Any]


def table(
    rows: pd.DataFrame,
    caption: str,
    names: Mapping[str, str] | None = None,
    row_class: Callable[[Mapping[Any, Any]], str] | None = None,
    css: str = "",
    drawings: Mapping[str, Sequence[str]] | None = None,
) -> TableView:
    """A table; numbers right-aligned and short, missing ones empty.

    Args:
        rows: the content; the first column names the rows.
        caption: what the table is.
        names: column -> what its head says.
        row_class: a row -> its CSS class.
        css: the table's class.
        drawings: column -> what is drawn in its cells, instead of what stands there.
    """
    names, drawings = names or {}, drawings or {}
    values = [rows.iloc[:, place].tolist() for place in range(rows.shape[1])]  # by place: names may repeat
    columns: list[TableColumn] = []
    texts: list[Sequence[str]] = []
    for place, name in enumerate(rows.columns):
        shown: Sequence[str]
        if name in drawings:
            shown, side = [drawn(svg) for svg in drawings[name]], "s"
        else:
            shown = [show(value) for value in values[place]]
            side = _side(shown, pd.api.types.is_numeric_dtype(rows.iloc[:, place]), place == 0)
        columns.append(TableColumn(names.get(str(name), str(name)), side))
        texts.append(shown)
    heads = list(rows.columns)
    made = []
    for place in range(len(rows)):
        kind = row_class({name: column[place] for name, column in zip(heads, values, strict=True)}) if row_class else ""
        made.append(TableRow([column[place] for column in texts], kind))
    return TableView(caption, columns, made, css)


def _side(texts: Sequence[str], numeric: bool, first: bool) -> str:
    """Numbers stand right, whether they came as numbers or as texts of fixed decimals; short texts do not wrap."""
    if numeric:
        return "n"
    known = [text for text in texts if text and text != "undefined"]
    if not first and known and all(_NUMBER.fullmatch(text) for text in known):
        return "n"
    if all(len(text) <= UNWRAPPED or _SPAN.fullmatch(text) for text in known):
        return "s"
    return "t"


def _width(title: str, texts: Sequence[str], wraps: bool) -> float:
    """Of a column on paper, in characters: its head may wrap between words."""
    longest = max(map(_letters, texts), default=0)
    words = max(map(len, title.split()), default=0)
    return max(min(longest, 14) if wraps else longest, words) + GAP


def _letters(text: str) -> int:
    """How many a cell shows: of a link its text, of a drawing its width."""
    if not isinstance(text, Markup):
        return len(text)
    return WHISKER if text.startswith("<svg") else len(text.striptags())


def facts(values: Mapping[str, Any], caption: str) -> FactsView:
    """Names and values in two columns."""
    return FactsView(caption, [(str(name), show(value)) for name, value in values.items()])


def heat(
    cells: Sequence[Sequence[tuple[str, float | None]]], head: Sequence[str], side: Sequence[str], caption: str
) -> HeatView:
    """A matrix whose cells are the darker the larger their share.

    Args:
        cells: rows of (text, share in [0, 1]; None for an empty cell); a second line of the text is small.
        head: of the columns.
        side: of the rows.
        caption: what the matrix is.
    """
    rows = [(name, [_heat_cell(text, share) for text, share in row]) for name, row in zip(side, cells, strict=True)]
    return HeatView(caption, list(head), rows)


def _heat_cell(text: str, share: float | None) -> HeatCell:
    first, _, second = text.partition("\n")
    return HeatCell(first, second, f"{0.0 if share is None else min(1.0, max(0.0, share)):.3f}")


def figure(svg: str, caption: str) -> FigureView:
    """A plot and its caption."""
    return FigureView(caption, svg=drawn(svg))


def picture(png: bytes, caption: str, css: str = "wide") -> FigureView:
    """An embedded PNG and its caption."""
    return FigureView(caption, source=f"data:image/png;base64,{base64.b64encode(png).decode()}", css=css)


def gallery(pictures: Sequence[SamplePicture]) -> list[FigureView]:
    """Samples with their captions; a picture that is much wider than high, as of a curve, gets the room of two."""
    return [picture(sample.png, sample.caption, "broad" if _broad(sample.png) else "") for sample in pictures]


def _broad(png: bytes) -> bool:
    """Whether a PNG is much wider than high; its size stands in its first chunk."""
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    return BROAD * height < width < STRIP * height
