"""Do curves of a class that training did not have look new? AUROC of ``novelty_p`` and of ``entropy``, and the ceiling.

A network is trained without a class (``apart``: one training a class; ``together``: one without all of them). The test
set has all classes, of other templates. The AUROC is of its objects of the withheld class against those of the classes
that training had, with 64 days seen: of 1 - ``novelty_p`` and of ``entropy``. The ceiling is a network that was trained
with all classes: the AUROC of its own ``p_<class>`` on the same objects. Intervals are 95 %.

Run: ``python benchmarks/lightcurve_novelty.py FOLDER [objects] [seed] [apart|together] [classes] [words...]``, words
being those of ``astrid train``. What is done stands in FOLDER as JSON and is not done again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from astrid_ml.evaluation.intervals import roc_interval
from astrid_ml.found import SIMULATED
from astrid_ml.taxonomy import load_taxonomy

CLASSES = "KN_K17,PISN,TDE,CART,Cepheid"
DAY = 64.0
USUAL = [
    *(
        "model=lightcurve_gru_small",
        "datamodule.batch_size=64",
        "trainer.max_epochs=20",
        "callbacks.weight_averaging=0.98",
    ),
    *("evaluation.baseline=null", "evaluation.sets=null", "logger=none", "audit=off"),
]


def simulated(folder: Path, objects: int, seed: int) -> Path:
    """All classes, as SNANA files, a folder each."""
    target = folder / f"sim-{objects}-{seed}"
    if not (target / "truth.parquet").is_file():
        words = ["what=lightcurves", f"simulate.n={objects}", "simulate.templates=50", f"data.seed={seed}"]
        call = [sys.executable, "-m", "astrid_ml", "simulate", *words, f"output_dir={target}"]
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
    return target


def without(simulation: Path, classes: Sequence[str], target: Path) -> Path:
    """The same files, with the mark of a simulation; of some classes the test part alone."""
    target.mkdir(parents=True)
    shutil.copy(simulation / SIMULATED, target)
    for version in sorted(path for path in simulation.iterdir() if path.is_dir()):
        part, _, label = version.name.removeprefix("ASTRIDSIM_").partition("_01_")
        if part == "TEST" or label not in classes:
            (target / version.name).mkdir(parents=True)
            for file in version.iterdir():
                os.link(file, target / version.name / file.name)
    return target


def tested(folder: Path, simulation: Path, classes: Sequence[str], seed: int, words: Sequence[str]) -> pd.DataFrame:
    """Predictions of test objects with ``DAY`` seen, by a network that was trained without some classes."""
    work = folder / f"work-{'+'.join(classes) or 'all'}"
    shutil.rmtree(work, ignore_errors=True)
    raw = without(simulation, classes, work / "raw")
    given = ["experiment=lightcurves_sim", "simulate=none", f"paths.raw={raw}", f"seed={seed}", *USUAL, *words]
    given += [f"paths.run_dir={work / 'run'}", f"paths.data={work / 'data'}"]
    typed = {word.split("=", 1)[0]: word for word in given}  # of a key that is given twice the last word counts
    subprocess.run([sys.executable, "-m", "astrid_ml", "train", *typed.values()], check=True, stdout=subprocess.DEVNULL)
    table = pd.read_parquet(work / "run" / "predictions" / "test.parquet")
    shutil.rmtree(work)
    return table[table["days"] == DAY].reset_index(drop=True)


def area(scores: pd.Series, new: pd.Series) -> dict[str, Any]:
    """The AUROC of scores with its interval."""
    ends = roc_interval(scores.to_numpy(), new.to_numpy().astype(int), np.arange(len(new))) or (None, None)
    return {"auroc": float(roc_auc_score(new, scores)), "low": ends[0], "high": ends[1], "new": int(new.sum())}


def measured(table: pd.DataFrame, label: str, withheld: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A withheld class against what training had."""
    known = table[(table["label"] == label) | ~table["label"].isin(withheld)]
    new = known["label"] == label
    return {"novelty_p": area(1 - known["novelty_p"], new), "entropy": area(known["entropy"], new)}


def ceiling(table: pd.DataFrame, label: str, withheld: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The class by a network that was trained with it, against the same objects."""
    known = table[(table["label"] == label) | ~table["label"].isin(withheld)]
    node = load_taxonomy("elasticc2").node_of_label[label]
    return {"ceiling": area(known[f"p_{node}"], known["label"] == label)}


def done(file: Path, make: Any) -> dict[str, Any]:
    """What stands in a file, or is made and put there."""
    if not file.is_file():
        started = time.perf_counter()
        found = make()
        file.with_suffix(".part").write_text(json.dumps({**found, "seconds": round(time.perf_counter() - started)}))
        file.with_suffix(".part").replace(file)
    out: dict[str, Any] = json.loads(file.read_text())
    return out


def main() -> None:
    """Do what is not done yet, and print the table."""
    words = [*sys.argv[1:6], *("novelty", "4000", "1", "apart", CLASSES)[len(sys.argv[1:6]) :]]
    folder, objects, seed, chosen = Path(words[0]), int(words[1]), int(words[2]), words[4].split(",")
    folder.mkdir(parents=True, exist_ok=True)
    simulation, more = simulated(folder, objects, seed), sys.argv[6:]
    sets = [[label] for label in chosen] if words[3] == "apart" else [chosen]

    def of_all() -> dict[str, Any]:
        table = tested(folder, simulation, [], seed, more)
        return {f"{label}/{'+'.join(own)}": ceiling(table, label, own) for own in sets for label in own}

    def of(own: Sequence[str]) -> dict[str, Any]:
        table = tested(folder, simulation, own, seed, more)
        return {f"{label}/{'+'.join(own)}": measured(table, label, own) for label in own}

    best = done(folder / f"{words[3]}-{objects}-{seed}-all.json", of_all)
    rows = []
    for own in sets:
        found = done(folder / f"{words[3]}-{objects}-{seed}-{'+'.join(own)}.json", lambda own=own: of(own))
        for label in own:
            key = f"{label}/{'+'.join(own)}"
            rows += [{"class": label, "by": by, **got} for by, got in {**found[key], **best[key]}.items()]
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
