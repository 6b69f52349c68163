"""Noise goes from a stack, a shape of its own stays."""

import torch

from astrid_ml.preprocessing.differencing.pixels.profiles import gaussian_stamp
from astrid_ml.preprocessing.differencing.stars.shrink import shrink, unlike

ROUND = gaussian_stamp(1.6, 25)


def ring() -> torch.Tensor:
    """A ring of radius 3 px."""
    t = torch.arange(25).float() - 12
    stamp = torch.exp(-(((t[:, None] ** 2 + t[None] ** 2).sqrt() - 3.0) ** 2) / 3)
    return stamp / stamp.sum()


def test_noise_is_drawn_to_the_model() -> None:
    error = torch.full_like(ROUND, 1e-3)
    noisy = ROUND + 1e-3 * torch.randn(ROUND.shape, generator=torch.Generator().manual_seed(3))
    assert float((shrink(noisy, error) - ROUND).square().mean().sqrt()) < 0.5e-3


def test_a_ring_stays_where_stars_are_many() -> None:
    off = []
    for own in (True, False):
        out = shrink(ring(), torch.full_like(ROUND, 1e-5), own)
        off.append(float((out[12, 12] / out.max() - ring()[12, 12] / ring().max()).abs()))
    assert off[0] < 0.05 and off[1] > 0.2  # how hollow it is


def test_what_is_like_a_model() -> None:
    assert unlike(ring() - ROUND, ROUND) and not unlike(0.2 * ROUND, ROUND)
