"""Interpolation of undersampled images is wrong at stars, by as much as its variance says."""

import pytest
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import AlignNone
from astrid_ml.preprocessing.differencing.grid.undersampled import guessed, narrower, undersampled

_SIZE = 240


def frame(fwhm: float, shift: tuple[float, float] = (0.0, 0.0), seed: int = 1) -> tuple[Tensor, Tensor]:
    """Light of Moffat stars over pixels (9 x 9 points each), and their places (n, 2), moved by ``shift`` px."""
    random = torch.Generator().manual_seed(seed)
    along = torch.arange(20, _SIZE - 10, 25).double()
    y, x = (t.flatten() for t in torch.meshgrid(along, along, indexing="ij"))
    at = torch.stack([x, y], 1) + torch.rand(len(x), 2, generator=random) - 0.5
    fine = torch.zeros(_SIZE, _SIZE, dtype=torch.double)
    t = torch.arange(_SIZE).double()
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 3) - 1)
    points = (torch.arange(9).double() - 4) / 9
    for sx, sy in at + torch.tensor(shift, dtype=torch.double):
        rows, columns = (slice(int(s) - 9, int(s) + 11) for s in (sy, sx))
        dy, dx = (t[rows] - sy)[:, None] + points, (t[columns] - sx)[:, None] + points
        r2 = dy[:, None, :, None] ** 2 + dx[None, :, None, :] ** 2
        fine[rows, columns] += 5e4 * ((1 + r2 / alpha2) ** -3).mean((2, 3)) * 2 / (torch.pi * alpha2)
    return fine.float(), at


def noisy(light: Tensor) -> Image:
    noise = torch.randn(light.shape, generator=torch.Generator().manual_seed(5)) * 10
    return Image(data=light + noise, variance=torch.full_like(light, 100.0), mask=torch.zeros_like(light).bool())


@pytest.mark.parametrize(("fwhm", "expected"), [(1.2, True), (1.6, True), (2.6, False), (3.5, False)])
def test_undersampled_images_are_known_by_their_bright_pixels(fwhm: float, expected: bool) -> None:
    assert undersampled(noisy(frame(fwhm)[0])) == expected


def test_blank_frames_are_not_undersampled() -> None:
    assert not undersampled(noisy(torch.zeros(64, 64)))
    assert (narrower(5), narrower(1)) == (3, 1)


@pytest.mark.parametrize("fwhm", [1.3, 1.6, 2.6])
def test_the_variance_holds_what_the_interpolation_misses(fwhm: float) -> None:
    image, shift = noisy(frame(fwhm)[0]), (0.37, -0.21)
    moved = AlignNone()(image, image, torch.tensor([[shift[0], 0, 0], [shift[1], 0, 0]]))
    truth = frame(fwhm, (-shift[0], -shift[1]))[0]
    error2, variance = (moved.data - truth).square(), moved.variance
    around = torch.nn.functional.max_pool2d(truth[None, None], 9, 1, 4)[0, 0].gt(300) & ~moved.mask  # of stars' cores
    assert 0.3 < float(error2[around].sum() / variance[around].sum()) < 4.0  # two in sigma
    # a filter of a PSF's size sees several pixels together
    seen = [torch.nn.functional.avg_pool2d(t[None, None], 5, 1, 2)[0, 0][around] for t in (error2, variance)]
    assert float((seen[0] / seen[1]).quantile(0.99)) < 16
    blank = ~torch.nn.functional.max_pool2d(truth[None, None], 13, 1, 6)[0, 0].gt(20) & ~moved.mask
    assert float((error2 / variance)[blank].mean()) == pytest.approx(1.0, abs=0.25)
    if fwhm > 2:
        return
    assert float(error2[around].mean() / variance[~moved.mask].min()) > 10  # what the noise alone would say


def test_kernels_that_agree_to_the_noise_add_none() -> None:
    value, noise = torch.full((4, 4), 50.0), torch.full((4, 4), 100.0)
    assert not guessed(value, value + 3.0, noise).any()
    assert torch.allclose(guessed(value, value - 30.0, noise), torch.full((4, 4), 1800.0))


def test_where_a_wave_crosses_zero_it_is_as_unsure_as_around() -> None:
    value, noise = torch.zeros(20, 20), torch.full((20, 20), 9.0)
    wave = torch.zeros(20, 20)
    wave[6:13, ::2] = 40.0  # two kernels that agree in every other column
    unsure = guessed(value, wave, noise)[8:11, 4:16]
    assert float(unsure.min()) > 0.5 * float(unsure.max()) > 500
    assert not guessed(value, wave, noise)[16:].any()
