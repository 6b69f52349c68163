"""One strip of rows through correction, likelihood, rules and the telegraph decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.exposure.residuals import residual_maps
from astrid_ml.preprocessing.ramps.exposure.rules import DetectorConfig
from astrid_ml.preprocessing.ramps.ramp.codes import BACKGROUND, COSMIC_RAY, TELEGRAPH_NOISE
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, KnownRate
from astrid_ml.preprocessing.ramps.steps.steps import StepDetector, Steps
from astrid_ml.preprocessing.ramps.steps.telegraph import fit_two_states, jumps_bic
from astrid_ml.preprocessing.ramps.steps.temporal import temporal_features
from astrid_ml.preprocessing.ramps.steps.twopoint import TwoPoint
from astrid_ml.types import Floats32


@dataclass(frozen=True)
class StripResult:
    """What a strip gives. Rows count within the strip.

    Args:
        jumps: group, y, x, type, amplitude (e-), snr, found_by; sorted by y, x, group.
        falls: the same of lone falls: fitted, and of no class.
        telegraph: y, x, amplitude (e-), transitions, r2, first_frame: a row a telegraph pixel.
        features: name -> (h, w) maps.
    """

    jumps: pd.DataFrame
    falls: pd.DataFrame
    telegraph: pd.DataFrame
    features: dict[str, Floats32]

    def within(self, rows: slice) -> StripResult:
        """What some of its rows gave, counted from the first of these."""

        def some(table: pd.DataFrame) -> pd.DataFrame:
            inside: pd.DataFrame = table[(table.y >= rows.start) & (table.y < rows.stop)]
            return inside.assign(y=inside.y - rows.start).reset_index(drop=True)

        maps = {name: image[rows] for name, image in self.features.items()}
        return StripResult(some(self.jumps), some(self.falls), some(self.telegraph), maps)


@dataclass(frozen=True)
class StripDetector:
    """Detectors of one strip.

    Args:
        steps: likelihood detection.
        twopoint: two-point differences; None leaves the rules out.
        config: thresholds of the rules.
    """

    steps: StepDetector
    twopoint: TwoPoint | None
    config: DetectorConfig

    def __call__(
        self, reads: Tensor, noise: Tensor, sampling: Sampling, gain: float, known: Sequence[KnownRate] = ()
    ) -> StripResult:
        """Detect in (n_groups, h, w) e-, NaN unusable; noise (h, w) of one read in e-; gain in e-/DN; rates known."""
        found = self.steps(reads, noise, sampling, known)
        jumps = pd.DataFrame(
            {
                "group": found.group.numpy(),
                "y": found.y.numpy(),
                "x": found.x.numpy(),
                "amplitude": found.amplitude.numpy(),
                "snr": found.snr.numpy(),
                "evidence": np.array(EVIDENCE, dtype=object)[found.evidence.numpy()],
            }
        )
        telegraph, two_state = self._telegraph(reads, noise, sampling, found, jumps, gain)
        width = reads.shape[2]
        is_telegraph = np.isin(jumps.y * width + jumps.x, telegraph.y * width + telegraph.x)
        jumps["type"] = np.where(is_telegraph, TELEGRAPH_NOISE, COSMIC_RAY).astype(np.uint8)
        # A lone fall is no cosmic ray, unless its pixel is telegraph noise; but the slope was fitted around it.
        alone = ~is_telegraph & ~(jumps.amplitude > 0).to_numpy()
        jumps.loc[alone, "type"] = BACKGROUND
        jumps["found_by"] = self._found_by(jumps, reads, noise, sampling, gain)
        jumps = jumps.drop(columns="evidence")
        features = temporal_features(reads, noise, sampling, found, self.config.sigma_threshold)
        features |= two_state | residual_maps(reads.numpy(), noise.numpy(), sampling, found)
        kept, falls = (jumps[one].reset_index(drop=True) for one in (~alone, alone))
        return StripResult(kept, falls, telegraph, features)

    def _found_by(
        self, jumps: pd.DataFrame, reads: Tensor, noise: Tensor, sampling: Sampling, gain: float
    ) -> npt.NDArray[np.object_]:
        """The evidence (``steps.prior.EVIDENCE``); ``+rules`` where two points agree."""
        names = jumps.evidence.to_numpy(dtype=object)
        if self.twopoint is None or jumps.empty:
            return names
        # The rules look only at pixels with jumps: those are the only ones whose answer is used.
        y, x = torch.tensor(jumps.y.to_numpy()), torch.tensor(jumps.x.to_numpy())
        series = reads[:, y, x][None, :, None, :]
        uneven = bool((sampling.spacing - sampling.spacing[0]).abs().max() > 1e-6 * sampling.spacing[0])
        reads_each = sampling.reads if uneven or bool((sampling.reads != 1).any()) else None
        spacing = sampling.spacing if reads_each is not None else None
        dq = torch.zeros(series.shape, dtype=torch.uint8)
        plain = TwoPoint(
            self.twopoint.threshold,
            self.twopoint.three_difference_threshold,
            self.twopoint.two_difference_threshold,
            self.twopoint.min_differences_single_pass,
            flag_neighbours=False,
        )
        flags, _ = plain(series, dq, noise[y, x][None], spacing, reads_each)
        agreed = flags[0, torch.tensor(jumps.group.to_numpy()), 0, torch.arange(len(jumps))].numpy() != 0
        agreed &= jumps.amplitude.abs().to_numpy() >= self.config.cosmic_ray_min_step * gain
        names[agreed] = names[agreed] + "+rules"  # and the step is large enough
        return names

    def _telegraph(
        self, reads: Tensor, noise: Tensor, sampling: Sampling, found: Steps, jumps: pd.DataFrame, gain: float
    ) -> tuple[pd.DataFrame, dict[str, Floats32]]:
        """Telegraph pixels among those with falls or several jumps, and maps of the two-state fit."""
        n_groups, h, w = reads.shape
        maps = {name: np.full((h, w), np.nan, np.float32) for name in ("two_state_amplitude", "two_state_r2")}
        empty = pd.DataFrame({name: [] for name in ("y", "x", "amplitude", "transitions", "r2", "first_frame")})
        pixel = (jumps.y * w + jumps.x).to_numpy()
        unique, inverse, counts = np.unique(pixel, return_inverse=True, return_counts=True)
        falls = np.bincount(inverse, weights=(jumps.amplitude < 0).to_numpy(float), minlength=len(unique))
        series = reads.reshape(n_groups, -1)[:, torch.from_numpy(unique)]
        chosen = (counts >= 2) & (falls >= 1) & series.isfinite().all(0).numpy()
        if not chosen.any():
            return empty, maps
        column = np.cumsum(chosen) - 1
        member = chosen[inverse]
        staircase = torch.zeros(n_groups, int(chosen.sum()), dtype=torch.float64)
        at = (torch.tensor(jumps.group.to_numpy()[member]), torch.from_numpy(column[inverse[member]]))
        staircase.index_put_(at, torch.from_numpy(jumps.amplitude.to_numpy(float)[member]), accumulate=True)
        y, x = unique[chosen] // w, unique[chosen] % w
        rate, chi2 = found.rate[y, x], found.chi2[y, x].double()
        fit = fit_two_states(series[:, torch.from_numpy(chosen)], staircase.cumsum(0), noise[y, x], rate, sampling)
        degrees = torch.from_numpy(n_groups - 2 - counts[chosen]).clamp(min=1)
        jumps_of, falls_of = torch.from_numpy(counts[chosen]), torch.from_numpy(falls[chosen])
        better = fit.bic(n_groups) < jumps_bic(chi2 * degrees, jumps_of, falls_of, n_groups)
        amplitude = fit.amplitude.abs()
        config = self.config
        low, high = (limit * gain for limit in config.rtn_amplitude_range or (0.0, np.inf))
        slow, fast = config.rtn_frequency_range
        per_group = fit.transitions / n_groups
        ok = better & (fit.transitions >= config.rtn_min_transitions) & (fit.transitions <= config.rtn_max_transitions)
        ok &= (amplitude >= low) & (amplitude <= high) & (per_group >= slow) & (per_group <= fast)
        ok &= fit.r2 >= config.rtn_fit_quality_threshold
        maps["two_state_amplitude"][y, x], maps["two_state_r2"][y, x] = amplitude.numpy(), fit.r2.numpy()
        first = torch.diff(fit.state.to(torch.int8), dim=0).abs().to(torch.float32).argmax(0) + 1
        table = {"y": y, "x": x, "amplitude": amplitude, "transitions": fit.transitions.long(), "r2": fit.r2}
        rows = pd.DataFrame(
            {name: np.asarray(value)[ok.numpy()] for name, value in {**table, "first_frame": first}.items()}
        )
        return rows, maps
