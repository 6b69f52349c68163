"""What a way to subtract takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

Noise = Tensor | float


@dataclass(frozen=True)
class SubtractionInput:
    """A pair on one grid, background-free.

    Args:
        science, reference: (H, W).
        variances: (H, W) of both.
        masks: (H, W) bool of both.
        psfs: (k, k) of both, with one odd k.
        noises: background variance or autocovariance (m, m) of both.
        flux_ratio: science / reference.
        flux_ratio_err: its standard error; 0 where it is unknown.
        astrometric_sigma: relative registration error, px per axis.
        stars: (n, 2) positions x, y, px, of stars that are in both images, isolated and not saturated; where stars are
            few, galaxies follow them: of what does not vary nothing may be left.
        difference_noises: those that DIFF is whitened by where they are not ``noises``: drizzled inputs keep their
            correlation in DIFF, for whitening it would sharpen noise into view, while the significance takes it into
            account.
        whitening_noises: those that DIFF of drizzled inputs is whitened by where that is asked for; None elsewhere.
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
    flux_ratio_err: float = 0.0
    whitening_noises: tuple[Noise, Noise] | None = None


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
        quality: numbers of the step, by name, for ``quality.json``.
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
