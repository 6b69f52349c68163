"""A checkpoint of the triplet experiment as it is before the first step, with its dataset, split and raw files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from astrid_ml.build import build, plain
from astrid_ml.checkpoint.load import save_model
from astrid_ml.checkpoint.record import Record, TrainingDigest
from astrid_ml.config import compose
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.run.prepare import prepare

WORDS = [
    "experiment=realbogus_triplets",
    "simulate.n=40",
    "simulate.part=20",
    "simulate.prevalence=0.3",
    "channels.size=31",
    "evaluation.evaluation.bootstrap.replicates=10",
    "logger=none",
]


@dataclass(frozen=True)
class Untrained:
    """What stands in the folder.

    Args:
        config: composed, as plain containers.
        dataset: forty triplets.
        folds: ``id`` and ``fold``.
        datamodule: with the dataset attached.
        task: with random weights.
        checkpoint: of these weights.
        raw: the folder of simulated files.
    """

    config: dict[str, Any]
    dataset: PreparedDataset
    folds: pd.DataFrame
    datamodule: Any
    task: Any
    checkpoint: Path
    raw: Path


def untrained(folder: Path) -> Untrained:
    """Simulate, prepare, split and save weights without a step of training; a second or less."""
    config = plain(compose("train", [*WORDS, f'paths.data="{folder}/store"', f'paths.run_dir="{folder}/run"']))
    dataset, _ = prepare(config, progress=False)
    folds = build(config["split"]).plan(dataset.index).rounds[0]
    datamodule = build(config["datamodule"])
    datamodule.attach(dataset, folds, seed=1)
    task = build(config["model"]["task"])
    task.prepare_for(datamodule)
    seen = dataset.index[dataset.index["id"].map(folds.set_index("id")["fold"]).isin(["train", "val"])]
    record = Record(
        domain="triplets",
        config={name: config[name] for name in ("preprocessing", "channels", "datamodule", "model", "evaluation")},
        statistics=datamodule.statistics,
        dataset_fingerprint=dataset.fingerprint,
        digest=TrainingDigest.of(seen, folds.loc[folds["fold"] == "test", "id"]),
    )
    checkpoint = folder / "best.ckpt"
    save_model(checkpoint, task.state_dict(), record)
    [raw] = (folder / "store" / "raw").iterdir()
    return Untrained(config, dataset, folds, datamodule, task, checkpoint, raw)
