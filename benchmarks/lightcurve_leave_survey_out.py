"""A classifier of light curves on a survey that training did not have: four simulated surveys, each left out once.

Each training has three surveys and is tested on all four, by objects of other templates; ``none`` leaves nothing out:
it is what knowing the survey gives. ``adapted`` goes on from the training without a survey with a few of its labelled
objects (``init=``). For each survey: macro-F1 and NLL with 64 days seen, intervals over test objects, the difference
from ``none`` on the same objects, how many were called in the domain, how many transients were called star or AGN.

Run: ``python benchmarks/lightcurve_leave_survey_out.py FOLDER [objects of a survey] [seed] [adapting objects]
[words...]``, words being those of ``astrid train``; 0 adapting objects leave that out. What is done stands in FOLDER as
parquet and is not done again; ``none-SEED.ckpt`` stays there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pandas as pd

from astrid_ml.evaluation.tree.metrics import confusion_matrix, macro_f1
from astrid_ml.found import SIMULATED
from astrid_ml.preprocessing.lightcurves.simulate.look import KINDS
from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Floats, Ints

SURVEYS = ("lsst_wide", "ztf", "ps1", "des")
DAY, DRAWS = 64.0, 500
USUAL = [
    *("experiment=lightcurves_sim", "simulate=none", "model=lightcurve_gru_small", "datamodule.batch_size=64"),
    *("trainer.max_epochs=20", "callbacks.weight_averaging=0.98", "logger=none", "audit=off"),
    *("evaluation.baseline=null", "evaluation.sets=null"),
]


def astrid(*words: str) -> None:
    """A command of the project."""
    subprocess.run([sys.executable, "-m", "astrid_ml", *words], check=True, stdout=subprocess.DEVNULL)


def simulated(folder: Path, objects: int, seed: int) -> Path:
    """A folder a survey, a file a part and class."""
    target = folder / f"sim-{objects}-{seed}"
    if not (target / "truth.parquet").is_file():
        names = f"simulate.surveys=[{','.join(SURVEYS)}]"
        sizes = [f"simulate.n={objects * len(SURVEYS)}", "simulate.templates=50", f"data.seed={seed}"]
        astrid("simulate", "what=lightcurves", names, *sizes, f"output_dir={target}")
    return target


def chosen(simulation: Path, left_out: str, target: Path) -> Path:
    """The same files, with the mark of a simulation; of the survey that is left out the test part alone."""
    target.mkdir(parents=True)
    shutil.copy(simulation / SIMULATED, target)
    for path in sorted(simulation.glob("*/*.parquet")):
        if path.name.startswith("test-") or path.parent.name != left_out:
            (target / path.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(path, target / path.parent.name / path.name)
    return target


def few(simulation: Path, survey: str, count: int, seed: int, target: Path) -> Path:
    """So many training objects of one survey, and its test part."""
    files = sorted((simulation / survey).glob("train-*.parquet"))
    tables = [pd.read_parquet(path) for path in files]
    share = count / sum(map(len, tables))
    (target / survey).mkdir(parents=True)
    shutil.copy(simulation / SIMULATED, target)
    for path, table in zip(files, tables, strict=True):
        some = table.sample(n=max(3, round(share * len(table))), random_state=seed)
        some.to_parquet(target / survey / path.name, index=False)
    for path in (simulation / survey).glob("test-*.parquet"):
        os.link(path, target / survey / path.name)
    return target


def trained(work: Path, raw: Path, seed: int, words: Sequence[str]) -> pd.DataFrame:
    """Predictions of the test objects with ``DAY`` seen; the run stays in ``work/run``."""
    places = [f"paths.raw={raw}", f"paths.run_dir={work / 'run'}", f"paths.data={work / 'data'}"]
    typed = {word.split("=", 1)[0]: word for word in [*USUAL, f"seed={seed}", *places, *words]}  # the last one counts
    astrid("train", *typed.values())
    table = pd.read_parquet(work / "run" / "predictions" / "test.parquet")
    return table[table["days"] == DAY].reset_index(drop=True)


def leaves_of(table: pd.DataFrame) -> tuple[Ints, Ints, Floats]:
    """True leaf, called leaf and -log p of the true one, each (n,)."""
    tree = load_taxonomy("elasticc2")
    leaves = list(tree.leaves)
    p = table[[f"p_{name}" for name in leaves]].to_numpy()
    true = np.array([leaves.index(tree.node_of_label[label]) for label in table["label"]])
    return true, p.argmax(axis=1), -np.log(np.maximum(p[np.arange(len(p)), true], 1e-7))


def compared(table: pd.DataFrame, best: pd.DataFrame, way: str) -> dict[str, object]:
    """One survey's test objects by a training without it, and by the one with all."""
    both = table.set_index("id").loc[best["id"]].reset_index()
    (true, ours, nll), (_, theirs, best_nll) = leaves_of(both), leaves_of(best)
    random, width = np.random.default_rng(0), int(true.max()) + 1

    def f1(called: Ints, rows: Ints) -> float:
        size = max(width, int(called.max()) + 1)
        return float(macro_f1(confusion_matrix(true[rows], called[rows], size)) or 0.0)

    drawn = [random.integers(len(true), size=len(true)) for _ in range(DRAWS)]
    one, two = (np.array([f1(called, rows) for rows in drawn]) for called in (ours, theirs))
    whole = np.arange(len(true))
    stars = {load_taxonomy("elasticc2").node_of_label[name] for name, kind in KINDS.items() if kind is None}
    transient = np.array([KINDS[label] is not None for label in both["label"]])
    return {
        "way": way,
        "n": len(true),
        "f1": f1(ours, whole),
        "f1_low": np.quantile(one, 0.025),
        "f1_high": np.quantile(one, 0.975),
        "less": f1(ours, whole) - f1(theirs, whole),
        "less_low": np.quantile(one - two, 0.025),
        "less_high": np.quantile(one - two, 0.975),
        "nll": nll.mean(),
        "nll_none": best_nll.mean(),
        "in_domain": float((both["in_domain"] == True).mean()) if "in_domain" in both else np.nan,  # noqa: E712 - may be null
        "called_star": float(both.loc[transient, "top_class"].isin(stars).mean()),
    }


