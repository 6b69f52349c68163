"""A dataset from another one: the same samples and arrays, more columns in the index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.dataset.croissant import write_croissant
from astrid_ml.dataset.digests import seal
from astrid_ml.dataset.pages import write_pages
from astrid_ml.dataset.prepared import INDEX, PreparedDataset
from astrid_ml.errors import UserError
from astrid_ml.files import link, whole_folder, write_json
from astrid_ml.fingerprint import fingerprint

OWN = (
    "dataset.json",
    "digests.json",
    "croissant.json",
    "report.json",
    INDEX,
)  # written anew; everything else is linked


def add_columns(dataset: PreparedDataset, columns: pd.DataFrame, target: Path, decided: dict[str, Any]) -> str:
    """Write a dataset with more columns; a folder that holds the same one already stays as it is.

    Args:
        dataset: whose samples and arrays it has; the arrays are hard links where the file system has them.
        columns: one row a sample, in the order of its index; no name of that index.
        target: the folder.
        decided: what decided the columns: settings and files. It stands in ``dataset.json`` and in the fingerprint.

    Returns:
        the fingerprint.

    Raises:
        UserError: names that the index has already, or another dataset in the folder.
    """
    both = [name for name in columns.columns if name in dataset.by_column]
    if both:
        raise UserError("columns that the samples do not have", ", ".join(both[:5]), "rename the catalogue's file")
    own = fingerprint([dataset.fingerprint, "columns", decided])
    index = dataset.index.reset_index(drop=True)
    joined = pd.concat([index, columns.reset_index(drop=True)], axis=1)
    return _written(dataset, joined, target, own, {"from": dataset.fingerprint, **decided})


def with_labels(dataset: PreparedDataset, labels: pd.Series, target: Path, decided: dict[str, Any]) -> str:
    """Write a dataset with other labels; a folder that holds the same one already stays as it is.

    Args:
        dataset: whose samples and arrays it has.
        labels: one a sample, in the order of its index.
        target: the folder.
        decided: what decided the labels; it stands in ``dataset.json`` and in the fingerprint.

    Returns:
        the fingerprint.

    Raises:
        UserError: another dataset in the folder.
    """
    own = fingerprint([dataset.fingerprint, "labels", decided])
    changed = dataset.index.reset_index(drop=True).assign(label=labels.to_numpy())
    return _written(dataset, changed, target, own, {"from": dataset.fingerprint, **decided})


def _written(dataset: PreparedDataset, index: pd.DataFrame, target: Path, own: str, derived: dict[str, Any]) -> str:
    """The samples and arrays of a dataset under another index."""
    if target.exists():
        if (target / "dataset.json").is_file() and PreparedDataset(target).fingerprint == own:
            return own
        raise UserError("a folder that is free", f"{target} with something else", "choose another output_dir")
    with whole_folder(target, "dataset.json") as work:
        for path in sorted(file for file in dataset.path.rglob("*") if file.is_file()):
            name = path.relative_to(dataset.path)
            if str(name) not in OWN and name.parts[0] != "croissant":
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                link(path, work / name)
        write_pages(index, work / INDEX)
        known = {name: digest for name, digest in dataset.digests.items() if name not in OWN}
        meta = {**dataset.meta, "fingerprint": own, "derived": derived}
        write_json(work / "dataset.json", seal(work, meta, known), indent=1, sort_keys=True)
        write_croissant(work)
    return own
