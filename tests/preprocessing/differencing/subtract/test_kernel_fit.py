"""The equations of a kernel on targets that were made with a known one: exact without noise, unbiased with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.subtract.kernel_basis import (
    delta_basis,
    gaussian_basis,
    noise_products,
    roughness,
)
from astrid_ml.preprocessing.differencing.subtract.kernel_fit import (
    Equations,
    chi_square,
    choose,
    fit_kernel,
    held_out,
    solve,
    stamp_equations,
)

SHAPE = (150, 170)
BASIS = gaussian_basis((0.7, 1.5), (1, 0), 4)
HALF = 7  # of a stamp
STARS = torch.tensor([[x, y] for x in range(15, 160, 20) for y in range(15, 140, 20)]).double()


def noise(seed: int, sigma: float = 1.0) -> Tensor:
    return sigma * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def equations(
    target: Tensor,
    source: Tensor,
    orders: tuple[int, int] = (0, 0),
    basis: Tensor = BASIS,
    weight: float = 1.0,
    source_variance: float = 0.0,
) -> Equations:
    """Of all stars, the weight being the same everywhere."""
    planes = torch.full(SHAPE, weight), torch.full(SHAPE, source_variance)
    return stamp_equations((target, source), *planes, noise_products(basis, 1.0), STARS, basis, 2 * HALF + 1, orders)


def convolve(image: Tensor, kernel: Tensor) -> Tensor:
    return torch.from_numpy(fftconvolve(image.double().numpy(), kernel.double().numpy(), mode="same"))


def kernel_at(u: float, v: float) -> Tensor:
    """A kernel that varies linearly over the field, made of the basis; u, v are -1 ... 1."""
    first = torch.tensor([1.2, 0.3, -0.2, 0.1, 0.5]).double()
    by_x, by_y = (torch.tensor(c).double() for c in ([0.1, -0.2, 0.0, 0.1, 0.3], [0.0, 0.1, 0.2, 0.0, -0.2]))
    return torch.einsum("b,bij->ij", first + by_x * u + by_y * v, BASIS)


def varying(source: Tensor) -> Tensor:
    """Around each star the source under the kernel of that place, with a sky of 5 + 2 u - v."""
    target = torch.zeros(SHAPE)
    for x, y in STARS.long().tolist():
        u, v = 2 * x / (SHAPE[1] - 1) - 1, 2 * y / (SHAPE[0] - 1) - 1
        stamp = slice(y - HALF, y + HALF + 1), slice(x - HALF, x + HALF + 1)
        target[stamp] = (convolve(source, kernel_at(u, v)) + 5 + 2 * u - v)[stamp].float()
    return target


def test_a_kernel_and_a_sky_without_noise_come_back() -> None:
    source, truth = noise(1), torch.tensor([1.1, 0.4, -0.3, 0.2, 0.6]).double()
    target = (convolve(source, torch.einsum("b,bij->ij", truth, BASIS)) + 7).float()
    e = equations(target, source)
    solution = solve(e, None, 0.0, 0.0)
    assert solution.tolist() == pytest.approx([*truth.tolist(), 7.0], abs=1e-4)
    assert float(chi_square(e, solution).abs().max()) < 1e-6
    assert held_out(e, None, 0.0, 0.0) == pytest.approx(0.0, abs=1e-6)


def test_a_kernel_that_varies_comes_back_at_every_place() -> None:
    source = noise(2)
    target = varying(source) + noise(3, 1e-3)
    model = fit_kernel(equations(target, source, (1, 1), weight=1e6), BASIS, SHAPE, (1, 1))
    assert (model.used + model.rejected, model.order, model.sky_order) == (len(STARS), 1, 1)
    assert model.sky.tolist() == pytest.approx([5.0, 2.0, -1.0], abs=1e-3)
    for x, y in ((0.0, 0.0), (84.5, 74.5), (169.0, 20.0)):
        u, v = 2 * x / (SHAPE[1] - 1) - 1, 2 * y / (SHAPE[0] - 1) - 1
        assert torch.allclose(model.at(x, y).double(), kernel_at(u, v), atol=1e-3)
    assert model.chi2 == pytest.approx(1.0, rel=0.1)


def test_chi_square_is_that_of_each_stamps_residual() -> None:
    source, error = noise(4), noise(5, 3.0)
    e = equations((convolve(source, kernel_at(0, 0)) + 2).float() + error, source, weight=1 / 9)
    truth = torch.tensor([1.2, 0.3, -0.2, 0.1, 0.5, 2.0]).double()
    expected = [
        float((error[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] / 3).square().mean())
        for x, y in STARS.long().tolist()
    ]
    np.testing.assert_allclose(chi_square(e, truth).numpy(), expected, rtol=1e-4)
    # the least squares are the least
    assert float(chi_square(e, solve(e, None, 0.0, 0.0)).sum()) <= sum(expected)


def test_some_of_the_stamps_are_the_equations_of_those_stars() -> None:
    source = noise(6)
    target = convolve(source, kernel_at(0, 0)).float() + noise(7)
    e = equations(target, source)
    chosen = torch.arange(len(STARS)) % 3 == 0
    part = e.part(chosen)
    assert len(part.power) == int(chosen.sum())
    spoiled = target.clone()
    for x, y in STARS[~chosen].long().tolist():
        spoiled[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] = 1e4
    again = equations(spoiled, source).part(chosen)
    assert torch.equal(solve(part, None, 0.0, 0.0), solve(again, None, 0.0, 0.0))


def test_pixels_without_weight_and_outside_the_frame_do_not_count() -> None:
    source = noise(8)
    target = convolve(source, kernel_at(0, 0)).float()
    weight = torch.ones(SHAPE)
    weight[70:76, 80:90] = 0
    target[70:76, 80:90] = 1e6
    stars = torch.tensor([[84.0, 74.0], [120.0, 40.0], [40.0, 110.0], [0.0, 149.0]]).double()
    e = stamp_equations(
        (target, source), weight, torch.zeros(SHAPE), noise_products(BASIS, 1.0), stars, BASIS, 15, (0, 0)
    )
    assert e.pixels.tolist() == [15 * 15 - 60, 15 * 15, 15 * 15, 8 * 8]
    solution = solve(e.part(torch.arange(4) < 3), None, 0.0, 0.0)
    assert solution.tolist() == pytest.approx([1.2, 0.3, -0.2, 0.1, 0.5, 0.0], abs=1e-3)


def test_noise_of_the_source_draws_the_kernel_to_nothing_and_is_taken_out() -> None:
    basis = gaussian_basis((), (), 0)  # a factor, and no more
    clean = noise(9, 2.0)
    e = equations(2 * clean, clean + noise(10), basis=basis, source_variance=1.0)
    # S / (S + N) = 4 / 5 of the factor is left
    assert float(solve(e, None, 0.0, 0.0)[0]) == pytest.approx(2 * 0.8, rel=0.02)
    assert float(solve(e, None, 0.0, 1.0)[0]) == pytest.approx(2.0, rel=0.02)


def test_a_star_that_vanished_is_thrown_out() -> None:
    source = torch.zeros(SHAPE)
    for x, y in STARS.long().tolist():
        source[y - 6 : y + 7, x - 6 : x + 7] = 3000 * gaussian_stamp(1.2, 13)
    target = convolve(source, kernel_at(0, 0)).float() + noise(11)
    for x, y in STARS[[5, 20]].long().tolist():
        target[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1] = 0
    model = fit_kernel(equations(target, source), BASIS, SHAPE, (0, 0))
    assert 2 <= model.rejected <= 5
    assert float(model.at(3.0, 3.0).sum()) == pytest.approx(1.2, rel=0.01)
    spoiled = solve(equations(target, source), None, 0.0, 0.0)
    assert abs(float(spoiled[0]) - 1.2) > 0.03


def test_the_penalty_smooths_and_its_strength_is_chosen_or_kept() -> None:
    basis, penalty = delta_basis(2), roughness(2)
    source, blur = noise(12), gaussian_stamp(1.0, 5)
    e = equations(convolve(source, blur).float() + noise(13, 3.0), source, basis=basis, weight=1 / 9)
    rough = []
    for strength in (1e-6, 1e-2, 1.0):
        kernel = solve(e, penalty, strength, 0.0)[:-1]
        rough.append(float(kernel @ penalty @ kernel))
    assert rough[0] > rough[1] > rough[2]
    chosen, share = choose(e, penalty, None)
    assert share == 0.8  # nothing is known of the source's noise, so that taking it out does no harm
    assert held_out(e, penalty, chosen, share) <= held_out(e, penalty, 1e-6, share)
    assert choose(e, penalty, 0.3) == (0.3, 0.8) and choose(e, None, None) == (0.0, 0.8)
    model = fit_kernel(e, basis, SHAPE, (0, 0), penalty, smoothness=0.3)
    assert model.smoothness == 0.3 and model.kernels.shape == (1, 5, 5)
    assert torch.allclose(model.at(10.0, 10.0), blur, atol=0.05)