def main() -> None:
    """Do what is not done yet, and print the table."""
    words = [*sys.argv[1:5], *("surveys", "1500", "1", "0")[len(sys.argv[1:5]) :]]
    folder, objects, seed, adapting, more = Path(words[0]), int(words[1]), int(words[2]), int(words[3]), sys.argv[5:]
    folder.mkdir(parents=True, exist_ok=True)
    simulation = simulated(folder, objects, seed)
    names = {cadence_named(name).survey: name for name in SURVEYS}
    rows = []
    for survey in ("none", *names):
        file, work = folder / f"{survey}-{seed}.parquet", folder / "work"
        if not file.is_file():
            shutil.rmtree(work, ignore_errors=True)
            table = trained(work, chosen(simulation, survey, work / "raw"), seed, more)
            shutil.copy(work / "run" / "checkpoints" / "best.ckpt", folder / f"{survey}-{seed}.ckpt")
            table.to_parquet(file)
        best = pd.read_parquet(folder / f"none-{seed}.parquet")
        if survey == "none":
            continue
        own = best[best["survey"] == survey].reset_index(drop=True)
        rows.append({"survey": survey, **compared(own, own, "none")})
        rows.append({"survey": survey, **compared(pd.read_parquet(file), own, "left out")})
        if adapting:
            adapted = folder / f"{survey}-{seed}-{adapting}.parquet"
            if not adapted.is_file():
                shutil.rmtree(work, ignore_errors=True)
                raw = few(simulation, survey, adapting, seed, work / "raw")
                init = [f"init={folder / f'{survey}-{seed}.ckpt'}", "datamodule.batch_size=16", "optimizer.lr=1e-3"]
                trained(work, raw, seed, [*more, *init]).to_parquet(adapted)
            rows.append({"survey": survey, **compared(pd.read_parquet(adapted), own, f"{adapting} of it")})
    shutil.rmtree(folder / "work", ignore_errors=True)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
