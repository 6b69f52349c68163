"""Rows of light curves in a file of a broker, a service or a user, whatever the file's form."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.avro import records
from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.inflating import is_gzip, read_inflated, refuse_swollen_gzip, refuse_swollen_parquet, start_of_gzip
from astrid_ml.preprocessing.lightcurves.curves.row_blocks import BLOCK, MOST_COLUMNS, row_blocks, told
from astrid_ml.preprocessing.lightcurves.readers.layouts.documents import groups_in, with_owner
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import FileForm, TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import names_objects
from astrid_ml.preprocessing.lightcurves.readers.layouts.nests import is_nested, unnested
from astrid_ml.preprocessing.lightcurves.readers.layouts.text_heads import TextHead, decoded, head_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.wire import messages_in, number_in
from astrid_ml.readable import in_words, of_fits, quiet
from astrid_ml.tables import read_table

JSON = (".json", ".jsonl", ".ndjson")
CSV = (".csv", ".tsv", ".psv")
FITS = (".fits", ".fit", ".fits.gz")
OTHER_TABLES = (".vot", ".votable", ".xml", ".ecsv")
TEXT = (".txt", ".dat", ".text", ".tbl", ".lc")
FORMS: dict[FileForm, tuple[str, ...]] = {
    "table": (*CSV, *(f"{ending}.gz" for ending in CSV), ".parquet", ".pq", *FITS, *OTHER_TABLES),
    "json": (*JSON, *(f"{ending}.gz" for ending in JSON)),
    "text": (*TEXT, *(f"{ending}.gz" for ending in TEXT)),
    "avro": (".avro",),
}
LOOKED_AT = 2**20  # bytes of a file of JSON or text in which a layout is looked for
LARGEST = 2**28  # bytes of JSON, which is read whole
SAMPLE = 200  # rows that are looked at
OBJECTS = 2000  # of a table with a row an object, or packets, that are held at a time
_SNANA = re.compile(r"(head|phot)\.fits(\.gz)?$", re.IGNORECASE)
_DAMAGE = (OSError, ValueError, EOFError, zlib.error, UserError, pa.ArrowException)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Args:
        table: as they stand in the file.
        about: what is said once for all of them: a header's keys, what stands above a list.
        units: of columns, where the file tells them.
        place: the list or nest of the file in which they stand; empty where there is one only.
    """

    table: pd.DataFrame
    about: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    @property
    def names(self) -> list[str]:
        """Of the columns, then of what is said once."""
        return [*map(str, self.table.columns), *(name for name in self.about if name not in self.table)]

    def column(self, name: str) -> pd.Series:
        """A column, or what is said once in each row."""
        return self.table[name] if name in self.table else pd.Series([self.about[name]] * len(self.table), dtype=object)


def form_of(path: Path) -> FileForm | None:
    """The form of a file, by its name; None for files of other kinds, SNANA's pairs among them."""
    name = path.name.lower()
    if _SNANA.search(name):
        return None
    return next((form for form, endings in FORMS.items() if name.endswith(endings)), None)


def look_at(path: Path, names: tuple[str, ...] = ()) -> tuple[Rows, ...]:
    """The first rows of each table in a file; none for files of other kinds, damaged ones too.

    Args:
        path: of the file.
        names: of the columns of a text in which no line names them.
    """
    try:
        state = path.stat()
        return _look(path, names, state.st_size, state.st_mtime_ns)
    except _DAMAGE:
        return ()


@lru_cache(maxsize=64)  # each reader asks
def _look(path: Path, names: tuple[str, ...], size: int, _: int) -> tuple[Rows, ...]:
    form = form_of(path)
    if form is None or not size:
        return ()
    found: dict[str, Rows] = {}
    for rows in islice(_rows(path, form, SAMPLE, names), 16):
        found.setdefault(rows.place, rows)
    return tuple(found.values())


def known_layout(rows: Rows, form: FileForm | None) -> TableLayout | None:
    """The known layout of some rows; of several that of their list, then the most particular one."""
    fitting = [one for one in layouts() if form in one.files and one.fits(rows.names, rows.about)]
    listed = [one for one in fitting if rows.place in (*one.lists, *one.limits)]
    return max(listed or fitting, key=lambda one: len(one.known_by) + len(one.said), default=None)


def layout_of_file(path: Path) -> TableLayout | None:
    """The known layout of a file's first table that has one; None for anything else, damaged files too."""
    form = form_of(path)
    return next((one for rows in look_at(path) if (one := known_layout(rows, form)) is not None), None)


def rows_in(path: Path, names: tuple[str, ...] = ()) -> Iterator[Rows]:
    """All rows of a file, block by block where its form allows it.

    Args:
        path: of the file.
        names: of the columns of a text in which no line names them.

    Raises:
        UserError, ValueError: it is damaged, or holds no rows; says so.
    """
    form = form_of(path)
    some = False
    for rows in _rows(path, form, BLOCK, names) if form else ():
        some = some or bool(len(rows.table))
        yield rows
    if not some:
        raise ValueError("no row of a light curve in it")


def _rows(path: Path, form: FileForm, size: int, names: tuple[str, ...]) -> Iterator[Rows]:
    name = path.name.lower()
    if form == "json":
        yield from _of_documents(_documents(path))
    elif form == "avro":
        with path.open("rb") as stream:
            yield from _of_documents(records(stream) if number_in(path) is None else messages_in(path))
    elif name.endswith((".parquet", ".pq")):
        yield from _of_parquet(path, size)
    elif name.endswith(FITS):
        yield _of_fits(path)
    elif name.endswith(OTHER_TABLES):
        read = read_table(path, {})
        rows = read.rows.drop(columns="_row", errors="ignore")
        yield Rows(rows, {}, {name: meaning.unit for name, meaning in read.meanings.items()})
    else:
        yield from _of_text(path, size, names)


