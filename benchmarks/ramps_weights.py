"""Make the weights of the fusion without a network (models/weights/ramps_fusion.json) and its card. From one seed.

python benchmarks/ramps_weights.py [exposures=160] [folder=models/weights]

Every exposure is drawn anew: 3 to 200 groups of 1, 4 or 8 reads, sky .03 to 100 e-/s, read noise 5 to 25 e-, with and
without stars and warm pixels, rays in 1e-4 to 1e-2 of the pixels. A second set that no weight has seen is judged.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.fusion.evidence import EvidenceSearch
from astrid_ml.preprocessing.ramps.fusion.fusion import (
    UNDECIDED,
    FusionFit,
    fused_probabilities,
    level_exceeded_by,
    likelihood_scores,
    log_odds,
)
from astrid_ml.preprocessing.ramps.fusion.plain import NAME, PlainFusion
from astrid_ml.preprocessing.ramps.fusion.truth import labelled
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES, SNOWBALL
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps
from astrid_ml.preprocessing.ramps.simulate.frames import CHANNEL_WIDTH
from astrid_ml.shipped import CARDS
from astrid_ml.types import Floats

SEED = 20261130
GROUPS = (3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200)
CLASSES = ((3, 3), (4, 6), (8, 15), (20, 50), (100, 200))  # of lengths, for thresholds and for the card
READS = (1, 1, 4, 8)
# In bright sky noise of photons is many read noises: the size of a step there tells nothing.
FIT = FusionFit(without=("size",))
MOST_VOXELS = 4e6  # of an exposure


@dataclass(frozen=True)
class Draw:
    """What an exposure is made of."""

    groups: int
    reads: int
    side: int
    step: float
    sky: float
    noise: float
    rays: int
    telegraph: int
    snowballs: int
    stars: int
    warm: int

    @staticmethod
    def of(random: np.random.Generator) -> Draw:
        """Anything that a detector may see."""
        groups, reads = int(random.choice(GROUPS)), int(random.choice(READS))
        reads = reads if groups <= 50 else 1
        side = CHANNEL_WIDTH * int(min(4, max(2, np.sqrt(MOST_VOXELS / (groups * reads)) // CHANNEL_WIDTH)))
        crowd = bool(random.integers(2))
        pixels = side * side
        return Draw(
            groups=groups,
            reads=reads,
            side=side,
            step=float(random.choice([1.5, 3.0, 10.0, 50.0])),
            sky=float(10 ** random.uniform(-1.5, 2)),
            noise=float(random.uniform(5, 25)),
            rays=int(pixels * 10 ** random.uniform(-4, -2)),
            telegraph=int(pixels * 10 ** random.uniform(-4, -3)),
            snowballs=int(random.random() < 0.3),
            stars=int(pixels * 1e-3) if crowd else 0,
            warm=int(pixels * 2e-3) if crowd else 0,
        )


def simulated(draw: Draw, seed: int, folder: Path) -> tuple[Ramp, pd.DataFrame]:
    """An exposure, and its true steps: integration, group, y, x, type, charge."""
    reads = draw.groups * draw.reads
    SimulateRamps(
        gain_library={"h2rg": 1.8},
        n=1,
        image_shape=(draw.side, draw.side),
        num_frames=reads,
        exp_time=draw.step * reads,
        flux_range=(draw.sky, draw.sky),
        read_noise_range=(draw.noise, draw.noise),
        gaussian_noise_range=(0.0, 0.0),
        cosmic_ray_per_exp_range=(draw.rays, draw.rays),
        cosmic_ray_charge_range=(3 * draw.noise, 200 * draw.noise),
        rtn_per_exp_range=(draw.telegraph, draw.telegraph),
        rtn_offset_range=(3 * draw.noise, 20 * draw.noise),
        rtn_period_range=(max(2.0, reads / 10), float(reads)),
        snowballs_per_exp_range=(draw.snowballs, draw.snowballs),
        snowball_radius_range=(2.0, 6.0),
        snowball_halo_decay_scale_range=(2.0, 6.0),
        sources_per_exp_range=(draw.stars, draw.stars),
        source_flux_range=(10 * draw.sky, 400 * draw.sky),
    ).run(folder, seed)
    path = next(folder.glob("*.fits"))
    ramp = read_ramp(path)
    with np.load(f"{path.with_suffix('')}_truth.npz") as file:
        truth = pd.DataFrame({name: file[name] for name in ("integration", "group", "y", "x", "type", "charge")})
    data = np.array(ramp.data, np.float32)
    _warm(data, draw, float(np.mean(ramp.gain)), np.random.default_rng([seed, 1]))
    times = np.asarray(ramp.group_times).reshape(draw.groups, draw.reads)
    averaged = data.reshape(1, draw.groups, draw.reads, draw.side, draw.side).mean(2)
    sampling = ReadTimes(tuple(tuple(map(float, group)) for group in times))
    # A ray between the reads of the first group: part of its step is before it.
    within = ((truth.group < draw.reads) & (truth.group > 0)).to_numpy()
    truth = truth.assign(group=np.where(within, 1, truth.group // draw.reads), within=within)
    strongest = truth.assign(size=truth.charge.abs()).sort_values("size", kind="stable")
    truth = strongest.groupby(["integration", "group", "y", "x"], as_index=False).agg(
        type=("type", "last"), charge=("charge", "sum"), within=("within", "any")
    )
    unclear = (truth.charge.abs() < 2 * draw.noise) | truth.within
    truth = truth.assign(type=np.where(unclear, UNDECIDED, truth.type))
    return replace(ramp, data=averaged, sampling=sampling), truth[truth.group > 0]


def _warm(data: Any, draw: Draw, gain: float, random: np.random.Generator) -> None:
    """Pixels with a dark current of their own, up to that which fills the well, in place."""
    inner = slice(4, draw.side - 4)
    y, x = (random.integers(inner.start, inner.stop, draw.warm) for _ in range(2))
    rate = 10 ** random.uniform(-1, 2, draw.warm) * draw.noise / draw.step
    charge = np.cumsum(random.poisson(rate * draw.step, (data.shape[1], draw.warm)), axis=0) / gain
    data[0][:, y, x] = np.minimum(data[0][:, y, x] + charge.astype(np.float32), 65535.0)


def evidence(number: int, seed: int) -> tuple[pd.DataFrame, float]:
    """Labelled candidates of one exposure, and its 10^6 pixel-frames without events."""
    draw = Draw.of(np.random.default_rng([seed, number]))
    with tempfile.TemporaryDirectory() as work:
        ramp, truth = simulated(draw, seed + number, Path(work))
        processed = process(Exposure(ramp, Processing()), Path(work) / "cube.npy")
        cube = np.load(Path(work) / "cube.npy")
    shape = ramp.shape[1:]
    table = labelled(EvidenceSearch(FIT.faintest)(processed, cube, None), truth, shape)
    quiet = np.isfinite(processed.features["slope"][0])
    quiet[truth.y, truth.x] = False
    about = {name: getattr(draw, name) for name in ("groups", "reads", "sky", "noise", "stars")}
    return table.assign(**about, exposure=number), float(quiet.sum()) * draw.groups / 1e6


def many(n: int, seed: int) -> tuple[pd.DataFrame, Floats]:
    """Candidates of n exposures, and the quiet area of each."""
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(partial(evidence, seed=seed), range(n)))
    return pd.concat([table for table, _ in parts], ignore_index=True), np.array([area for _, area in parts])


def fitted(table: pd.DataFrame, area: Floats) -> PlainFusion:
    """The weights, and thresholds that let as many false steps pass as the likelihood lists, by length of the ramp."""
    # The halo of one snowball is thousands of pixels: it tells no more than a part of them does.
    halo = (table.label == SNOWBALL).to_numpy()
    kept = table[~halo | (np.random.default_rng(SEED).random(len(table)) < 0.05)].reset_index(drop=True)
    fusion = FIT(kept, float(area.sum()), False)
    thresholds = []
    for low, high in CLASSES:
        part = table[table.groups.between(low, high) & table.quiet & fusion.proposed(table, fusion.faintest)]
        level = level_exceeded_by(log_odds(fusion.probabilities(part)), float(part.listed.sum()))
        thresholds.append((float(np.sqrt(low * high)), level))
    reads = (min(READS), max(READS))
    return PlainFusion(fusion, tuple(thresholds), (min(GROUPS), max(GROUPS)), reads)


def judged(plain: PlainFusion, table: pd.DataFrame, area: Floats) -> list[dict[str, Any]]:
    """AUCPR of each class and false steps, by length: fusion and likelihood on the same candidates."""
    length = table.groupby("exposure")["groups"].first()
    faintest = plain.fusion.faintest
    probability, singles = fused_probabilities(plain.fusion, table, faintest), likelihood_scores(table, faintest)
    known, levels = np.array(plain.thresholds).T
    threshold = np.interp(np.log(table.groups.to_numpy(float)), np.log(known), levels)
    listed = log_odds(probability) >= threshold
    rows = []
    for low, high in CLASSES:
        chosen = table.groups.between(low, high).to_numpy()
        numbers = length[length.between(low, high)].index
        frames = float(area[numbers].sum())
        quiet, decided = chosen & table.quiet.to_numpy(bool), chosen & (table.label != UNDECIDED).to_numpy()
        row: dict[str, Any] = {"groups": [low, high], "exposures": len(numbers), "mpix_frames": frames}
        for name, passed in (("fusion", listed), ("likelihood", table.listed.to_numpy(bool))):
            row[f"false_{name}"] = float((quiet & passed).sum() / frames)
        for code, kind in enumerate(ANOMALIES, start=1):
            right = table.label.to_numpy()[decided] == code
            alone = np.nan_to_num(singles[decided, code], neginf=-99.0)
            for name, score in (("fusion", probability[decided, code]), ("likelihood", alone)):
                row[f"{kind}_{name}"] = float(average_precision_score(right, score)) if right.sum() >= 20 else None
        rows.append(row)
    return rows


def rounded(content: Any) -> Any:
    """Six digits are more than the fit knows."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return float(f"{content:.6g}") if isinstance(content, float) else content


