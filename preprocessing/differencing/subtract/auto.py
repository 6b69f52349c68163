"""Which way to subtract a pair: both are tried on it, judged by its blank sky and by what is left at its sources."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.masks import grow
from astrid_ml.preprocessing.differencing.pixels.peaks import local_maxima
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel
from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.stats import robust_mean_std
from astrid_ml.types import Count, Floats, InUnits, NonNegative, Positive

_WINDOW = 5  # px; side of the box around a source whose mean square flux is looked at
_LEAST = 8  # sources; what fewer show is chance
_SURE = 2.0  # standard errors
_CHANCE = 1  # detections more that are none of the way's faults
_BLANK = 2000  # px


@dataclass(frozen=True)
class ChosenWay:
    """A way that was chosen.

    Args:
        name: of the way.
        reason: one sentence, with the numbers that decided.
        figures: by name, for ``quality.json``.
    """

    name: str
    reason: str
    figures: dict[str, float]


@runtime_checkable
class ChoosesWay(Protocol):
    """A subtraction step that is one of several, for each pair anew."""

    def ways(self) -> Mapping[str, Subtract]:
        """The steps that are tried, by name."""

    def chosen(self, tried: Mapping[str, SubtractionResult], places: Tensor, blank: Tensor) -> ChosenWay:
        """One of them.

        Args:
            tried: what each way made of the pair, stars' residuals counted as noise.
            places: (n, 2) x, y (px) of sources that both images hold, the brightest first.
            blank: (H, W), True on sky without sources.
        """


@dataclass(frozen=True)
class Auto:
    """Proper subtraction or the fitted kernel, whichever leaves less of the pair at hand.

    Both are made. On the same blank sky the scatter of a point source's flux is compared, at the same sources the root
    mean square of what is left of them, and around those the number of detections: a static sky has none. The kernel is
    chosen where it leaves clearly fewer detections; or hardly more of them, and the logarithm of its noise plus
    ``weight`` times that of its residuals, of which two standard errors are given away, is lower by ``gain``. The truth
    is not looked at. Real transients near sources count in both ways alike.

    Args:
        proper, kernel: the two ways.
        gain: relative; the kernel must be better by more, for it costs more and trusts the stars of one pair.
        weight: of the residuals at sources, against 1 of blank sky's noise.
        sources: the brightest this many are looked at.
        level: sigma of detections around them.
        reach: px around them in which these count.
    """

    proper: Subtract = field(default_factory=Zogy)
    kernel: Subtract = field(default_factory=Kernel)
    gain: NonNegative = 0.03
    weight: NonNegative = 0.25
    sources: Count = 100
    level: Positive = 5.0
    reach: Annotated[NonNegative, InUnits("px")] = 12.0

    def ways(self) -> Mapping[str, Subtract]:
        """Both."""
        return {"proper": self.proper, "kernel": self.kernel}

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair that stands alone by the better of both; its blank sky is where neither image is bright."""
        tried = {name: way(pair) for name, way in self.ways().items()}
        either = pair.masks[0] | pair.masks[1]
        dark = ~either
        for image, variance in zip((pair.science, pair.reference), pair.variances, strict=True):
            dark &= (image < 3 * variance.sqrt()) & (variance < 2 * typical(variance, ~either))
        places = torch.zeros(0, 2) if pair.stars is None else pair.stars
        return tried[self.chosen(tried, places, ~grow(~dark, 2)).name]

    def chosen(self, tried: Mapping[str, SubtractionResult], places: Tensor, blank: Tensor) -> ChosenWay:
        """One of both, see :class:`ChoosesWay`."""
        proper, kernel = tried["proper"], tried["kernel"]
        bad = proper.mask | kernel.mask
        good = places[~stamps_at(bad, places[:, 0], places[:, 1], _WINDOW)[0].flatten(1).any(1)][: self.sources]
        noise = _noise_ratio(proper, kernel, blank & ~bad)
        residual, error = _residual_ratio(proper, kernel, good)
        peaks = [self._peaks(result, bad, good) for result in (proper, kernel)]
        figures = {
            "auto_noise_ratio": math.exp(noise),
            "auto_residual_ratio": math.exp(residual),
            "auto_residual_ratio_err": math.exp(residual) * error,
            "auto_peaks_proper": float(peaks[0]),
            "auto_peaks_kernel": float(peaks[1]),
            "auto_sources": float(len(good)),
        }
        certain = math.copysign(max(abs(residual) - _SURE * error, 0.0), residual)
        cost = noise + self.weight * certain
        margin = 2 + _SURE * math.sqrt(sum(peaks))
        fewer = peaks[1] - peaks[0]
        better = fewer < -margin or (fewer <= _CHANCE and cost < -self.gain)
        name = "kernel" if better else "proper"
        said = (
            f"the kernel's blank-sky noise is {math.exp(noise):.3f} of the proper subtraction's, its residuals at "
            f"{len(good)} sources {math.exp(residual):.2f} +- {math.exp(residual) * error:.2f}, with {peaks[1]} "
            f"detections around them against {peaks[0]}"
        )
        return ChosenWay(name, said, figures)

    def _peaks(self, result: SubtractionResult, bad: Tensor, places: Tensor) -> int:
        """Detections of either sign within ``reach`` px of a source."""
        from scipy.spatial import cKDTree

        if not len(places):
            return 0
        found = torch.cat([local_maxima(sign * result.significance, bad, self.level) for sign in (1.0, -1.0)])
        if not len(found):
            return 0
        distance = cKDTree(places.numpy()).query(found.flip(1).numpy())[0]
        return int(np.count_nonzero(distance <= self.reach))


def _noise_ratio(proper: SubtractionResult, kernel: SubtractionResult, blank: Tensor) -> float:
    """Logarithm of the kernel's scatter of a point source's flux on blank sky over the proper subtraction's."""
    if int(torch.count_nonzero(blank)) < _BLANK:
        blank = ~(proper.mask | kernel.mask)  # both alike, without what lies 4 sigma off
    scatter = [robust_mean_std((r.significance * r.flux_error)[blank])[1] for r in (proper, kernel)]
    ratio = math.log(scatter[1] / scatter[0]) if min(scatter) > 0 else 0.0
    return ratio if math.isfinite(ratio) else 0.0


def _residual_ratio(proper: SubtractionResult, kernel: SubtractionResult, places: Tensor) -> tuple[float, float]:
    """Mean logarithm of the kernel's residual flux at sources over the proper subtraction's, and its standard error."""
    if len(places) < _LEAST:
        return 0.0, 0.0
    squares: list[Floats] = [
        stamps_at(r.significance * r.flux_error, places[:, 0], places[:, 1], _WINDOW)[0]
        .square()
        .mean((1, 2))
        .double()
        .numpy()
        for r in (proper, kernel)
    ]
    sound = np.flatnonzero(np.minimum(*squares) > 0)
    if len(sound) < _LEAST:
        return 0.0, 0.0
    logs = 0.5 * np.log(squares[1][sound] / squares[0][sound])
    return float(logs.mean()), float(logs.std(ddof=1) / math.sqrt(len(logs)))
