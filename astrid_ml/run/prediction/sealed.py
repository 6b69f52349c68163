"""Which rows of a dataset an evaluation may judge: never those that training saw, and sealed ones only when asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.columns import Columns, columns_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.splits.folds import places_in
from astrid_ml.splits.sealed import Seal
from astrid_ml.types import Ints, Mask


@dataclass(frozen=True)
class Asked:
    """What is asked of an evaluation.

    Args:
        prevalence: of the sky, for which probabilities and threshold are to hold; None keeps the checkpoint's.
        allow_outside: write probabilities outside the domain of validity too; the metrics are of all rows.
        sealed: judge the sealed samples; else all but them.
        reopen: although they were opened before.
    """

    prevalence: float | str | None = None
    allow_outside: bool = False
    sealed: bool = False
    reopen: bool = False

    @property
    def typed(self) -> list[str]:
        """As on the command line."""
        given = [] if self.prevalence is None else [f"prevalence={self.prevalence}"]
        flags = [f"{name}=true" for name in ("allow_outside", "sealed", "reopen") if getattr(self, name)]
        return [*given, *flags]

    def open(self, dataset: PreparedDataset, checkpoint: Path, rows: Ints) -> dict[str, Any]:
        """Count the opening of these rows; {} where nothing sealed is judged."""
        if not self.sealed:
            return {}
        facts = {"checkpoint": str(checkpoint), "samples": len(rows)}
        return seal_of(dataset, checkpoint, rows).open(facts, self.reopen)


def seal_of(dataset: PreparedDataset, checkpoint: Path, rows: Ints) -> Seal:
    """The seal of these rows, with what dataset and checkpoint know of it."""
    return Seal(dataset.path, checkpoint, columns_of(dataset)["id"].iloc[rows].astype(str).tolist())


def sealed_rows(model: LoadedModel, dataset: PreparedDataset, index: Columns) -> Mask:
    """Rows that a split of this dataset sealed, or that the checkpoint's own split did, (n,)."""
    out = np.zeros(len(index), dtype=bool) if model.record.digest is None else model.record.digest.kept(index)
    ids = Seal(dataset.path).ids
    if len(ids):
        places = places_in(index["id"], ids)
        out |= True if places is None else places >= 0
    return out


def usable_rows(model: LoadedModel, dataset: PreparedDataset, asked: Asked) -> tuple[Ints, dict[str, Any]]:
    """Positions that may be judged, and what was left out.

    Raises:
        UserError: there are no labels, or nothing is left; nothing is sealed, or it was opened before.
    """
    index = columns_of(dataset)
    labelled = model.datamodule.usable(index)
    if not labelled.any():
        if "label" in index and index["label"].notna().any():
            got = f"one of {dataset.meta.get('domain')}, of which this checkpoint's datamodule can use no sample"
            raise UserError(f"a dataset of {model.record.domain}, as the checkpoint", got, "give another dataset")
        raise UserError("a dataset with labels", f"none of {len(index)} samples has one", "prepare it with label=...")
    sealed = sealed_rows(model, dataset, index)
    if asked.sealed and not sealed.any():
        fix = "train with split.sealed=0.1, or leave out sealed=true"
        raise UserError("a dataset of which a split has sealed samples", "one without", fix)
    allowed = unseen(model, dataset, index, asked)
    of_these = labelled & (sealed == asked.sealed)
    rows = np.flatnonzero(of_these & allowed).astype(np.int64)
    if asked.sealed:
        seal_of(dataset, model.path, rows).refuse_second(asked.reopen)
    account = {
        "dataset": words_of(model, dataset, asked),
        "evaluated": len(rows),
        "left_out_as_seen_in_training": int((of_these & ~allowed).sum()),
        "left_out_without_label": int((~labelled).sum()),
    }
    if sealed.any() and not asked.sealed:
        account["left_out_as_sealed"] = int((labelled & sealed).sum())
    if not len(rows):
        got = f"all {int(of_these.sum())} were seen in training"
        raise UserError("samples that the model has not seen", got, "give another dataset")
    return rows, account


def unseen(model: LoadedModel, dataset: PreparedDataset, index: Columns, asked: Asked) -> Mask:
    """Rows that the checkpoint did not learn from; of its own dataset no more than its test fold, (n,)."""
    digest = model.record.digest
    if digest is None:
        return np.ones(len(index), dtype=bool)
    own = dataset.fingerprint == model.record.dataset_fingerprint
    return digest.in_test(index) if own and not asked.sealed else ~digest.seen(index)


def words_of(model: LoadedModel, dataset: PreparedDataset, asked: Asked) -> str:
    """Which samples of which dataset these are."""
    if asked.sealed:
        return "the sealed test set"
    if model.record.digest is None or dataset.fingerprint != model.record.dataset_fingerprint:
        return "another dataset"
    of_members = model.record.members is not None
    return f"the training dataset: {'each sample by the fold that never saw it' if of_members else 'its test fold'}"
