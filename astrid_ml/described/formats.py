"""Tables in the files that people's tools read: parquet always, and ECSV, VOTable or FITS where they are asked for."""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from astrid_ml.described.columns import ColumnMeaning, TableMeaning, printable_ascii
from astrid_ml.described.parquet import ParquetMeaning
from astrid_ml.errors import UserError
from astrid_ml.files import whole
from astrid_ml.nearest import nearest
from astrid_ml.printable import printable
from astrid_ml.table_files import longest_texts

if TYPE_CHECKING:
    from astropy.table import Table

SUFFIXES = {"ecsv": ".ecsv", "votable": ".vot", "fits": ".fits"}
LONGEST = 1000  # letters of a text in these files
_NEITHER = str.maketrans({"\n": "\\x0a", "\t": "\\x09"})  # printable elsewhere, but not in one line
Formats = str | Sequence[str] | None


def formats_of(given: Formats) -> tuple[str, ...]:
    """The value of ``format=`` as a tuple.

    Raises:
        UserError: a format that is not written.

    Example:
        >>> formats_of(None), formats_of("fits"), formats_of(["ecsv", "votable"])
        ((), ('fits',), ('ecsv', 'votable'))
    """
    names = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if name not in SUFFIXES:
            fix = nearest(str(name), SUFFIXES) or "choose some of them; parquet is always written"
            raise UserError(f"format of {', '.join(SUFFIXES)}", str(name), fix)
    return tuple(dict.fromkeys(names))


def write_described(
    table: pd.DataFrame,
    path: Path,
    meaning: TableMeaning,
    formats: Sequence[str] = (),
) -> list[Path]:
    """Write a table as parquet, and beside it in each of the formats; every file appears whole.

    Args:
        table: the rows.
        path: ``NAME.parquet``; the others are ``NAME.ecsv``, ``NAME.vot``, ``NAME.fits``.
        meaning: of the columns.
        formats: of :func:`formats_of`.

    Returns:
        the files.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow, about = pa.Table.from_pandas(table, preserve_index=False), ParquetMeaning(meaning)
    schema = about.schema(arrow.schema)
    extra = {**schema.metadata, **about.text_lengths(longest_texts(arrow))}
    with whole(path) as at:
        pq.write_table(pa.Table.from_arrays(arrow.columns, schema=schema.with_metadata(extra)), at)
    return [path, *write_formats(table, path, meaning, formats)]


def write_formats_of(path: Path, meaning: TableMeaning, formats: Sequence[str]) -> list[Path]:
    """The same for a parquet file that was written batch by batch; it is read whole, as the formats are written."""
    return write_formats(pd.read_parquet(path), path, meaning, formats) if formats else []


def write_formats(table: pd.DataFrame, path: Path, meaning: TableMeaning, formats: Sequence[str]) -> list[Path]:
    """The formats alone, beside a parquet file that is there already.

    Args:
        table: the rows.
        path: of the parquet file.
        meaning: of its columns.
        formats: of :func:`formats_of`.

    Returns:
        the files.
    """
    if not formats:
        return []
    rows = astropy_table(table, meaning)
    for column, number in _altered(table).items():
        note = "are cut, or have control characters written out, in these formats; parquet has them as they are"
        print(f"note: {number} texts of {printable(column)} {note}", file=sys.stderr)
    out = []
    for name in formats:
        target = path.with_suffix(SUFFIXES[name])
        with whole(target) as at:
            _WRITERS[name](rows, at)
        out.append(target)
    return out


def astropy_table(table: pd.DataFrame, meaning: TableMeaning) -> Table:
    """A data frame as an astropy table: missing values are masked, columns carry unit, description and UCD.

    Args:
        table: the rows; a column of lists becomes one of texts.
        meaning: of the columns.
    """
    from astropy.table import Table

    out = Table()
    for name in table.columns:
        column = meaning.column(str(name))
        out[shown(name)] = _column(table[name], column)
    return out


def _column(values: pd.Series[Any], meaning: ColumnMeaning) -> Any:
    from astropy.table import Column, MaskedColumn

    about: dict[str, Any] = {"description": meaning.description or None, "unit": meaning.unit or None}
    about["meta"] = {"ucd": meaning.ucd} if meaning.ucd else {}
    gone = values.isna().to_numpy(dtype=bool)
    dtype = values.dtype
    if pd.api.types.is_float_dtype(dtype):
        plain = values.to_numpy(dtype=np.float32 if dtype == np.float32 else np.float64, na_value=np.nan)
        return Column(plain, **about)
    if pd.api.types.is_bool_dtype(dtype) and not gone.any():
        return Column(values.to_numpy(dtype=bool), **about)
    if pd.api.types.is_bool_dtype(dtype):  # a missing truth value: FITS and VOTable have no column for it but numbers
        filled = values.fillna(False).to_numpy(dtype=bool).astype(np.int16)
        return MaskedColumn(filled, mask=gone, fill_value=-1, **about)
    if pd.api.types.is_integer_dtype(dtype):
        kind = np.dtype(str(dtype).lower())
        kind = np.dtype(np.int16) if kind == np.dtype(np.int8) else kind  # VOTable has no signed byte
        filled = values.fillna(0).to_numpy(dtype=kind)
        if not gone.any():
            return Column(filled, **about)
        # Files write this number where there is none: not astropy's 999999, which may be somebody's value.
        return MaskedColumn(filled, mask=gone, fill_value=_nowhere(filled), **about)
    texts = np.array([shown(value) if here else "" for value, here in zip(values, ~gone, strict=True)], dtype=str)
    return Column(texts if len(texts) else texts.astype("U1"), **about)  # an empty text is what all three have for none


def shown(value: object) -> str:
    r"""A value as a text of ECSV, VOTable and FITS: on one line, without control characters, of no boundless length.

    XML has no control characters, ECSV no line breaks, and FITS gives every row of a column the width of the longest.

    >>> shown("a\x1b[1m"), shown("two\nlines"), len(shown("x" * 5000))
    ('a\\x1b[1m', 'two\\x0alines', 1000)
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if text.isascii() and text.isprintable():
        return text
    return printable(text).translate(_NEITHER)[:LONGEST]


