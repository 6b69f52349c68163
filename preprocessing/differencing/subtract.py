"""The steps that subtract a pair: proper (ZOGY), matched by a Gaussian, or direct; all give one kind of result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.fill import fill_all
from astrid_ml.preprocessing.differencing.gaussian import convolved_difference, gaussian_stamp, matching_kernels
from astrid_ml.preprocessing.differencing.resample import spread
from astrid_ml.preprocessing.differencing.zogy import zogy

Noise = Tensor | float


@dataclass(frozen=True)
class SubtractionInput:
    """A pair on one grid, background-free; images and variances (H, W), masks bool, PSFs (k, k) with one odd k.

    ``noises`` are background variances or autocovariances (m, m); ``flux_ratio`` is science / reference;
    ``astrometric_sigma`` the relative registration error, px per axis; ``stars`` (n, 2) positions x, y of stars that
    are in both images, isolated and not saturated. ``difference_noises`` are those that DIFF is whitened by where they
    are not ``noises``: drizzled inputs keep their correlation in DIFF, for whitening it would sharpen noise into view,
    while the significance takes it into account.
    """

    science: Tensor
    reference: Tensor
    variances: tuple[Tensor, Tensor]
    masks: tuple[Tensor, Tensor]
    psfs: tuple[Tensor, Tensor]
    noises: tuple[Noise, Noise]
    flux_ratio: float = 1.0
    astrometric_sigma: float = 0.0
    stars: Tensor | None = None
    difference_noises: tuple[Noise, Noise] | None = None


@dataclass(frozen=True)
class SubtractionResult:
    """What a subtraction gives, (H, W) each but for the PSF.

    Args:
        diff: science - reference in science flux units.
        significance: the matched filter's, S_corr for the proper subtraction.
        psf: (k, k) PSF of ``diff``, sum 1.
        variance: of a pixel of ``diff``.
        mask: True where nothing must be used.
        flux_error: of a point source at each pixel, in science flux units: its flux is significance times this.
    """

    diff: Tensor
    significance: Tensor
    psf: Tensor
    variance: Tensor
    mask: Tensor
    flux_error: Tensor
    quality: dict[str, float] = field(default_factory=dict)


class Subtract(Protocol):
    """A subtraction step."""

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair."""


def grow(mask: Tensor, radius: int) -> Tensor:
    """Dilate a (H, W) bool mask by a square of half-width ``radius`` px."""
    return spread(mask, radius)


def _filled(pair: SubtractionInput) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    either = pair.masks[0] | pair.masks[1]  # one mask for both, so that a star's filled core cancels too
    n, r, v_n, v_r = fill_all((pair.science, pair.reference, *pair.variances), either)
    return n, r, (v_n, v_r)


@dataclass(frozen=True)
class Zogy:
    """Proper subtraction (Zackay, Ofek & Gal-Yam 2016).

    Args:
        grow: px by which the masks of both images are grown in the result.
    """

    grow: int = 3

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair; DIFF is D / F_D, in science flux units."""
        n, r, variances = _filled(pair)
        z = zogy(
            n,
            r,
            pair.psfs,
            pair.noises,
            variances,
            pair.flux_ratio,
            pair.astrometric_sigma,
            difference_noises=pair.difference_noises,
        )
        variance = torch.full_like(z.d, float(1 / z.flux_scale**2))
        mask = grow(pair.masks[0] | pair.masks[1], self.grow)
        error = z.score_sigma / z.score_scale
        return SubtractionResult(z.d / z.flux_scale, z.score_corr, z.psf, variance, mask, error)


def _convolved(pair: SubtractionInput, kernels: tuple[Tensor, Tensor], radius: int) -> SubtractionResult:
    n, r, variances = _filled(pair)
    diff, significance, psf, variance, error = convolved_difference(
        n, r, pair.psfs, pair.noises, variances, kernels, pair.flux_ratio
    )
    return SubtractionResult(diff, significance, psf, variance, grow(pair.masks[0] | pair.masks[1], radius), error)


@dataclass(frozen=True)
class Gaussian:
    """The sharper image is convolved with the Gaussian that brings its PSF nearest to the other's.

    Args:
        grow: px by which the masks of both images are grown in the result.
    """

    grow: int = 3

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair."""
        return _convolved(pair, matching_kernels(pair.psfs), self.grow)


@dataclass(frozen=True)
class Direct:
    """Plain subtraction of the scaled reference, PSFs unmatched.

    Args:
        grow: px by which the masks of both images are grown in the result.
    """

    grow: int = 3

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair; PSF is the science image's."""
        delta = gaussian_stamp(0.0, pair.psfs[0].shape[-1])
        return _convolved(pair, (delta, delta), self.grow)
