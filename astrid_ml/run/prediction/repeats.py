"""Samples that several units have: the first unit of the plan counts, and memory stays flat over millions of ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.contracts.by_part import TOLD_FROM, kinds_of, told_apart
from astrid_ml.contracts.pipeline import Drop
from astrid_ml.errors import UserError
from astrid_ml.run.prediction.scoring import AGAIN

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Repeats:
    """Which ids were met in earlier units.

    Args:
        suspects: hashes that several units have, sorted; no other id can be met twice.
        met: of these, the ids so far, each with the place where it stands.
        identity: columns by which samples of one id are told apart.
        names: what such a sample is -> the id of its own.
    """

    suspects: npt.NDArray[np.uint64]
    met: dict[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def among(tables: Iterable[Path], identity: Sequence[str] = ()) -> Repeats:
        """Look at the ids of all units; eight bytes of each are kept for the moment.

        Args:
            tables: files with the column ``id``.
            identity: columns by which samples of one id are told apart.
        """
        paths = list(tables)
        hashes = [np.unique(_hashed(ids_before(read_part(path, ["id", TOLD_FROM])))) for path in paths]
        if not hashes:
            return Repeats(np.empty(0, dtype=np.uint64))
        every = np.concatenate(hashes)
        every.sort()
        suspects = np.unique(every[1:][every[1:] == every[:-1]])
        if not identity or not len(suspects):
            return Repeats(suspects)
        known = ["id", TOLD_FROM, *identity]
        found = [_suspected(read_part(path, known), suspects, identity) for path in paths]
        rows = pd.concat(found, ignore_index=True)
        own = told_apart(rows, identity)
        changed = own != rows["id"]
        names = dict(zip(kinds_of(rows, identity)[changed], own[changed], strict=True))
        return Repeats(suspects, identity=tuple(identity), names=names)

    def own_names(self, table: pa.Table) -> dict[str, str]:
        """Id -> id of its own, of those of a unit's samples whose id a different sample of another unit has."""
        if not self.names:
            return {}
        rows = _suspected(table, self.suspects, self.identity)
        own = kinds_of(rows, self.identity).map(self.names).dropna()
        return dict(zip(table["id"].to_pandas().astype(str)[own.index], own, strict=True))

    def without(self, table: pa.Table) -> tuple[pa.Table, list[Drop]]:
        """A unit's rows without those of samples that an earlier unit had, and a drop for each of these.

        Args:
            table: with the columns ``id`` and ``source``; a sample may have several rows.
        """
        import pyarrow as pa

        if not len(self.suspects):
            return table, []
        ids = table["id"].to_pandas().astype(str)
        if names := self.own_names(table):
            ids = ids.map(names).fillna(ids)
            place = table.column_names.index("id")
            table = table.set_column(place, "id", pa.array(ids, table.schema.field("id").type))
        own = ~ids.duplicated() & (np.isin(_hashed(ids), self.suspects) | ids.isin(list(self.names.values())))
        places = dict(zip(ids[own], table["source"].to_pandas()[own].astype(str), strict=True))
        again = {name: place for name, place in places.items() if name in self.met}
        self.met = places | self.met
        if not again:
            return table, []
        drops = [Drop(name, AGAIN, f"{place}; the first: {self.met[name]}") for name, place in again.items()]
        return table.filter((~ids.isin(list(again))).to_numpy()), drops


def _suspected(table: pa.Table, suspects: npt.NDArray[np.uint64], identity: Sequence[str]) -> pd.DataFrame:
    """A unit's rows whose id several units have: ``id`` and the columns of ``identity`` that it has."""
    ids = ids_before(table)
    known = {name: table[name].to_pandas() for name in identity if name in table.column_names}
    return pd.DataFrame({"id": ids, **known})[np.isin(_hashed(ids), suspects)]


def ids_before(table: pa.Table) -> pd.Series[str]:
    """The ids of a unit's rows, of those that it told apart what they were before."""
    ids: pd.Series[str] = table["id"].to_pandas().astype(str)
    if TOLD_FROM in table.column_names:
        before: pd.Series[str] = table[TOLD_FROM].to_pandas()
        ids = before.where(before.notna(), ids).astype(str)
    return ids


def _hashed(ids: pd.Series) -> npt.NDArray[np.uint64]:
    return pd.util.hash_array(ids.to_numpy(dtype=object), categorize=False)


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of a finished unit.

    Args:
        path: the file.
        columns: that are read, as far as it has them; None for all.

    Raises:
        UserError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        named = None if columns is None else [name for name in pq.read_schema(path).names if name in columns]
        return pq.read_table(path, columns=named, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        fix = "run the same command again: its unit is scored again"
        raise UserError("parts as they were written", f"{path}, which is damaged", fix) from error
