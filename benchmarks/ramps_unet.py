"""The network of a checkpoint in float32 and in bfloat16, channels innermost: voxels a second, and the same answer.

python benchmarks/ramps_unet.py best.ckpt [folder of exposures]

Without a folder an exposure is simulated. One thread; the precisions take turns; medians of 5. The answer of a voxel
is the class that stands above even odds; intersection over union is taken over the voxels of each class.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from astrid_ml.checkpoint.load import load_model
from astrid_ml.models.tasks.voxels import VoxelTask
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.preprocessing.ramps.readers.auto import is_ramp_file, read_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

torch.set_num_threads(1)
TILE, REPEATS = 64, 5
SIMULATION = SimulateRamps(
    gain_library={"held_a": 1.05, "held_b": 2.6},
    n=4,
    num_baseline_exposures=0,
    image_shape=(136, 136),
    num_frames=32,
    exp_time=3200.0,
    cosmic_ray_per_exp_range=(60, 200),
    rtn_per_exp_range=(40, 80),
    rtn_period_range=(8.0, 40.0),
    snowballs_per_exp_range=(1, 2),
    snowball_radius_range=(4.0, 9.0),
    snowball_halo_decay_scale_range=(2.0, 4.0),
)


def tiles(folder: Path) -> Iterator[torch.Tensor]:
    """Tiles of (1, T, 64, 64) in read noises."""
    for path in sorted(p for p in folder.rglob("*") if is_ramp_file(p)):
        ramp = read_ramp(path, RampOptions())
        with tempfile.TemporaryDirectory() as work:
            process(Exposure(ramp, Processing()), Path(work) / "cube.npy")
            cube = np.load(Path(work) / "cube.npy")[0] / ramp.noise(slice(None), slice(None))
        if ramp.reference is not None:
            cube[:, ramp.reference] = np.nan
        for y in range(4, cube.shape[1] - TILE + 1, TILE):
            for x in range(4, cube.shape[2] - TILE + 1, TILE):
                yield torch.from_numpy(np.ascontiguousarray(cube[:, y : y + TILE, x : x + TILE]))[None]


def main() -> None:
    task = load_model(Path(sys.argv[1])).task
    if not isinstance(task, VoxelTask):
        raise SystemExit(f"{sys.argv[1]} holds no network of voxels")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(work)
        if len(sys.argv) <= 2:
            SIMULATION.run(folder, 5)
        every = list(tiles(folder))
    scorers = {name: task.voxel_scorer(name) for name in ("fp32", "bf16")}
    times = torch.arange(every[0].shape[1]).float()
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for score in scorers.values():
        score(every[0], times)
    for _ in range(REPEATS):
        for name, score in scorers.items():
            start = time.perf_counter()
            score(every[0], times)
            seconds[name].append(time.perf_counter() - start)
    both, either = np.zeros(len(ANOMALIES)), np.zeros(len(ANOMALIES))
    for tile in every:
        full, half = ((score(tile, times)[0] > 0).flatten(1) for score in scorers.values())
        both += (full & half).sum(1).numpy()
        either += (full | half).sum(1).numpy()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    speed = {name: round(every[0].numel() / value / 1e6, 3) for name, value in median.items()}
    agreement = {name: round(float(b / max(e, 1)), 4) for name, b, e in zip(ANOMALIES, both, either, strict=True)}
    voxels = {name: int(e) for name, e in zip(ANOMALIES, either, strict=True)}
    ratio = round(median["fp32"] / median["bf16"], 2)
    result = {"mvoxels_per_second": speed, "bf16_over_fp32": ratio, "iou": agreement, "voxels": voxels}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
