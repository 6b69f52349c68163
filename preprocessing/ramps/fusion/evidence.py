"""Every place of an exposure where something may have happened, and what each method says about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.fusion.context import add_context
from astrid_ml.preprocessing.ramps.fusion.fusion import LOWEST_LEVEL
from astrid_ml.preprocessing.ramps.fusion.shown_noise import shown_noise
from astrid_ml.preprocessing.ramps.fusion.windows import NEVER, VoxelScorer, Windows
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES, SNOWBALL
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, fit_steps
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Array, Floats32, Ints, Mask

BAND_VOXELS = 16_000_000  # reads of a band that is searched without a network


@dataclass(frozen=True)
class EvidenceSearch:
    """Where candidates come from.

    Args:
        faintest: significance down to which the likelihood proposes steps; each must be confirmed by other evidence.
        network_level: log-odds above which the network proposes a voxel that the likelihood does not.
        windows: the network's.
    """

    faintest: float = 3.5
    network_level: float = LOWEST_LEVEL
    windows: Windows = field(default_factory=Windows)

    def __call__(self, processed: Processed, cube: Array, score: VoxelScorer | None) -> pd.DataFrame:
        """Candidates of all integrations.

        Args:
            processed: the exposure, and what likelihood and rules found in it.
            cube: processed reads in e-, (n_ints, n_groups, n_rows, n_cols); may be a memory map.
            score: the network, or None.

        Returns:
            integration, group, y, x; listed (by likelihood and rules), type (the rules' code), amplitude (e-), snr,
            size (amplitude in read noises), ratio (two-point difference in sigmas), rules (whether they agree),
            ``network_<class>`` log-odds, and the context of ``evidence_context``. Sorted, one a pixel and group.
        """
        parts = []
        for integration in range(processed.exposure.ramp.shape[0]):
            table = _Integration(processed, integration, cube[integration], self).candidates(score)
            parts.append(add_context(table, processed, integration).assign(integration=integration))
        return pd.concat(parts, ignore_index=True)


class _Integration:
    """One integration's candidates, band by band."""

    def __init__(self, processed: Processed, integration: int, cube: Array, search: EvidenceSearch) -> None:
        exposure = processed.exposure
        self.exposure, self.cube, self.search = exposure, cube, search
        self.listed = processed.jumps[processed.jumps.integration == integration]
        self.ramp, self.settings, self.sampling = exposure.ramp, exposure.settings, exposure.sampling
        self.noise = np.array(self.ramp.noise(slice(None), slice(None)))
        self.shown = shown_noise(processed.features, integration)
        # The first groups of these pixels are not used.
        self.persisting = exposure.persisting(processed.snowballs, integration)
        since = self.sampling.times - self.sampling.times[0]
        self.times = (since / since[-1] * (len(since) - 1)).float()

    def candidates(self, score: VoxelScorer | None) -> pd.DataFrame:
        parts = [self._band(rows, odds) for rows, odds in self._bands(score)]
        table = pd.concat(parts, ignore_index=True)
        return table.sort_values(["y", "x", "group"], kind="stable", ignore_index=True)

    def _bands(self, score: VoxelScorer | None) -> Iterator[tuple[slice, Tensor | None]]:
        if score is not None:
            yield from self.search.windows.bands(self.cube, self._network_noise(), self.times, score)
            return
        n_groups, n_rows, n_cols = self.cube.shape
        height = max(1, BAND_VOXELS // (n_groups * n_cols))
        for start in range(0, n_rows, height):
            yield slice(start, min(start + height, n_rows)), None

    def _network_noise(self) -> Floats32:
        """Noise of one read; NaN at reference pixels, which thereby are unusable."""
        noise = self.noise.copy()
        if self.ramp.reference is not None:
            noise[self.ramp.reference] = np.nan
        return noise

    def _band(self, rows: slice, odds: Tensor | None) -> pd.DataFrame:
        """Candidates of a band of rows."""
        tensor = self._reads(rows)
        here = self.listed[self.listed.y.between(rows.start, rows.stop - 1)]
        known = here[["group", "y", "x", "type", "amplitude", "snr"]].assign(y=here.y - rows.start, listed=True)
        faint = self._faint(rows)
        table = pd.concat([known, faint[~near(faint, known, tensor.shape)]], ignore_index=True)
        if odds is not None:
            proposed = self._proposed(odds, table, tensor, rows)
            table = pd.concat([table, proposed], ignore_index=True)
        table = self._with_rules(table, tensor, rows)
        for i, name in enumerate(ANOMALIES):
            table[f"network_{name}"] = _within_one(odds[i], table) if odds is not None else np.float32(NEVER)
        beyond = self.shown[rows][table.y, table.x]
        table["snr"] /= beyond
        table["size"] = table.amplitude / (self.noise[rows][table.y, table.x] * beyond)
        return table.assign(y=table.y + rows.start)

    def _faint(self, rows: slice) -> pd.DataFrame:
        """Steps of either sign down to the faintest, by the detector's own priors."""
        steps = self.settings.steps
        # Rates of other integrations are not at hand; what its neighbours tell is.
        prior = "neighbours" if steps.around else steps.prior
        detector = replace(steps, threshold=self.search.faintest, average=0.0, prior=prior)
        wide = slice(max(0, rows.start - detector.margin), min(self.cube.shape[1], rows.stop + detector.margin))
        found = detector(self._reads(wide), torch.from_numpy(self.noise[wide]), self.sampling)
        names = ("group", "y", "x", "amplitude", "snr")
        table = pd.DataFrame({name: getattr(found, name).numpy() for name in names})
        table = table.assign(y=table.y + wide.start - rows.start, type=0, listed=False)
        return table[table.y.between(0, rows.stop - rows.start - 1)].reset_index(drop=True)

    def _reads(self, rows: slice) -> Tensor:
        """Reads of some rows, e-; NaN where they are not used."""
        reads = np.array(self.cube[:, rows], np.float32)
        if self.ramp.reference is not None:
            reads[:, self.ramp.reference[rows]] = np.nan
        reads[: self.exposure.masked_groups, self.persisting[rows]] = np.nan
        return torch.from_numpy(reads)

    def _proposed(self, odds: Tensor, table: pd.DataFrame, reads: Tensor, rows: slice) -> pd.DataFrame:
        """The network's own peaks in time, away from what is known, with the likelihood's view of them."""
        best = odds.amax(0)
        peak = torch.nn.functional.max_pool1d(best.flatten(1).T[:, None], 3, 1, 1)[:, 0].T.view_as(best)
        chosen = ((best == peak) & (best > self.search.network_level)).nonzero()
        found = pd.DataFrame(chosen.numpy(), columns=["group", "y", "x"])
        found = found[(found.group > 0).to_numpy() & ~near(found, table, reads.shape)].reset_index(drop=True)
        group, y, x = _voxels(found)
        found = found[(reads[group, y, x] - reads[group - 1, y, x]).isfinite().numpy()].reset_index(drop=True)
        amplitude, snr = step_at(reads, torch.from_numpy(self.noise[rows]), self.sampling, found, table)
        return found.assign(type=0, listed=False, amplitude=amplitude, snr=snr)

    def _with_rules(self, table: pd.DataFrame, reads: Tensor, rows: slice) -> pd.DataFrame:
        """The two-point ratio at each candidate, and whether the rules would have listed it."""
        rule = self.settings.twopoint if self.settings.twopoint is not None else TwoPoint()
        plain = replace(rule, flag_neighbours=False)
        if table.empty:
            return table.assign(ratio=np.float32(0.0), rules=False)
        group, y, x = _voxels(table)
        pixel, place = torch.unique(y * reads.shape[2] + x, return_inverse=True)
        series = reads.flatten(1)[:, pixel][None, :, None, :]
        noise = torch.from_numpy(self.noise[rows]).flatten()[pixel][None]
        flags, ratios = plain(series, torch.zeros(series.shape, dtype=torch.uint8), noise)
        agreed = flags[0, group, 0, place].numpy() != 0
        agreed &= table.amplitude.abs().to_numpy() >= self.settings.config.cosmic_ray_min_step * self.exposure.gain
        return table.assign(ratio=ratios[0, group - 1, 0, place].nan_to_num(0.0).numpy(), rules=agreed)


def near(table: pd.DataFrame, other: pd.DataFrame, shape: Any) -> Mask:
    """Which rows of ``table`` have one of ``other`` in their pixel within one group. Shape is (n_groups, h, w)."""
    keys = np.unique(voxel_key(other, shape))
    own = voxel_key(table, shape)
    out: Mask = np.any([np.isin(own + shift, keys) for shift in (-1, 0, 1)], axis=0)
    return out


def voxel_key(table: pd.DataFrame, shape: Any) -> Ints:
    """One whole number a voxel; neighbouring groups of a pixel differ by one, those of two pixels by more."""
    y, x, group = (table[name].to_numpy(np.int64) for name in ("y", "x", "group"))
    key: Ints = (y * int(shape[2]) + x) * (int(shape[0]) + 2) + group
    return key


def _voxels(table: pd.DataFrame) -> tuple[Tensor, Tensor, Tensor]:
    """Group, row and column as indices."""
    group, y, x = (torch.tensor(table[name].to_numpy(np.int64)) for name in ("group", "y", "x"))
    return group, y, x


def step_at(
    reads: Tensor, noise: Tensor, sampling: Sampling, places: pd.DataFrame, known: pd.DataFrame
) -> tuple[Floats32, Floats32]:
    """Size (e-) and significance of a single further step at given places, around the known ones.

    Args:
        reads: (n_groups, h, w), e-.
        noise: of one read, e-, (h, w).
        sampling: times and reads.
        places: group, y, x.
        known: group, y, x of steps that stand in the pixels.
    """
    if places.empty:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    group, y, x = _voxels(places)
    difference = torch.diff(reads[:, y, x].double(), dim=0)
    used = difference.isfinite()
    cut = torch.zeros(difference.shape[0], *noise.shape, dtype=torch.bool)
    strong = known[known.listed.to_numpy(bool)] if "listed" in known else known
    gone, row, column = _voxels(strong)
    cut[gone - 1, row, column] = True
    used &= ~cut[:, y, x]
    spacing = sampling.spacing.to(difference)[:, None]
    rate = torch.where(used, difference / spacing, torch.nan).nanmedian(0).values.nan_to_num(0.0)
    fit = fit_steps(difference.nan_to_num(0.0), used, sampling, noise[y, x].double(), rate)
    at = torch.arange(len(group))
    values = (part[group - 1, at].nan_to_num(0.0).float().numpy() for part in (fit.amplitude, fit.snr))
    amplitude, snr = values
    return amplitude, snr


def _within_one(odds: Tensor, table: pd.DataFrame) -> Floats32:
    """The largest log-odds within one group of each candidate."""
    group, y, x = _voxels(table)
    last = odds.shape[0] - 1
    around = torch.stack([odds[(group + shift).clamp(0, last), y, x] for shift in (-1, 0, 1)])
    out: Floats32 = around.amax(0).numpy()
    return out


def found_by(table: pd.DataFrame, network_threshold: float | None) -> npt.NDArray[np.object_]:
    """Who found each: ``likelihood``, ``rules`` and ``network`` joined by ``+``, in this order.

    Args:
        table: candidates.
        network_threshold: log-odds at which the network alone would have listed a voxel; None without one.
    """
    snowball = table.listed & (table.type == SNOWBALL)
    rules = table.rules | snowball
    likelihood = table.listed & ~snowball
    who = {"likelihood": likelihood.to_numpy(bool), "rules": rules.to_numpy(bool)}
    if network_threshold is not None:
        who["network"] = network_best(table) >= network_threshold
    # A promoted faint step is the likelihood's, which proposed it, where nobody else lists it.
    who["likelihood"] = who["likelihood"] | ~np.any(list(who.values()), axis=0)
    return np.array(["+".join(n for n in who if flags[n]) for flags in _rows(who)], dtype=object)


def _rows(who: dict[str, Mask]) -> Iterator[dict[str, bool]]:
    for values in zip(*who.values(), strict=True):
        yield dict(zip(who, values, strict=True))


def network_best(table: pd.DataFrame) -> Floats32:
    """The network's largest log-odds of any anomaly."""
    out: Floats32 = table[[f"network_{name}" for name in ANOMALIES]].to_numpy(np.float32).max(axis=1)
    return out
