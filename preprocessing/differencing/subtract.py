"""The steps that subtract a pair: proper (ZOGY), matched by a Gaussian, or direct; all give one kind of result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from preprocessing.differencing.gaussian import convolved_difference, gaussian_stamp, matching_kernels
from preprocessing.differencing.zogy import zogy

Noise = Tensor | float


@dataclass(frozen=True)
class SubtractionInput:
    """A pair on one grid, background-free; images and variances (H, W), masks bool, PSFs (k, k) with one odd k.

    ``noises`` are background variances or autocovariances (m, m); ``flux_ratio`` is science / reference;
    ``astrometric_sigma`` the relative registration error, px per axis; ``stars`` (n, 2) positions x, y of stars that
    are in both images, isolated and not saturated.
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
    if radius <= 0:
        return mask
    grown = functional.max_pool2d(mask[None, None].float(), 2 * radius + 1, 1, radius)
    return grown[0, 0] > 0.5


def fill(image: Tensor, mask: Tensor, sigma: float = 2.0) -> Tensor:
    """Replace masked pixels of (H, W) by the Gaussian-weighted mean of good neighbours; 0 where none is near.

    A hole that is filled smoothly does not ring in Fourier space.
    """
    if not bool(mask.any()):
        return image
    size = 2 * int(3 * sigma) + 1
    row = gaussian_stamp(sigma, size)[size // 2]
    good = (~mask).to(image.dtype)
    stack = torch.stack([torch.where(mask, torch.zeros_like(image), image), good])[:, None]
    stack = functional.conv2d(stack, row.view(1, 1, 1, -1), padding=(0, size // 2))
    stack = functional.conv2d(stack, row.view(1, 1, -1, 1), padding=(size // 2, 0))[:, 0]
    mean = torch.where(stack[1] > 1e-6, stack[0] / stack[1].clamp_min(1e-6), torch.zeros_like(image))
    return torch.where(mask, mean, image)


def _filled(pair: SubtractionInput) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    either = pair.masks[0] | pair.masks[1]  # one mask for both, so that a star's filled core cancels too
    return (
        fill(pair.science, either),
        fill(pair.reference, either),
        (fill(pair.variances[0], either), fill(pair.variances[1], either)),
    )


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
        z = zogy(n, r, pair.psfs, pair.noises, variances, pair.flux_ratio, pair.astrometric_sigma)
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
