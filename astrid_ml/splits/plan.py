"""What a split says: for each round, which sample is in which fold. Written beside the dataset and into the run."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import whole

FOLDS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitPlan:
    """One or more rounds of training.

    Args:
        name: of the split's option.
        rounds: tables with ``id`` and ``fold`` (train, val, test, or ``unused``); k of them for k-fold.
        account: JSON-able facts for the report (fractions, held-out mission, what was linked).
        time_ordered: the split claims that training is earlier than test; the audit checks it.

    Example:
        >>> index = pd.DataFrame({"id": ["a", "b", "c"], "group_id": ["a", "b", "c"], "label": [1, 0, 1]})
        >>> folds = pd.DataFrame({"id": ["a", "b", "c"], "fold": ["train", "val", "test"]})
        >>> plan = SplitPlan("by_hand", [folds])
        >>> plan.counts(index)[["fold", "samples", "positives"]].to_dict("list")
        {'fold': ['train', 'val', 'test'], 'samples': [1, 1, 1], 'positives': [1, 0, 1]}
        >>> len(plan.hash)
        12
    """

    name: str
    rounds: list[pd.DataFrame]
    account: dict[str, Any] = field(default_factory=dict)
    time_ordered: bool = False

    @property
    def hash(self) -> str:
        """Over ids and folds of all rounds."""
        digest = hashlib.sha256()
        for table in self.rounds:
            ordered = table.sort_values("id")
            digest.update("\n".join(ordered["id"] + "\t" + ordered["fold"]).encode())
        return digest.hexdigest()[:12]

    def write(self, dataset: Path, run_dir: Path) -> list[Path]:
        """Write ``<dataset>-splits/<hash>.parquet`` (with ``_<round>`` for more than one) and copy it into the run."""
        folder = dataset.with_name(f"{dataset.name}-splits")
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for number, table in enumerate(self.rounds):
            name = f"{self.hash}.parquet" if len(self.rounds) == 1 else f"{self.hash}_{number}.parquet"
            with whole(folder / name) as part:
                table.to_parquet(part, index=False)
            (run_dir / "splits").mkdir(parents=True, exist_ok=True)
            shutil.copy2(folder / name, run_dir / "splits" / name)
            written.append(folder / name)
        return written

    def counts(self, index: pd.DataFrame) -> pd.DataFrame:
        """Rows round, fold, samples, groups, labelled, positives."""
        rows = []
        for number, table in enumerate(self.rounds):
            joined = index.merge(table, on="id")
            for fold in FOLDS:
                part = joined[joined["fold"] == fold]
                labels = pd.to_numeric(part["label"], errors="coerce")
                rows.append(
                    {
                        "round": number,
                        "fold": fold,
                        "samples": len(part),
                        "groups": int(part["group_id"].nunique()),
                        "labelled": int(part["label"].notna().sum()),
                        "positives": int((labels == 1).sum()),
                    }
                )
        return pd.DataFrame(rows)


def check_disjoint(index: pd.DataFrame, rounds: list[pd.DataFrame]) -> None:
    """No id and no group stands in two folds of a round.

    Raises:
        UserError: some do; they are named.
    """
    for table in rounds:
        used = table[table["fold"].isin(FOLDS)]
        if used["id"].duplicated().any():
            twice = used.loc[used["id"].duplicated(), "id"].unique()
            raise UserError(
                "each id in one fold", f"{len(twice)} in two ({', '.join(twice[:3])})", "fix the split file"
            )
        folds = index[["id", "group_id"]].merge(used, on="id").groupby("group_id")["fold"].nunique()
        crossing = folds[folds > 1].index
        if len(crossing):
            raise UserError(
                "each group (object, exposure) in one fold",
                f"{len(crossing)} groups in two folds ({', '.join(map(str, crossing[:3]))})",
                "split by group, or use a larger link_radius",
            )
