"""F1 of snowballs on simulated exposures of unseen detectors, with stars that saturate among them.

python benchmarks/ramps_snowballs.py [events=210]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import detections
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.judge.truth import Truth, match_snowballs
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

torch.set_num_threads(1)
SMALL = SimulateRamps(
    gain_library={"held_a": 1.05, "held_b": 2.6, "held_c": 1.8},
    num_baseline_exposures=0,
    image_shape=(384, 384),
    num_frames=20,
    exp_time=2000.0,
    cosmic_ray_per_exp_range=(600, 900),
    cosmic_ray_charge_range=(30.0, 4000.0),
    rtn_per_exp_range=(60, 120),
    sources_per_exp_range=(10, 20),
    source_flux_range=(100.0, 30000.0),
    snowballs_per_exp_range=(4, 8),
    snowball_radius_range=(4.0, 20.0),
    snowball_halo_decay_scale_range=(2.0, 6.0),
)
# The radii and halos of the default simulation, on a frame that holds them.
LARGE = replace(
    SMALL,
    image_shape=(1024, 1024),
    num_frames=10,
    exp_time=1000.0,
    cosmic_ray_per_exp_range=(2000, 3000),
    snowballs_per_exp_range=(1, 3),
    snowball_radius_range=(5.0, 200.0),
    snowball_halo_decay_scale_range=(3.0, 30.0),
)
SETS = {
    "cores of 4 to 20 pixels": (SMALL, 6.0),
    "the same, 60 groups": (replace(SMALL, num_frames=60, exp_time=6000.0), 6.0),
    "cores of 5 to 200 pixels": (LARGE, 2.0),
}


def score(simulation: SimulateRamps, seed: int) -> Counter[str]:
    """Counts of real, found and matched events over all exposures."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        simulation.run(raw, seed)
        for path in sorted(raw.glob("*.fits")):
            truth, ramp, settings = Truth.read(path), read_ramp(path), Processing()
            found = process(Exposure(ramp, settings))
            found = replace(found, jumps=found.jumps.assign(probability=1.0))
            counts.update(match_snowballs(truth, detections(found)))
    return counts


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 210
    for name, (simulation, each) in SETS.items():
        start = time.perf_counter()
        share = events if simulation is SMALL else events // 3
        counts = score(replace(simulation, n=max(1, round(share / each))), 4711)
        f1 = 2 * counts["matched"] / max(counts["real"] + counts["found"], 1)
        print(f"{name}: {dict(counts)} -> F1 {f1:.3f} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
