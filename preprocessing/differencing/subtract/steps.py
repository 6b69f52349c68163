"""The steps that subtract a pair: proper (ZOGY), matched by a Gaussian, or direct; all give one kind of result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fill import fill_all
from astrid_ml.preprocessing.differencing.pixels.masks import grow_where_felt
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.subtract.gaussian import convolved_difference, matching_kernels
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.zogy import zogy_of
from astrid_ml.types import InUnits, Whole


def _filled(pair: SubtractionInput) -> tuple[list[Tensor], list[Tensor]]:
    either = pair.masks[0] | pair.masks[1]  # one mask for both, so that a star's filled core cancels too
    n, r, v_n, v_r = fill_all((pair.science, pair.reference, *pair.variances), either)
    return [n, r], [v_n, v_r]


@dataclass(frozen=True)
class Zogy:
    """Proper subtraction (Zackay, Ofek & Gal-Yam 2016).

    Args:
        grow: px by which the masks of both images are grown in the result; around single bad pixels less
            (``grow_where_felt``).
        decorrelate: whiten DIFF by the noise that was measured on drizzled inputs too, whose correlation it keeps
            otherwise: its pixels are noisier and independent. The significance is the same.
    """

    grow: Annotated[Whole, InUnits("px")] = 3
    decorrelate: bool = False

    @torch.no_grad()
    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair; DIFF is D / F_D, in science flux units."""
        mask = grow_where_felt(pair.masks[0] | pair.masks[1], self.grow, pair.psfs)  # before the planes take memory
        images, variances = _filled(pair)
        z = zogy_of(
            images,
            pair.psfs,
            pair.noises,
            variances,
            pair.flux_ratio,
            pair.astrometric_sigma,
            difference_noises=pair.whitening_noises if self.decorrelate else pair.difference_noises,
        )
        variance = torch.full_like(z.d, float(1 / z.flux_scale**2))
        error = z.score_sigma.div_(z.score_scale)
        return SubtractionResult(z.d.div_(z.flux_scale), z.score_corr, z.psf, variance, mask, error)


def _convolved(pair: SubtractionInput, kernels: tuple[Tensor, Tensor], radius: int) -> SubtractionResult:
    mask = grow_where_felt(pair.masks[0] | pair.masks[1], radius, pair.psfs)
    (n, r), (v_n, v_r) = _filled(pair)
    diff, significance, psf, variance, error = convolved_difference(
        n, r, pair.psfs, pair.noises, (v_n, v_r), kernels, pair.flux_ratio
    )
    return SubtractionResult(diff, significance, psf, variance, mask, error)


@dataclass(frozen=True)
class Gaussian:
    """The sharper image is convolved with the Gaussian that brings its PSF nearest to the other's.

    Args:
        grow: px by which the masks of both images are grown in the result; around single bad pixels less
            (``grow_where_felt``).
    """

    grow: Annotated[Whole, InUnits("px")] = 3

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair."""
        return _convolved(pair, matching_kernels(pair.psfs), self.grow)


@dataclass(frozen=True)
class Direct:
    """Plain subtraction of the scaled reference, PSFs unmatched.

    Args:
        grow: px by which the masks of both images are grown in the result; around single bad pixels less
            (``grow_where_felt``).
    """

    grow: Annotated[Whole, InUnits("px")] = 3

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair; PSF is the science image's."""
        delta = gaussian_stamp(0.0, pair.psfs[0].shape[-1])
        return _convolved(pair, (delta, delta), self.grow)
