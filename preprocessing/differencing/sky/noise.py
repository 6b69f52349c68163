"""The background noise of an image as an autocovariance: what resampling must have left, or what blank sky shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance


@dataclass(frozen=True)
class ImageNoise:
    """Noise of an image for the subtraction.

    Args:
        autocovariance: (m, m), centred, in image units squared.
        propagated: the same from the variance map and the resampling alone.
        variance: (H, W) of each pixel, scaled so that its median in blank sky is the autocovariance at lag zero.
        quality: ``noise_scale`` (measured over stated variance at lag zero), ``noise_lag1`` (measured correlation of
            neighbours) and whether the measured one was used.
    """

    autocovariance: Tensor
    propagated: Tensor
    variance: Tensor
    quality: dict[str, float]


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
    lag_tolerance: float = 0.1
    scale_tolerance: float = 0.2
    reach: int = 6

    def __call__(self, image: Image, blank: Tensor) -> ImageNoise:
        """Noise of a background-free image; ``blank`` (H, W) is True on sky without sources."""
        counted = int(blank.sum())
        level = typical(image.variance, blank if counted else None)
        propagated = image.meta.get("noise_autocorrelation", torch.ones(1, 1))
        propagated = propagated / propagated[propagated.shape[0] // 2, propagated.shape[1] // 2]
        if counted < 2000:
            return ImageNoise(propagated * level, propagated * level, image.variance, {"noise_measured": 0.0})
        measured = autocovariance(image.data, blank, self.reach, image.variance)
        c = self.reach - 1
        scale, lag = float(measured[c, c]), float((measured[c, c + 1] + measured[c + 1, c]) / 2 / measured[c, c])
        # the taper of the measured autocovariance is undone for the comparison
        lag /= 1 - 1 / self.reach
        use = self._contradicted(propagated, scale, lag)
        quality = {"noise_scale": scale, "noise_lag1": lag, "noise_measured": float(use)}
        if not use:
            return ImageNoise(propagated * level, propagated * level, image.variance, quality)
        return ImageNoise(measured * level, propagated * level * scale, image.variance * scale, quality)

    def _contradicted(self, propagated: Tensor, scale: float, lag: float) -> bool:
        if self.method != "auto":
            return self.method == "measured"
        m = propagated.shape[0] // 2
        expected = float((propagated[m, m + 1] + propagated[m + 1, m]) / 2) if m else 0.0
        return abs(lag - expected) > self.lag_tolerance or abs(scale - 1) > self.scale_tolerance
