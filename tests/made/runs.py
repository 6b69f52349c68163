"""Folders of runs: small ones written at once, real ones of every domain, and many varied copies of those.

python tests/made/runs.py FOLDER [COUNT] trains one run of each domain below FOLDER/trained and copies them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

# A training of each domain that takes seconds: name -> words.
TRAININGS = {
    "triplets": "experiment=realbogus_triplets simulate.n=240 simulate.prevalence=0.3 channels.size=31",
    "curves": "experiment=lightcurves_sim simulate.n=600 simulate.templates=5",
    "ramps": "experiment=ramp_anomalies simulate.n=12 simulate.num_frames=12 simulate.image_shape=[72,72]",
    "sky": "experiment=realbogus_sim simulate.n=12 simulate.shape=[160,160] simulate.transients=400 channels.size=31",
}
SHARED = "trainer.max_epochs=1 audit=warn logger=none"
KEPT = ("run.json", "metrics.json", "config.yaml")


def small_run(folder: Path, seed: int = 1, lr: float = 0.001, samples: int = 120, **record: Any) -> Path:
    """A finished real/bogus run as ``astrid train`` leaves one, without checkpoints; scores are drawn.

    Args:
        folder: new.
        seed: of the scores, and the run's.
        lr: a learning rate: the larger, the better the scores.
        samples: in the test fold, two a group.
        record: further keys of ``run.json``.
    """
    random = np.random.default_rng(seed)
    label = (np.arange(samples) % 3 == 0).astype(int)
    score = 1 / (1 + np.exp(-(random.normal(size=samples) + (1 + 300 * lr) * (2 * label - 1))))
    table = pd.DataFrame({"id": [f"s{k}" for k in range(samples)], "group_id": [f"g{k // 2}" for k in range(samples)]})
    table = table.assign(mission="ztf", score=score, probability=score, label=label)
    (folder / "predictions").mkdir(parents=True)
    with (folder / "predictions" / "test.parquet").open("wb") as stream:  # pyarrow opens no name that is not UTF-8
        table.to_parquet(stream, index=False)
    value = 0.5 + 100 * lr + 0.01 * seed
    metrics = {
        f"{fold}/{name}{end}": min(value + shift - 0.05 * (fold == "test"), 1.0)
        for fold in ("val", "test")
        for name, shift in (("aucpr", 0.0), ("recall", 0.1), ("aucpr/ztf", 0.02), ("aucpr/ps1", -0.1))
        for end, shift in (("", shift), ("_low", shift - 0.1), ("_high", shift + 0.1))
    }
    judge = {
        "_target_": "astrid_ml.evaluation.judge.BinaryJudge",
        "calibration": None,
        "threshold": {"_target_": "astrid_ml.evaluation.thresholds.MaxF1"},
        "evaluation": {
            "_target_": "astrid_ml.evaluation.binary.BinaryEvaluation",
            "bootstrap": {"_target_": "astrid_ml.evaluation.bootstrap.Bootstrap", "replicates": 50},
        },
    }
    config = {
        "name": "small",
        "seed": seed,
        "optimizer": {"lr": lr},
        "trainer": {"max_epochs": 4},
        "model": {"network": {"_target_": "models.braai.network.BraaiVGG6"}},
        "paths": {"run_dir": str(folder).encode("utf-8", "replace").decode()},
        "evaluation": judge,
    }
    content = {
        "schema": 2, "status": "done", "identity": f"{seed:016x}", "name": "small", "overrides": [f"seed={seed}"],
        "seeds": {"seed": seed}, "dataset": {"path": "data/small", "fingerprint": "f00d" * 16, "domain": "triplets"},
        "split": {"name": "group", "hash": "beef01234567"}, "epochs": [4],
        "cost": {"wall_seconds": 10.0 + seed, "cpu_seconds": 12.0, "peak_anonymous_mb": 480.0, "fit_seconds": 8.0},
        "versions": {"astrid-ml": "0.1.0"}, "stages": [{"name": "prepare", "started": "2026-11-29T12:00:00+00:00"}],
    }  # fmt: skip
    write(folder, content | record, metrics, config)
    (folder / "report.html").write_text(f"<!doctype html><title>report of seed {seed}</title><h1>report</h1>")
    return folder


def write(folder: Path, record: Any, metrics: Any, config: Any) -> None:
    """The three files by which a run is known."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def train_each(folder: Path) -> list[Path]:
    """A run of each domain, really trained for one epoch; about a minute in all."""
    from astrid_ml.cli.main import run

    out = []
    for name, words in TRAININGS.items():
        place = folder / name
        given = [*words.split(), *SHARED.split(), f"paths.data={folder / 'store'}", f"paths.run_dir={place}"]
        if run(["train", *given]) != 0:
            raise RuntimeError(f"the training {name} failed")
        out.append(place)
    return out


def copies(sources: Sequence[Path], folder: Path, count: int) -> list[Path]:
    """Copies of runs, each with another seed and rate, other metrics and other scores; reports are hard links.

    Args:
        sources: finished runs, taken in turn.
        folder: gets them.
        count: how many.
    """
    random = np.random.default_rng(0)
    read = [(source, *(yaml.safe_load((source / name).read_text()) for name in KEPT)) for source in sources]
    tables = {source: pd.read_parquet(source / "predictions" / "test.parquet") for source in sources}
    out = []
    for number in range(count):
        source, record, metrics, config = read[number % len(read)]
        place = folder / f"run-{number:04d}"
        shift = float(random.normal(0, 0.02))
        moved = {
            name: min(max(value + shift, 0.0), 1.0) if isinstance(value, float) and 0 <= value <= 1 else value
            for name, value in metrics.items()
        }
        varied = json.loads(json.dumps(config)) | {"seed": number % 5}
        varied["optimizer"] = {**varied["optimizer"], "lr": float(f"{10 ** random.uniform(-4, -2):.2g}")}
        cost = {name: value * float(random.uniform(0.7, 1.6)) for name, value in record["cost"].items()}
        write(place, record | {"cost": cost, "run_dir": str(place)}, moved, varied)
        (place / "predictions").mkdir()
        table = tables[source]
        if "score" in table and table["score"].notna().all():
            table = table.assign(score=(table["score"] + random.normal(0, 0.05, len(table))).clip(0, 1))
        table.to_parquet(place / "predictions" / "test.parquet", index=False)
        os.link(source / "report.html", place / "report.html")
        out.append(place)
    return out


if __name__ == "__main__":
    home = Path(sys.argv[1])
    trained = train_each(home / "trained")
    print(f"{len(copies(trained, home / 'copies', int(sys.argv[2] if len(sys.argv) > 2 else 200)))} copies")
