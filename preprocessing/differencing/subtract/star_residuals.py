"""What subtraction leaves at stars beyond the noise: measured on matched stars, counted as noise where stars stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import inverse, padded_shape, spectrum_columns
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.stars.match import Matched
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.types import Count, InUnits, NonNegative, Whole

_WINDOW = 5  # px; side of the box around a star whose mean square significance is looked at
_AROUND = 9  # px; half-side of the box around that one, in which the PSF's skirts leave what they leave
_COLUMNS = 32  # of a Fourier plane that are multiplied at a time
_ROWS = 128  # in which maxima are sought at a time: torch keeps where each one is, twice a plane
_BLOCK = 4  # px; of the map of what is left there
_BRIGHTEST = 6  # one of so many stars shows what is left there above the noise


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
        around = self.share_around(result, matched) if self.enabled else 0.0
        quality = {"residual_share": share, "residual_share_around": around, "residual_stars": float(used)}
        if share <= 0 and around <= 0:
            return result, quality
        flux = self.flux_of_reference(pair)  # planes are large: each is worked on where it lies
        left2 = self._spread(flux).mul_(share).square_()
        if around > 0:
            torch.maximum(left2, _spread_far(flux).mul_(around).square_(), out=left2)
        del flux
        total = left2.addcmul_(result.flux_error, result.flux_error).sqrt_()
        significance = (result.flux_error / total).mul_(result.significance)
        return replace(result, significance=significance, flux_error=total), quality

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

    def share_around(self, result: SubtractionResult, matched: Matched) -> float:
        """The share that is left beside the cores, within ``_AROUND`` px, where the stars' own noise hides less."""
        stars = matched.stars[matched.stars["kept"]] if len(matched.stars) else matched.stars
        if len(stars) < self.min_stars:
            return 0.0
        x, y = (torch.from_numpy(stars[c].to_numpy(copy=True)) for c in ("x", "y"))
        side, core = 2 * _AROUND + 1, _WINDOW // 2
        bad, inside = stamps_at(result.mask, x, y, side)
        good = inside & ~bad
        good[:, _AROUND - core : _AROUND + core + 1, _AROUND - core : _AROUND + core + 1] = False
        number = good.sum((1, 2))
        error, s2 = (stamps_at(plane, x, y, side)[0].square() for plane in (result.flux_error, result.significance))
        error, s2 = ((plane * good).sum((1, 2)) / number.clamp_min(1) for plane in (error, s2))
        snr2 = torch.from_numpy(stars["flux_science"].to_numpy(copy=True)).square() / error.double().clamp_min(1e-30)
        use = torch.nonzero((snr2 > self.brightness**2) & (number > side**2 // 2))[:, 0]
        if len(use) < self.min_stars:
            return 0.0
        use = use[snr2[use].argsort(descending=True)[: max(self.min_stars, len(use) // _BRIGHTEST)]]
        share2 = ((s2[use].double() - 1) / snr2[use]).sort().values
        # what one variable star shows must not count for all
        return float(share2[:-1].mean().clamp_min(0).sqrt())

    def flux_of_reference(self, pair: SubtractionInput) -> Tensor:
        """Flux (H, W) of a point source at each pixel of the reference, science units."""
        psf = pair.psfs[1] if pair.psfs[1].ndim == 2 else pair.psfs[1].mean((0, 1))
        h, w = pair.reference.shape
        shape = padded_shape((h, w), psf.shape[-1])
        spectrum, of_psf = torch.fft.rfft2(pair.reference, s=shape), spectrum_columns(psf, shape)
        for start in range(0, spectrum.shape[-1], _COLUMNS):
            columns = slice(start, min(start + _COLUMNS, spectrum.shape[-1]))
            spectrum[..., columns] *= of_psf(columns).conj()
        taken = [spectrum]
        del spectrum
        flux = inverse(taken, shape, (h, w))
        return flux.clamp_min(0).mul_(pair.flux_ratio / float(psf.square().sum()))

    def _spread(self, flux: Tensor) -> Tensor:
        """The largest within ``reach``."""
        out, (h, _), reach = torch.empty_like(flux), flux.shape, self.reach
        for top in range(0, h, _ROWS):
            low, stop = max(top - reach, 0), min(top + _ROWS, h)
            wide = torch.nn.functional.max_pool2d(flux[None, None, low : stop + reach], 2 * reach + 1, 1, reach)
            out[top:stop] = wide[0, 0, top - low : stop - low]
        return out


def _spread_far(flux: Tensor) -> Tensor:
    """The largest within ``_AROUND`` px, by blocks."""
    (h, w), reach = flux.shape, _AROUND // _BLOCK
    blocks = torch.nn.functional.max_pool2d(flux[None, None], _BLOCK, ceil_mode=True)
    wide = torch.nn.functional.max_pool2d(blocks, 2 * reach + 1, 1, reach)[0, 0]
    return wide.repeat_interleave(_BLOCK, 0)[:h].repeat_interleave(_BLOCK, 1)[:, :w]
