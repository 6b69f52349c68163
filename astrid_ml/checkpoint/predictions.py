"""Tables of predictions: the columns that people rely on, in one order, with the schema in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.schema import SCHEMA
from astrid_ml.described.columns import OURS, ColumnMeaning, TableMeaning, has_others
from astrid_ml.described.formats import write_formats
from astrid_ml.described.parquet import ParquetMeaning, with_meaning
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.table_files import TableWriter, read_parquet

# They stand in every file of predictions, in this order; the rest of the index follows.
FIRST = (
    *("id", "group_id", "mission", "score", "probability", "threshold", "threshold_on", "decision"),
    *("prediction_set", "in_domain", "outside_because", "set", "source"),
)
TEXTS = ("mission", "threshold_on", "prediction_set", "outside_because", "set", "source")
METADATA = {"astrid.schema": str(SCHEMA)}
ADDED = (*FIRST, "label", "round", "baseline_column", "baseline_column_name", "baseline_trees")  # none of the index
# Why a column may be null, for the report.
WHY_NULL = {
    "prediction_set": "the checkpoint knows too few objects of these missions, or holds no sets",
    "in_domain": "the checkpoint holds no domain of validity",
    "set": "raw files belong to no set of a split",
}


@dataclass(frozen=True)
class PredictionsMeaning:
    """What a table of predictions says of its columns; a column that somebody's own table brought means what they say.

    Args:
        description: of the dataset or of the reader: whether it has samples of others.
    """

    description: Mapping[str, Any] = field(default_factory=dict)

    def of(self, columns: Sequence[str]) -> TableMeaning:
        """The meaning of a table with these columns."""
        own: dict[str, ColumnMeaning] = {}
        if has_others(self.description):
            own = {name: ColumnMeaning() for name in columns if name not in (*OURS, *ADDED)}
        return TableMeaning("predictions", own=own)

    def schema(self, schema: Any) -> Any:
        """The schema (of pyarrow) with its metadata."""
        return with_meaning(schema, self.of(schema.names))

    def text_lengths(self, lengths: Mapping[str, int]) -> dict[str, str]:
        """See :class:`ParquetMeaning`."""
        return ParquetMeaning(TableMeaning()).text_lengths(lengths)


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``FIRST`` first, missing ones as null; id as text, decision as int8 where there is one."""
    out = table.copy()
    for name in FIRST:
        if name not in out:
            out[name] = None if name in (*TEXTS, "in_domain") else np.nan
    out["id"], out["in_domain"] = out["id"].astype(str), out["in_domain"].astype("boolean")
    rest = [name for name in out.columns if name not in FIRST]
    return out[[*FIRST, *rest]]


def reasons(table: pd.DataFrame) -> dict[str, str]:
    """Column -> why all of it is null, for those that a reader may miss."""
    return {name: why for name, why in WHY_NULL.items() if name not in table or bool(table[name].isna().all())}


def brief_columns(wanted: Sequence[str], tables: Iterable[Path]) -> list[str]:
    """Those of the wanted columns that hold a value in any of some tables, in their order; no row is read.

    Args:
        wanted: see :class:`astrid_ml.contracts.told.HasBrief`.
        tables: parquet files of predictions.
    """
    import pyarrow.parquet as pq

    held: set[str] = set()
    for path in tables:
        with pq.ParquetFile(path) as file:
            for number in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(number)
                for place in range(group.num_columns):
                    column = group.column(place)
                    name, statistics = column.path_in_schema.partition(".")[0], column.statistics
                    if statistics is None or statistics.null_count < group.num_rows:
                        held.add(name)
    return [name for name in dict.fromkeys(wanted) if name in held]


def write_predictions(
    table: pd.DataFrame, path: Path, formats: Sequence[str] = (), description: Mapping[str, Any] | None = None
) -> None:
    """Write a whole table of predictions; makes its folder.

    Args:
        table: of any columns.
        path: of the parquet file.
        formats: written beside it.
        description: of the dataset whose samples they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, meaning = ordered(table), PredictionsMeaning(description or {})
    with TableWriter(path, METADATA, describes=meaning) as writer:
        writer.write(rows)
    write_formats(rows, path, meaning.of(list(map(str, rows.columns))), formats)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read a table of predictions of any schema; what an earlier one lacks is null.

    Raises:
        UserError: it is missing, damaged, no table of predictions, or from a newer schema.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError("a table of predictions", found(path), "give what astrid train or predict left")
    try:
        stated = (pq.read_schema(path).metadata or {}).get(b"astrid.schema", b"1")
        table = read_parquet(path)
    except (ValueError, OSError) as error:
        raise UserError("a table of predictions", f"{path}, which is damaged", "predict again") from error
    if not stated.isdigit() or int(stated) > SCHEMA:
        got = f"schema {stated.decode(errors='replace')} in {path}"
        raise UserError(f"predictions of schema 1 to {SCHEMA}", got, "update astrid_ml")
    if "id" not in table:
        raise UserError("a table of predictions with the column id", f"{list(table.columns)[:5]} in {path}", "check it")
    if "anomaly" in table and "entropy" not in table:
        table = table.rename(columns={"anomaly": "entropy"})  # as it was called until 0.1
    return ordered(table)
