"""Is a set of the model's own held-out samples told to differ from training? False warnings, and those of one class.

Of a run's validation and test samples 200 random sets of each size are compared with what the checkpoint keeps, as a
prediction compares them; then all samples of each class alone, which is no other sky but another share of classes.

Run: ``python benchmarks/domain_sets.py RUN DATASET``, the folder of a run and the prepared dataset that it had.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from astrid_ml.checkpoint.load import load_model
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.run.prediction.domain import measured, spread_in
from astrid_ml.types import Ints
from astrid_ml.validity.domain import Facts
from astrid_ml.validity.spread import apart

SETS, SIZES = 200, (50, 200, 600)


def main() -> None:
    """Print the shares."""
    run, dataset = Path(sys.argv[1]), PreparedDataset(Path(sys.argv[2]))
    model = load_model(run / "checkpoints" / "best.ckpt")
    validity, asked, random = model.record.validity, (model.tasks[0], model.datamodule), np.random.default_rng(0)
    (split,) = sorted((run / "splits").glob("*.parquet"))
    folds = pd.read_parquet(split).set_index("id")["fold"].reindex(dataset.index["id"]).to_numpy()

    rows = np.flatnonzero(np.isin(folds, ["val", "test"])).astype(np.int64)
    facts = measured(validity, asked, dataset, rows, None)
    place = {int(row): number for number, row in enumerate(rows)}

    def named(chosen: Ints) -> list[str]:
        at = [place[int(row)] for row in chosen]
        far = {name: None if (of := getattr(facts, name)) is None else of[at] for name in ("distance", "strangeness")}
        some = Facts(facts.table.iloc[at].reset_index(drop=True), **far)
        found = apart((validity or {}).get("spread"), spread_in(validity, some))
        return [f"{each.name} {each.distance:.2f} of {each.count}" for each in found]

    for fold in ("val", "test"):
        rows = np.flatnonzero(folds == fold).astype(np.int64)
        print(f"all {len(rows)} of {fold}:", ", ".join(named(rows)) or "nothing")
        for size in (size for size in SIZES if size < len(rows)):
            told = [bool(named(np.sort(random.permutation(rows)[:size]))) for _ in range(SETS)]
            print(f"{fold}: {np.mean(told):.3f} of {SETS} sets of {size} are told to differ")
        labels = dataset.index["label"].astype(str).to_numpy()[rows]
        of_each = {label: named(rows[labels == label]) for label in np.unique(labels)}
        alone = {label: names for label, names in of_each.items() if names}
        print(f"{fold}: {len(alone)} of {len(np.unique(labels))} classes alone are told to differ {alone or ''}")


if __name__ == "__main__":
    main()