def _of_text(path: Path, size: int, names: tuple[str, ...]) -> Iterator[Rows]:
    start = start_of_gzip(path, LOOKED_AT) if is_gzip(path) else _start(path)
    head = head_of(decoded(start))
    if not head.names:
        names, said = (names, {}) if names else _named(path)
        head = replace(head, names=names, about={**head.about, **said})
    if not head.names:
        return
    if len(head.names) > MOST_COLUMNS:
        raise ValueError(f"{len(head.names)} columns, and a table of curves has at most {MOST_COLUMNS}")
    refuse_swollen_gzip(path)
    with told(path), pd.read_csv(path, chunksize=size, **_options(head)) as reader:
        for block in reader:
            kept = [name for name in block if str(name)]
            yield Rows(block[kept].reset_index(drop=True), head.about, head.units)
            if size == SAMPLE:
                return


def nameless(path: Path) -> int:
    """How many values stand in each row of a text in which no line names them; 0 for other files."""
    if form_of(path) != "text" and not path.name.lower().endswith(CSV):
        return 0
    try:
        start = start_of_gzip(path, LOOKED_AT) if is_gzip(path) else _start(path)
    except (OSError, EOFError, zlib.error):
        return 0
    if b"\0" in start:
        return 0
    head = head_of(decoded(start))
    return 0 if head.names or _named(path)[0] else head.width


def _named(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names of columns, and what is said once, by the name of a file."""
    for layout in layouts():
        found = re.search(layout.file_name, "/".join(path.parts[-2:])) if layout.file_name else None
        if found:
            return layout.names, {key: value for key, value in found.groupdict().items() if value}
    return (), {}


def _options(head: TextHead) -> dict[str, Any]:
    """What pandas is told of a text table."""
    names = [name or f"_{place}" for place, name in enumerate(head.names)]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    names = [name if first[name] == place else f"{name}.{place}" for place, name in enumerate(names)]
    names += [f"_{place}" for place in range(len(names), head.width)]  # values that nothing names
    return {
        "sep": head.delimiter or r"\s+",
        "names": names,
        "header": None,
        "index_col": False,
        "skiprows": head.lines,
        "comment": "#",
        "decimal": head.decimal,
        "encoding": "utf-8",
        "encoding_errors": "replace",
        "skipinitialspace": True,
        "low_memory": False,
        "dtype": {name: str for name in names if names_objects(name)},
    }


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LOOKED_AT)


def _of_parquet(path: Path, size: int) -> Iterator[Rows]:
    refuse_swollen_parquet(path)
    schema = pq.read_schema(path)
    if len(schema.names) > MOST_COLUMNS:
        raise ValueError(f"{len(schema.names)} columns, and a table of curves has at most {MOST_COLUMNS}")
    if not is_nested(schema):
        yield from (Rows(block) for block in row_blocks(path, size))
        return
    with told(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=min(size, OBJECTS)):
            for nest, table in unnested(batch):
                yield Rows(table, {}, {}, nest)


def _of_fits(path: Path) -> Rows:
    """The first table of a FITS file; the headers of it and of what stands before it are said once.

    Raises:
        ValueError: it is damaged, or holds no table; says so.
    """
    from astropy.table import Table

    about: dict[str, Any] = {}
    try:
        with quiet(), open_checked(path) as units:
            for unit in units:
                about |= {
                    str(key): value for key, value in unit.header.items() if key and key not in ("COMMENT", "HISTORY")
                }
                if getattr(unit, "columns", None) is not None and unit.data is not None:
                    table = Table(unit.data)
                    flat = [name for name in table.colnames if table[name].ndim == 1]
                    said = {c.name: str(c.unit) for c in unit.columns if c.unit}
                    return Rows(table[flat].to_pandas(), about, said)
    except UserError:
        raise
    except Exception as error:  # astropy raises anything
        raise ValueError(of_fits(error)) from error
    return Rows(pd.DataFrame())


def _of_documents(documents: Iterable[Any]) -> Iterator[Rows]:
    """Rows by the list that they stand in, with what is said above them."""
    left = iter(documents)
    while block := list(islice(left, OBJECTS)):
        places: dict[str, list[dict[str, Any]]] = {}
        alone = [document for document in block if isinstance(document, dict)]
        for group in (group for one in _merged(block, alone) for group in with_owner(groups_in(one))):
            own = {name for row in group.rows for name in row}  # what a row lacks is not said above it
            about = {name: value for name, value in group.about.items() if name not in own}
            places.setdefault(group.place, []).extend({**about, **row} for row in group.rows)
        for place, rows in places.items():
            table = pd.DataFrame(rows).replace({None: np.nan})
            for name in filter(names_objects, map(str, table)):
                table[name] = pd.Series([row.get(name) for row in rows], dtype=object)
            yield Rows(table, {}, {}, place)


def _merged(block: list[Any], alone: list[Any]) -> list[Any]:
    """Documents that are rows themselves as one list of rows."""
    plain = [one for one in alone if not any(isinstance(value, dict | list) for value in one.values())]
    return (
        [plain, *(one for one in block if not any(one is row for row in plain))] if len(plain) == len(block) else block
    )


def _documents(path: Path) -> list[Any]:
    """The documents of a JSON text: one, an array, or one a line.

    Raises:
        ValueError: it is no JSON.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(damage_of_json(path))
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
