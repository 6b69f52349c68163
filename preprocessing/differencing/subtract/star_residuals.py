"""What subtraction leaves at stars beyond the noise: measured on matched stars, counted as noise where stars stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, transform
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.stars.match import Matched
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.types import Count, InUnits, NonNegative, Whole

_WINDOW = 5  # px; side of the box around a star whose mean square significance is looked at


@dataclass(frozen=True)
class StarResiduals:
    """Adds a systematic error to the significance: a share of the flux that the reference holds at a place.

    PSFs that are not quite known, flat fields, an unknown gain: all leave residuals that grow with the star. Their
    share is what makes the mean square significance at bright matched stars 1, and nothing where it is 1 already.

    Args:
        enabled: measure and apply it.
        min_stars: with fewer bright stars nothing is done.
        brightness: stars count where their flux is at least this many times the error of a point source.
        reach: px over which a star's residual spreads.
    """

    enabled: bool = True
    min_stars: Count = 5
    brightness: NonNegative = 30.0
    reach: Annotated[Whole, InUnits("px")] = 3

    def __call__(
        self, result: SubtractionResult, pair: SubtractionInput, matched: Matched
    ) -> tuple[SubtractionResult, dict[str, float]]:
        """The result with a larger flux error near stars, and ``residual_share`` (of a star's flux, 0 where none)."""
        share, used = self.share(result, matched) if self.enabled else (0.0, 0)
        quality = {"residual_share": share, "residual_stars": float(used)}
        if share <= 0:
            return result, quality
        error2 = result.flux_error.square()
        total = error2 + (share * self.flux_of_reference(pair)).square()
        ratio = (error2 / total).sqrt()
        changed = replace(result, significance=result.significance * ratio, flux_error=total.sqrt())
        return changed, quality

    def share(self, result: SubtractionResult, matched: Matched) -> tuple[float, int]:
        """The share of a star's flux that is left, above the noise, and the number of stars that say so."""
        stars = matched.stars[matched.stars["kept"]] if len(matched.stars) else matched.stars
        if len(stars) < self.min_stars:
            return 0.0, 0
        x, y = (torch.from_numpy(stars[c].to_numpy(copy=True)) for c in ("x", "y"))
        error = stamps_at(result.flux_error, x, y, 1)[0][:, 0, 0].double().numpy()
        bad = stamps_at(result.mask, x, y, _WINDOW)[0].flatten(1).any(1).numpy()
        snr = stars["flux_science"].to_numpy() / error
        use = (snr > self.brightness) & ~bad
        if int(use.sum()) < self.min_stars:
            return 0.0, int(use.sum())
        s2 = stamps_at(result.significance, x, y, _WINDOW)[0].square().mean((1, 2)).double().numpy()
        # the clipped mean of the excess; what one variable star shows must not count for all
        excess = (s2[use] - 1.0) / snr[use] ** 2
        weight = snr[use] ** 2 / (1.0 + snr[use] ** 2 * 1e-4) ** 2
        kept = s2[use] <= np.quantile(s2[use], 0.9)
        variance = float(np.sum((weight * excess)[kept]) / np.sum(weight[kept]))
        return float(np.sqrt(max(variance, 0.0))), int(kept.sum())

    def flux_of_reference(self, pair: SubtractionInput) -> Tensor:
        """Flux (H, W) of a point source at each pixel of the reference, science units, the largest within ``reach``."""
        psf = pair.psfs[1] if pair.psfs[1].ndim == 2 else pair.psfs[1].mean((0, 1))
        h, w = pair.reference.shape
        shape = padded_shape((h, w), psf.shape[-1])
        spectrum = torch.fft.rfft2(pair.reference, s=shape) * transform(psf, shape).conj()
        flux = torch.fft.irfft2(spectrum, s=shape)[:h, :w] * (pair.flux_ratio / float(psf.square().sum()))
        side = 2 * self.reach + 1
        wide = torch.nn.functional.max_pool2d(flux.clamp_min(0)[None, None], (1, side), 1, (0, self.reach))
        return torch.nn.functional.max_pool2d(wide, (side, 1), 1, (self.reach, 0))[0, 0]
