"""Subtraction by a fitted kernel that varies over the field (Alard & Lupton 1998; Alard 2000; Becker et al. 2012)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from astrid_ml.preprocessing.differencing.pixels.fill import fill
from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, transform
from astrid_ml.preprocessing.differencing.pixels.masks import grow, grow_where_felt
from astrid_ml.preprocessing.differencing.pixels.peaks import local_maxima
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp, matching_sigma
from astrid_ml.preprocessing.differencing.subtract.kernel_basis import (
    delta_basis,
    gaussian_basis,
    n_terms,
    noise_products,
    polynomials,
    roughness,
)
from astrid_ml.preprocessing.differencing.subtract.kernel_fit import KernelModel, fit_kernel, stamp_equations
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionInput, SubtractionResult
from astrid_ml.preprocessing.differencing.subtract.whiten import whiten
from astrid_ml.types import Count, InUnits, NonNegative, Positive, Whole

_FEWEST = 3  # stamps
_STARS_PER_TERM = 5  # of the polynomial over the field


def common_peaks(pair: SubtractionInput, threshold: float = 10.0, radius: int = 7) -> Tensor:
    """(n, 2) x, y of the brightest pixels within ``radius`` px, above ``threshold`` sigma in both images."""
    mask = grow(pair.masks[0] | pair.masks[1], 2)
    a, b = (image / v.sqrt() for image, v in zip((pair.science, pair.reference), pair.variances, strict=True))
    peaks = local_maxima(torch.minimum(a, b), mask, threshold, radius)
    return peaks.flip(1).double()


def spread_out(stars: Tensor, brightness: Tensor, shape: tuple[int, int], number: int) -> Tensor:
    """At most ``number`` of (n, 2) stars: the brightest of each cell of the field first, then the second, and so on."""
    cells = max(1, math.isqrt(max(number // 3, 1)))
    column = (stars[:, 0] / shape[1] * cells).long().clamp(0, cells - 1)
    cell = column + cells * (stars[:, 1] / shape[0] * cells).long().clamp(0, cells - 1)
    order = torch.argsort(brightness, descending=True, stable=True)
    rank, seen = torch.zeros(len(stars), dtype=torch.long), [0] * (cells * cells)
    for i in order.tolist():
        rank[i], seen[int(cell[i])] = seen[int(cell[i])], seen[int(cell[i])] + 1
    chosen = order[torch.argsort(rank[order.cpu()], stable=True)]
    return stars[chosen[:number]]


def convolve(image: Tensor, model: KernelModel) -> Tensor:
    """(H, W) image under a kernel that is that of the pixel where the light arrives."""
    h, w = image.shape
    shape = padded_shape((h, w), model.kernels.shape[-1])
    spectrum = torch.fft.rfft2(image, s=shape)
    return torch.einsum(
        "shw,shw->hw",
        torch.stack([torch.fft.irfft2(spectrum * transform(k, shape), s=shape)[:h, :w] for k in model.kernels]),
        _terms_of_frame((h, w), model.order).to(image),
    )


def _terms_of_frame(shape: tuple[int, int], order: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(shape[0]), torch.arange(shape[1]), indexing="ij")
    return polynomials(x, y, shape, order).float().permute(2, 0, 1)


def residual(images: tuple[Tensor, Tensor], model: KernelModel) -> Tensor:
    """target - kernel * source - sky, (H, W), of a target and a source."""
    h, w = images[0].shape
    sky = torch.einsum("t,thw->hw", model.sky.to(images[0]), _terms_of_frame((h, w), model.sky_order).to(images[0]))
    return images[0] - convolve(images[1], model) - sky


def changed(
    images: tuple[Tensor, Tensor], model: KernelModel, weight: Tensor, psf: Tensor, share: float = 0.1
) -> Tensor:
    """(H, W) True near what is in one image alone: 4 sigma, and ``share`` of what was there.

    It must not shape the kernel.
    """
    h, w = weight.shape
    shape = padded_shape((h, w), psf.shape[-1])

    def correlate(image: Tensor, stamp: Tensor) -> Tensor:
        found: Tensor = torch.fft.irfft2(torch.fft.rfft2(image, s=shape) * transform(stamp, shape).conj(), s=shape)
        return found[:h, :w]

    left, there = correlate(weight * residual(images, model), psf), correlate(weight * images[0], psf)
    error = correlate(weight, psf.square()).clamp_min(1e-30).sqrt()
    return grow((left.abs() > 4 * error) & (left.abs() > share * there), 3)


@dataclass(frozen=True)
class Kernel:
    """The sharper image is convolved with the kernel that matches it to the other on stamps around stars.

    Quality: ``stamps``, ``stamps_rejected``, ``kernel_sum`` (mid-field; convolved to other image), ``kernel_chi2``,
    ``convolved_reference`` (1, or 0 where the science image was the sharper), ``kernel_order`` (lower than asked for
    where stars are few; with fewer than three the kernel is that of the two PSFs and ``stamps`` is 0).

    Args:
        basis: ``gaussian`` (three Gaussians times polynomials) or ``delta`` (every pixel free, smoothed).
        half_size: of the kernel, px.
        order, sky_order: of the polynomials over the field of the kernel and of the differential sky.
        stamp_half: half-size of the stamps, px.
        max_stamps: the brightest, spread over the field.
        sigmas: px; None takes 0.5, 1 and 2 times the Gaussian that matches the PSFs.
        degrees: of the polynomials on the Gaussians.
        smoothness: of the delta basis; None is found by cross-validation over the stamps.
        clip: stamps whose chi-square stands out by this many robust deviations are rejected.
        flatness: a model error of this share of a pixel's flux is added to the noise of the fit.
        nodes: the post-filter is computed at nodes x nodes places where the kernel varies.
        grow: px by which the masks of both images are grown in the result; around single bad pixels less
            (``grow_where_felt``).
        decorrelate: whiten DIFF by the noise that was measured on drizzled inputs too, see :class:`Zogy`.
    """

    basis: Literal["gaussian", "delta"] = "gaussian"
    half_size: Annotated[Count, InUnits("px")] = 7
    order: Whole = 1
    sky_order: Whole = 1
    stamp_half: Annotated[Count, InUnits("px")] = 12
    max_stamps: Count = 100
    sigmas: Annotated[tuple[Positive, ...], InUnits("px")] | None = None
    degrees: tuple[Whole, ...] = (4, 3, 2)
    smoothness: NonNegative | None = None
    clip: Positive = 4.0
    flatness: NonNegative = 0.005
    nodes: Count = 3
    grow: Annotated[Whole, InUnits("px")] = 3
    decorrelate: bool = False

    def __call__(self, pair: SubtractionInput) -> SubtractionResult:
        """Subtract one pair."""
        forward = bool(pair.psfs[1].square().sum() >= pair.psfs[0].square().sum())  # the reference is the sharper
        either = pair.masks[0] | pair.masks[1]
        n, r = fill(pair.science, either), fill(pair.reference, either)
        variances = (fill(pair.variances[0], either), fill(pair.variances[1], either))
        model = self._model(pair, (n, r) if forward else (r, n), variances, forward)
        diff, part = self._difference(n, r, model, forward)
        delta = gaussian_stamp(0.0, 2 * self.half_size + 1).to(n)

        def kernels_at(x: float, y: float) -> tuple[Tensor, Tensor]:
            kernel = model.at(x, y)
            return (delta, kernel) if forward else (kernel / kernel.sum(), delta / kernel.sum())

        nodes = self.nodes if model.order > 0 else 1
        jitter = (part, pair.astrometric_sigma) if pair.astrometric_sigma > 0 else None
        other = pair.whitening_noises if self.decorrelate else pair.difference_noises
        white = whiten(diff, variances, pair.noises, pair.psfs[0], kernels_at, nodes, other, jitter)
        sigma = white.score_variance.sqrt()
        return SubtractionResult(
            white.diff,
            white.score / sigma,
            white.psf / white.psf.sum(),
            white.variance,
            grow_where_felt(pair.masks[0] | pair.masks[1], self.grow, pair.psfs),
            sigma / white.score_scale,
            _quality(model, forward),
        )

    def _difference(self, n: Tensor, r: Tensor, model: KernelModel, forward: bool) -> tuple[Tensor, Tensor]:
        """The difference and the part of it that the reference is, in science flux units."""
        if forward:
            diff = residual((n, r), model)
            return diff, n - diff
        terms = _terms_of_frame((n.shape[0], n.shape[1]), model.order).to(n)
        sums = torch.einsum("s,shw->hw", model.kernels.sum((1, 2)), terms)
        return -residual((r, n), model) / sums, r / sums

    def _model(
        self, pair: SubtractionInput, images: tuple[Tensor, Tensor], variances: tuple[Tensor, Tensor], forward: bool
    ) -> KernelModel:
        h, w = images[0].shape
        basis = self._basis(pair, forward)
        penalty = roughness(self.half_size).to(basis) if self.basis == "delta" else None
        ratio = pair.flux_ratio if forward else 1 / pair.flux_ratio
        target, source = variances if forward else variances[::-1]
        masks = pair.masks if forward else pair.masks[::-1]
        bad = masks[0] | grow(masks[1], self.half_size)
        # Weights that follow a pixel's own noise would draw the sky down: the variance is that of the neighbourhood.
        noise = avg_pool2d((target + ratio**2 * source)[None], 5, 1, 2, count_include_pad=False)[0]
        noise = noise + (self.flatness * images[0]).square()
        weight = torch.where(bad, torch.zeros_like(noise), 1 / noise)
        stars = self._stars(pair, bad, images)
        order = max((o for o in range(self.order + 1) if len(stars) >= _STARS_PER_TERM * n_terms(o)), default=0)
        orders = (order, min(self.sky_order, order))
        if len(stars) < _FEWEST:
            return self._from_psfs(pair, basis, ratio, forward, (h, w))

        products = noise_products(basis, pair.noises[1 if forward else 0])

        def fit(weight: Tensor, smoothness: float | None) -> KernelModel:
            equations = stamp_equations(images, weight, source, products, stars, basis, 2 * self.stamp_half + 1, orders)
            return fit_kernel(equations, basis, (h, w), orders, penalty, smoothness, self.clip)

        # What the PSFs cannot explain at all is left out of the first fit, what that cannot, of the second.
        psf, nothing = pair.psfs[0 if forward else 1], torch.zeros_like(weight)
        rough = self._from_psfs(pair, basis, ratio, forward, (h, w))
        first = fit(torch.where(changed(images, rough, weight, psf, 0.3), nothing, weight), self.smoothness)
        return fit(torch.where(changed(images, first, weight, psf), nothing, weight), first.smoothness)

    def _basis(self, pair: SubtractionInput, forward: bool) -> Tensor:
        if self.basis == "delta":
            return delta_basis(self.half_size).to(pair.science.device)
        wide, narrow = pair.psfs if forward else pair.psfs[::-1]
        sigma = max(matching_sigma(wide, narrow), 0.8)
        widths = self.sigmas or tuple(sigma * f for f in (0.5, 1.0, 2.0))
        return gaussian_basis(widths, self.degrees, self.half_size).to(pair.science.device)

    def _stars(self, pair: SubtractionInput, bad: Tensor, images: tuple[Tensor, Tensor]) -> Tensor:
        """The pair's stars; where it has no list of them, whatever is bright in both images."""
        return self._usable(common_peaks(pair) if pair.stars is None else pair.stars.double(), bad, images)

    def _usable(self, stars: Tensor, bad: Tensor, images: tuple[Tensor, Tensor]) -> Tensor:
        h, w = images[0].shape
        reach = self.stamp_half + self.half_size
        x, y = stars[:, 0], stars[:, 1]
        stars = stars[(x >= reach) & (y >= reach) & (x < w - reach) & (y < h - reach)]
        rows, columns = (stars[:, 1] + 0.5).long(), (stars[:, 0] + 0.5).long()
        brightness = torch.minimum(images[0], images[1])[rows, columns]
        chosen = ~grow(bad, 2)[rows, columns] & (brightness > 0)
        return spread_out(stars[chosen], brightness[chosen], (h, w), self.max_stamps)

    def _from_psfs(
        self, pair: SubtractionInput, basis: Tensor, ratio: float, forward: bool, shape: tuple[int, int]
    ) -> KernelModel:
        """Without stars: the kernel that turns one PSF into the other, the same all over the field."""
        wide, narrow = pair.psfs if forward else pair.psfs[::-1]
        rim = [self.half_size] * 4
        images = (pad(ratio * wide, rim), pad(narrow, rim))
        size = wide.shape[-1]
        centre = torch.full((1, 2), size // 2 + self.half_size, dtype=torch.float64)
        one = torch.ones_like(images[0])
        products = noise_products(basis, 0.0)
        equations = stamp_equations(images, one, 0 * one, products, centre, basis, size, (0, 0))
        penalty = roughness(self.half_size).to(basis) if self.basis == "delta" else None
        model = fit_kernel(equations, basis, shape, (0, 0), penalty, self.smoothness or 1e-5, math.inf, 1)
        return KernelModel(model.kernels, torch.zeros_like(model.sky), 0, 0, shape, 0, 0, 0.0, model.smoothness, 0.0)


def _quality(model: KernelModel, forward: bool) -> dict[str, float]:
    h, w = model.shape
    return {
        "stamps": float(model.used),
        "stamps_rejected": float(model.rejected),
        "kernel_sum": float(model.at((w - 1) / 2, (h - 1) / 2).sum()),
        "kernel_chi2": model.chi2,
        "kernel_order": float(model.order),
        "kernel_smoothness": model.smoothness,
        "kernel_noise_share": model.share,
        "convolved_reference": float(forward),
    }
