"""Proper subtraction against closed forms and Monte Carlo noise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import transform
from astrid_ml.preprocessing.differencing.subtract.zogy import zogy


def gaussian(fwhm: float, size: int = 31, x: float = 0.0) -> Tensor:
    t = torch.arange(size) - size // 2
    s = fwhm / 2.3548
    stamp = torch.exp(-((t[:, None]) ** 2 + (t[None, :] - x) ** 2) / (2 * s * s))
    return stamp / stamp.sum()


def scene(shape: tuple[int, int], psf: Tensor, scale: float, seed: int) -> Tensor:
    """Point sources on whole pixels, blurred; the same sky for every PSF of one seed."""
    g = torch.Generator().manual_seed(seed)
    sky = torch.zeros(shape)
    y, x = (torch.randint(30, shape[0] - 30, (40,), generator=g) for _ in range(2))
    sky[y, x] = 10 ** (3 + 1.5 * torch.rand(40, generator=g))
    out: torch.Tensor = scale * torch.fft.irfft2(torch.fft.rfft2(sky) * transform(psf, shape), s=shape)
    return out


def pair(seed: int = 3, shape: tuple[int, int] = (256, 240)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    p_n, p_r = gaussian(3.4), gaussian(2.6)
    g = torch.Generator().manual_seed(seed + 100)
    n = scene(shape, p_n, 1.25, seed) + 10 * torch.randn(shape, generator=g)
    r = scene(shape, p_r, 1.0, seed) + 8 * torch.randn(shape, generator=g)
    return n, r, p_n, p_r


def test_swapping_the_images_flips_the_sign() -> None:
    n, r, p_n, p_r = pair()
    v_n, v_r = torch.full_like(n, 100.0), torch.full_like(n, 64.0)
    one = zogy(n, r, (p_n, p_r), (100.0, 64.0), (v_n, v_r), 1.25, 0.1)
    other = zogy(r, n, (p_r, p_n), (64.0, 100.0), (v_r, v_n), 0.8, 0.1)
    assert (one.d + other.d).abs().max() < 1e-4 * one.d.abs().max()
    assert (one.score_corr + other.score_corr).abs().max() < 1e-3


def test_stars_cancel_and_noise_is_white_and_of_unit_variance() -> None:
    n, r, p_n, p_r = pair(shape=(512, 512))
    z = zogy(n, r, (p_n, p_r), (100.0, 64.0), (torch.full_like(n, 100.0), torch.full_like(n, 64.0)), 1.25)
    inner = z.d[40:-40, 40:-40]
    assert abs(float(inner.std()) - 1) < 0.01
    for dy, dx in ((0, 1), (1, 0), (1, 1)):
        lagged = (inner[dy:, dx:] * inner[: inner.shape[0] - dy, : inner.shape[1] - dx]).mean()
        assert abs(float(lagged)) < 0.01
    assert abs(float(z.score_corr[40:-40, 40:-40].std()) - 1) < 0.04


def test_new_source_has_its_flux_and_its_optimal_snr() -> None:
    p_n, p_r = gaussian(3.4), gaussian(2.6)
    n, r = torch.zeros(200, 200), torch.zeros(200, 200)
    n[100 - 15 : 100 + 16, 90 - 15 : 90 + 16] += 500 * p_n
    z = zogy(n, r, (p_n, p_r), (100.0, 64.0), (torch.full_like(n, 100.0), torch.full_like(n, 64.0)), 1.25)
    assert float(z.d.sum() / z.flux_scale) == pytest.approx(500, rel=2e-3)
    assert float(z.psf.sum()) == pytest.approx(1, abs=5e-3)
    # Optimal S/N of a source in one image over a reference that must be estimated: f^2 sum |Pn Pr|^2 Fr^2 / den.
    a, b = transform(p_n.double(), (200, 200)).abs() ** 2, transform(p_r.double(), (200, 200)).abs() ** 2
    full = torch.fft.irfft2((a * b * 0.64 / (100 * 0.64 * b + 64 * a)).to(torch.complex128), s=(200, 200))
    expected = 500 * float(full[0, 0]) ** 0.5
    assert float(z.score_corr[100, 90]) == pytest.approx(expected, rel=3e-3)
    assert int(z.score_corr.argmax()) == 100 * 200 + 90


def test_correlated_noise_is_whitened_by_its_autocovariance() -> None:
    g = torch.Generator().manual_seed(5)
    shape, kernel = (512, 512), gaussian(1.6, 9)
    blur = transform(kernel, shape)
    r = torch.fft.irfft2(torch.fft.rfft2(torch.randn(shape, generator=g)) * blur, s=shape)
    n = torch.randn(shape, generator=g)
    auto = torch.fft.irfft2(transform(kernel, (32, 32)).abs() ** 2 + 0j, s=(32, 32)).roll((8, 8), (0, 1))[:17, :17]
    p = gaussian(3.0)
    v_r = torch.full(shape, float(auto[8, 8]))
    z = zogy(n, r, (p, p), (1.0, auto), (torch.ones(shape), v_r))
    inner = z.d[30:-30, 30:-30]
    assert abs(float(inner.std()) - 1) < 0.01
    assert abs(float((inner[:, 1:] * inner[:, :-1]).mean())) < 0.01
    assert abs(float(z.score_corr[30:-30, 30:-30].std()) - 1) < 0.03


def test_gradient_flows_to_the_images_and_batches_agree() -> None:
    n, r, p_n, p_r = pair(shape=(96, 90))
    n.requires_grad_()
    v = torch.full_like(n.detach(), 100.0)
    one = zogy(n, r, (p_n, p_r), (100.0, 64.0), (v, v), 1.25, 0.05)
    torch.autograd.backward(one.score_corr.square().mean())
    assert n.grad is not None and bool(torch.isfinite(n.grad).all()) and float(n.grad.abs().max()) > 0
    stack = zogy(
        torch.stack([n.detach(), r]),
        torch.stack([r, r]),
        (p_n, p_r),
        (100.0, 64.0),
        (v.expand(2, -1, -1),) * 2,
        1.25,
        0.05,
    )
    assert torch.allclose(stack.score_corr[0], one.score_corr.detach(), atol=1e-3)
