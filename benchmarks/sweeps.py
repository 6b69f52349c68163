"""A sweep of real trainings that is killed at random moments, against one that nobody disturbs.

python benchmarks/sweeps.py searches=random,tpe trials=20 kills=5 seed=1 work=FOLDER

With random search the two leaderboards are to be equal; with TPE and pruning no trial may be lost or done twice. The
best of the first is trained as an experiment and is to get its score. About 20 minutes on two cores. A sweep is killed
when a number of trials has begun, so it is killed as often on a slow machine as on a fast one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

SPACE = """_target_: astrid_ml.experiments.settings.Sweep
space:
  preprocessing/differencing/subtract: [zogy, kernel, gaussian]
  optimizer.lr: {{low: 3.0e-4, high: 1.0e-2, log: true}}
  model.network.hidden: [16, 32, 64]
objectives:
  - _target_: astrid_ml.experiments.settings.Objective
    metric: val/aucpr
    direction: maximize
sampler: {sampler}
pruner: {pruner}
warmup: 2
trials: {trials}
"""
WORDS = (
    "experiment=realbogus_sim", "simulate=sky", "simulate.n=8", "simulate.shape=[256,256]", "model=braai_wide",
    "channels.size=21", "trainer.max_epochs=6", "audit=warn", "seed=1",
)  # fmt: skip
ASTRID = (sys.executable, "-m", "astrid_ml")


def begin(work: Path, name: str, search: str) -> subprocess.Popen[bytes]:
    """Start a sweep, the leader of its own processes."""
    places = [f"--config-dir={work / 'options'}", f"paths.data={work / 'data'}", f"output_dir={work / name}"]
    words = [*ASTRID, "sweep", f"sweep={search}", *WORDS, "workers=2", *places]
    with (work / f"{name}.log").open("ab") as log:
        return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def undisturbed(work: Path, name: str, search: str) -> float:
    """Do a sweep; seconds."""
    began = time.monotonic()
    if begin(work, name, search).wait():
        raise SystemExit(f"the sweep {name} ended badly: see {work / name}.log")
    return time.monotonic() - began


def killed(work: Path, name: str, search: str, counts: Sequence[int], luck: random.Random) -> int:
    """The same, all its processes killed when so many trials have begun, each at a moment of its own; how often."""
    kills = 0
    for count in counts:
        process = begin(work, name, search)
        while process.poll() is None and len(list((work / name / "trials").glob("*/trial.log"))) < count:
            time.sleep(0.1)
        time.sleep(luck.uniform(0.0, 4.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    undisturbed(work, name, search)
    return kills


def leaderboard(work: Path, name: str) -> pd.DataFrame:
    """What decides the order: trials, parameters, states, validation and test; no times."""
    table = pd.read_parquet(work / name / "leaderboard.parquet")
    return table[[column for column in map(str, table) if not column.startswith("cost/")]]


def main(arguments: Sequence[str]) -> int:
    """Print what was found; 1 where anything was lost, done twice or differs."""
    given = {"searches": "random,tpe", "trials": "20", "kills": "5", "seed": "1", "work": ""}
    given |= dict(word.split("=", 1) for word in arguments)
    work = Path(given["work"] or tempfile.mkdtemp(prefix="sweeps-")).resolve()
    (work / "options/sweep").mkdir(parents=True, exist_ok=True)
    trials, count, luck = int(given["trials"]), int(given["kills"]), random.Random(int(given["seed"]))
    pruner_of = {"random": "none", "tpe": "median"}
    for search, pruner in pruner_of.items():
        text = SPACE.format(sampler=search, pruner=pruner, trials=trials)
        (work / "options/sweep" / f"{search}.yaml").write_text(text)
    faults, quiet = [], None
    for search in given["searches"].split(","):
        if search == "random":
            print(f"{trials} trials undisturbed in {undisturbed(work, 'quiet', search):.0f} s", flush=True)
            quiet = leaderboard(work, "quiet")
        name, counts = f"killed_{search}", sorted(luck.sample(range(2, trials), count))
        kills, table = killed(work, name, search, counts, luck), leaderboard(work, name)
        if sorted(table["trial"]) != list(range(trials)):
            faults.append(f"{name}: trials {sorted(table['trial'])}")
        if search == "random" and quiet is not None and not table.equals(quiet):
            faults.append(f"{name}: another leaderboard than the undisturbed one")
        states = table["state"].value_counts().to_dict()
        if not set(states) <= {"complete", "pruned"}:
            faults.append(f"{name}: trials that have not ended well: {states}")
        print(f"{name}: killed {kills} times, {len(table)} trials: {states}", flush=True)
    if quiet is not None:
        faults += best_again(work, quiet)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def best_again(work: Path, quiet: pd.DataFrame) -> list[str]:
    """Train the best of a sweep as an experiment; what is wrong with its score."""
    best, run = quiet.iloc[0], work / "best"
    words = ["experiment=best", f"paths.run_dir={run}", f"paths.data={work / 'data'}"]
    subprocess.run([*ASTRID, "train", f"--config-dir={work / 'quiet/best'}", *words], check=True, capture_output=True)
    again = json.loads((run / "metrics.json").read_text())["val/aucpr"]
    print(f"best: val/aucpr {best['val/aucpr']:.6f}, trained as an experiment {again:.6f}")
    return [] if again == best["val/aucpr"] else ["the best configuration got another score as an experiment"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
