"""Verbs over prepared datasets: ``astrid croissant dataset=DATASET``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.types import Existing

if TYPE_CHECKING:
    import pandas as pd

TABLE = "master_index.csv"  # of datasets that are a table and its images, without an index of ours


@dataclass(frozen=True)
class CroissantCommand:
    """Write a dataset's ``croissant.json`` where it has none, and check it.

    Args:
        dataset: a prepared dataset's folder, a ``master_index.csv`` or the folder with it and its images, or any
            ``croissant.json``, which is only checked.
        rewrite: write it anew, with these splits and this provenance.
        splits: a parquet file with the columns ``id, fold``.
        provenance: fields of :class:`astrid_ml.dataset.croissant.Provenance`.
    """

    dataset: str
    rewrite: bool = False
    splits: Existing | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Return the file, whether it was written, and what is wrong with it; ``failed`` counts that."""
        from astrid_ml.dataset.croissant import write_croissant, write_table_croissant
        from astrid_ml.dataset.croissant_checks import check_croissant

        path = Path(self.dataset)
        path = path.parent if path.name == TABLE else path
        file = path if path.suffix == ".json" else path / "croissant.json"
        write = path.suffix != ".json" and (self.rewrite or not file.is_file())
        if self.splits is not None and not Path(self.splits).is_file():
            raise UserError("splits=FILE.parquet that exists", found(self.splits), "check the path")
        if not write and (self.provenance or self.splits is not None):
            raise UserError(
                "rewrite=true beside provenance or splits, which only a description that is written holds",
                f"{file}, which is only checked",
                "add rewrite=true" if path.suffix != ".json" else f"add rewrite=true and dataset={path.parent}",
            )
        if write:
            if not (path / "dataset.json").is_file() and (path / TABLE).is_file():
                write_table_croissant(path / TABLE, provenance=self.provenance)
            else:
                splits = None if self.splits is None else _splits(self.splits, path)
                write_croissant(path, splits=splits, provenance=self.provenance)
        wrong = check_croissant(file)
        return {"croissant": str(file), "written": write, "failed": len(wrong), "wrong": wrong}


def _splits(path: str, dataset: Path) -> pd.DataFrame:
    """The table of a split.

    Raises:
        UserError: it is no parquet table, or no split of the samples of this dataset.
    """
    from astrid_ml.dataset.prepared import PreparedDataset
    from astrid_ml.splits.plan import fault_of_round
    from astrid_ml.table_files import read_parquet

    fix = "give RUN/splits/*.parquet of a run on this dataset"
    try:
        table = read_parquet(path)
    except (ValueError, OSError) as error:
        raise UserError("splits=FILE.parquet with id and fold", found(path), fix) from error
    if fault := fault_of_round(table, PreparedDataset(dataset).by_column["id"].astype(str)):
        raise UserError(f"splits=FILE.parquet with {fault[0]}", f"{fault[1]} at {path}", fix)
    return table
