"""What a command costs before its own work begins, for every verb, on data that the script makes.

Prints for each verb: time to the first character (on a terminal and on a pipe), processor time until its work begins,
processor time of the whole command on tiny data, and the libraries whose import takes longest; then what
``difference`` takes above its science, which is the same pair subtracted a second time by one process.

    python benchmarks/startup.py [--repeats 5] [--verbs fsck,train] [--parts word,until,whole,imports,overhead]

``PYTHONPATH=CHECKOUT python benchmarks/startup.py`` measures another checkout.
"""

from __future__ import annotations

import argparse
import functools
import importlib.abc
import importlib.util
import os
import pty
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SMALL = "experiment=realbogus_triplets simulate.n=240 simulate.prevalence=0.3 channels.size=31 trainer.max_epochs=1"
ASTRID = [sys.executable, "-m", "astrid_ml"]
# What the verbs work on, made once in the order in which it needs each other.
MADE = (
    "simulate what=pairs output_dir=pairs simulate.n=1 simulate.shape=[512,512]",
    "simulate what=triplets output_dir=triplets simulate.n=60",
    "simulate what=ramps output_dir=ramps simulate.n=1 simulate.num_frames=12 simulate.image_shape=[72,72]",
    "simulate what=lightcurves output_dir=curves simulate.n=200 simulate.templates=5",
    f"train {SMALL} paths.run_dir=run paths.data=store",
    f"train {SMALL} seed=2 paths.run_dir=run2 paths.data=store",
    "train experiment=lightcurves_sim simulate.n=600 simulate.templates=5 trainer.max_epochs=1 "
    "paths.run_dir=curves_run paths.data=store",
    "difference science=pairs/pair_000_science.fits reference=pairs/pair_000_reference.fits output_dir=difference",
)
# The arguments of each verb; a folder DATASET is the prepared dataset, OUT one that is new.
VERBS = {
    "train": f"{SMALL} paths.run_dir=OUT paths.data=store",
    "predict": "ckpt_path=run/checkpoints/best.ckpt input=triplets output_dir=OUT",
    "prepare": f"{SMALL} paths.data=OUT",
    "evaluate": "ckpt_path=run/checkpoints/best.ckpt dataset=DATASET output_dir=OUT",
    "simulate": "what=triplets output_dir=OUT simulate.n=60",
    "doctor": "",
    "associate": "input=difference output_dir=OUT",
    "audit": "dataset=DATASET output_dir=OUT",
    "baseline": "run_dir=curves_run output_dir=OUT max_iter=2 replicates=10 tuning_seconds=1",
    "compare": "runs=[run,run2] output_dir=OUT replicates=10",
    "convert": "input=curves output_dir=OUT",
    "croissant": "dataset=DATASET",
    "depth": "input=difference output_dir=OUT",
    "difference": "science=pairs/pair_000_science.fits reference=pairs/pair_000_reference.fits output_dir=OUT",
    "forced": "input=difference positions=positions.csv output_dir=OUT zero_point=25 band=r",
    "fsck": "input=DATASET",
    "import-weights": "input=weights.h5 variant=d6_m7 ckpt_path=OUT.ckpt",
    "inject": "science=pairs/pair_000_science.fits output_dir=OUT n=5",
    "recover": "input=pairs/manifest.csv output_dir=OUT limit=1 methods=[zogy]",
    "score-ramps": "input=ramps output_dir=OUT replicates=10",
}
# Where the work of the framework's own verbs begins; the others begin with the ``run`` of their class.
BEGINS = {
    "train": "astrid_ml.run.training.train:train",
    "predict": "astrid_ml.api:predict",
    "prepare": "astrid_ml.run.prepare:prepare",
    "evaluate": "astrid_ml.run.prediction.evaluate:evaluate",
    "simulate": "astrid_ml.preprocessing.triplets.simulate:SimulateTriplets.run",
    "doctor": "astrid_ml.cli.verbs.doctor:findings",
}
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)")


class StopAt(importlib.abc.MetaPathFinder):
    """Ends the process where a function is called first, and says what processor time it had used.

    Args:
        address: ``module:function`` or ``module:Class.method``.
    """

    def __init__(self, address: str) -> None:
        self.module, _, self.inside = address.partition(":")

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> Any:
        """The module of the function, which puts :func:`stop` in the function's place once it is executed."""
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            *holders, last = self.inside.split(".")
            setattr(functools.reduce(getattr, holders, module), last, stop)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def stop(*_: Any, **__: Any) -> None:
    """Stands where the work would begin."""
    used = os.times()
    print(f"\nUSED {used.user + used.system:.3f}", flush=True)
    os._exit(0)


def begins(verb: str) -> str:
    """The address of the function with which the work of a verb begins."""
    import astrid_ml.conf

    text = Path(str(astrid_ml.conf.__file__)).with_name(f"{verb.replace('-', '_')}.yaml").read_text(encoding="utf-8")
    found = re.search(r"^command:\n  _target_: (\S+)\.(\w+)", text, re.MULTILINE)
    return BEGINS[verb] if found is None else f"{found[1]}:{found[2]}.run"