def main() -> None:
    """Write weights and card, and print what was measured."""
    exposures = int(sys.argv[1]) if len(sys.argv) > 1 else 160
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("models/weights")
    plain = fitted(*many(exposures, SEED))
    content = (json.dumps(rounded(plain.to_plain()), indent=1) + "\n").encode()
    measured = rounded(judged(PlainFusion.from_plain(json.loads(content)), *many(exposures // 2, SEED + 10_000)))
    card = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "task": "ramps: likelihood, rules and context become one probability of each class; no network",
        "made_by": f"make weights (seed {SEED}, {exposures} simulated exposures)",
        "fitted_on": "H2RG ramps of 3 to 200 groups of 1 to 8 reads, sky .03 to 100 e-/s, read noise 5 to 25 e-, "
        "rays in 1e-4 to 1e-2 of the pixels, telegraph noise in 1e-4 to 1e-3, with and without stars and warm pixels",
        "assumes": "these rates of events: where there are more or fewer, probabilities are too modest or too sure",
        "measured_on_simulated_exposures_not_fitted": measured,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_bytes(content)
    known = json.loads((folder / CARDS).read_text()) if (folder / CARDS).is_file() else {}
    (folder / CARDS).write_text(json.dumps({**known, NAME: card}, indent=1) + "\n", encoding="utf-8")
    print(pd.DataFrame(measured).round(3).to_string())


if __name__ == "__main__":
    main()
