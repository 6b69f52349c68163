"""Network, boosted trees and both as one, by the number of objects: is the hybrid as good as the better of the two?

Every cell (size, seed, model) is a training on simulated curves of its own seed, and all are judged on one test set of
other templates, with 64 days seen. The hybrid's difference from the better of the other two, by their mean over seeds,
is resampled over test objects, the same ones for all seeds and models. Not inferior: the lower end is above -.02.

Run: ``python benchmarks/lightcurve_features.py FOLDER [sizes] [seeds] [models]``, as ``cells 300,3000 1,2,3``.
A cell that is done stands in FOLDER as JSON and is not done again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from astrid_ml.api import load_checkpoint
from astrid_ml.build import build
from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.columns import rows_of
from astrid_ml.contracts.scoring import NamesColumns
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.evaluation.tree.metrics import confusion_matrix, macro_f1
from astrid_ml.pipeline.writer import MemorySource, MemoryUnitWriter

DAY, MARGIN, DRAWS, TEST, TEST_SEED = 64.0, 0.02, 500, 4000, 100
# Up to so many objects: option's ending, batch, epochs, averaging of weights.
SIZES = {1000: ("_small", 16, 80, 0.98), 5000: ("_small", 64, 40, 0.98), 10**9: ("", 256, 40, 0.99)}
MODELS = {"network": "lightcurve_gru{}", "trees": "lightcurve_trees", "hybrid": "lightcurve_hybrid{}"}
ALIKE = ["experiment=lightcurves_sim", "simulate.templates=50"]


def train(folder: Path, size: int, seed: int, model: str) -> Path:
    """The checkpoint of a cell."""
    ending, batch, epochs, averaging = next(found for most, found in SIZES.items() if size <= most)
    words = [
        *(*ALIKE, "logger=none", "audit=off"),
        *(f"simulate.n={size}", f"data.seed={seed}", f"seed={seed}", f"model={MODELS[model].format(ending)}"),
        *(f"datamodule.batch_size={batch}", f"trainer.max_epochs={epochs}"),
        f"callbacks.weight_averaging={averaging}",
        *(f"paths.run_dir={folder}", f"paths.data={folder.parent / 'store'}"),
    ]
    subprocess.run([sys.executable, "-m", "astrid_ml", "train", *words], check=True, stdout=subprocess.DEVNULL)
    return folder / "checkpoints" / "best.ckpt"


def test_set(folder: Path) -> MemorySource:
    """The test part of a simulation that no cell is trained on."""
    store = folder / "test"
    words = [*ALIKE, f"simulate.n={TEST}", f"data.seed={TEST_SEED}", f"paths.data={store}", f"paths.run_dir={store}"]
    subprocess.run([sys.executable, "-m", "astrid_ml", "prepare", *words], check=True, stdout=subprocess.DEVNULL)
    dataset = PreparedDataset(next(path.parent for path in store.glob("lightcurves_sim-*/dataset.json")))
    rows = np.flatnonzero(dataset.index["part"] == "test").astype(np.int64)
    index = rows_of(dataset, rows).reset_index(drop=True).drop(columns=["array", "row"])
    values, offsets = dataset.ragged("epochs", rows)
    writer = MemoryUnitWriter()
    writer.add_ragged(index, {"epochs": np.split(values, offsets[1:-1])})
    return writer.source()


def judged(model: LoadedModel, source: MemorySource) -> dict[str, Any]:
    """Metrics over all windows, and the leaf that each object is called at ``DAY``."""
    judge: HierarchicalJudge = build(model.record.config["evaluation"])
    table = model.score(source, np.arange(len(source.index), dtype=np.int64))
    index = source.index[["id", "group_id", "label"]].iloc[table["row"].to_numpy()].reset_index(drop=True)
    told = judge.apply(pd.concat([index, table], axis=1), model.record.calibration)
    found = judge.evaluate(told).metrics
    kept = {name: value for name, value in found.items() if name.startswith(("leaf/macro_f1/", "leaf/nll/"))}
    leaves = list(judge.tree.leaves)
    at = told[told["days"] == DAY].sort_values("row")
    called = at[[f"p_{name}" for name in leaves]].to_numpy().argmax(axis=1)
    true = [leaves.index(judge.tree.node_of_label[label]) for label in at["label"]]
    return {"metrics": kept, "called": called.tolist(), "true": true}


def speed(model: LoadedModel, count: int = 1024, epochs: int = 60) -> float:
    """Objects a processor second, each a whole curve of 60 epochs in six bands, features and network together."""
    random, data = np.random.default_rng(0), model.datamodule
    assert isinstance(data, NamesColumns)
    names = {*data.column_keys["static"], *data.column_keys["redshift"]}
    index = pd.DataFrame({"id": [f"o{number}" for number in range(count)], "label": None})
    index = index.assign(group_id=index["id"], **{name: random.uniform(0.1, 1, count) for name in names})
    writer, curves = MemoryUnitWriter(), []
    for _ in range(count):
        days, flux, error = np.sort(random.uniform(0, 800, epochs)), random.normal(50, 40, epochs), np.full(epochs, 5.0)
        bands = random.choice([0.367, 0.48, 0.622, 0.754, 0.869, 0.971], epochs)
        curves.append(np.stack([days, flux, error, np.ones(epochs), bands], axis=1).astype(np.float32))
    writer.add_ragged(index, {"epochs": curves})
    source = writer.source()
    model.score(source)
    started = time.process_time()
    model.score(source)
    return count / (time.process_time() - started)


def summary(cells: dict[tuple[int, int, str], dict[str, Any]]) -> pd.DataFrame:
    """For each size the means over seeds, and the hybrid's difference from the better of the others."""
    random, rows = np.random.default_rng(0), []
    for size in sorted({key[0] for key in cells}):
        seeds = [s for s in sorted({key[1] for key in cells}) if all((size, s, name) in cells for name in MODELS)]
        if not seeds:
            continue
        key = f"leaf/macro_f1/{DAY:g}d"
        own = {name: [cells[size, s, name]["metrics"][key] for s in seeds] for name in MODELS}
        nll = {name: np.mean([cells[size, s, name]["metrics"][f"leaf/nll/{DAY:g}d"] for s in seeds]) for name in MODELS}
        better = max(("network", "trees"), key=lambda name: float(np.mean(own[name])))
        drawn = []
        count = len(cells[size, seeds[0], "hybrid"]["true"])
        for _ in range(DRAWS):
            chosen = random.integers(count, size=count)
            drawn.append(
                np.mean(
                    [scored(cells[size, s, "hybrid"], chosen) - scored(cells[size, s, better], chosen) for s in seeds]
                )
            )
        low, high = np.quantile(drawn, [0.025, 0.975])
        row = {"objects": size, "seeds": len(seeds), **{name: np.mean(values) for name, values in own.items()}}
        row |= {f"{name}_nll": value for name, value in nll.items()}
        difference = float(np.mean(own["hybrid"]) - np.mean(own[better]))
        rows.append(
            row | {"better": better, "difference": difference, "low": low, "high": high, "not_inferior": low > -MARGIN}
        )
    return pd.DataFrame(rows)


