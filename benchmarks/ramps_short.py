"""Completeness by charge at equal false positives: few to many groups, three scenes, beside stcal 1.20.0.

python benchmarks/ramps_short.py FOLDER [groups=3,5 reads=1 sky=0.5 scene=stars,flat,crowded seeds=1,2]

Each cell (groups, reads a group, sky, scene, seed) is one JSON file in FOLDER; the same command again does what is
missing and prints the table of all that is there. All methods see the same reads. Thresholds are such that each makes
10 false steps per 10^6 pixel-frames without rays. Differences are ours less the better of stcal's two, of the same
rays, with Holm's correction over all cells. ``known`` is a step filter that is told the pixel's rate. Other priors
than the default are measured at a sky of 0.5 e-/s alone.

stcal is a development-time peer (see ``ramps_speed.py``); without it the table says so.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import chi2, norm

from astrid_ml.preprocessing.ramps.ramp.codes import JUMP_DET
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.steps.believed import believed_steps
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, Solved
from astrid_ml.preprocessing.ramps.steps.prior import RatePart, RatePrior
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats, Floats32, Ints, Mask

torch.set_num_threads(1)
NOISE, GROUP_TIME, FALSE = 12.0, 10.0, 10.0  # e-, one read; s; per 10^6 pixel-frames
BINS = ((3, 5), (5, 7), (7, 10), (10, 20))
SHARE = 0.03  # of the pixels that are hit, for each bin
PRIORS = ("none", "sign", "neighbours")
AXES = {
    "groups": (3, 4, 5, 6, 8, 10, 20, 50, 100),
    "reads": (1, 4),
    "sky": (0.1, 0.5, 1.0, 10.0, 100.0),
    "scene": ("flat", "stars", "crowded"),
    "seeds": (1,),
}


@dataclass(frozen=True)
class Cell:
    """One setting.

    Args:
        groups: of a ramp.
        reads: averaged into each.
        sky: e-/s.
        scene: flat; stars, galaxies and warm pixels; crowded.
        seed: of everything that is drawn.
    """

    groups: int
    reads: int
    sky: float
    scene: str
    seed: int

    @property
    def size(self) -> int:
        """Rows and columns: 1.2 to 4 10^6 pixel-frames."""
        return 500 if self.groups <= 10 else 300 if self.groups <= 20 else 200

    @property
    def times(self) -> ReadTimes:
        """Of all reads; those of a group are next to each other."""
        n, step = self.reads, GROUP_TIME / self.reads
        return ReadTimes.of_pattern([[g * n + k + 1 for k in range(n)] for g in range(self.groups)], step)

    @property
    def unit(self) -> float:
        """Noise of a group, e-: charges are told in it."""
        return NOISE / math.sqrt(self.reads)


def rates(cell: Cell, random: np.random.Generator) -> Floats:
    """True count rates, e-/s, (size, size)."""
    n = cell.size
    rate = np.full((n, n), cell.sky)
    if cell.scene == "flat":
        return rate
    yy, xx = np.mgrid[:n, :n]
    for _ in range(n * n // (1200 if cell.scene == "stars" else 150)):
        y, x, flux = *random.uniform(0, n, 2), 10 ** random.uniform(0.5, 3.5)
        rows, columns = slice(max(0, int(y) - 12), int(y) + 13), slice(max(0, int(x) - 12), int(x) + 13)
        r2 = (yy[rows, columns] - y) ** 2 + (xx[rows, columns] - x) ** 2
        rate[rows, columns] += flux * 1.8 / (math.pi * 1.6**2) * (1 + r2 / 1.6**2) ** -2.8
    for _ in range(n * n // 4000):
        y, x, flux, scale = *random.uniform(0, n, 2), 10 ** random.uniform(1, 3.5), random.uniform(1.5, 6)
        rows, columns = slice(max(0, int(y) - 30), int(y) + 31), slice(max(0, int(x) - 30), int(x) + 31)
        light = np.exp(-np.hypot(yy[rows, columns] - y, xx[rows, columns] - x) / scale)
        rate[rows, columns] += flux * light / light.sum()
    warm = random.random((n, n)) < 0.005
    rate[warm] += random.exponential(20.0, int(warm.sum()))
    return rate


def exposed(cell: Cell, rate: Floats, random: np.random.Generator) -> Floats:
    """All reads, e-, (groups * reads, size, size)."""
    n = cell.groups * cell.reads
    signal = np.zeros(rate.shape)
    out = np.empty((n, *rate.shape))
    for read in range(n):
        signal += random.poisson(rate * GROUP_TIME / cell.reads)
        out[read] = signal + random.normal(0, NOISE, rate.shape)
    return out


def averaged(cell: Cell, reads: Floats) -> Floats32:
    """Means of groups."""
    groups: Floats32 = reads.reshape(cell.groups, cell.reads, *reads.shape[1:]).mean(1).astype(np.float32)
    return groups


@dataclass(frozen=True)
class Rays:
    """Charges in single pixels: read from which on, row, column, e-; each (k,)."""

    read: Ints
    y: Ints
    x: Ints
    charge: Floats

    @staticmethod
    def draw(cell: Cell, low: float, high: float, random: np.random.Generator) -> Rays:
        """One ray in a share of the pixels, after the first group began and before the last one ended."""
        y, x = np.nonzero(random.random((cell.size, cell.size)) < SHARE)
        read = random.integers(1 if cell.reads == 1 else cell.reads // 2, cell.groups * cell.reads, len(y))
        return Rays(read, y, x, random.uniform(low, high, len(y)) * cell.unit)

    def on(self, reads: Floats) -> Floats:
        """The reads with them."""
        out = reads.copy()
        for read, y, x, charge in zip(self.read, self.y, self.x, self.charge, strict=True):
            out[read:, y, x] += charge
        return out

    def found(self, cell: Cell, flags: Mask) -> Mask:
        """Which of them are flagged in the group that they begin in, or the next where that averages reads."""
        group = self.read // cell.reads
        found: Mask = flags[group, self.y, self.x].copy()
        if cell.reads > 1:
            found |= flags[np.minimum(group + 1, cell.groups - 1), self.y, self.x]
        return found


Method = Callable[[Floats32, float], Mask]


def ours(cell: Cell, prior: Any) -> Method:
    """Our steps with a prior; flags (groups, size, size)."""
    sampling = Sampling.of(cell.times)

    def flags(data: Floats32, threshold: float) -> Mask:
        noise = torch.full(data.shape[1:], NOISE)
        found = StepDetector(threshold, average=0.0, prior=prior)(torch.from_numpy(data), noise, sampling)
        out = np.zeros(data.shape, dtype=bool)
        out[found.group, found.y, found.x] = True
        return out

    return flags


def _told(rate: torch.Tensor) -> Solved:
    raise AssertionError("a broad part has the photon noise that it is given")


def known(cell: Cell, rate: Floats) -> Method:
    """The bound: the strongest rise where the rate is known."""
    sampling = Sampling.of(cell.times)

    def flags(data: Floats32, threshold: float) -> Mask:
        out = np.zeros(data.shape, dtype=bool)
        flat, truth = data.reshape(len(data), -1), torch.from_numpy(rate.reshape(-1))
        for part in np.array_split(np.arange(flat.shape[1]), max(1, flat.shape[1] // 20000)):
            difference = torch.diff(torch.from_numpy(flat[:, part]).double(), dim=0)
            mean, noise = truth[part], torch.full((len(part),), NOISE, dtype=torch.float64)
            used = torch.ones_like(difference, dtype=torch.bool)
            solved = Solved.of(difference, used, sampling, noise, mean)
            prior = RatePrior((RatePart(1, True, mean, torch.full_like(mean, 1e-6), torch.zeros_like(mean)),))
            tested = believed_steps(solved, prior, _told, math.inf, sampling.reads[1:-1] > 1)
            snr, at = tested.snr.max(0)
            hit = (snr > threshold).numpy()
            out.reshape(len(data), -1)[at.numpy()[hit] + 1, part[hit]] = True
        return out

    return flags


def two_point(cell: Cell) -> Method:
    """stcal's two-point difference, by our code, which gives its flags (``ramps_speed.py`` compares them)."""
    sampling = Sampling.of(cell.times)

    def flags(data: Floats32, threshold: float) -> Mask:
        rule = TwoPoint(threshold, 1.25 * threshold, 1.5 * threshold, flag_neighbours=False)
        bits = torch.zeros((1, *data.shape), dtype=torch.uint8)
        noise = torch.full(data.shape[1:], NOISE)
        pattern = (sampling.spacing, sampling.reads) if cell.reads > 1 else (None, None)
        found: Mask = (rule(torch.from_numpy(data)[None], bits, noise, *pattern)[0][0].numpy() & JUMP_DET) != 0
        return found

    return flags


