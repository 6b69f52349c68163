"""The folds of a table: somebody's published split, or the one of another run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.splits.folds import NAMES, UNUSED, folds_of, sets_of_groups
from astrid_ml.splits.groups import linked
from astrid_ml.splits.plan import SplitPlan
from astrid_ml.tables import read_table
from astrid_ml.types import InUnits, NonNegative


@dataclass(frozen=True)
class GivenSplit:
    """Each sample in the fold that a table says. What the table does not name is unused.

    Whether it cuts groups is the audit's question: a table may well do so.

    Args:
        path: a table with ``id`` and ``fold`` (train, val, test, sealed, unused), as ``splits/<hash>.parquet``
            of a run.
        link_radius: arcsec within which groups are one, for the count of groups that the table cuts.
    """

    path: str
    link_radius: Annotated[NonNegative, InUnits("arcsec")] = 1.0

    by_column: ClassVar[bool] = True

    def check_first(self, known: Mapping[str, Collection[str]]) -> None:
        """Refuse a file that is not there, or without the two columns."""
        self._table()

    def plan(self, index: Columns) -> SplitPlan:
        """One round.

        Raises:
            UserError: the table is none of folds, or names no sample of the dataset.
        """
        table, ids = self._table(), index["id"].astype(str)
        places = folds_of(ids, table)
        if not (places >= 0).any():
            got = f"{Path(self.path).name}, whose {len(table)} ids are others"
            raise UserError("folds of the samples of this dataset", got, "give the table of a split of these samples")
        folds = [NAMES[place] if place >= 0 else UNUSED for place in places]
        groups = linked(index, self.link_radius)
        cut = int((sets_of_groups(groups, places).sum(axis=1) > 1).sum())
        account = {"file": Path(self.path).name, "not_named": int((places < 0).sum()), "groups_cut": cut}
        return SplitPlan("file", [pd.DataFrame({"id": ids.to_numpy(), "fold": folds})], account)

    def _table(self) -> pd.DataFrame:
        table = read_table(self.path, {"id": "text", "fold": "text"}).rows
        strange = sorted({str(name) for name in table["fold"]} - set(NAMES))
        if strange:
            got = f"{', '.join(strange[:3])} in {self.path}"
            raise UserError(f"folds among {', '.join(NAMES)}", got, "rename them in the table")
        return pd.DataFrame({"id": table["id"].astype(str), "fold": table["fold"].astype(str)})