def made(folder: Path) -> None:
    """Make what the verbs work on."""
    for line in MADE:
        subprocess.run([*ASTRID, *line.split()], cwd=folder, check=True, capture_output=True)
    (folder / "positions.csv").write_text("object_id,ra,dec\na,150.0,2.0\n", encoding="utf-8")
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from made.weights import write_keras

    write_keras(folder / "weights.h5")


def words(verb: str, folder: Path) -> list[str]:
    """The arguments of a verb, with a new folder for what it writes."""
    dataset = next(path.parent.name for path in sorted((folder / "store").glob("realbogus*/dataset.json")))
    out = tempfile.mkdtemp(dir=folder, prefix="out")
    line = VERBS[verb].replace("DATASET", f"store/{dataset}").replace("OUT", f"{Path(out).name}/new")
    return [verb, *line.split()]


def first_character(arguments: Sequence[str], folder: Path, terminal: bool) -> tuple[float, float]:
    """Seconds to the first character on either stream: of wall time, and of processor time."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    started = time.perf_counter()
    process = subprocess.Popen(
        [*ASTRID, *arguments], cwd=folder, stdout=writer, stderr=writer, stdin=subprocess.DEVNULL
    )
    os.close(writer)
    os.read(reader, 1)
    seconds = time.perf_counter() - started
    process.kill()
    _, process.returncode, used = os.wait4(process.pid, 0)
    os.close(reader)
    return seconds, used.ru_utime + used.ru_stime


def until_work(verb: str, arguments: Sequence[str], folder: Path) -> float:
    """Processor time until the work of a verb begins."""
    command = [sys.executable, str(Path(__file__).resolve()), "--until", begins(verb), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = re.search(r"USED ([\d.]+)", done.stdout)
    assert found, f"{verb} did not begin: {done.stdout}{done.stderr}"
    return float(found[1])


def whole(arguments: Sequence[str], folder: Path) -> float:
    """Processor time of a whole command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([*ASTRID, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(arguments: Sequence[str], folder: Path) -> Counter[str]:
    """Seconds of import by library, modules of its own alone, in a whole command."""
    command = [sys.executable, "-X", "importtime", *ASTRID[1:], *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counted: Counter[str] = Counter()
    for micro, name in _IMPORT.findall(done.stderr):
        counted[name.split(".")[0]] += int(micro)
    return counted


def overhead(folder: Path, repeats: int) -> tuple[float, float]:
    """Processor time of ``difference`` as a command, and of a second pass over the same pair in one process."""
    code = (
        "import os, astrid_ml.preprocessing.differencing.commands.difference as module\n"
        "run = module.DifferenceCommand.run\n"
        "def twice(command):\n"
        "    run(command)\n"
        "    before = os.times(); run(command); after = os.times()\n"
        "    print('USED', after.user + after.system - before.user - before.system)\n"
        "    return {}\n"
        "module.DifferenceCommand.run = twice\n"
        "from astrid_ml.cli.main import main\n"
        "main()"
    )
    commands, sciences = [], []
    for _ in range(repeats):
        commands.append(whole(words("difference", folder), folder))
        command = [sys.executable, "-c", code, *words("difference", folder)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        sciences.append(float(re.findall(r"USED ([\d.]+)", done.stdout)[0]))
    return statistics.median(commands), statistics.median(sciences)


def measured(verb: str, folder: Path, repeats: int, parts: Sequence[str]) -> str:
    """A line of the table: medians."""

    def median(values: Sequence[float]) -> str:
        return f"{statistics.median(values):.2f} s"

    said = [f"{verb:15}"]
    if "word" in parts:
        for place in ("terminal", "pipe"):
            found = [first_character(words(verb, folder), folder, place == "terminal") for _ in range(repeats)]
            said.append(
                f"{place} {median([wall for wall, _ in found])} (processor {median([used for _, used in found])})"
            )
    if "until" in parts:
        said.append(f"until work {median([until_work(verb, words(verb, folder), folder) for _ in range(repeats)])}")
    if "whole" in parts:
        said.append(f"whole {median([whole(words(verb, folder), folder) for _ in range(repeats)])}")
    if "imports" in parts:
        libraries = imported(words(verb, folder), folder)
        dearest = ", ".join(f"{name} {micro / 1e3:.0f}" for name, micro in libraries.most_common(6))
        said.append(f"imports {sum(libraries.values()) / 1e6:.2f} s: {dearest} ms")
    return "  ".join(said)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--parts", default="word,until,whole,imports,overhead")
    parser.add_argument("--folder", default=None, help="keeps what the verbs work on, and finds it there again")
    chosen = parser.parse_args()
    parts = chosen.parts.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(chosen.folder or temporary)
        if not (folder / "weights.h5").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            made(folder)
        for verb in chosen.verbs.split(",") if set(parts) - {"overhead"} else ():
            print(measured(verb, folder, chosen.repeats, parts), flush=True)
        if "overhead" in parts:
            command, science = overhead(folder, chosen.repeats)
            print(
                f"difference of 512^2: {command:.2f} s of processor time as a command, {science:.2f} s its science; "
                f"{command - science:.2f} s above it (bound 2 s)"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--until"]:
        sys.meta_path.insert(0, StopAt(sys.argv[2]))
        sys.argv[1:] = sys.argv[3:]
        from astrid_ml.cli.main import main as astrid

        astrid()
    main()
