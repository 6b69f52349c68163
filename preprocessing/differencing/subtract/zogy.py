"""Proper image subtraction in pure torch (Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27; "ZOGY" below).

Everything is differentiable, float32 and batched: images (..., H, W), PSFs (k, k) with odd k, centred, sum 1.
Noise enters as an autocovariance: a number for white noise, or a (m, m) stamp with odd m, centred, whose transform is
the noise's power spectrum. It generalises sigma^2 of the paper to resampled and drizzled frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import (
    inverse,
    padded_shape,
    power,
    power_columns,
    spectrum_columns,
    stamp_of,
    transform,
)

_BAND = 64  # rows of a frame
_COLUMNS = 32  # of a frame's Fourier plane that are worked on at once: they stay in the processor's cache


@dataclass(frozen=True)
class ProperDifference:
    """What the proper subtraction gives, in the normalisation of the paper, on the input's grid (..., H, W).

    Args:
        d: proper difference; white, of unit variance where the background's noise rules (eq. 13).
        psf: (k, k) PSF of ``d``, sum about 1 (eq. 14).
        flux_scale: F_D (eq. 15): a source of flux f, in units of the science image, has flux f F_D in ``d``.
        score: S (eq. 12 and 17).
        score_corr: S_corr (eq. 25), with the sources' noise and the astrometric noise of the pair.
        score_sigma: sqrt of the variance by which S was divided.
        score_scale: F_S: a source of flux f, in units of the science image, peaks at f F_S in S.
    """

    d: Tensor
    psf: Tensor
    flux_scale: Tensor
    score: Tensor
    score_corr: Tensor
    score_sigma: Tensor
    score_scale: Tensor


def _variance_at_zero_lag(noise: Tensor | float, like: Tensor) -> Tensor:
    value = torch.as_tensor(noise, dtype=like.dtype, device=like.device)
    return value if value.ndim < 2 else value[value.shape[-2] // 2, value.shape[-1] // 2]


@dataclass(frozen=True)
class _Filters:
    """Fourier filters of a pair, worked out when they are asked for: S = k_n N - k_r R (eqs. 12-15); F_n = 1.

    F_n = 1, F_r = ``f_r``.

    Args:
        p_n, p_r: transforms of the PSFs.
        q_n, q_r: noise power spectra.
        scale: their variances.
        f_r: flux of the reference, F_r, where the science image has 1.
        zero: noise power of D's denominator at frequency 0.
    """

    p_n: Tensor
    p_r: Tensor
    q_n: Tensor
    q_r: Tensor
    scale: tuple[Tensor, Tensor]
    f_r: Tensor | float
    zero: Tensor

    @cached_property
    def n2(self) -> Tensor:
        return self.p_n.real.square() + self.p_n.imag.square()

    @cached_property
    def r2(self) -> Tensor:
        return self.p_r.real.square() + self.p_r.imag.square()

    @cached_property
    def inverse(self) -> Tensor:
        denominator = self.q_n * self.f_r**2 * self.r2 + self.q_r * self.n2
        return denominator.clamp_min(1e-12 * float(self.zero.detach())).reciprocal()

    @property
    def flux_scale(self) -> Tensor:
        return self.f_r / self.zero.sqrt()

    @property
    def k_n(self) -> Tensor:
        return self.p_n.conj() * (self.f_r**2 * self.r2 * self.inverse)

    @property
    def k_r(self) -> Tensor:
        return self.p_r.conj() * (self.f_r * self.n2 * self.inverse)

    def difference(self, n: Tensor, r: Tensor) -> Tensor:
        """Transform of D from those of N and R."""
        root = self.inverse.sqrt()
        return (self.p_r * n) * (self.f_r * root) - (self.p_n * r) * root

    @property
    def white(self) -> tuple[Tensor, Tensor]:
        """k_n and k_r times the roots of the noises' relative power."""
        return self.k_n * (self.q_n / self.scale[0]).sqrt(), self.k_r * (self.q_r / self.scale[1]).sqrt()

    @property
    def p_d(self) -> Tensor:
        return self.p_n * self.p_r * (self.inverse.sqrt() * (self.f_r / self.flux_scale))


def _pair_filters(
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    f_r: Tensor | float,
    shape: tuple[int, int],
) -> _Filters:
    p_n, p_r = transform(psfs[0], shape), transform(psfs[1], shape)
    like = psfs[0]
    q_n, q_r = power(noises[0], shape, like), power(noises[1], shape, like)
    scale = (_variance_at_zero_lag(noises[0], like), _variance_at_zero_lag(noises[1], like))
    zero = q_n.reshape(-1)[0] * f_r**2 + q_r.reshape(-1)[0]
    return _Filters(p_n, p_r, q_n, q_r, scale, f_r, zero)


