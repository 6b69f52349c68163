"""What a classifier loses without host and redshift columns, before and after presence is no class any more.

Three ways to train: hosts behind every transient and nothing left out (``before``); transients without hosts and stars
with them in the simulation (``simulated``); and blocks left out at random in training as well (``after``). All are
judged on one test set in which every transient has a host: with all columns, and without those of hosts and redshifts.
Run: ``python benchmarks/lightcurve_presence.py [objects] [epochs] [seeds]``; about two minutes a training of 1,200
objects and 15 epochs on one free core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from astrid_ml.api import load_checkpoint
from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.columns import rows_of
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter
from astrid_ml.preprocessing.lightcurves.simulate.look import KINDS

OLD = ["simulate.hostless=0.0", "simulate.chance_host=0.1"]
WAYS = {
    "before": [*OLD, "datamodule.presence=null"],
    "simulated": ["datamodule.presence=null"],
    "after": [],
}
METRICS = ("leaf/macro_f1/64d", "leaf/nll/64d")


def train(words: list[str], folder: Path, objects: int, epochs: int, seed: int) -> Path:
    """A run, and the dataset that it was trained on."""
    given = [
        *("experiment=lightcurves_sim", f"simulate.n={objects}", "simulate.templates=50", "model=lightcurve_gru_small"),
        "datamodule.batch_size=32",
        *(f"trainer.max_epochs={epochs}", f"seed={seed}", "logger=none", "audit=off"),
        *(f"paths.run_dir={folder}", f"paths.data={folder.parent / 'store'}", *words),
    ]
    subprocess.run([sys.executable, "-m", "astrid_ml", "train", *given], check=True, stdout=subprocess.DEVNULL)
    return folder


def test_set(dataset: PreparedDataset, without: bool) -> MemorySource:
    """The part ``test`` of a dataset; ``without`` hosts and redshifts."""
    rows = np.flatnonzero(dataset.index["part"] == "test").astype(np.int64)
    index = rows_of(dataset, rows).reset_index(drop=True).drop(columns=["array", "row"])
    values, offsets = dataset.ragged("epochs", rows)
    if without:
        lost = [str(name) for name in index if str(name).startswith(("HOSTGAL", "REDSHIFT"))]
        index = index.assign(**dict.fromkeys(lost, np.nan))
    writer = MemoryUnitWriter()
    writer.add_ragged(index, {"epochs": np.split(values, offsets[1:-1])})
    return writer.source()


def judged(model: LoadedModel, source: MemorySource) -> dict[str, float]:
    """Metrics of a checkpoint on all samples of a source, and the share of transients that it calls a star or AGN."""
    judge: HierarchicalJudge = build(model.record.config["evaluation"])
    table = model.score(source, np.arange(len(source.index), dtype=np.int64))
    index = source.index[["id", "group_id", "label"]].iloc[table["row"].to_numpy()].reset_index(drop=True)
    told = judge.apply(pd.concat([index, table], axis=1), model.record.calibration)
    found = judge.evaluate(told).metrics
    tree = judge.tree
    others = {tree.node_of_label[name] for name, kind in KINDS.items() if kind is None}
    at = told[(told["days"] == 64) & ~told["label"].map(tree.node_of_label).isin(others)]
    out = {name: float(found[name] or np.nan) for name in METRICS}
    return {**out, "transients called star or AGN": float(at["top_class"].isin(others).mean())}


def main() -> None:
    """Print the figures."""
    objects, epochs, seeds = (int(word) for word in [*sys.argv[1:], *("1200", "15", "3")[len(sys.argv) - 1 :]])
    rows = []
    with tempfile.TemporaryDirectory(prefix="presence-") as folder:
        runs = {
            (way, seed): train(words, Path(folder) / f"{way}-{seed}", objects, epochs, seed)
            for seed in range(1, seeds + 1)
            for way, words in WAYS.items()
        }
        first = load_checkpoint(runs["before", 1] / "checkpoints" / "best.ckpt")
        stores = sorted(path.parent for path in (Path(folder) / "store").glob("lightcurves_sim-*/dataset.json"))
        known = {PreparedDataset(path).fingerprint: path for path in stores}
        dataset = PreparedDataset(known[str(first.record.dataset_fingerprint)])
        for (way, seed), run in runs.items():
            model = load_checkpoint(run / "checkpoints" / "best.ckpt")
            for without in (False, True):
                found = judged(model, test_set(dataset, without))
                rows.append({"way": way, "seed": seed, "columns": "none" if without else "all", **found})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    print(table.drop(columns="seed").groupby(["way", "columns"]).agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
