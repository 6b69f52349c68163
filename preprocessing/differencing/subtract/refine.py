"""What is left of shift, flux ratio and seeing between two images, fitted by gradient through the subtraction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fill import fill_stamps
from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, transform
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput
from astrid_ml.preprocessing.differencing.subtract.zogy import proper_difference
from astrid_ml.types import Count, Floats, InUnits, NonNegative, Whole


@dataclass(frozen=True)
class RefineNone:
    """Leaves the pair as it is."""

    def __call__(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        """The pair itself."""
        return pair, {}


@dataclass(frozen=True)
class Refine:
    """Fits the reference's shift and the flux ratio by the residuals at stars.

    The residuals are those of the proper subtraction, which is differentiable; whatever subtraction follows gets the
    better registered PSF and ratio. A shift of the image is a shift of its PSF.

    Args:
        stars: the brightest this many are used.
        size: px, side of the blocks around them.
        steps: of L-BFGS-B (Byrd et al. 1995).
        max_shift: px; a larger one is not believed.
        max_flux: a larger relative change of the flux ratio is not believed, unless it is within four of the stars' own
            errors.
    """

    stars: Count = 16
    size: Annotated[Count, InUnits("px")] = 64
    steps: Whole = 8
    max_shift: Annotated[NonNegative, InUnits("px")] = 1.0
    max_flux: NonNegative = 0.05

    def __call__(self, pair: SubtractionInput) -> tuple[SubtractionInput, dict[str, float]]:
        """The pair with its reference PSF and flux ratio corrected, and what was found."""
        from scipy.optimize import minimize

        if pair.stars is None or len(pair.stars) < 3:
            return pair, {"refined": 0.0}
        blocks = _blocks(pair, self.stars, self.size)

        def value_and_gradient(at: Floats) -> tuple[float, Floats]:
            parameters = torch.tensor(at, dtype=torch.float32, requires_grad=True)
            value = _loss(pair, blocks, parameters)
            (gradient,) = torch.autograd.grad(value, parameters)
            return float(value.detach()), gradient.double().numpy()

        before = value_and_gradient(np.zeros(3))[0]
        best = minimize(
            value_and_gradient,
            np.zeros(3),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.steps, "maxfun": 2 * self.steps, "ftol": 1e-6},
        )
        found = torch.tensor(best.x, dtype=torch.float32)
        sound = bool(torch.isfinite(found).all()) and best.fun < before
        sound = sound and float(found[:2].abs().max()) < self.max_shift
        sound = sound and abs(float(found[2])) < max(self.max_flux, 4 * pair.flux_ratio_err / pair.flux_ratio)
        quality = {"refined": float(sound), "refine_loss_before": before, "refine_loss_after": float(best.fun)}
        if not sound:
            return pair, quality
        quality |= {"refine_dx": float(found[0]), "refine_dy": float(found[1]), "refine_flux": float(found[2].exp())}
        psfs = (pair.psfs[0], moved(pair.psfs[1], found[0], found[1]))
        return replace(pair, psfs=psfs, flux_ratio=pair.flux_ratio * float(found[2].exp())), quality


def moved(psf: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """A (k, k) stamp shifted by (dx, dy) px through its Fourier phases; differentiable in both."""
    k = psf.shape[-1]
    box = padded_shape((k, k), 12)
    f_y, f_x = torch.fft.fftfreq(box[0]), torch.fft.rfftfreq(box[1])
    angle = -2 * torch.pi * (dy * f_y[:, None] + dx * f_x[None, :])
    spectrum = transform(psf, box) * torch.complex(angle.cos(), angle.sin())
    image: Tensor = torch.fft.irfft2(spectrum, s=box)
    return torch.roll(image, (k // 2, k // 2), (0, 1))[:k, :k]


@dataclass(frozen=True)
class _Blocks:
    science: Tensor
    reference: Tensor
    excess: Tensor
    weight: Tensor


def _blocks(pair: SubtractionInput, n: int, size: int) -> _Blocks:
    """Blocks (n, size + 1, size + 1) around the brightest stars, weight 1 on good pixels of the star."""
    assert pair.stars is not None
    at, side = pair.stars[:n], max(size, pair.psfs[0].shape[-1]) | 1
    bad, inside = stamps_at(pair.masks[0], at[:, 0], at[:, 1], side)
    bad = bad | stamps_at(pair.masks[1], at[:, 0], at[:, 1], side)[0]
    stamps = [stamps_at(t, at[:, 0], at[:, 1], side)[0] for t in (pair.science, pair.reference, pair.variances[0])]
    science, reference, variance = fill_stamps(stamps, bad)
    # the sources' own noise in D, in units of the sky's
    excess = (variance / typical(pair.variances[0], ~(pair.masks[0] | pair.masks[1]))).clamp_min(1.0)
    t = (torch.arange(side) - side // 2).float()
    reach = pair.psfs[0].shape[-1] / 4
    near = (t[:, None] ** 2 + t[None, :] ** 2) <= reach**2
    return _Blocks(science, reference, excess, (near & inside & ~bad).float())


def _loss(pair: SubtractionInput, blocks: _Blocks, parameters: Tensor) -> Tensor:
    """Mean of log(1 + D^2 / v) over the stars' pixels: Cauchy's, for a variable star must not steer the fit."""
    ratio = pair.flux_ratio * parameters[2].exp()
    psfs = (pair.psfs[0], moved(pair.psfs[1], parameters[0], parameters[1]))
    d = proper_difference(blocks.science, blocks.reference, psfs, pair.noises, ratio)
    return (torch.log1p(d.square() / blocks.excess / 2) * blocks.weight).sum() / blocks.weight.sum()
