"""Convolved differences against scipy's convolution, and their noise against closed forms of white noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.profiles import fwhm_of, gaussian_stamp
from astrid_ml.preprocessing.differencing.subtract.gaussian import convolved_difference, matching_kernels

SHAPE = (90, 104)
PSFS = (gaussian_stamp(1.6, 21), gaussian_stamp(1.1, 21))
DELTA = gaussian_stamp(0.0, 21)
V = (torch.full(SHAPE, 100.0), torch.full(SHAPE, 64.0))
Planes = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def noise(seed: int) -> Tensor:
    return 10 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def subtracted(
    science: Tensor, reference: Tensor, kernels: tuple[Tensor, Tensor], ratio: float = 1.25, **changes: Any
) -> Planes:
    given: dict[str, Any] = {"psfs": PSFS, "noises": (100.0, 64.0), "variances": V} | changes
    return convolved_difference(science, reference, kernels=kernels, flux_ratio=ratio, **given)


def convolve(image: Tensor, kernel: Tensor) -> Any:
    return fftconvolve(image.double().numpy(), kernel.double().numpy(), mode="same")


def test_the_narrower_image_gets_the_kernel_that_makes_it_as_wide_as_the_other() -> None:
    for psfs, wide in ((PSFS, 0), (PSFS[::-1], 1)):
        kernels = matching_kernels(psfs)
        assert torch.equal(kernels[wide], DELTA)
        matched = torch.from_numpy(convolve(psfs[1 - wide], kernels[1 - wide]))
        assert fwhm_of(matched) == pytest.approx(fwhm_of(psfs[wide]), rel=2e-3)
    same = matching_kernels((PSFS[0], PSFS[0]))
    assert torch.equal(same[0], DELTA) and torch.equal(same[1], DELTA)


def test_the_difference_is_that_of_the_convolved_images_up_to_the_edge() -> None:
    kernels = (gaussian_stamp(0.7, 21), gaussian_stamp(1.3, 21))
    diff = subtracted(noise(1), noise(2), kernels)[0]
    expected = convolve(noise(1), kernels[0]) - 1.25 * convolve(noise(2), kernels[1])
    np.testing.assert_allclose(diff.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("kernels", [(DELTA, DELTA), (gaussian_stamp(0.7, 21), gaussian_stamp(1.3, 21))])
def test_noise_of_white_images_has_its_closed_form(kernels: tuple[Tensor, Tensor]) -> None:
    _, _, psf, variance, error = subtracted(noise(1), noise(2), kernels)
    np.testing.assert_allclose(psf.numpy(), convolve(PSFS[0], kernels[0]), atol=1e-6)
    expected = sum(v * float(kernel.square().sum()) for v, kernel in zip((100, 1.25**2 * 64), kernels, strict=True))
    assert [float(variance.min()), float(variance.max())] == pytest.approx([expected] * 2, rel=1e-5)
    # the matched filter of each image is the PSF after its kernel
    filtered = sum(
        v * float(np.square(convolve(psf, kernel)).sum())
        for v, kernel in zip((100, 1.25**2 * 64), kernels, strict=True)
    )
    assert float(error.mean()) == pytest.approx(filtered**0.5 / float(psf.square().sum()), rel=2e-3)
    assert float(error.max() - error.min()) < 1e-4 * float(error.max())


def test_an_error_without_kernels_is_that_of_an_optimal_measurement() -> None:
    error = subtracted(noise(1), noise(2), (DELTA, DELTA))[4]
    # of a Gaussian of sigma s in white noise: noise times sqrt(4 pi) s
    assert float(error.mean()) == pytest.approx((100 + 1.25**2 * 64) ** 0.5 * (4 * np.pi) ** 0.5 * 1.6, rel=1e-3)


@pytest.mark.parametrize("make", [matching_kernels, lambda psfs: (DELTA, DELTA)], ids=["Gaussian", "direct"])
def test_significance_times_error_is_the_flux_of_a_new_source(
    make: Callable[[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]],
) -> None:
    science = torch.zeros(SHAPE)
    science[30:51, 40:61] = 5000 * PSFS[0]
    diff, significance, _, _, error = subtracted(science, torch.zeros(SHAPE), make(PSFS))
    assert float(significance[40, 50] * error[40, 50]) == pytest.approx(5000, rel=1e-4)
    assert int(significance.argmax()) == 40 * SHAPE[1] + 50
    assert float(diff.sum()) == pytest.approx(5000, rel=1e-4)


def test_a_star_of_both_images_cancels_where_its_psfs_are_matched() -> None:
    images = torch.zeros(2, *SHAPE)
    for image, psf, flux in zip(images, PSFS, (1.25 * 4e4, 4e4), strict=True):
        image[30:51, 40:61] = flux * psf
    left = [
        float(subtracted(images[0], images[1], kernels)[1].abs().max())
        for kernels in (matching_kernels(PSFS), (DELTA, DELTA))
    ]
    assert left[0] < 0.01 * left[1]


def test_variance_maps_go_through_the_squared_kernels() -> None:
    v = (100 + 900 * (torch.arange(104.0) > 52) * torch.ones(SHAPE), V[1])
    kernels = (gaussian_stamp(0.7, 21), gaussian_stamp(1.3, 21))
    variance = subtracted(noise(1), noise(2), kernels, variances=v)[3]
    expected = convolve(v[0], kernels[0].square()) + 1.25**2 * convolve(v[1], kernels[1].square())
    inner = (slice(12, -12), slice(12, -12))
    np.testing.assert_allclose(variance.numpy()[inner], expected[inner], rtol=1e-3)


def test_white_noise_may_be_given_as_an_autocovariance() -> None:
    white = torch.zeros(5, 5)
    white[2, 2] = 100.0
    kernels = matching_kernels(PSFS)
    one = subtracted(noise(1), noise(2), kernels)
    other = subtracted(noise(1), noise(2), kernels, noises=(white, torch.tensor([[64.0]])))
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)