def _add_shake(variance: Tensor, score_n: Tensor, score_r: Tensor, sigma: float) -> None:
    """Add the variance that a shift of ``sigma`` px per axis makes where both images have a gradient, band by band."""
    h = variance.shape[-2]
    for top in range(0, h, _BAND):
        rows = slice(max(top - 1, 0), min(top + _BAND + 1, h))
        own = slice(top - rows.start, min(top + _BAND, h) - rows.start)
        gradients = [_gradient_squared(score[..., rows, :])[..., own, :] for score in (score_n, score_r)]
        variance[..., top : top + _BAND, :] += sigma**2 * torch.minimum(*gradients)


def _gradient_squared(image: Tensor) -> Tensor:
    """|grad|^2 per px^2 by central differences; zero on the outermost pixels."""
    out = torch.zeros_like(image)
    out[..., :, 1:-1] += (image[..., :, 2:] - image[..., :, :-2]).square() / 4
    out[..., 1:-1, :] += (image[..., 2:, :] - image[..., :-2, :]).square() / 4
    return out


def _variance_kernels(small: _Filters, box: tuple[int, int], size: int) -> tuple[Tensor, Tensor]:
    white = small.white
    return stamp_of(white[0], box, size).square(), stamp_of(white[1], box, size).square()


def proper_difference(
    science: Tensor,
    reference: Tensor,
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    flux_ratio: Tensor | float = 1.0,
) -> Tensor:
    """D alone (eq. 13), for blocks (..., H, W) at least as large as the PSFs, taken as periodic; differentiable."""
    shape = (science.shape[-2], science.shape[-1])
    f = _pair_filters(psfs, noises, 1.0 / flux_ratio, shape)
    n, r = torch.fft.rfft2(science, s=shape), torch.fft.rfft2(reference, s=shape)
    difference: Tensor = torch.fft.irfft2(f.difference(n, r), s=shape)
    return difference


def best_error(
    psfs: tuple[Tensor, Tensor], noises: tuple[Tensor | float, Tensor | float], flux_ratio: float = 1.0
) -> float:
    """Least error of a point source's flux, in science flux units, that two images allow: that of S (eq. 17)."""
    size = max(psfs[0].shape[-1], psfs[1].shape[-1])
    box = padded_shape((2 * size, 2 * size), size)
    f = _pair_filters(psfs, noises, 1.0 / flux_ratio, box)
    return 1 / math.sqrt(float(stamp_of(f.k_n * f.p_n, box, 1)[0, 0]))


def zogy(
    science: Tensor,
    reference: Tensor,
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    variances: tuple[Tensor, Tensor],
    flux_ratio: Tensor | float = 1.0,
    astrometric_sigma: float = 0.0,
    *,
    margin: int | None = None,
    difference_noises: tuple[Tensor | float, Tensor | float] | None = None,
) -> ProperDifference:
    """Subtract a pair of background-free, aligned images without masked pixels.

    Args:
        science, reference: (..., H, W), each in its own flux units.
        psfs: of science and reference, (k, k).
        noises: background noise of each, variance or autocovariance (m, m), in its image's units squared.
        variances: (..., H, W) variance of each pixel, sources included, in its image's units squared.
        flux_ratio: science / reference.
        astrometric_sigma: rms of the relative registration error, px per axis. The gradient that it multiplies is the
            lesser of the two images' (eqs. 30-33 add both): a source in one image alone cannot be misregistered.
        margin: pixels of zeros beyond the edge; by default the PSFs' size.
        difference_noises: what D is whitened by, where that is not ``noises``; S and S_corr do not depend on it.

    Raises:
        ValueError: a flux ratio that is not positive, or a PSF larger than the frame.
    """
    return zogy_of(
        [science, reference],
        psfs,
        noises,
        [*variances],
        flux_ratio,
        astrometric_sigma,
        margin=margin,
        difference_noises=difference_noises,
    )


