"""``make fuzz``: 200 changed files of every kind that a user gives, each with a fixed seed.

python tests/fuzz/fuzz.py files=200 only=ramp first=0

Counts for each kind: files that were read, refused in words, or cost a failed unit; and what must be none: hangs,
crashes, tracebacks, and files of which nothing is read and nothing is said.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/made

from file_kinds import KINDS, FileKind, read, silent
from mutate import mutated

from astrid_ml.executors import supervise
from astrid_ml.executors.contract import OverLimitError
from astrid_ml.executors.cores import cores
from astrid_ml.executors.limits import Limits
from astrid_ml.executors.supervise import Crew

WELL = ("read", "refused", "dropped")  # outcomes that may be
NAMED = re.compile(r"\b[A-Z][A-Za-z]+(?:Error|Exception|Warning):")  # no word for whoever owns the file
SOUND = "as it was made"
LIMITS = Limits(seconds=60.0, seconds_per_mb=0.0, memory=2.5, retries=0)


@dataclass
class Tally:
    """What came of the changed files of one kind.

    Args:
        counts: outcome -> files.
        faults: what must not be, one line each.
        peak: GB of anonymous memory, the most that was seen.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    peak: float = 0.0


class WatchedCrew(Crew):
    """A crew that notes the most memory that its processes took."""

    peak = 0

    def _relieve(self) -> None:
        self.peak = max([self.peak, *(child.memory() for child in self.children)])
        super()._relieve()


def tally(kind: FileKind, files: int, first: int, work: Path, workers: int) -> Tally:
    """Change a sound file in many ways and read each; see :func:`tallies`."""
    return tallies([kind], files, first, work, workers)[kind.name]


def tallies(kinds: Sequence[FileKind], files: int, first: int, work: Path, workers: int) -> dict[str, Tally]:
    """Name of each kind -> what came of its changed files; the processes that read are the same for all.

    Args:
        kinds: of files.
        files: how many of each.
        first: the first seed.
        work: an empty folder.
        workers: processes.
    """
    items, ways = list[tuple[str, str]](), list[str]()
    for kind in kinds:
        for name, way in changed_files(kind, files, first, work / kind.name):
            items.append((kind.name, name))
            ways.append(way)
    out, crew = {kind.name: Tally() for kind in kinds}, WatchedCrew(read, items, LIMITS)
    for position, result in crew.run(workers):
        outcome, fault = judged(result)
        done, way = out[items[position][0]], ways[position]
        if way == SOUND:
            assert outcome == "read", f"the sound file of {items[position][0]}: {result}"
            continue
        done.counts[outcome] += 1
        if fault:
            done.faults.append(f"{items[position][0]}, {way}: {fault}")
    for done in out.values():
        done.peak = crew.peak / 1e9
    return out


def changed_files(kind: FileKind, files: int, first: int, work: Path) -> list[tuple[str, str]]:
    """A sound file and its changed copies: where each lies, and how it was changed."""
    sound_folder = work / "sound"
    sound_folder.mkdir(parents=True)
    with silent():
        path = kind.make(sound_folder)
    content, inside = path.read_bytes(), path.relative_to(sound_folder)
    made = [(str(path), SOUND)]
    for seed in range(first, first + files):
        folder = work / f"{seed}"
        shutil.copytree(sound_folder, folder)
        way, changed = mutated(content, seed)
        (folder / inside).write_bytes(changed)
        made.append((str(folder / inside), f"seed {seed}, {way}"))
    return made


def judged(result: Any) -> tuple[str, str]:
    """(outcome, what must not be): empty where all is well."""
    if isinstance(result, OverLimitError):
        return ("memory" if "memory" in str(result) else "hang"), str(result)
    if isinstance(result, Exception):
        return "crash", str(result)
    if result["outcome"] == "traceback":
        return "traceback", result["words"]
    if NAMED.search(result.get("words", "")):
        return "named", f"the name of an exception: {result['words'][:300]}"
    if result["outcome"] == "read" and not result["samples"] + result["dropped"] + result["failed"]:
        return "silent", "nothing read, and nothing said"
    if result["outcome"] == "read" and not result["samples"]:
        return "dropped", ""
    return result["outcome"], ""


def main(arguments: list[str]) -> int:
    """Print a line a kind; 1 where there was a fault."""
    given = {"files": "200", "only": "", "first": "0", "workers": str(cores())}
    given |= dict(argument.split("=", 1) for argument in arguments)
    warnings.simplefilter("ignore")
    supervise.TICK = 0.02
    faults, names = list[str](), list[str]()
    print(f"{'kind':25s} {'files':>5s} {'read':>5s} {'refused':>7s} {'dropped':>7s}   peak GB   faults")
    for number, kind in enumerate(kind for kind in KINDS.values() if given["only"] in kind.name):
        with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
            work = Path(name) / str(number)
            done = tally(kind, int(given["files"]), int(given["first"]), work, int(given["workers"]))
        counts = done.counts
        bad = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()) if what not in WELL)
        columns = f"{sum(counts.values()):5d} {counts['read']:5d} {counts['refused']:7d} {counts['dropped']:7d}"
        print(f"{kind.name:25s} {columns}   {done.peak:7.2f}   {bad or 'none'}", flush=True)
        faults += done.faults
        names.append(kind.name)
    print("\n".join(faults) or f"no faults in {len(names)} kinds")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