def _altered(table: pd.DataFrame) -> dict[str, int]:
    """How many texts of each column are not written as they stand in the parquet file."""
    texts = [name for name in table.columns if table[name].dtype in ("object", "string", "str")]
    counts = {str(name): sum(isinstance(v, str) and shown(v) != v for v in table[name]) for name in texts}
    return {name: count for name, count in counts.items() if count}


def _nowhere(values: Any) -> int:
    """A number that is not among the values: the smallest of their kind, or the largest of those without a sign."""
    limits = np.iinfo(values.dtype)
    return int(limits.min if limits.min < 0 else limits.max)


def _ecsv(table: Table, path: Path) -> None:
    table.write(path, format="ascii.ecsv", overwrite=True)


def _votable(table: Table, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*W50")  # the electron is no unit of the VO's list; tools show it
        warnings.filterwarnings("ignore", message=".*W03")  # a user's column may hold a blank, its ID may not
        table.write(path, format="votable", overwrite=True)


def _fits(table: Table, path: Path) -> None:
    """A binary table; cards that astropy does not write tell other tools of descriptions and UCDs.

    The standard has no electron and no multiples that are no powers of ten: such units are written as they are called,
    and astropy warns when it reads them. Letters beyond ASCII become question marks in texts, and their names in names.
    """
    from astropy.io import fits

    table, units = _with_names_in_ascii(table), dict[str, str]()
    plain = table.copy()
    for column in list(plain.itercols()):
        try:
            _ = "" if column.unit is None else column.unit.to_string("fits")
        except ValueError:  # astropy would leave it out, or refuse it
            units[column.name], column.unit = column.unit.to_string(), None
        if column.dtype.kind == "U":
            safe = np.char.encode(column, "ascii", "replace")
            plain.replace_column(column.name, type(column)(np.char.decode(safe, "ascii"), **_about(column)))
    # astropy takes `a: 0` for a card with a value in its value.
    plain.rename_columns(plain.colnames, [name.replace(": ", ":") for name in table.colnames])
    plain.write(path, format="fits", overwrite=True)
    with fits.open(path, mode="update") as hdus:
        header = hdus[1].header
        for number, name in enumerate(table.colnames, 1):
            column = table[name]
            if name in units:
                header[f"TUNIT{number}"] = units[name]
            if column.description:
                header[f"TCOMM{number}"] = column.description
            if column.meta.get("ucd"):
                header[f"TUCD{number}"] = column.meta["ucd"]


def ascii_name(name: str) -> str:
    """A name as FITS can hold it: letters without their accents, others by what Unicode calls them.

    >>> ascii_name("Δ mag"), ascii_name("σ_é"), ascii_name("ra")
    ('delta mag', 'sigma_e', 'ra')
    """
    if name.isascii():
        return name
    return "".join(letter if letter.isascii() else _word(letter) for letter in unicodedata.normalize("NFKD", name))


def _word(letter: str) -> str:
    if unicodedata.combining(letter):
        return ""
    called = unicodedata.name(letter, "")
    return called.rpartition(" ")[2].lower() if " LETTER " in called else "_"


def _with_names_in_ascii(table: Table) -> Table:
    """The table for FITS; its descriptions are in ASCII, too. What is renamed is said."""
    out, taken = table.copy(copy_data=False), {name for name in table.colnames if name.isascii()}
    for number, name in enumerate(table.colnames):
        column = out.columns[number]
        if column.description:
            column.description = printable_ascii(column.description)
        if name.isascii():
            continue
        plain = ascii_name(name)
        new = next(new for k in count(1) if (new := plain if k == 1 else f"{plain}_{k}") not in taken)
        taken.add(new)
        out.rename_column(name, new)
        print(
            f"note: the column {printable(name)} is called {new} in FITS, which has no other letters", file=sys.stderr
        )
    return out


def _about(column: Any) -> dict[str, Any]:
    return {"name": column.name, "description": column.description, "unit": column.unit, "meta": dict(column.meta)}


_WRITERS = {"ecsv": _ecsv, "votable": _votable, "fits": _fits}
