"""Subtraction after convolution with a kernel on each side: PSF matching by a Gaussian, or none at all."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, power, stamp_of, transform
from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp, matching_sigma


def matching_kernels(psfs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Gaussian kernels for science and reference; the one with the wider PSF gets a delta."""
    size = psfs[0].shape[-1]
    return (
        gaussian_stamp(matching_sigma(psfs[1], psfs[0]), size),
        gaussian_stamp(matching_sigma(psfs[0], psfs[1]), size),
    )


def convolved_difference(
    science: Tensor,
    reference: Tensor,
    psfs: tuple[Tensor, Tensor],
    noises: tuple[Tensor | float, Tensor | float],
    variances: tuple[Tensor, Tensor],
    kernels: tuple[Tensor, Tensor],
    flux_ratio: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """DIFF = K_n * N - flux_ratio K_r * R and its matched filter's significance.

    The significance is divided by the noise of the filtered difference, correlations included: each image's variance
    map goes through the square of its whole filter, as in eqs. 26-29 of Zackay, Ofek & Gal-Yam (2016).

    Args:
        science, reference, psfs, noises, variances, flux_ratio: as in ``zogy``.
        kernels: (k, k), of science and reference, sum 1; (k, k) as the PSFs.

    Returns:
        DIFF (H, W) in science units, significance (H, W), PSF of DIFF (k, k), the variance per pixel of DIFF and the
        error of a point source's flux at each pixel.
    """
    h, w = science.shape[-2:]
    size = psfs[0].shape[-1]
    shape, box = padded_shape((h, w), 2 * size), padded_shape((4 * size, 4 * size), size)
    psf = stamp_of(transform(psfs[0], box) * transform(kernels[0], box), box, size)
    matched, matched_small = transform(psf, shape).conj(), transform(psf, box).conj()
    sign, diff_hat, total, pixel = 1.0, torch.zeros(()), torch.zeros(()), torch.zeros(())
    for image, noise, variance, kernel in zip((science, reference), noises, variances, kernels, strict=True):
        scale = 1.0 if sign > 0 else flux_ratio
        diff_hat = diff_hat + sign * scale * transform(kernel, shape) * torch.fft.rfft2(image, s=shape)
        colour = (power(noise, box, psf) / _zero_lag(noise)).sqrt() * transform(kernel, box) * scale
        for which, filter_ in enumerate((colour * matched_small, colour)):
            squared = stamp_of(filter_, box, 2 * size - 1).square()
            propagated = _propagate(variance, squared, shape)
            total, pixel = (total + propagated, pixel) if which == 0 else (total, pixel + propagated)
        sign = -1.0
    diff = torch.fft.irfft2(diff_hat, s=shape)[..., :h, :w]
    score = torch.fft.irfft2(diff_hat * matched, s=shape)[..., :h, :w]
    return diff, score / total.sqrt(), psf, pixel, total.sqrt() / psf.square().sum()


def _zero_lag(noise: Tensor | float) -> Tensor:
    value = torch.as_tensor(noise)
    return value if value.ndim < 2 else value[value.shape[-2] // 2, value.shape[-1] // 2]


def _propagate(variance: Tensor, kernel: Tensor, shape: tuple[int, int]) -> Tensor:
    h, w = variance.shape[-2:]
    level = variance.mean()
    v = torch.fft.irfft2(torch.fft.rfft2(variance - level, s=shape) * transform(kernel, shape), s=shape)
    return torch.maximum(v[..., :h, :w] + level * kernel.sum(), 1e-3 * level * kernel.sum())
