"""Tables as text: CSV with any delimiter, names of columns in comments, rules of dashes, rows of too many values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from astrid_ml.described.columns import ColumnMeaning

# The first of these that splits the header best is the delimiter; white space if none does.
DELIMITERS = (",", ";", "\t", "|")
TEXT = "text"
# What tables write where a number is unknown.
NOTHING = ("", "nan", "NaN", "NAN", "-nan", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "--", "<NA>", "masked")
# How a cell begins that a spreadsheet works out, be it marked already; numbers and dashes it does not work out.
_STARTS = r"[=+\-@\t\n\uff1d\uff0b\uff0d\uff20]"  # the last four are the wide ones of East Asian keyboards
_FORMULA = re.compile(f"'*{_STARTS}")
_HARMLESS = re.compile(r"[-+]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MARKED = re.compile(f"'+{_STARTS}")


def marked(table: pd.DataFrame) -> pd.DataFrame:
    """A table to be written as CSV: texts that a spreadsheet would work out get an apostrophe before them.

    Names come of catalogues that nobody trusts, and ``=cmd|...`` is a command there. Numbers stay as they are, whether
    they are numbers or texts of them. ``read_csv_text`` takes the apostrophe away, so that each text is read as it was;
    but carriage returns become line feeds, for pandas puts no quotes around them, and the rest would be another cell.

    Args:
        table: with any columns; names of columns are marked too.

    Example:
        >>> table = pd.DataFrame({"name": ["=1+1", "-1.5", "SN-1", "'-x"], "z": [-1.0, 2.0, 3.0, 4.0]})
        >>> marked(table).to_csv(index=False)
        "name,z\\n'=1+1,-1.0\\n-1.5,2.0\\nSN-1,3.0\\n''-x,4.0\\n"
    """
    texts = [place for place, kind in enumerate(table.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    out = table.copy(deep=False)
    for place in texts:
        before = table.iloc[:, place].tolist()
        cells = [_mark(cell) for cell in before]
        if any(a is not b for a, b in zip(cells, before, strict=True)):
            out.isetitem(place, pd.array(cells, dtype=object))
    out.columns = pd.Index([_mark(name) for name in table.columns])
    return out


def _mark(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = re.sub("\r\n?", "\n", cell) if "\r" in cell else cell
    return f"'{text}" if _FORMULA.match(text) and not _HARMLESS.fullmatch(text) else text


def _unmarked(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """The table without the apostrophes of :func:`marked`."""
    if not re.search(f"'{_STARTS}", text):
        return table
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            cells = table.iloc[:, place]
            table.isetitem(place, cells.map(_unmark, na_action="ignore").astype(kind).array)
    table.columns = pd.Index([_unmark(name) for name in table.columns])
    return table


def _unmark(cell: Any) -> Any:
    return cell[1:] if isinstance(cell, str) and _MARKED.match(cell) else cell


def read_csv_text(
    text: str, asked: Mapping[str, str], required: Collection[str]
) -> tuple[pd.DataFrame, dict[str, ColumnMeaning], list[tuple[int, str]]]:
    """Read a table.

    Args:
        text: of the file.
        asked: name of a column -> ``text``, or another kind.
        required: names by which a header is known; none where any may be there.

    Returns:
        The rows, units of columns, and (row from 1, reason) of those that have too many values.

    Example:
        >>> rows, units, bad = read_csv_text("# name,ra\\n2014J,148.92\\na,1,2\\n", {}, ())
        >>> rows["ra"].tolist(), bad
        ([148.92], [(2, '3 values for 2 columns')])
    """
    lines = text.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    header = lines[first] if first < len(lines) else ""
    if re.fullmatch(r'"[^"]*"', header.strip()) and first + 1 < len(lines) and _delimiter(lines[first + 1]):
        first, header = first + 1, lines[first + 1]  # a title, as TNS writes the time of its export
    before = lines[first - 1].lstrip("# ") if first else ""
    named = _names_in(before, required) and not _names_in(header, required) if required else _heads(before, header)
    if named:
        header, first = before, first - 1  # the header is itself a comment: `# ra dec`
    delimiter = _delimiter(header)
    meanings, skipped = _ruled(lines[first : first + 3], delimiter)
    body = header + "".join(lines[first + 1 + skipped :])
    texts = {name.lower() for name, kind in asked.items() if kind == TEXT}
    names = [name.strip().strip("\"'") for name in re.split(_pattern(delimiter), header.strip())]
    numbers_of = [name for name in names if name.lower() not in texts]
    options: dict[str, Any] = {
        "sep": delimiter or r"\s+",
        "skipinitialspace": True,
        "dtype": {name: str for name in names if name.lower() in texts},
        # An object may be called NA: only columns of numbers have words for nothing.
        "keep_default_na": False,
        "na_values": {name: list(NOTHING) for name in numbers_of},
    }
    try:
        frame = pd.read_csv(io.StringIO(body), **options)
    except pd.errors.ParserError:
        frame = pd.DataFrame(index=["a row with too many values"])
    bad: list[tuple[int, str]] = []
    if not isinstance(frame.index, pd.RangeIndex):  # a row has more values than the header: split row by row
        good, numbers, bad = _split(body, delimiter)
        frame = pd.read_csv(io.StringIO(good), **{**options, "sep": ","}).assign(_row=numbers)
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    return _unmarked(frame, text), meanings, bad


def _heads(comment: str, row: str) -> bool:
    """Whether a comment names the columns of the row below it: as many names, where that row holds numbers."""
    pattern = _pattern(_delimiter(row))
    names, values = ([cell.strip() for cell in re.split(pattern, line.strip())] for line in (comment, row))
    numbers = [
        [bool(re.fullmatch(r"[-+]?[.\d]+(?:[eE][-+]?\d+)?", cell)) for cell in cells] for cells in (names, values)
    ]
    return len(names) == len(values) > 1 and all(names) and any(numbers[1]) and not any(numbers[0])


def _ruled(lines: list[str], delimiter: str | None) -> tuple[dict[str, ColumnMeaning], int]:
    """Units, and how many lines stand between header and data: VizieR writes a line of units and one of dashes."""
    rows = [[cell.strip().strip("\"'") for cell in re.split(_pattern(delimiter), line.strip("\r\n"))] for line in lines]
    dashes = [any(len(cell) > 2 for cell in row) and all(set(cell) <= {"-"} for cell in row) for row in rows]
    if delimiter == "|" and len(lines) > 1 and re.fullmatch(r"\|?-{3,}[-+|]*\s*", lines[1]):
        return {}, 1  # psql writes ----+---- below a header of a | b
    if len(rows) > 1 and dashes[1]:
        return {}, 1
    if len(rows) < 3 or not dashes[2] or any(re.fullmatch(r"[-+.\d]+(?:[eE][-+]?\d+)?", cell) for cell in rows[1]):
        return {}, 0
    return {name: ColumnMeaning(unit) for name, unit in zip(rows[0], rows[1], strict=False) if unit}, 2


def _split(body: str, delimiter: str | None) -> tuple[str, list[int], list[tuple[int, str]]]:
    """Rows of the header's length as CSV, their numbers, and the others with the reason."""
    rows = list(csv.reader(io.StringIO(body), delimiter=delimiter or " ", skipinitialspace=True))
    rows = [row for row in rows if row]
    width = len(rows[0])
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows[0])
    numbers, bad = [], []
    for number, row in enumerate(rows[1:], 1):
        if len(row) > width:
            bad.append((number, f"{len(row)} values for {width} columns"))
        else:
            writer.writerow(row)
            numbers.append(number)
    return out.getvalue(), numbers, bad


def _names_in(line: str, names: Collection[str]) -> bool:
    found = {part.strip("\"'").lower() for part in re.split(r"[,;\t|\s]+", line.strip())}
    return {name.lower() for name in names} <= found


def _delimiter(header: str) -> str | None:
    """The delimiter of a header line; None for white space."""
    counts = {mark: header.count(mark) for mark in DELIMITERS}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else None


def _pattern(delimiter: str | None) -> str:
    return re.escape(delimiter) if delimiter else r"\s+"
