"""Speed of the jump detectors at 512 x 512 x 50 groups, one thread, interleaved medians, against stcal 1.20.0.

Seconds are those of a processor, so that other work beside it counts for neither. Then the same of the likelihood
detectors at 128 x 128 x 50 with .1, 1 and 5 rays a pixel.

stcal is a development-time peer: pip install --no-deps --target /tmp/stcal stcal==1.20.0, then
PYTHONPATH=.:/tmp/stcal python benchmarks/ramps_speed.py (its likelihood fit also imports scikit-image).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats32

torch.set_num_threads(1)
SIZE, GROUPS, NOISE, REPEATS = 512, 50, 12.0, 5


def exposure(size: int = SIZE, rays: float | None = None) -> Floats32:
    """Sky of 2 e- a group, and cosmic rays of 3 to 30 read noises: so many a pixel, or one in 2 % of them."""
    random = np.random.default_rng(1)
    data = np.cumsum(random.poisson(2.0, (GROUPS, size, size)), axis=0) + random.normal(0, NOISE, (GROUPS, size, size))
    if rays is None:
        pixels = random.choice(size * size, size * size // 50, replace=False)
    else:
        pixels = random.integers(0, size * size, round(size * size * rays))
    groups, sizes = random.integers(1, GROUPS, len(pixels)), NOISE * random.uniform(3, 30, len(pixels))
    steps = np.zeros((GROUPS, size * size))
    np.add.at(steps, (groups, pixels), sizes)
    reads: Floats32 = (data + steps.cumsum(0).reshape(data.shape)).astype(np.float32)
    return reads


def stcal_two_point(data: Floats32) -> Callable[[], Any]:
    from stcal.jump.twopoint_difference import find_crs
    from stcal.jump.twopoint_difference_class import TwoPointParams

    p = TwoPointParams()
    p.normal_rej_thresh, p.two_diff_rej_thresh, p.three_diff_rej_thresh, p.nframes = 4.0, 6.0, 5.0, 1
    p.flag_4_neighbors, p.max_jump_to_flag_neighbors, p.min_jump_to_flag_neighbors = True, 1000, 10
    p.fl_good, p.fl_sat, p.fl_jump, p.fl_ngv, p.fl_dnu, p.fl_ref = 0, 2, 4, 8, 1, 2**31
    p.after_jump_flag_e1 = p.after_jump_flag_e2 = 0.0
    p.after_jump_flag_n1 = p.after_jump_flag_n2 = 0
    p.minimum_groups, p.minimum_sigclip_groups, p.only_use_ints, p.min_diffs_single_pass = 3, 10**6, True, 10
    p.dt_group, p.n_reads_groupdiff = np.array([1.0]), np.array([2.0])
    noise = np.full((SIZE, SIZE), NOISE * np.sqrt(2), np.float32)

    def run() -> Any:
        return find_crs(data[None].copy(), np.zeros((1, *data.shape), np.uint8), noise, p)[0]

    return run


def stcal_likelihood(data: Floats32) -> Callable[[], Any]:
    """The fit with jump detection, row by row, as ``likely_ramp_fit`` calls it."""
    from stcal.ramp_fitting.likely_algo_classes import Covar
    from stcal.ramp_fitting.likely_fit import mask_jumps

    covariance = Covar([float(i) for i in range(1, GROUPS + 1)])
    difference = np.diff(data.astype(np.float64), axis=0)
    size = data.shape[2]
    noise = np.full(size, NOISE)

    def run() -> Any:
        for row in range(data.shape[1]):
            mask_jumps(difference[:, row], covariance, noise, np.ones(size), 20.25, 23.8)

    return run


def spent(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, one after the other and again."""
    all_of: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            run()
            all_of[name].append(time.process_time() - start)
    return {name: float(np.median(times)) for name, times in all_of.items()}


def crowded(rays: float, size: int = 128) -> None:
    """Print how the likelihood detectors compare where so many rays hit each pixel."""
    data = exposure(size, rays)
    reads, noise = torch.from_numpy(data), torch.full((size, size), NOISE)
    sampling = Sampling.of(ReadTimes.single([float(k) for k in range(1, GROUPS + 1)]))
    took = spent(
        {
            "default": lambda: StepDetector()(reads, noise, sampling),
            "prior=none": lambda: StepDetector(prior="none")(reads, noise, sampling),
            "stcal": stcal_likelihood(data),
        },
        3,
    )
    peer = took.pop("stcal")
    for name, seconds in took.items():
        print(f"{rays:g} rays a pixel, likelihood steps, {name} / stcal likelihood: {peer / seconds:.2f}")


def main() -> None:
    data = exposure()
    reads, noise = torch.from_numpy(data), torch.full((SIZE, SIZE), NOISE)
    dq = torch.zeros((1, *data.shape), dtype=torch.uint8)
    sampling = Sampling.of(ReadTimes.single([float(k) for k in range(1, GROUPS + 1)]))
    runs: dict[str, Callable[[], Any]] = {
        "two-point": lambda: TwoPoint()(reads[None], dq, noise)[0].numpy(),
        "likelihood steps": lambda: StepDetector()(reads, noise, sampling),
        "likelihood steps, prior=none": lambda: StepDetector(prior="none")(reads, noise, sampling),
        "likelihood steps, prior=none, average=0": lambda: StepDetector(prior="none", average=0.0)(
            reads, noise, sampling
        ),
    }
    try:
        runs["stcal two-point"] = stcal_two_point(data)
        runs["stcal likelihood"] = stcal_likelihood(data)
    except ImportError as error:
        print(f"without the peer: {error}")
    speed = {name: data.size / 1e6 / seconds for name, seconds in spent(runs, REPEATS).items()}
    for name, value in speed.items():
        print(f"{name}: {value:.1f} Mpix-frame/s")
    if "stcal two-point" in runs:
        equal = bool((runs["two-point"]() == runs["stcal two-point"]()).all())
        print(f"two-point / stcal: {speed['two-point'] / speed['stcal two-point']:.2f}; identical flags: {equal}")
        for name in (name for name in runs if name.startswith("likelihood")):
            print(f"{name} / stcal likelihood: {speed[name] / speed['stcal likelihood']:.2f}")
        for rays in (0.1, 1.0, 5.0):
            crowded(rays)


if __name__ == "__main__":
    main()
