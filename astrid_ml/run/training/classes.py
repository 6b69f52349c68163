"""Whether the folds hold classes that a network can learn from and be chosen by: said before the fit."""

from __future__ import annotations

import numpy as np

from astrid_ml.contracts.columns import columns_of, rows_of
from astrid_ml.contracts.scoring import HasPurpose, ModelData
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.reasons import shortened
from astrid_ml.splits.folds import FOLDS

SHOWN = 5


def check_folds(datamodule: ModelData, dataset: PreparedDataset, judge: object = None) -> None:
    """A training or validation fold with one class only cannot teach or choose anything: say so before the fit.

    Raises:
        UserError: fewer than two classes; a label that is neither 0 nor 1 where a binary judge decides.
    """
    if isinstance(judge, HasPurpose) and judge.purpose == "binary":
        held = np.concatenate([datamodule.rows[fold] for fold in FOLDS])
        used = rows_of(dataset, held, ["label"])["label"].dropna()
        strange = used[~used.isin([0, 1])].unique()
        if len(strange):
            raise UserError(
                "labels of 0 and 1 for a binary task",
                f"{', '.join(map(str, strange[:3]))} among {len(used)} labelled samples",
                "map them: label.mapping={real: 1, bogus: 0} with label=table or label=column",
            )
    for fold in ("train", "val"):
        rows = datamodule.rows[fold]
        classes = datamodule.count_classes(dataset, rows)
        if classes < 2:
            raise UserError(
                f"at least two classes in the {fold} fold",
                f"{len(rows)} labelled samples of {classes} class(es){_left_out(dataset, datamodule)}",
                "give labels of both classes, more data, or another split or split.seed",
            )


def _left_out(dataset: PreparedDataset, datamodule: ModelData) -> str:
    """Labels of the dataset that the datamodule cannot use, the most frequent first; empty where it can use all."""
    columns = columns_of(dataset)
    if "label" not in columns:
        return ""
    unused = columns["label"][~datamodule.usable(columns)].dropna().astype(str).value_counts()
    if unused.empty:
        return ""
    shown = ", ".join(f"{shortened(name, 40)} ({count:,})" for name, count in unused.head(SHOWN).items())
    more = f" and {len(unused) - SHOWN} more" if len(unused) > SHOWN else ""
    return f"; labels that the task does not know: {shown}{more}"