def scored(cell: dict[str, Any], chosen: np.ndarray) -> float:
    """Macro-F1 of chosen test objects."""
    true, called = np.array(cell["true"])[chosen], np.array(cell["called"])[chosen]
    return float(macro_f1(confusion_matrix(true, called, max(*cell["true"], *cell["called"]) + 1)) or 0.0)


def main() -> None:
    """Do what is not done yet, and print the table."""
    words = [*sys.argv[1:], *("cells", "300,3000", "1,2,3", ",".join(MODELS))[len(sys.argv) - 1 :]]
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    source = None
    for size in map(int, words[1].split(",")):
        for seed in map(int, words[2].split(",")):
            for model in words[3].split(","):
                file = folder / f"{size}-{seed}-{model}.json"
                if file.is_file():
                    continue
                source = source or test_set(folder)
                run, started = folder / f"run-{size}-{seed}-{model}", time.perf_counter()
                trained = load_checkpoint(train(run, size, seed, model))
                found = judged(trained, source) | {"objects_per_second": speed(trained)}
                found["seconds"] = time.perf_counter() - started
                file.with_suffix(".part").write_text(json.dumps(found))
                file.with_suffix(".part").replace(file)
                shutil.rmtree(run)
    cells = {}
    for file in sorted(folder.glob("*.json")):
        one, other, model = file.stem.split("-")
        cells[int(one), int(other), model] = json.loads(file.read_text())
    each = []
    for (objects, number, model), cell in cells.items():
        shown = {name: value for name, value in cell["metrics"].items() if name.endswith(("/4d", "/64d", "/1024d"))}
        costs = {name: cell[name] for name in ("seconds", "objects_per_second")}
        each.append({"objects": objects, "seed": number, "model": model, **costs, **shown})
    print(pd.DataFrame(each).round(3).to_string(index=False))
    print(summary(cells).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
