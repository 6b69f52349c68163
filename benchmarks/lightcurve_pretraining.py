"""A small network of light curves that begins as the package's encoder, and one that begins at random.

Every cell (size, seed, way) is a training of a small model on simulated curves of its own seed: begun at random
(``fresh``), or from the encoder with all weights trained (``full``), with the first half of the layers held
(``partial``), or with all but the last layer held (``frozen``). ``chosen`` is in each seed the way that is best on
validation (macro-AUCPR of the leaves at 64 days). All are judged on one test set of other templates, 64 days seen;
intervals of the difference resample test objects, the same ones for all seeds.

Run: ``python benchmarks/lightcurve_pretraining.py FOLDER [sizes] [seeds] [encoder] [ways] [model]``, as ``cells 300
1,2,3 lightcurve_encoder fresh,full lightcurve_gru_small``; another model needs another FOLDER. What is done stands
there as JSON and is not done again.
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
from benchmarks.lightcurve_features import ALIKE, DRAWS, judged, scored, test_set

SIZES = {1000: (16, 80, 0.98), 10**9: (64, 40, 0.98)}  # up to so many objects: batch, epochs, averaging of weights


def train(folder: Path, size: int, seed: int, way: str, given: tuple[str, str]) -> None:
    """Leave the run of a cell."""
    batch, epochs, averaging = next(found for most, found in SIZES.items() if size <= most)
    encoder, model = given
    begun = [] if way == "fresh" else [f"init={encoder}", f"init_mode={way}"]
    words = [
        *(*ALIKE, "logger=none", "audit=off", f"model={model}", "evaluation.baseline=null", *begun),
        *(f"simulate.n={size}", f"data.seed={seed}", f"seed={seed}"),
        *(f"datamodule.batch_size={batch}", f"trainer.max_epochs={epochs}"),
        f"callbacks.weight_averaging={averaging}",
        *(f"paths.run_dir={folder}", f"paths.data={folder.parent / 'store'}"),
    ]
    subprocess.run([sys.executable, "-m", "astrid_ml", "train", *words], check=True, stdout=subprocess.DEVNULL)


def summary(cells: dict[tuple[int, int, str], dict[str, Any]]) -> pd.DataFrame:
    """A row a size and way: macro-F1 of the way and of ``fresh``, and their difference with its interval.

    ``chosen`` takes in each seed the way that is best on validation.
    """
    rows, random = [], np.random.default_rng(0)
    for size in sorted({key[0] for key in cells}):
        ways = sorted({way for objects, _, way in cells if objects == size} - {"fresh"})
        seeds = sorted({seed for objects, seed, way in cells if objects == size and way == "fresh"})
        if not ways or not seeds:
            continue
        for way in [*ways, *(["chosen"] if len(ways) > 1 else [])]:
            pairs = []
            for seed in seeds:
                there = [name for name in (ways if way == "chosen" else [way]) if (size, seed, name) in cells]
                best = max(there, key=lambda name: cells[size, seed, name]["validation"])
                pairs.append((cells[size, seed, best], cells[size, seed, "fresh"]))
            count = len(pairs[0][0]["true"])
            whole = np.arange(count)
            drawn = [random.integers(count, size=count) for _ in range(DRAWS)]
            differences = [np.mean([scored(a, rows_) - scored(b, rows_) for a, b in pairs]) for rows_ in drawn]
            own, other = (float(np.mean([scored(pair[side], whole) for pair in pairs])) for side in (0, 1))
            nll = [float(np.mean([pair[side]["metrics"]["leaf/nll/64d"] for pair in pairs])) for side in (0, 1)]
            low, high = np.quantile(differences, [0.025, 0.975])
            row = {
                "objects": size,
                "way": way,
                "seeds": len(pairs),
                "f1": own,
                "fresh": other,
                "difference": own - other,
            }
            rows.append({**row, "low": low, "high": high, "nll": nll[0], "fresh_nll": nll[1]})
    return pd.DataFrame(rows)


def main() -> None:
    """Do what is not done yet, and print the tables."""
    given = ("cells", "300,3000", "1,2,3", "lightcurve_encoder", "fresh,full,partial,frozen", "lightcurve_gru_small")
    words = [*sys.argv[1:], *given[len(sys.argv) - 1 :]]
    folder = Path(words[0])
    folder.mkdir(parents=True, exist_ok=True)
    source = None
    for size in map(int, words[1].split(",")):
        for seed in map(int, words[2].split(",")):
            for way in words[4].split(","):
                file = folder / f"{size}-{seed}-{way}.json"
                if file.is_file():
                    continue
                source = source or test_set(folder)
                run, started = folder / f"run-{size}-{seed}-{way}", time.perf_counter()
                train(run, size, seed, way, (words[3], words[5]))
                found = judged(load_checkpoint(run / "checkpoints" / "best.ckpt"), source)
                found["validation"] = json.loads((run / "metrics.json").read_text())["val/leaf/macro_aucpr/64d"]
                found["seconds"] = time.perf_counter() - started
                file.with_suffix(".part").write_text(json.dumps(found))
                file.with_suffix(".part").replace(file)
                shutil.rmtree(run)
    cells, each = {}, []
    for file in sorted(folder.glob("*-*-*.json")):
        one, other, way = file.stem.split("-")
        cell = cells[int(one), int(other), way] = json.loads(file.read_text())
        shown = {name: value for name, value in cell["metrics"].items() if name.endswith(("/4d", "/64d", "/1024d"))}
        kept = {name: cell[name] for name in ("validation", "seconds")}
        each.append({"objects": int(one), "seed": int(other), "way": way, **kept, **shown})
    print(pd.DataFrame(each).round(3).to_string(index=False))
    print(summary(cells).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
