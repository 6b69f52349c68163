"""Tables and lists as RecordSets of Croissant: fields with their meaning, keys, and references between them.

mlcroissant 1.1 reads a reference only where it names a column of a file or a list that stands in ``croissant.json``;
one that names a field of another table ends its reading. So references to samples name the column of the index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from astrid_ml.described.columns import ColumnMeaning, TableMeaning
from astrid_ml.files import whole

LABEL = "http://mlcommons.org/croissant/Label"  # mlcroissant has no name for it
# A fold of a split -> Croissant's name for it, and its use.
FOLDS = {
    "train": ("http://mlcommons.org/croissant/TrainingSplit", "weights are fitted on it"),
    "val": (
        "http://mlcommons.org/croissant/ValidationSplit",
        "the best weights, the calibration and the threshold are chosen on it",
    ),
    "test": ("http://mlcommons.org/croissant/TestSplit", "judged once"),
    "sealed": ("http://mlcommons.org/croissant/TestSplit", "kept for one evaluation at the end"),
    "unused": ("", "left out"),
}
TEXTS = ("jid", "match_id", "truth_id", "image_filename")  # a name of digits is still a name
_TYPES = (
    (pa.types.is_boolean, "BOOL"),
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_floating, "FLOAT"),
    (pa.types.is_string, "TEXT"),
    (pa.types.is_large_string, "TEXT"),
)


@dataclass(frozen=True)
class TableWords:
    """What is said of a table beside its columns' types.

    Args:
        text: of the RecordSet.
        key: the column that names a row; empty for none.
        references: column -> (file, its column) or the field of a list that its values name.
        meaning: of the columns.
        own: column -> description that goes before that of ``meaning``.
        kinds: column -> URI of the meaning of its values.
    """

    text: str
    key: str = ""
    references: Mapping[str, tuple[str, str] | str] = field(default_factory=dict)
    meaning: TableMeaning = field(default_factory=lambda: TableMeaning("index"))
    own: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Any] = field(default_factory=dict)


def table_records(context: Any, folder: Path, name: str, source: str, file: str, words: TableWords) -> Any:
    """A RecordSet over all columns of a table that hold one plain value a row.

    Args:
        context: of mlcroissant.
        folder: of the dataset.
        name: of the RecordSet.
        source: of the FileObject.
        file: the table, CSV or parquet, relative to the folder.
        words: what is said of it.
    """
    import mlcroissant as mlc

    schema = csv_schema(folder / file) if file.endswith(".csv") else pq.read_schema(folder / file)
    plain = {item.name: kind for item in schema if (kind := _data_type(item.type)) is not None}
    fields = [_field(context, name, source, column, kind, words) for column, kind in plain.items()]
    key = {"key": [f"{name}/{words.key}"]} if words.key in plain else {}
    return mlc.RecordSet(ctx=context, id=name, name=name, description=words.text, fields=fields, **key)


def _field(context: Any, record_set: str, source: str, column: str, kind: str, words: TableWords) -> Any:
    import mlcroissant as mlc

    types = [getattr(mlc.DataType, kind), *([words.kinds[column]] if column in words.kinds else [])]
    target, more = words.references.get(column), {}
    if isinstance(target, tuple):
        file, other = target
        place = mlc.Source(ctx=context, file_object=file, extract=mlc.Extract(ctx=context, column=other))
        more = {"references": place}
    elif target is not None:
        more = {"references": mlc.Source(ctx=context, field=target)}
    return mlc.Field(
        ctx=context,
        id=f"{record_set}/{column}",
        name=column,
        description=words.own.get(column) or _said(words.meaning.column(column), column),
        data_types=types,
        source=mlc.Source(ctx=context, file_object=source, extract=mlc.Extract(ctx=context, column=column)),
        **more,
    )


def _said(meaning: ColumnMeaning, column: str) -> str:
    """Description, unit and UCD of a column; a column that nobody described says its name."""
    said = f"{meaning.description or f'The column {column}'}."
    unit = f" Unit: {meaning.unit}." if meaning.unit else ""
    return said + unit + (f" UCD: {meaning.ucd}." if meaning.ucd else "")


def list_records(context: Any, name: str, rows: Sequence[Mapping[str, Any]], text: str, **more: Any) -> Any:
    """A RecordSet whose rows stand in ``croissant.json`` itself; its first column is its key.

    Args:
        context: of mlcroissant.
        name: of the RecordSet.
        rows: of equal columns, texts or whole numbers; at least one.
        text: of the RecordSet.
        more: given to the RecordSet.
    """
    import mlcroissant as mlc

    fields = [
        mlc.Field(
            ctx=context,
            id=f"{name}/{column}",
            name=column,
            description=f"The {column}.",
            data_types=[mlc.DataType.INTEGER if isinstance(value, int) else mlc.DataType.TEXT],
        )
        for column, value in rows[0].items()
    ]
    data = [{f"{name}/{column}": value for column, value in row.items()} for row in rows]
    key = [f"{name}/{next(iter(rows[0]))}"]
    return mlc.RecordSet(ctx=context, id=name, name=name, description=text, fields=fields, data=data, key=key, **more)


def fold_records(context: Any, rounds: Sequence[pd.DataFrame]) -> Any:
    """The folds as Croissant's kinds of a split: those that occur."""
    import mlcroissant as mlc

    found = {str(name) for table in rounds for name in table["fold"].unique()}
    rows = [{"name": name, "url": url, "use": use} for name, (url, use) in FOLDS.items() if name in found]
    return list_records(context, "folds", rows, "The folds of the split.", data_types=[mlc.DataType.SPLIT])


def fold_columns(rounds: Sequence[pd.DataFrame]) -> list[str]:
    """Names of the columns of the split's table: ``fold``, or ``fold_0`` and so on."""
    return ["fold"] if len(rounds) == 1 else [f"fold_{number}" for number in range(len(rounds))]


def write_folds(folder: Path, rounds: Sequence[pd.DataFrame]) -> str:
    """Write ``croissant/_split.parquet``, one row a sample, a column for each round; return its name."""
    names = fold_columns(rounds)
    table = rounds[0][["id"]].astype(str).reset_index(drop=True)
    for name, other in zip(names, rounds, strict=True):
        same = other["id"].astype(str).to_numpy() == table["id"].to_numpy() if len(other) == len(table) else None
        if same is not None and same.all():
            table[name] = other["fold"].astype(str).to_numpy()
        else:
            table[name] = table["id"].map(other.astype(str).set_index("id")["fold"])
    (folder / "croissant").mkdir(exist_ok=True)
    with whole(folder / "croissant" / "_split.parquet") as part:
        table.to_parquet(part, index=False)
    return "croissant/_split.parquet"


def csv_schema(path: Path) -> pa.Schema:
    """Types of a CSV table's columns; one that is empty throughout is text."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, "string"))
    names = {name: "string" if table[name].isna().all() else table[name].dtype.name for name in table.columns}
    types = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    return pa.schema({name: types.get(kind, pa.string()) for name, kind in names.items()})


def _data_type(kind: pa.DataType) -> str | None:
    """The name of a column's type in mlcroissant; None where it holds no plain value."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return next((name for fits, name in _TYPES if fits(kind)), None)
