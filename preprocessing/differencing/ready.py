"""A pair before it is subtracted and after; what its images allow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.poisson import Counts
from astrid_ml.preprocessing.differencing.detect.significance import SignificanceCheck, thinned
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.registered import central
from astrid_ml.preprocessing.differencing.sky.noise import ImageNoise
from astrid_ml.preprocessing.differencing.sky.spectra import autocovariance, flat_topped
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.zogy import best_error

_DEEP = 0.9  # of the depth that both images allow; less is said
_LEAST_BLANK = 2000  # px
_LAGS = 9  # px
_NEAR = 4  # px; resampling correlates no further
_FEW = 5.0  # e- a pixel of blank sky
_DARK = 1e-4  # e- a pixel; less is not believed of any sky


@dataclass(frozen=True)
class Ready:
    """A pair before it is subtracted.

    Args:
        science, reference: on one grid, without the surroundings of saturated stars.
        blank: (H, W), True on sky without sources.
        noises: of both.
        pair: what is subtracted.
        refined: what the refinement says of itself.
    """

    science: Image
    reference: Image
    blank: Tensor
    noises: tuple[ImageNoise, ImageNoise]
    pair: SubtractionInput
    refined: dict[str, float]

    @property
    def shift(self) -> Tensor:
        """Affine (2, 3): how far (px) the refinement found the reference off, and hid it in its PSF."""
        shift = torch.zeros(2, 3, dtype=torch.double)
        shift[:, 0] = torch.tensor([self.refined.get("refine_dx", 0.0), self.refined.get("refine_dy", 0.0)])
        return shift

    @property
    def hidden(self) -> float:
        """Its length, px."""
        return math.hypot(*self.shift[:, 0].tolist())


@dataclass(frozen=True)
class Made:
    """A difference that was made in one way, checked.

    Args:
        pair: what was subtracted, without the sky that the difference showed.
        result: rescaled, with the stars' residuals in its error.
        blank: (H, W), True on sky without sources.
        check: of the significance.
        depth: least error that both images allow over that of ``result``; None without blank sky.
        figures: by name, for ``quality.json``.
        warnings: sentences for the user.
    """

    pair: SubtractionInput
    result: SubtractionResult
    blank: Tensor
    check: SignificanceCheck
    depth: float | None
    figures: dict[str, float]
    warnings: tuple[str, ...]


def faint(ready: Ready, mask: Tensor) -> Tensor:
    """Blank sky (H, W); in a crowd that leaves none, what holds fewer photons of sources than of the sky.

    Args:
        ready: the pair.
        mask: (H, W), True where the difference must not be used.
    """
    blank = ready.blank & ~mask
    if int(torch.count_nonzero(blank)) >= _LEAST_BLANK:
        return blank
    dim = ~mask
    for variance in ready.pair.variances:
        dim &= variance < 2 * typical(variance, dim)
    return dim


def counts_of(ready: Ready, pair: SubtractionInput) -> Counts:
    """A pair in electrons.

    What a pixel of blank sky holds is told by its noise: the variance of counts is their mean, and that of a resampled
    frame the sum of its autocovariance.

    Args:
        ready: the pair.
        pair: without the sky that the difference showed.
    """
    frames = (ready.science, ready.reference)
    images = [
        torch.where(mask, 0.0, plane) * frame.gain
        for plane, mask, frame in zip((pair.science, pair.reference), pair.masks, frames, strict=True)
    ]
    blank = faint(ready, pair.masks[0] | pair.masks[1])
    rates = [
        max(_power(image, blank, noise, frame.gain) - frame.read_noise**2, _DARK)
        for image, noise, frame in zip(images, pair.noises, frames, strict=True)
    ]
    return Counts(
        science=images[0],
        reference=images[1],
        rates=(rates[0], rates[1]),
        psfs=(central(pair.psfs[0]), central(pair.psfs[1])),
        ratio=float(pair.flux_ratio) * frames[0].gain / frames[1].gain,
        read_noise=(frames[0].read_noise, frames[1].read_noise),
        shake=pair.astrometric_sigma,
        known=frames[0].gain_known and frames[1].gain_known,
    )


def _power(image: Tensor, blank: Tensor, noise: Tensor | float, gain: float) -> float:
    """Noise power (e-^2) at frequency 0: of blank sky, or as it is said where hardly any is left."""
    if int(torch.count_nonzero(blank)) < _LEAST_BLANK:
        return float(torch.as_tensor(noise).sum()) * gain**2
    return float(autocovariance(image, blank, _NEAR, tapered=False).sum())


def few_counts(ready: Ready) -> tuple[str, ...]:
    """What to say of a pair whose significance is of few photons, and no Gaussian's."""
    science = ready.science
    held = float(torch.as_tensor(ready.pair.noises[0]).sum()) * science.gain**2 - science.read_noise**2
    if not science.gain_known or held >= _FEW or science.read_noise**2 > held:
        return ()
    return (f"blank sky holds {held:.2g} e- a pixel: preprocessing/detect=auto looks at the counts",)