def stcal_likelihood(cell: Cell) -> Method:
    """stcal's likelihood fit with its own search for jumps."""
    from stcal.ramp_fitting.likely_algo_classes import Covar
    from stcal.ramp_fitting.likely_fit import mask_jumps

    times = cell.times
    covariance = Covar([list(map(float, group)) if len(group) > 1 else float(group[0]) for group in times.groups])

    def flags(data: Floats32, threshold: float) -> Mask:
        rate = np.diff(data.astype(np.float64), axis=0) / covariance.delta_t[:, None, None]
        two = float(chi2.isf(2 * norm.sf(threshold), 2))
        out = np.zeros(data.shape, dtype=bool)
        n = data.shape[2]
        for row in range(data.shape[1]):
            with np.errstate(all="ignore"):
                used, _ = mask_jumps(rate[:, row], covariance, np.full(n, NOISE), np.ones(n), threshold**2, two)
            out[1:, row] = used == 0
        return out

    return flags


def matched(method: Method, clean: Floats32, allowed: int) -> float:
    """The threshold from which no more than so many steps are flagged."""
    low, high = 2.5, 5.0
    while int(method(clean, high).sum()) > allowed:
        low, high = high, 1.5 * high
    while high - low > 0.02:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if int(method(clean, middle).sum()) <= allowed else (middle, high)
    return high


