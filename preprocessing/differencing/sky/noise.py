"""The background noise of an image as an autocovariance: what resampling must have left, or what blank sky shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance
from astrid_ml.types import Count, InUnits, NonNegative


@dataclass(frozen=True)
class ImageNoise:
    """Noise of an image for the subtraction.

    Args:
        autocovariance: (m, m), centred, in image units squared.
        propagated: the same from the variance map and the resampling alone.
        variance: (H, W) of each pixel, scaled so that its median in blank sky is the autocovariance at lag zero.
        measured: whether the autocovariance is the measured one.
        scale: measured over stated variance at lag zero; None where there was too little blank sky to measure.
        lag1: measured correlation of neighbours; None likewise.
    """

    autocovariance: Tensor
    propagated: Tensor
    variance: Tensor
    measured: bool
    scale: float | None = None
    lag1: float | None = None

    def figures(self) -> dict[str, float]:
        """``noise_scale``, ``noise_lag1``, ``noise_measured`` for the quality record."""
        both = {"noise_scale": self.scale, "noise_lag1": self.lag1}
        return {k: v for k, v in both.items() if v is not None} | {"noise_measured": float(self.measured)}


@dataclass(frozen=True)
class Noise:
    """Chooses between propagated and measured noise.

    Args:
        method: ``propagated`` (variance map, correlation of the resampling), ``measured`` on blank sky, or ``auto``:
            measured where blank sky contradicts the propagated by more than the tolerances, as in drizzled frames.
        lag_tolerance: of the neighbour correlation.
        scale_tolerance: of the variance, relative.
        reach: px; lags of the measured autocovariance.
    """

    method: Literal["auto", "propagated", "measured"] = "auto"
    lag_tolerance: NonNegative = 0.1
    scale_tolerance: NonNegative = 0.2
    reach: Annotated[Count, InUnits("px")] = 6

    def __call__(self, image: Image, blank: Tensor) -> ImageNoise:
        """Noise of a background-free image; ``blank`` (H, W) is True on sky without sources."""
        counted = int(torch.count_nonzero(blank))
        level = typical(image.variance, blank if counted else None)
        propagated = torch.ones(1, 1) if image.noise_autocorrelation is None else image.noise_autocorrelation
        propagated = propagated / propagated[propagated.shape[0] // 2, propagated.shape[1] // 2]
        if counted < 2000:
            return ImageNoise(propagated * level, propagated * level, image.variance, False)
        measured = autocovariance(image.data, blank, self.reach, image.variance)
        c = self.reach - 1
        scale, lag = float(measured[c, c]), float((measured[c, c + 1] + measured[c + 1, c]) / 2 / measured[c, c])
        # the taper of the measured autocovariance is undone for the comparison
        lag /= 1 - 1 / self.reach
        use = self._contradicted(propagated, scale, lag)
        if not use:
            return ImageNoise(propagated * level, propagated * level, image.variance, False, scale, lag)
        return ImageNoise(measured * level, propagated * level * scale, image.variance * scale, True, scale, lag)

    def _contradicted(self, propagated: Tensor, scale: float, lag: float) -> bool:
        if self.method != "auto":
            return self.method == "measured"
        m = propagated.shape[0] // 2
        expected = float((propagated[m, m + 1] + propagated[m + 1, m]) / 2) if m else 0.0
        return abs(lag - expected) > self.lag_tolerance or abs(scale - 1) > self.scale_tolerance
