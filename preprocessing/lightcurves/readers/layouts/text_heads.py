"""Where a text table names its columns: in a first line, a comment, between bars; and what is said above."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MARKS = ("#", "@", "\\", "%", "!", "//")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)", re.IGNORECASE)
_SAID = re.compile(r'^[#@%!\s\\/]*"?([A-Za-z][^=:"]*?)"?\s*[=:]\s*"?([^"]*?)"?\s*(?:degrees|deg)?\s*$')
_SEPARATOR = re.compile(r'"?sep=."?', re.IGNORECASE)
_COLUMN = re.compile(r"^#\s*(\w+)\s*:\s*$")  # SALT2's: a line names one
_TOLD = re.compile(r"^\s*@\s*(\w+)\s+(.+?)\s*$")
UTF16 = "a text in UTF-16: save it as UTF-8"
LONGEST = 1000  # characters of a comment that says something once
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class TextHead:
    """How a text table begins.

    Args:
        names: of the columns; empty where no line names them.
        delimiter: between values; None for blanks.
        lines: above the first row of values.
        about: what is said above the rows, once for all: ``key = value``, ``@key value``.
        units: of columns.
        decimal: of numbers.
        width: values of the first row.
    """

    names: tuple[str, ...]
    delimiter: str | None
    lines: int
    about: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    decimal: str = "."
    width: int = 0


def decoded(start: bytes) -> str:
    """The beginning of a text.

    Args:
        start: its first bytes.

    Raises:
        ValueError: it is one of two bytes a character.

    Example:
        >>> decoded(b"\\xef\\xbb\\xbfmjd,mag")
        'mjd,mag'
    """
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ValueError(UTF16)
    return start.decode("utf-8-sig", errors="replace")


def head_of(text: str) -> TextHead:
    """What the beginning of a text table says of it.

    Args:
        text: its first lines.

    Example:
        >>> head_of("# id = 7\\n# mjd; mag; err\\n59000,5; 20,1; 0,1\\n").names
        ('mjd', 'mag', 'err')
    """
    lines = [line.rstrip("\r") for line in text.split("\n")]
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(MARKS)), None)
    if first is not None and _SEPARATOR.fullmatch(lines[first].strip()):  # a spreadsheet's own: sep=;
        first = next((n for n in range(first + 1, len(lines)) if lines[n].strip()), None)
    if first is None:
        return TextHead((), None, len(lines))
    if lines[first].count('"') % 2:
        return TextHead((), None, first)  # a quote that is not closed
    above = [line for line in lines[:first] if line.strip()]
    if lines[first].startswith("|"):
        return _between_bars(lines, first, above)
    mark = delimiter_of(lines[first])
    if any(_is_number(cell, mark) for cell in cells(lines[first], mark)):
        return _named_above(lines, first, above)
    return _named_here(lines, first, above)


def _named_above(lines: list[str], first: int, above: list[str]) -> TextHead:
    """A table whose first line holds values: the names stand in the comment above it, or nowhere."""
    row = lines[first]
    mark = delimiter_of(row)
    width = len(cells(row, mark))
    each = [found[1] for line in above if (found := _COLUMN.match(line)) and found[1].lower() != "end"]
    if len(each) == width > 1:
        return TextHead(tuple(each), mark, first, _about(above), {}, _decimal(row, mark), width)
    named = above[-1].lstrip("#@%!/\\ \t") if above else ""
    names = _names(named, mark if mark and mark in named else delimiter_of(named))
    fits = bool(above) and (len(names) == width or (mark is None and len(names) > 1 and not _said(above[-1])))
    names = names if fits and not any(map(_NUMBER.fullmatch, names)) else []
    return TextHead(tuple(names), mark, first, _about(above), {}, _decimal(row, mark), width)


def _named_here(lines: list[str], first: int, above: list[str]) -> TextHead:
    """A table whose first line names the columns; VizieR's have a line of units and one of dashes below it."""
    after = next((n for n in range(first + 1, len(lines)) if lines[n].strip(" -\t|,;")), len(lines))
    mark = delimiter_of(lines[first])
    names = _names(lines[first], mark)
    values = lines[after] if after < len(lines) else ""
    if mark == "," and values and "," not in values:
        mark = None  # names between commas, values between blanks
    units: dict[str, str] = {}
    if after + 1 < len(lines) and values and _is_rule(lines[after + 1]):
        units = {name: unit for name, unit in zip(names, cells(values, mark), strict=False) if unit}
        after += 2
        values = lines[after] if after < len(lines) else ""
    return TextHead(tuple(names), mark, after, _about(above), units, _decimal(values, mark), len(cells(values, mark)))


def _is_number(cell: str, delimiter: str | None) -> bool:
    return bool(_NUMBER.fullmatch(cell if delimiter == "," else cell.replace(",", ".")))


def cells(line: str, delimiter: str | None) -> list[str]:
    """The values of a line, without blanks and quotes around them."""
    parts = line.split() if delimiter is None else line.split(delimiter)
    return [part.strip().strip("\"'") for part in parts]


def delimiter_of(line: str) -> str | None:
    """What stands between the values of a line; None for blanks."""
    counts = {mark: line.count(mark) for mark in _DELIMITERS}
    best = "\t" if counts["\t"] else ";" if counts[";"] else max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else None


def _names(line: str, mark: str | None) -> list[str]:
    words = cells(line.lstrip("#@%!/\\ \t\ufeff"), mark)
    while words and not words[-1]:
        words.pop()  # a mark behind the last one
    return words


def _is_rule(line: str) -> bool:
    return "-" in line and not line.strip(" -\t|,;+")


def _between_bars(lines: list[str], first: int, above: list[str]) -> TextHead:
    """IPAC's tables: names, types, units and words for nothing between bars, values between blanks."""
    names = cells(lines[first].strip().strip("|"), "|")
    barred = next((n for n in range(first, len(lines)) if not lines[n].startswith("|")), len(lines))
    units = cells(lines[first + 2].strip().strip("|"), "|") if barred > first + 2 else []
    said = {name: unit for name, unit in zip(names, units, strict=False) if unit}
    values = lines[barred] if barred < len(lines) else ""
    return TextHead(tuple(names), None, barred, _about(above), said, ".", len(values.split()))


def _decimal(row: str, mark: str | None) -> str:
    """A comma in numbers, where something else stands between the values."""
    return "," if mark in (";", "\t") and re.search(r"\d,\d", row) and not re.search(r"\d\.\d", row) else "."


def _said(line: str) -> tuple[str, str] | None:
    found = _TOLD.match(line) or _SAID.match(line) if len(line) <= LONGEST else None
    return (found[1].strip(), found[2].strip()) if found and found[2].strip() else None


def _about(above: list[str]) -> dict[str, str]:
    return dict(said for line in above if (said := _said(line)) is not None)