def noise_correlation(result: SubtractionResult, blank: Tensor) -> Tensor | None:
    """Covariance (m, m) of DIFF's noise on blank sky over its variance, centred; None where it cannot be told.

    Lags that are no more than the noise of their own estimate are 0: apertures add up many of them.
    """
    count = int(torch.count_nonzero(blank))
    if count < _LEAST_BLANK:
        return None
    lags = autocovariance(result.diff, blank, _LAGS, result.variance, tapered=False)
    middle = lags.shape[0] // 2
    if not float(lags[middle, middle]) > 0:
        return None
    return lags.masked_fill(lags.abs() < 4 * lags[middle, middle] / min(count, 1 << 20) ** 0.5, 0.0)


def depth_reached(result: SubtractionResult, ready: Ready, blank: Tensor) -> tuple[float | None, tuple[str, ...]]:
    """Least error of a flux that both images allow, over that of blank sky, and what to say where it is low.

    What the reference allows is the noise of all that a pixel of the grid covers of it, as its variance says; where
    blank sky says otherwise of a noise whose correlation is known, what blank sky says.
    """
    if not bool(blank.any()):
        return None, ()
    reference, noise, pair = ready.reference, ready.noises[1], ready.pair
    told = noise.measured and reference.noise_autocorrelation is not None
    density = noise.autocovariance if told or reference.noise_density is None else reference.noise_density
    psfs = central(pair.psfs[0]), central(pair.psfs[1])
    depth = best_error(psfs, (pair.noises[0], density), float(pair.flux_ratio)) / typical(result.flux_error, blank)
    if not depth < _DEEP:
        return depth, ()
    return depth, (f"the difference reaches {depth:.0%} of the depth that both images allow",)


def difference_noises(*noises: ImageNoise) -> tuple[Tensor, Tensor] | None:
    """What DIFF is whitened by, where measured noise replaced the propagated."""
    if not any(noise.measured for noise in noises):
        return None
    return noises[0].propagated, noises[1].propagated


def whitening_noises(*noises: ImageNoise) -> tuple[Tensor, Tensor] | None:
    """What whitens DIFF where measured noise replaced the propagated, and a white one is asked for."""
    if not any(noise.measured for noise in noises):
        return None
    first, second = (flat_topped(n.autocovariance) if n.measured else n.autocovariance for n in noises)
    return first, second


def same_size(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two PSFs (..., k, k) padded with zeros to one odd size."""
    size = max(a.shape[-2], a.shape[-1], b.shape[-2], b.shape[-1])
    out = []
    for psf in (a, b):
        y, x = (size - psf.shape[-2]) // 2, (size - psf.shape[-1]) // 2
        out.append(torch.nn.functional.pad(psf, (x, x, y, y)))
    return out[0], out[1]


def refuse_nothing(result: SubtractionResult) -> None:
    """Where bad pixels, widened by the PSFs, cover all, or the noise is no number, nothing was compared.

    Raises:
        UserError: one of both.
    """
    if bool(result.mask.all()):
        fix = "check the masks and the pixels without a value; where they are scattered, fill them before"
        raise UserError("pixels that both frames have", "none: bad pixels and their surroundings cover all", fix)
    # enough of the pixels tell it of nearly all pairs
    some = torch.isfinite(thinned(result.significance)) & ~thinned(result.mask)
    if not bool(some.any()) and not bool((torch.isfinite(result.significance) & ~result.mask).any()):
        fix = "check the unit of the pixels and the noise of both frames"
        raise UserError("a difference whose significance is a number", "none in any pixel", fix)