def measure(cell: Cell) -> dict[str, Any]:
    """All methods on the same reads and rays."""
    random = np.random.default_rng([cell.seed, cell.groups, cell.reads, round(cell.sky * 10), len(cell.scene)])
    rate = rates(cell, random)
    reads = exposed(cell, rate, random)
    clean = averaged(cell, reads)
    priors = PRIORS if cell.sky == 0.5 else PRIORS[-1:]
    methods: dict[str, Method] = {name: ours(cell, name) for name in priors}
    methods |= {"known": known(cell, rate), "two_point": two_point(cell)}
    try:
        methods["stcal_likelihood"] = stcal_likelihood(cell)
    except ImportError as error:
        print(f"without the peer: {error}")
    frames = clean.size / 1e6
    out: dict[str, Any] = {"cell": asdict(cell), "threshold": {}, "bright": {}, "default": {}, "found": {}}
    for name, method in methods.items():
        out["threshold"][name] = matched(method, clean, round(FALSE * frames))
        false = method(clean, out["threshold"][name])
        out["bright"][name] = float(false[:, rate > cell.sky + 20].sum() / max(1, false.sum()))
    for name in priors:
        out["default"][name] = float(methods[name](clean, StepDetector().threshold).sum()) / frames
    for low, high in BINS:
        rays = Rays.draw(cell, low, high, random)
        data = averaged(cell, rays.on(reads))
        out["found"][f"{low}-{high}"] = {
            name: np.packbits(rays.found(cell, method(data, out["threshold"][name]))).tobytes().hex()
            for name, method in methods.items()
        } | {"n": len(rays.y)}
    return out


def found_of(parts: list[dict[str, Any]], charges: str, name: str) -> Mask:
    """Which rays of a bin a method finds, those of all seeds behind each other."""
    out = []
    for part in parts:
        packed = np.frombuffer(bytes.fromhex(part["found"][charges][name]), np.uint8)
        out.append(np.unpackbits(packed)[: part["found"][charges]["n"]].astype(bool))
    return np.concatenate(out)


def holm(p: Floats) -> Floats:
    """Holm's corrected p-values."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty_like(p)
    out[order] = np.minimum(raised, 1.0)
    return out


def table(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each cell and bin of charge."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for part in parts:
        groups.setdefault(tuple(part["cell"][name] for name in ("groups", "reads", "sky", "scene")), []).append(part)
    rows = []
    for key, members in sorted(groups.items()):
        names = [name for name in members[0]["threshold"] if all(name in part["threshold"] for part in members)]
        for low, high in BINS:
            charges = f"{low}-{high}"
            found = {name: found_of(members, charges, name) for name in names}
            peers = [name for name in ("two_point", "stcal_likelihood") if name in found]
            best = peers[int(np.argmax([found[name].mean() for name in peers]))]
            paired = found["neighbours"].astype(float) - found[best]
            error = float(paired.std(ddof=1) / math.sqrt(len(paired)))
            row = dict(zip(("groups", "reads", "sky", "scene"), key, strict=True)) | {"charge": charges}
            row |= {"n": len(paired)} | {name: round(float(found[name].mean()), 3) for name in names}
            rows.append(row | {"better_peer": best, "difference": float(paired.mean()), "error": error})
    out = pd.DataFrame(rows)
    out["p"] = holm(2 * norm.sf(np.abs(out.difference.to_numpy()) / out.error.clip(lower=1e-9).to_numpy()))
    out["lower"] = out.difference - 1.96 * out.error
    return out.round({"difference": 3, "error": 4, "p": 4, "lower": 3})


def report(folder: Path) -> None:
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    whole = table(parts)
    print(whole.drop(columns="error").to_string(index=False))
    for part in parts:
        said = {name: f"{value:.2f} ({part['bright'][name]:.2f})" for name, value in part["threshold"].items()}
        false = {name: round(value, 1) for name, value in part["default"].items()}
        print(f"{part['cell']}: thresholds (share of the false ones on bright pixels) {said}; false at 4.5: {false}")
    worse = whole[(whole.difference < 0) & (whole.p < 0.05)]
    print(f"{len(whole)} cells, {len(worse)} significantly below the better peer, lowest bound {whole.lower.min()}")


def main() -> None:
    folder, chosen = Path(sys.argv[1]), dict[str, tuple[Any, ...]](AXES)
    folder.mkdir(parents=True, exist_ok=True)
    for word in sys.argv[2:]:
        name, values = word.split("=")
        chosen[name] = tuple(type(AXES[name][0])(value) for value in values.split(","))
    for setting in itertools.product(*chosen.values()):
        cell = Cell(*setting)
        path = folder / f"{cell.groups}x{cell.reads}_{cell.sky:g}_{cell.scene}_{cell.seed}.json"
        if not path.exists():
            text = json.dumps(measure(cell))
            part = path.with_suffix(".part")
            part.write_text(text, encoding="utf-8")
            part.rename(path)
            print(f"{path.name} done", flush=True)
    report(folder)


if __name__ == "__main__":
    main()
