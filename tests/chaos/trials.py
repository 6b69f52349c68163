"""``make chaos``: 60 KILL, 20 TERM and 20 INT at random moments over every verb that writes.

python tests/chaos/trials.py kill=60 term=20 int=20 seed=1 only=train
"""

from __future__ import annotations

import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monkey import Trial, disturbed, undisturbed
from scenarios import SCENARIOS, make_inputs


def run(kills: int, terms: int, ints: int, seed: int, only: str = "", work: Path | None = None) -> list[Trial]:
    """All trials, two at a time; the scenarios take turns."""
    work = work or Path(tempfile.mkdtemp(prefix="chaos-"))
    inputs = work / "inputs"
    if not (inputs / "prepared").exists():
        make_inputs(inputs)
    chosen = [scenario for scenario in SCENARIOS if only in scenario.name]
    right = {scenario.name: undisturbed(scenario, inputs, work / "right" / scenario.name) for scenario in chosen}
    luck = random.Random(seed)
    kinds = ["KILL"] * kills + ["TERM"] * terms + ["INT"] * ints
    luck.shuffle(kinds)

    def trial(number: int, kind: str, seed: int) -> Trial:
        scenario = chosen[number % len(chosen)]
        products, seconds = right[scenario.name]
        out = work / "trials" / f"{number:03d} {scenario.name}"
        done = disturbed(scenario, inputs, out, kind, seconds, products, random.Random(seed))
        moments = ", ".join(f"{moment:.2f} s" for moment in done.moments)
        print(f"{number:3d} {done.scenario:20s} {kind:4s} at {moments} of {seconds:.1f} s: "
              + ("equal" if not done.faults else "; ".join(done.faults)), flush=True)  # fmt: skip
        return done

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(trial, range(len(kinds)), kinds, [luck.randrange(1 << 30) for _ in kinds]))


def main(arguments: list[str]) -> int:
    """Print a line a trial, then the count; 1 where any was not equal."""
    given = {"kill": "60", "term": "20", "int": "20", "seed": "1", "only": "", "work": ""}
    given |= dict(argument.split("=", 1) for argument in arguments)
    kills, terms, ints, seed = (int(given[name]) for name in ("kill", "term", "int", "seed"))
    work = Path(given["work"]).resolve() if given["work"] else None
    trials = run(kills, terms, ints, seed, given["only"], work)
    wrong = sum(bool(trial.faults) for trial in trials)
    print(f"{len(trials)} trials, {wrong} with faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
