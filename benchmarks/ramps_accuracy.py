"""Completeness, false positives, telegraph decisions and snowballs on simulated exposures of unseen detectors.

python benchmarks/ramps_accuracy.py [exposures]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from preprocessing.ramps.predict import PredictRamps
from preprocessing.ramps.score import Truth, completeness, false_positives, match_snowballs, telegraph_called
from preprocessing.ramps.simulate import SimulateRamps

torch.set_num_threads(1)
N = int(sys.argv[1]) if len(sys.argv) > 1 else 8
SIMULATION = SimulateRamps(
    gain_library={"held_a": 1.05, "held_b": 2.6},
    n=N,
    num_exposure_events=1,
    num_baseline_exposures=0,
    image_shape=(256, 256),
    num_frames=50,
    cosmic_ray_per_exp_range=(600, 900),
    cosmic_ray_charge_range=(30.0, 4000.0),
    rtn_per_exp_range=(60, 120),
    rtn_period_range=(8.0, 40.0),
    snowballs_per_exp_range=(1, 4),
    snowball_radius_range=(4.0, 14.0),
    snowball_halo_decay_scale_range=(2.0, 6.0),
    exp_time=5000.0,
)


def main() -> None:
    with tempfile.TemporaryDirectory() as work:
        folder, out = Path(work) / "raw", Path(work) / "out"
        SIMULATION.run(folder, 2024)
        PredictRamps(str(folder), str(out)).run()
        bins: list[pd.DataFrame] = []
        false, area = 0, 0.0
        flickers: Counter[str] = Counter()
        balls: Counter[str] = Counter()
        for path in sorted(folder.glob("*.fits")):
            truth, name = Truth.read(path), path.stem
            jumps = pd.read_parquet(out / name / "jumps.parquet")
            usable = np.isfinite(np.load(out / name / f"{name}_temporal.npz")["slope"])
            n, million = false_positives(truth, jumps, usable, SIMULATION.num_frames)
            false, area = false + n, area + million
            bins.append(completeness(truth, jumps))
            flickers.update(telegraph_called(truth, jumps))
            events = json.loads((out / name / "detections.json").read_text())
            balls.update(match_snowballs(truth, events))
    table = pd.concat(bins).groupby(["low", "high"], as_index=False)[["n", "found"]].sum()
    print(table.assign(completeness=table.found / table.n).to_string(index=False))
    print(
        f"false positives: {false} in {area:.1f} Mpix-frame on pixels without events: {false / area:.2f} per Mpix-frame"
    )
    print(f"telegraph: {dict(flickers)} -> called so {flickers['telegraph'] / max(flickers['decidable'], 1):.3f}")
    f1 = 2 * balls["matched"] / max(balls["real"] + balls["found"], 1)
    print(f"snowballs: {dict(balls)} -> F1 {f1:.3f}")


if __name__ == "__main__":
    main()
