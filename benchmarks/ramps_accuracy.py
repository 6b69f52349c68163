"""Steps, slopes, telegraph decisions and snowballs on simulated exposures of unseen detectors, against the bound.

python benchmarks/ramps_accuracy.py [exposures=8] [groups=10,30,50,100]

The bound is a single-step generalised-least-squares fit of the same corrected reads that is told the pixel, the true
count rate and noise, and that there is one step: the share of true steps that it places within one group at 4.5 sigma.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.lists import detections
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.judge.truth import Truth, match_snowballs, telegraph_called
from astrid_ml.preprocessing.ramps.ramp.codes import COSMIC_RAY, JUMP_DET
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.preprocessing.ramps.steps.likelihood import fit_steps
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats, Floats32, Mask

torch.set_num_threads(1)
SECONDS = 100.0  # between groups
BINS = (3.0, 5.0, 7.0, 10.0, np.inf)
SIMULATION = SimulateRamps(
    gain_library={"held_a": 1.05, "held_b": 2.6},
    num_exposure_events=1,
    num_baseline_exposures=0,
    image_shape=(256, 256),
    cosmic_ray_per_exp_range=(600, 900),
    cosmic_ray_charge_range=(30.0, 4000.0),
    rtn_per_exp_range=(60, 120),
    rtn_period_range=(8.0, 40.0),
    snowballs_per_exp_range=(1, 4),
    snowball_radius_range=(4.0, 14.0),
    snowball_halo_decay_scale_range=(2.0, 6.0),
)


def two_point(reads: torch.Tensor, ramp: Ramp) -> Mask:
    """Flags of the two-point difference with the defaults of the JWST pipeline, (n_groups, h, w)."""
    noise = torch.from_numpy(ramp.noise(slice(None), slice(None)))
    bits, _ = TwoPoint()(reads[None], torch.zeros((1, *reads.shape), dtype=torch.uint8), noise)
    found: Mask = (bits[0] & JUMP_DET).numpy() != 0
    return found


def within_one(found: Mask) -> Mask:
    """True where the method has a step in this group or a neighbouring one."""
    near = found.copy()
    near[1:] |= found[:-1]
    near[:-1] |= found[1:]
    return near


def truth_steps(truth: Truth, reads: torch.Tensor, ramp: Ramp, rate: float) -> pd.DataFrame:
    """Single cosmic-ray steps with the bound's answer and their optimal S/N.

    Only pixels with one event count, at groups that the pixel still had, and steps of at least 1 e-.
    """
    pixels = truth.jumps.groupby(["y", "x"])
    alone = (pixels.event.transform("nunique") == 1) & (pixels.group.transform("size") == 1)
    table = truth.jumps[(truth.jumps.type == COSMIC_RAY) & alone & (truth.jumps.charge >= 1)].reset_index(drop=True)
    series = reads[:, table.y.to_numpy(int), table.x.to_numpy(int)].double()
    kept = series.isfinite().all(0).numpy()
    table, series = table[kept].reset_index(drop=True), series[:, torch.from_numpy(kept)]
    noise = torch.full((len(table),), truth.read_noise, dtype=torch.float64)
    difference = torch.diff(series, dim=0)
    used = torch.ones_like(difference, dtype=torch.bool)
    fit = fit_steps(difference, used, Exposure(ramp).sampling, noise, torch.full_like(noise, rate))
    largest, at = fit.snr.abs().max(0)
    group = torch.from_numpy(table.group.to_numpy(np.int64))
    bound = (largest > 4.5) & ((at + 1 - group).abs() <= 1)
    sigma = fit.amplitude_sigma[group - 1, torch.arange(len(table))].numpy()
    return table.assign(bound=bound.numpy(), charge_rn=table.charge / truth.read_noise, snr_opt=table.charge / sigma)


def binned(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """Share found by each method in each bin of ``column``."""
    groups = steps.groupby(pd.cut(steps[column], list(BINS), right=False), observed=False)
    table = groups[["bound", "likelihood", "two_point"]].mean()
    table.insert(0, "n", groups.size())
    return table.round(3)


def pulls(rate: Floats32, variance: Floats32, true: float) -> Floats:
    """(Cleaned slope - true rate) in its own sigma."""
    pull: Floats = (rate.astype(float) - true) / np.sqrt(variance)
    return pull


def exposure(path: Path, cube: Path, work: dict[str, list[pd.DataFrame]], counts: dict[str, Counter[str]]) -> None:
    """Process one exposure and add what it shows."""
    truth, ramp, settings = Truth.read(path), read_ramp(path), Processing()
    processed = process(Exposure(ramp, settings), cube)
    reads = torch.from_numpy(np.load(cube)[0])
    n_groups, h, w = reads.shape
    with np.load(path.with_name(f"{path.stem}_truth.npz")) as file:
        rates = json.loads(str(file["settings"]))
    true = float(rates["dark"] + rates["flux"])
    found = np.zeros((n_groups, h, w), bool)
    found[processed.jumps.group, processed.jumps.y, processed.jumps.x] = True
    rules = two_point(reads, ramp)
    steps = truth_steps(truth, reads, ramp, true)
    place = (steps.group.to_numpy(), steps.y.to_numpy(), steps.x.to_numpy())
    work["steps"].append(steps.assign(likelihood=within_one(found)[place], two_point=within_one(rules)[place]))
    quiet = np.isfinite(processed.features["slope"][0])
    quiet[truth.jumps.y, truth.jumps.x] = False
    counts["false"].update(likelihood=int(found[:, quiet].sum()), two_point=int(rules[:, quiet].sum()))
    counts["false"].update(voxels=int(quiet.sum()) * n_groups)
    pull = pulls(processed.features["slope"][0], processed.features["slope_variance"][0], true)
    usable = np.isfinite(pull)
    hit = np.zeros((h, w), bool)
    clear = steps[steps.charge_rn >= 3]
    hit[clear.y, clear.x] = True
    charge = np.zeros((h, w))
    charge[clear.y, clear.x] = clear.charge_rn
    kind = np.where(hit, "one ray >= 3 read noises", np.where(quiet, "no event", "other event"))
    work["pulls"].append(pd.DataFrame({"pull": pull[usable], "kind": kind[usable], "charge_rn": charge[usable]}))
    counts["telegraph"].update(telegraph_called(truth, processed.jumps))
    events = detections(replace(processed, jumps=processed.jumps.assign(probability=1.0)))
    counts["snowballs"].update(match_snowballs(truth, events))


def report(groups: int, work: dict[str, list[pd.DataFrame]], counts: dict[str, Counter[str]]) -> None:
    steps, table = pd.concat(work["steps"]), pd.concat(work["pulls"])
    print(f"\n== {groups} groups")
    print(f"completeness by charge in read noises:\n{binned(steps, 'charge_rn').to_string()}")
    print(f"completeness by optimal S/N:\n{binned(steps, 'snr_opt').to_string()}")
    million = counts["false"]["voxels"] / 1e6
    rates = {name: counts["false"][name] / million for name in ("likelihood", "two_point")}
    print(f"false positives per Mpix-frame on pixels without events ({million:.1f} Mpix-frame): {rates}")
    kinds = table.groupby("kind").pull.agg(["size", "mean", "median", "std"])
    kinds.loc["all pixels"] = [len(table), table.pull.mean(), table.pull.median(), table.pull.std()]
    print(f"slope: (cleaned - true) / its sigma\n{kinds.round(3).to_string()}")
    hit = table[table.charge_rn >= 3]
    parts = hit.groupby(pd.cut(hit.charge_rn, list(BINS), right=False), observed=False).pull.mean()
    print(f"of rays, by charge in read noises: { {str(k): round(v, 3) for k, v in parts.items()} }")
    called = counts["telegraph"]
    print(f"telegraph: {dict(called)} -> called so {called['telegraph'] / max(called['decidable'], 1):.3f}")
    balls = counts["snowballs"]
    print(f"snowballs: {dict(balls)} -> F1 {2 * balls['matched'] / max(balls['real'] + balls['found'], 1):.3f}")


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    lengths = [int(v) for v in sys.argv[2].split(",")] if len(sys.argv) > 2 else [10, 30, 50, 100]
    for groups in lengths:
        work: dict[str, list[pd.DataFrame]] = {"steps": [], "pulls": []}
        counts: dict[str, Counter[str]] = {name: Counter() for name in ("false", "telegraph", "snowballs")}
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder)
            replace(SIMULATION, n=n, num_frames=groups, exp_time=SECONDS * groups).run(raw, 2024)
            for path in sorted(raw.glob("*.fits")):
                exposure(path, raw / "cube.npy", work, counts)
        report(groups, work, counts)


if __name__ == "__main__":
    main()
