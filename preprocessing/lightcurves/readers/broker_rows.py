"""Rows of a light curve in a file of a broker or a service, whatever the file's form."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.inflating import is_gzip, read_inflated, start_of_gzip
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import FileForm, TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.row_blocks import columns_of, read_any, told
from astrid_ml.readable import in_words

JSON = (".json", ".jsonl", ".ndjson")
FORMS: dict[FileForm, tuple[str, ...]] = {
    "table": (".csv", ".csv.gz", ".parquet"),
    "json": (*JSON, *(f"{ending}.gz" for ending in JSON)),
    "text": (".txt", ".dat", ".text"),
}
LOOKED_AT = 2**20  # bytes of a file of JSON or text in which a layout is looked for
LARGEST = 2**28  # bytes of JSON, which is read whole
_SPLIT = re.compile(r"[,\s]+")


def layout_of_file(path: Path) -> TableLayout | None:
    """The layout of a file's columns; None for anything else, damaged files too."""
    try:
        status = path.stat()
        return _layout(path, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError, EOFError, zlib.error):
        return None


@lru_cache(maxsize=64)  # asked when it is found, and when it is read
def _layout(path: Path, size: int, _: int) -> TableLayout | None:
    form = next((form for form, endings in FORMS.items() if path.name.lower().endswith(endings)), None)
    fitting = [layout for layout in layouts() if form in layout.files]
    if form == "table":
        names = columns_of(path) if path.name.endswith(FORMS["table"]) else frozenset()
        return next((layout for layout in fitting if names.issuperset(layout.known_by)), None)
    if form is None or not size or size > LARGEST:
        return None
    if is_gzip(path):
        start = start_of_gzip(path, LOOKED_AT)
    else:
        with path.open("rb") as stream:
            start = stream.read(LOOKED_AT)
    if form == "text":
        return next((layout for layout in fitting if header_line(start.decode("latin-1"), layout) is not None), None)
    return _told_by(start, fitting)


def _told_by(start: bytes, fitting: Sequence[TableLayout]) -> TableLayout | None:
    """The layout whose columns the start of a JSON text names: below one of its lists, else as rows."""
    named = [layout for layout in fitting if all(f'"{name}"'.encode() in start for name in layout.known_by)]
    listed = [layout for layout in named if any(f'"{key}"'.encode() in start for key in layout.lists)]
    return next(iter([*listed, *named]), None)


def header_line(text: str, layout: TableLayout) -> tuple[int, list[str]] | None:
    """Number of the line of names, from 0, and the names; None where there is none."""
    if not all(name in text for name in layout.known_by):
        return None
    for number, line in enumerate(text.splitlines()):
        names = [word for word in _SPLIT.split(line.lstrip("# \t")) if word]
        if set(layout.known_by) <= set(names):
            return number, names
    return None


def rows_of_file(path: Path, layout: TableLayout) -> pd.DataFrame:
    """All rows of a file, as they stand.

    Raises:
        UserError, ValueError: it is damaged, or holds no rows; says so.
    """
    if path.name.endswith(FORMS["table"]):
        return read_any(path)
    if path.name.lower().endswith(FORMS["json"]):
        rows = pd.DataFrame(list(_flat(_documents(path), layout)))
    else:
        rows = _of_text(path, layout)
    if not len(rows):
        raise ValueError(f"no row of {layout.name} in it")
    return rows


def _of_text(path: Path, layout: TableLayout) -> pd.DataFrame:
    header = header_line(path.read_text(encoding="latin-1"), layout)
    if header is None:
        raise ValueError(f"no line with the names of {layout.name}")
    number, names = header
    with told(path):
        return pd.read_csv(
            path, sep=r"\s+", names=names, index_col=False, skiprows=number + 1, comment="#", encoding="latin-1"
        )


def _documents(path: Path) -> list[Any]:
    """The documents of a JSON text: one, an array, or one a line.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        text = read_inflated(path).decode("utf-8-sig")
        found = _parsed(text)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"a packed text that is damaged ({in_words(error)})") from error
    except UnicodeDecodeError as error:
        raise ValueError("text that is no UTF-8") from error
    except RecursionError as error:
        raise ValueError("a document that is nested too deeply") from error
    return found if isinstance(found, list) else [found]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise ValueError("a text without a document")
    found = []
    for number, line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"a text that is no JSON ({error.msg}, line {number})") from error
    return found


def damage_of_json(path: Path) -> str:
    """Why a JSON text cannot be read; empty where it can, and for files of other kinds.

    Args:
        path: whose ending tells that it should be one, plain or gzipped.
    """
    if not path.name.lower().endswith(FORMS["json"]):
        return ""
    size = path.stat().st_size
    if size > LARGEST:
        return f"a JSON text of {size} bytes, and at most {LARGEST} are read: write it in smaller files"
    try:
        _documents(path)
    except ValueError as error:
        return str(error)
    return ""


def _flat(documents: list[Any], layout: TableLayout) -> Iterator[dict[str, Any]]:
    """Rows of documents; those in lists have the document's name of the object, where they have none."""
    objects = layout.columns.get("object", ())
    for document in documents:
        if not isinstance(document, dict):
            continue
        lists = [document[key] for key in (*layout.lists, *layout.limits) if isinstance(document.get(key), list)]
        if not lists:
            yield _plain(document)
            continue
        about = {name: document[name] for name in objects if name in document}
        yield from (_plain({**about, **row}) for rows in lists for row in rows if isinstance(row, dict))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The values of a row that are one thing each."""
    return {name: value for name, value in row.items() if not isinstance(value, list | dict)}
