"""A network of one mission on another: log-loss, calibration error and sets as trained, and recalibrated.

Claim: as trained it gives no probability and no set there; after `astrid recalibrate` on labelled samples of the other
mission, sets of 90 % hold each class of fresh samples 90 +- 2 % of the time (mean of seeds), and the log-loss falls.
Run: ``python benchmarks/recalibration.py [seeds=3] [train=6000] [test=3000] [epochs=8]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LABELLED = (250, 1000)  # samples of the new mission with labels
SHOWN = ("test/nll", "test/ece", "test/set_coverage_real", "test/set_coverage_bogus", "test/set_single")
TOLD = "log-loss, ece, sets hold real, hold bogus, single"


def astrid(*words: str) -> None:
    """One command, which may say nothing but its errors."""
    subprocess.run([sys.executable, "-m", "astrid_ml", *words], check=True, stdout=subprocess.DEVNULL)


def simulated(n: int, mission: str, seed: int) -> list[str]:
    """Words for labelled triplets of one mission."""
    words = [f"simulate.n={n}", f"simulate.missions=[{mission}]", "simulate.prevalence=0.3", f"data.seed={seed}"]
    return ["experiment=realbogus_triplets", "simulate.sky=included", *words]


def dataset(folder: Path, n: int, mission: str, seed: int) -> Path:
    """A prepared dataset of fresh samples."""
    astrid("prepare", *simulated(n, mission, seed), f"paths.data={folder}")
    return folder / str(json.loads((folder / "latest.json").read_text())["dataset"])


def metrics(folder: Path) -> list[float]:
    """What is shown, NaN where there is none."""
    told = json.loads((folder / "metrics.json").read_text())
    return [float("nan") if told.get(name) is None else float(told[name]) for name in SHOWN]


def one_seed(folder: Path, seed: int, asked: dict[str, int]) -> dict[str, list[float]]:
    """Way -> the numbers of one training."""
    words = [f"trainer.max_epochs={asked['epochs']}", "logger=none", f"seed={seed}", f"paths.run_dir={folder / 'run'}"]
    astrid("train", *simulated(asked["train"], "ztf", seed), *words, f"paths.data={folder / 'data'}")
    trained = folder / "run" / "checkpoints" / "best.ckpt"
    fresh = dataset(folder / "fresh", asked["test"], "galex", 1000 + seed)
    out: dict[str, list[float]] = {}
    ways: dict[str, tuple[Path, list[str]]] = {
        "as trained, null": (trained, []),
        "as trained, allow_outside": (trained, ["allow_outside=true"]),
    }
    for count in LABELLED:
        known, place = dataset(folder / f"known{count}", count, "galex", 2000 + seed), folder / f"anew{count}"
        astrid("recalibrate", f"ckpt_path={trained}", f"dataset={known}", f"output_dir={place}")
        ways[f"recalibrated on {count}"] = (place / "recalibrated.ckpt", [])
    for way, (checkpoint, more) in ways.items():
        place = folder / f"judged {len(out)}"
        astrid("evaluate", f"ckpt_path={checkpoint}", f"dataset={fresh}", f"output_dir={place}", *more)
        given = pd.read_parquet(place / "predictions.parquet", columns=["probability"])["probability"].notna()
        out[way] = [*metrics(place), float(given.mean())]
    return out


def main() -> int:
    """Exit code 1 where sets miss, or the log-loss does not fall."""
    asked: dict[str, Any] = {"seeds": 3, "train": 6000, "test": 3000, "epochs": 8}
    asked |= {name: int(value) for name, value in (word.split("=", 1) for word in sys.argv[1:])}
    found: dict[str, list[list[float]]] = {}
    for seed in range(1, asked["seeds"] + 1):
        with tempfile.TemporaryDirectory() as folder:
            for way, numbers in one_seed(Path(folder), seed, asked).items():
                found.setdefault(way, []).append(numbers)
                print(f"seed {seed}  {way:28s}", *(f"{value:7.3f}" for value in numbers), flush=True)
    print(f"mean of {asked['seeds']} seeds: {TOLD}, share of rows with a probability")
    mean = {way: np.mean(rows, axis=0) for way, rows in found.items()}
    for way, numbers in mean.items():
        print(f"{way:28s}", *(f"{value:7.3f}" for value in numbers))
    last = mean[f"recalibrated on {LABELLED[-1]}"]
    good = abs(last[2] - 0.9) <= 0.02 and abs(last[3] - 0.9) <= 0.02 and last[0] < mean["as trained, null"][0]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
