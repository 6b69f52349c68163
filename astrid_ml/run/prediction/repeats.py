"""Samples that several units have: the first unit of the plan counts, and memory stays flat over millions of ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

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
    """

    suspects: npt.NDArray[np.uint64]
    met: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def among(tables: Iterable[Path]) -> Repeats:
        """Look at the ids of all units; eight bytes of each are kept for the moment.

        Args:
            tables: files with the column ``id``.
        """
        hashes = [np.unique(_hashed(read_part(path, ["id"])["id"].to_pandas())) for path in tables]
        if not hashes:
            return Repeats(np.empty(0, dtype=np.uint64))
        every = np.concatenate(hashes)
        every.sort()
        return Repeats(np.unique(every[1:][every[1:] == every[:-1]]))

    def without(self, table: pa.Table) -> tuple[pa.Table, list[Drop]]:
        """A unit's rows without those of samples that an earlier unit had, and a drop for each of these.

        Args:
            table: with the columns ``id`` and ``source``; a sample may have several rows.
        """
        if not len(self.suspects):
            return table, []
        ids = table["id"].to_pandas().astype(str)
        own = ~ids.duplicated() & np.isin(_hashed(ids), self.suspects)
        places = dict(zip(ids[own], table["source"].to_pandas()[own].astype(str), strict=True))
        again = {name: place for name, place in places.items() if name in self.met}
        self.met = places | self.met
        if not again:
            return table, []
        drops = [Drop(name, AGAIN, f"{place}; the first: {self.met[name]}") for name, place in again.items()]
        return table.filter((~ids.isin(list(again))).to_numpy()), drops


def _hashed(ids: pd.Series) -> npt.NDArray[np.uint64]:
    return pd.util.hash_array(ids.to_numpy(dtype=object), categorize=False)


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of a finished unit.

    Args:
        path: the file.
        columns: that are read; None for all.

    Raises:
        UserError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=None if columns is None else list(columns), page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        fix = "run the same command again: its unit is scored again"
        raise UserError("parts as they were written", f"{path}, which is damaged", fix) from error
