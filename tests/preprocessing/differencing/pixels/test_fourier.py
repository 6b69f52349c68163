"""Planes out of their transforms, band by band."""

import pytest
import torch

from astrid_ml.preprocessing.differencing.pixels.fourier import inverse


@pytest.mark.parametrize("size", [(300, 270), (64, 64), (1, 7), (130, 5)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_bands_make_the_plane_that_irfft2_makes(size: tuple[int, int], batch: tuple[int, ...]) -> None:
    shape = (size[0] + 20, size[1] + size[1] % 2 + 18)
    plane = torch.randn(*batch, *size, generator=torch.Generator().manual_seed(3))
    spectrum = torch.fft.rfft2(plane, s=shape)
    whole, taken = torch.fft.irfft2(spectrum, s=shape), [spectrum]
    made = inverse(taken, shape, size)
    assert torch.allclose(made, whole[..., : size[0], : size[1]], atol=1e-6) and not taken
    assert torch.allclose(made, plane, atol=1e-5)


def test_gradients_go_through_the_bands() -> None:
    plane = torch.randn(70, 12, generator=torch.Generator().manual_seed(4), requires_grad=True)
    made = inverse([torch.fft.rfft2(plane, s=(80, 16))], (80, 16), (70, 12))
    (gradient,) = torch.autograd.grad((made * 3).sum(), plane)
    assert torch.allclose(gradient, torch.full((70, 12), 3.0), atol=1e-5)
