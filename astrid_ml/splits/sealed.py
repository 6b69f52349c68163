"""A sealed test set: groups that no command evaluates until ``astrid evaluate sealed=true``, and the account of that.

Which groups are sealed follows from their names alone: another seed, another split of groups or more data seal the
same ones. They are kept beside the dataset, ``<dataset>-splits/sealed.parquet``, with a file for each time that they
were evaluated. Each time is noted beside the checkpoint too, ``<checkpoint>-openings``, with hashes of some of the
samples: so a copy of the dataset, or a part of it, does not look unseen to the same checkpoint. A copy of both, or a
checkpoint that was trained anew on a copy, knows nothing of what was done elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
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
SKETCH = 1000  # hashes of samples in a note: the smallest, so that copies and parts of one set share some


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
        checkpoint: file of the model that is to judge, which has notes of its own; None for none.
        samples: ids of the sealed samples that it is to judge.
    """

    dataset: Path
    checkpoint: Path | None = None
    samples: Sequence[str] = ()

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
        own = _notes(self.folder / OPENINGS)
        known = {note.get("key") for note in own}
        beside = [] if self._beside is None else _notes(self._beside)
        ours = set(hashes(self.samples)) if beside else set()
        others = [note for note in beside if note.get("key") not in known and ours & set(note.get("hashes") or [])]
        return sorted([*own, *others], key=lambda note: str(note.get("time")))

    @property
    def _beside(self) -> Path | None:
        """Where the checkpoint's notes stand."""
        return None if self.checkpoint is None else self.checkpoint.with_name(f"{self.checkpoint.name}-{OPENINGS}")

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
            ``opening`` (from 1), ``first`` (when it was opened first), ``elsewhere`` (how many of the earlier ones this
            dataset does not know of), ``noted`` (whether the checkpoint's folder took the note) and the facts.
        """
        self.refuse_second(again)
        before, own = self.openings, _notes(self.folder / OPENINGS)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        number, place = len(before) + 1, len(own) + 1
        content = {"opening": number, "time": now, "first": before[0]["time"] if before else now, **facts}
        content |= {"key": secrets.token_hex(8), "elsewhere": len(before) - len(own)}
        (self.folder / OPENINGS).mkdir(parents=True, exist_ok=True)
        while not write_new_json(self.folder / OPENINGS / f"{place:04d}.json", content):
            place += 1
            content["opening"] += 1
        return {**content, "noted": self._note_beside(content)}

    def _note_beside(self, content: dict[str, Any]) -> bool:
        """Leave the note with the checkpoint; false where its folder takes none."""
        if self._beside is None:
            return False
        sketch = sorted(hashes(self.samples))[:SKETCH]
        try:
            self._beside.mkdir(exist_ok=True)
            return write_new_json(self._beside / f"{content['key']}.json", {**content, "hashes": sketch})
        except OSError:
            return False

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


def hashes(names: Sequence[str]) -> list[str]:
    """A hash of each sample's name, whatever mark its simulation left."""
    return [hashlib.blake2b(unmarked(str(name)).encode(), digest_size=8).hexdigest() for name in names]


def _notes(folder: Path) -> list[dict[str, Any]]:
    """Of evaluations, the first first.

    Raises:
        UserError: one is damaged: nobody knows any more how often it was.
    """
    paths = sorted(folder.glob("*.json"))
    try:
        return [read_note(path) for path in paths]
    except ValueError as error:
        got = f"{len(paths)} notes, one damaged: {error}"
        raise UserError("whole notes of each evaluation", got, f"restore {folder} from a copy") from error
