"""A sealed test set: groups that no command evaluates until ``astrid evaluate sealed=true``, and the account of that.

Which groups are sealed follows from their names alone: another seed, another split of groups or more data seal the
same ones. They are kept beside the dataset, ``<dataset>-splits/sealed.parquet``, with a file for each time that they
were evaluated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.files import read_note, write_new_json
from astrid_ml.identity import unmarked
from astrid_ml.splits.coded import Coded
from astrid_ml.splits.folds import FOLDS, KEPT, SEALED, TEST
from astrid_ml.table_files import read_parquet, write_table
from astrid_ml.types import Folds, Mask

TABLE, OPENINGS = "sealed.parquet", "openings"


def sealed_units(units: Coded, share: float) -> Mask:
    """Which rows belong to a unit (a group, a cell) that is sealed, (n,): about ``share`` of the units.

    Example:
        >>> units = Coded.of(pd.Series([f"object {n // 2}" for n in range(2000)]))
        >>> int(sealed_units(units, 0.1).sum())
        234
    """
    chosen = np.zeros(len(units.names) + 1, dtype=bool)
    if share > 0:
        keys = [
            hashlib.blake2b(unmarked(name).encode(), digest_size=8, person=b"sealed").digest() for name in units.names
        ]
        chosen[:-1] = np.frombuffer(b"".join(keys), dtype="<u8") < share * 2.0**64
    out: Mask = chosen[units.codes]
    return out


def with_sealed(folds: Folds, units: Coded, share: float) -> Folds:
    """Folds in which the units that are sealed are so, whatever they were.

    Args:
        folds: numbers of ``NAMES``, (n,).
        units: of each row.
        share: of the units.
    """
    return folds if share <= 0 else np.where(sealed_units(units, share), np.int8(KEPT), folds).astype(np.int8)


def of_tested(folds: Folds, units: Coded, share: float) -> Folds:
    """The same among what is tested: for splits whose tested side does not follow from chance."""
    if share <= 0:
        return folds
    chosen = sealed_units(units, share) & (folds == TEST)
    return np.where(chosen, np.int8(KEPT), folds).astype(np.int8)


def noted(share: float) -> dict[str, float]:
    """What a split's account says of it; nothing where nothing is sealed."""
    return {"sealed": share} if share > 0 else {}


@dataclass(frozen=True)
class Seal:
    """What is sealed of a dataset, and how often it was opened.

    Args:
        dataset: its folder.
    """

    dataset: Path

    @property
    def folder(self) -> Path:
        return self.dataset.with_name(f"{self.dataset.name}-splits")

    @property
    def ids(self) -> pd.Series:
        """Of the samples; none where nothing is sealed."""
        path = self.folder / TABLE
        return read_parquet(path)["id"] if path.is_file() else pd.Series([], dtype=str)

    @property
    def openings(self) -> list[dict[str, Any]]:
        """Each time that it was evaluated, the first first.

        Raises:
            UserError: a note of one is damaged: nobody knows any more how often it was.
        """
        paths = sorted(self.folder.glob(f"{OPENINGS}/*.json"))
        try:
            return [read_note(path) for path in paths]
        except ValueError as error:
            fix = f"restore {self.folder / OPENINGS} from a copy"
            raise UserError(
                "whole notes of each evaluation", f"{len(paths)} notes, one damaged: {error}", fix
            ) from error

    @property
    def share(self) -> float:
        """The largest that a split sealed; 0 where nobody noted it."""
        path = self.folder / TABLE
        table = read_parquet(path) if path.is_file() else pd.DataFrame()
        return float(table["share"].max()) if "share" in table and len(table) else 0.0

    def keep(self, rounds: Sequence[pd.DataFrame], share: float = 0.0) -> None:
        """Seal what a split seals, beside what is sealed already.

        Args:
            rounds: of the split.
            share: that its option asks for.
        """
        before = self.ids
        found = pd.concat([before, *(table["id"][table["fold"] == SEALED] for table in rounds)]).drop_duplicates()
        if len(found) > len(before):
            self.folder.mkdir(parents=True, exist_ok=True)
            table = pd.DataFrame({"id": found.astype(str).to_numpy(), "share": max(share, self.share)})
            write_table(table, self.folder / TABLE)

    def refuse_use(self, rounds: Sequence[pd.DataFrame]) -> None:
        """No round may train on, choose by or test what is sealed.

        Raises:
            UserError: says how many samples it would use.
        """
        sealed = self.ids
        used = (
            [table["id"][table["fold"].isin(FOLDS) & table["id"].isin(sealed)] for table in rounds]
            if len(sealed)
            else []
        )
        count = len(set().union(*used))
        if count:
            raise UserError(
                "a split that keeps the sealed test set of this dataset apart",
                f"{count} of its {len(sealed)} samples in train, val or test",
                f"give split.sealed={self.share or 'SHARE'}; to give up the seal, delete {self.folder / TABLE}",
            )

    def open(self, facts: dict[str, Any], again: bool) -> dict[str, Any]:
        """Count one evaluation of it.

        Args:
            facts: of the checkpoint and of the samples.
            again: it was opened before, and that is accepted.

        Returns:
            ``opening`` (from 1), ``first`` (when it was opened first) and the facts.
        """
        self.refuse_second(again)
        before = self.openings
        now = datetime.now(UTC).isoformat(timespec="seconds")
        number = len(before) + 1
        content = {"opening": number, "time": now, "first": before[0]["time"] if before else now, **facts}
        (self.folder / OPENINGS).mkdir(parents=True, exist_ok=True)
        while not write_new_json(self.folder / OPENINGS / f"{number:04d}.json", content):
            number += 1
            content["opening"] = number
        return content

    def refuse_second(self, again: bool) -> None:
        """A set that was looked at is no longer unseen.

        Raises:
            UserError: it was opened before and ``again`` is false.
        """
        before = self.openings
        if before and not again:
            raise UserError(
                "a sealed test set that nobody has opened",
                f"opened {len(before)} time{'s' if len(before) > 1 else ''}, first {before[0]['time']} "
                f"for {before[0].get('checkpoint', 'a checkpoint')}",
                "take the result of then; or reopen=true, which is counted and said in the report",
            )