def zogy_of(
    images: list[Tensor],
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    variances: list[Tensor],
    flux_ratio: Tensor | float = 1.0,
    astrometric_sigma: float = 0.0,
    *,
    margin: int | None = None,
    difference_noises: tuple[Tensor | float, Tensor | float] | None = None,
) -> ProperDifference:
    """``zogy`` of planes that nobody else holds: each is taken out of its list, and its memory goes when it is used.

    Args:
        images: science and reference; empty afterwards.
        psfs, noises, flux_ratio, astrometric_sigma, margin, difference_noises: as in ``zogy``.
        variances: of both images; empty afterwards.

    Raises:
        ValueError: a flux ratio that is not positive, or a PSF larger than the frame.
    """
    if flux_ratio <= 0:
        raise ValueError(f"flux_ratio must be positive, got {flux_ratio}")
    h, w = images[0].shape[-2:]
    size = max(psfs[0].shape[-1], psfs[1].shape[-1])
    margin = size if margin is None else margin
    # the variances' kernels are twice the PSFs' size: a smaller frame is padded until they fit
    shape = padded_shape((max(h, 2 * size - margin), max(w, 2 * size - margin)), margin)
    # The filters are compact: on a small grid they are the same functions, at a fraction of the cost.
    box = padded_shape((2 * size, 2 * size), size)
    small = _pair_filters(psfs, noises, 1.0 / flux_ratio, box)
    variance = _score_variance(variances, _variance_kernels(small, box, 2 * size - 1), shape)
    spectra, flux_scale = _spectra(images, psfs, noises, flux_ratio, shape, difference_noises)
    made = []
    while spectra:  # what they are made of in Fourier space, most of the memory, goes as they are made
        made.append(inverse([spectra.pop(0)], shape, (h, w)))
    d, score_n, score_r = made
    if astrometric_sigma > 0:
        _add_shake(variance, score_n, score_r, astrometric_sigma)
    sigma, score = variance.sqrt_(), score_n.sub_(score_r)
    p_d = small.p_d
    if difference_noises is not None:
        p_d = _pair_filters(psfs, difference_noises, 1.0 / flux_ratio, box).p_d
    psf, peak = stamp_of(p_d, box, size), stamp_of(small.k_n * small.p_n, box, 1)[..., 0, 0]
    return ProperDifference(d, psf, flux_scale, score, score / sigma, sigma, peak)


def _spectra(
    images: list[Tensor],
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    flux_ratio: Tensor | float,
    shape: tuple[int, int],
    difference_noises: tuple[Tensor | float, Tensor | float] | None,
) -> tuple[list[Tensor], Tensor]:
    """Transforms of D, S_N and S_R, and F_D; the images are taken."""
    n, r = (torch.fft.rfft2(images.pop(0), s=shape) for _ in range(2))
    d = torch.empty_like(n)
    # what autograd keeps must stay as it was
    score_n, score_r = (torch.empty_like(n), torch.empty_like(r)) if torch.is_grad_enabled() else (n, r)
    filters = _filters_by_columns(psfs, noises, 1.0 / flux_ratio, shape)
    whitening = filters
    if difference_noises is not None:
        whitening = _filters_by_columns(psfs, difference_noises, 1.0 / flux_ratio, shape)
    for columns in _blocks(n):
        f, n_part, r_part = filters(columns), n[..., columns], r[..., columns]
        white = f if whitening is filters else whitening(columns)
        d[..., columns] = white.difference(n_part, r_part)
        score_n[..., columns] = f.k_n * n_part
        score_r[..., columns] = f.k_r * r_part
    return [d, score_n, score_r], whitening(slice(0, 1)).flux_scale


def _blocks(spectrum: Tensor) -> Iterator[slice]:
    width = spectrum.shape[-1]
    return (slice(start, min(start + _COLUMNS, width)) for start in range(0, width, _COLUMNS))


def _filters_by_columns(
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    f_r: Tensor | float,
    shape: tuple[int, int],
) -> Callable[[slice], _Filters]:
    """``_pair_filters`` of some columns of the Fourier plane."""
    like = psfs[0]
    p_n, p_r = (spectrum_columns(psf, shape) for psf in psfs)
    q_n, q_r = (power_columns(noise, shape, like) for noise in noises)
    scale = (_variance_at_zero_lag(noises[0], like), _variance_at_zero_lag(noises[1], like))
    zero = q_n(slice(0, 1)).reshape(-1)[0] * f_r**2 + q_r(slice(0, 1)).reshape(-1)[0]
    return lambda columns: _Filters(p_n(columns), p_r(columns), q_n(columns), q_r(columns), scale, f_r, zero)


def _score_variance(variances: list[Tensor], kernels: tuple[Tensor, Tensor], shape: tuple[int, int]) -> Tensor:
    """V(S_N) + V(S_R) of eqs. 26-29, of variances that are taken.

    Beyond the edge the variance is that of the frame's mean, not zero.
    """
    h, w = variances[0].shape[-2:]
    levels = [variance.mean(dim=(-2, -1), keepdim=True) for variance in variances]
    n, r = (torch.fft.rfft2(variances.pop(0) - level, s=shape) for level in levels)
    of_n, of_r = (spectrum_columns(kernel, shape) for kernel in kernels)
    total = torch.empty_like(n) if torch.is_grad_enabled() else n
    for columns in _blocks(n):
        total[..., columns] = n[..., columns] * of_n(columns) + r[..., columns] * of_r(columns)
    floor = sum(level * kernel.sum() for level, kernel in zip(levels, kernels, strict=True))
    taken = [total]
    del n, r, total
    v = inverse(taken, shape, (h, w)) + floor
    return torch.maximum(v, 1e-3 * torch.as_tensor(floor))
