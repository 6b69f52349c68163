"""What the options of a split have in common: strata, missions, shares, rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.errors import UserError
from astrid_ml.missions import COLUMN, canonical
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.folds import fold_texts
from astrid_ml.splits.plan import check_disjoint, refuse_split_groups
from astrid_ml.splits.shared import need
from astrid_ml.types import Array, Mask

PARTS = np.array(["train", "val", "test"])


def strata_of(index: Columns, mission: Coded | None = None) -> Coded:
    """Label and mission together: each fold gets its share of both.

    Args:
        index: with ``label`` and ``mission`` where they are known.
        mission: of each row, where it is to be another than the column's.
    """
    return _words(index, "label").beside(_words(index, COLUMN) if mission is None else mission, "|")


def _words(index: Columns, name: str) -> Coded:
    """A column as text; empty where null or absent."""
    if name not in index:
        return Coded(np.zeros(len(index), dtype=np.int32), pd.Series([""], dtype=str))
    return Coded.of_few(index[name], str)


def missions_of(index: Columns) -> Coded:
    """The canonical mission of each row; one that is not known has no name."""
    need(index, [COLUMN], "a split by mission")
    values = Coded.of(index[COLUMN])
    words = Coded.of(pd.Series([canonical(str(name)) for name in values.names], dtype=str))
    return Coded(np.append(words.codes, np.int32(-1))[values.codes], words.names)


def one_round(index: Columns, folds: Array) -> list[pd.DataFrame]:
    """A single round, of names or of numbers; refuses groups that cross."""
    if folds.dtype == np.int8:
        ids = index["id"].astype(str)
        refuse_split_groups(Coded.of(index["group_id"]), folds)
        return [pd.DataFrame({"id": ids, "fold": fold_texts(folds).set_axis(ids.index)})]
    rounds = [pd.DataFrame({"id": index["id"].astype(str), "fold": folds})]
    check_disjoint(index, rounds)
    return rounds


def check_shares(val: float, test: float) -> None:
    """Shares leave something to train on."""
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise UserError(
            "split.val and split.test that leave a share for training", f"{val} and {test}", "for instance 0.15 and 0.2"
        )


def among(column: Coded, names: Sequence[str]) -> Mask:
    """Which rows hold one of some texts, (n,) bool."""
    wanted = np.append(column.names.isin(names).to_numpy(), False)
    out: Mask = wanted[column.codes]
    return out


def check_label_sources(index: Columns, mission: Coded, missions: Sequence[str], allowed: bool) -> None:
    """Missions labelled in different ways measure the labelling, not the sky.

    Args:
        index: with ``label`` and, where known, ``label_source``.
        mission: of each row.
        missions: those that are compared.
        allowed: nothing is refused.

    Raises:
        UserError: ``label_source`` differs between missions and that is not allowed.
    """
    if allowed or "label_source" not in index:
        return
    chosen = among(mission, missions) & index["label"].notna().to_numpy()
    source = Coded.of_few(index["label_source"], str)[chosen]
    pairs = pd.DataFrame({"mission": mission.codes[chosen], "source": source.codes}).drop_duplicates()
    found: dict[str, list[str]] = {}
    for place, of_labels in pairs.sort_values(["mission", "source"]).itertuples(index=False):
        found.setdefault(str(mission.names.iloc[place]), []).append(str(source.names.iloc[of_labels]))
    sources = {name: ", ".join(texts) for name, texts in found.items()}
    if len(set(sources.values())) > 1:
        raise UserError(
            "one source of labels for all missions",
            "; ".join(f"{mission}: {source}" for mission, source in sources.items()),
            "label them alike, or accept it with split.allow_mixed_labels=true (the report says so)",
        )
