"""``predict`` and ``evaluate`` of each kind of data on the processor and on a GPU: the same answer, and how fast.

Claim: probabilities differ by at most 1e-4 between the two. Where torch sees no GPU, the processor alone is measured,
and the last line says so.
Run: ``python benchmarks/devices.py [samples=400] [device=cuda]``: stamps, curves, and a twentieth as many ramps.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

ASTRID = [sys.executable, "-m", "astrid_ml"]
BOUND = 1e-4
SHORT = ["trainer.max_epochs=1", "logger=none"]


def kinds(samples: int) -> dict[str, tuple[str, list[str]]]:
    """Kind of data -> its experiment, and the words that make it small."""
    few = max(8, samples // 20)
    return {
        "alerts": ("realbogus_triplets", [f"simulate.n={samples}", "simulate.prevalence=0.3", "channels.size=31"]),
        "curves": ("lightcurves_sim", [f"simulate.n={samples}", "simulate.templates=3"]),
        "ramps": (
            "ramp_anomalies",
            [f"simulate.n={few}", "simulate.num_frames=10", "simulate.image_shape=[72,72]"],
        ),
    }


def run(words: list[str], folder: Path) -> float:
    """Seconds of wall time of a command.

    Raises:
        SystemExit: it failed.
    """
    begun = time.perf_counter()
    done = subprocess.run([*ASTRID, *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr[-1500:]}")
    return time.perf_counter() - begun


def fractions(path: Path) -> pd.DataFrame:
    """Scores and probabilities of a table of predictions, by id and by question."""
    table = pd.read_parquet(path)
    order = [name for name in ("id", "days") if name in table]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    names = [name for name in map(str, table) if name.startswith("score") or name == "probability"]
    numbers: pd.DataFrame = table[names].apply(pd.to_numeric, errors="coerce")
    return numbers.dropna(axis=1, how="all")


def measured(folder: Path, kind: str, devices: list[str]) -> bool:
    """Print two lines a device; whether all devices give the same answer."""
    dataset = next(path.parent for path in (folder / "store").rglob("dataset.json"))
    raw = next(path for path in sorted((folder / "store" / "raw").iterdir()) if path.is_dir())
    checkpoint, same = "ckpt_path=run/checkpoints/best.ckpt", True
    works = {"predict": [f"input={raw}"], "evaluate": [f"dataset={dataset}"]}
    for verb, words in works.items():
        base: pd.DataFrame | None = None
        for device in devices:
            out = folder / f"{verb}-{device}"
            took = run([verb, checkpoint, *words, f"output_dir={out}", f"device={device}"], folder)
            table = fractions(out / "predictions.parquet")
            base = table if base is None else base
            apart = float(np.abs(table.to_numpy(float) - base.to_numpy(float)).max()) if len(table) else 0.0
            same &= apart <= BOUND
            print(
                f"{kind:8} {verb:9} {device:6} {len(table):6} rows {took:6.1f} s {len(table) / took:8.1f} rows/s  "
                f"largest difference {apart:.1e}",
                flush=True,
            )
    return same


def main() -> None:
    """Exit code 1 where two devices disagree."""
    given = {"samples": "400", "device": "cuda"} | dict(word.split("=", 1) for word in sys.argv[1:])
    there = torch.cuda.is_available() or given["device"] == "cpu"
    devices, same = ["cpu", *([given["device"]] if there else [])], True
    for kind, (experiment, words) in kinds(int(given["samples"])).items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            places = ["paths.run_dir=run", "paths.data=store"]
            run(["train", f"experiment={experiment}", *words, *SHORT, *places], folder)
            same &= measured(folder, kind, devices)
    if not there:
        print("no GPU here: torch sees none, so nothing was measured on one and nothing is said of its answers")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
