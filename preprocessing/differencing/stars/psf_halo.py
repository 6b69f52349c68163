"""What one of a few stars has and the others do not: a galaxy's halo below a pixel's noise, or a galaxy beneath it."""

from __future__ import annotations

import torch
from torch import Tensor

_CLIP = 4.0  # sigma of the difference of two means of 3 x 3 pixels
_SHARE = 0.01  # of a star's light; by which its surroundings may differ from the median star's on top of their noise
_KNOWN = 0.015  # of a star's light; the others must know their surroundings so well, or the PSF would be their noise
_MEDIAN = 1.57  # variance of a median over that of a mean
_LEAST = 4  # stars of which one can be told from the others


def alone(light: Tensor, noise: Tensor, good: Tensor, share: Tensor) -> Tensor:
    """Pixels (n, k, k) around means of 3 x 3 in which one star is brighter than the others together.

    A halo that is left in the PSF of two or three stars comes back beside every bright source of the difference. What
    all stars have (a spike, a ring) is no halo.

    Args:
        light: of each star beside its model, (n, k, k), over the star's flux.
        noise: variance of it, (n, k, k).
        good: pixels that count, (n, k, k).
        share: by which stars may differ on top of their noise, (k, k).
    """
    weight = _box(good / noise.clamp_min(1e-30))
    mean = _box(torch.where(good, light / noise.clamp_min(1e-30), 0.0)) / weight.clamp_min(1e-30)
    others = (weight.sum(0) - weight).clamp_min(1e-30)
    beside = ((weight * mean).sum(0) - weight * mean) / others
    variance = 1 / (9 * weight.clamp_min(1e-30)) + 1 / (9 * others) + share.square()
    found = ((mean - beside) > _CLIP * variance.sqrt()) & (weight > 0)
    grown: Tensor = torch.nn.functional.max_pool2d(found.float()[:, None], 3, 1, 1)[:, 0] > 0
    return grown


def blended(light: Tensor, noise: Tensor, good: Tensor, reach: float) -> Tensor:
    """Which stars (n,) have more light around them than the median of all: a galaxy lies beneath.

    The sharp peak of such a blend makes it one of the crowd, and the brightest star outweighs the rest. Where more than
    a third would go the PSF varies over the field; where the others are faint a PSF of theirs is no better: none goes.

    Args:
        light, noise, good: as of :func:`alone`.
        reach: px; from a quarter of it on light is around, to it.
    """
    n, half = len(light), light.shape[-1] // 2
    if n < _LEAST:
        return torch.zeros(n, dtype=torch.bool)
    t = torch.arange(-half, half + 1)
    r2 = t[:, None] ** 2 + t[None, :] ** 2
    around = (r2 > (reach / 4) ** 2) & (r2 <= reach**2)
    seen = good & around
    count = seen.sum((1, 2)).clamp_min(1)
    # of the pixels that are seen, as if all were; without any, nothing is known
    total = torch.where(seen, light, 0.0).sum((1, 2)) / count * around.sum()
    variance = torch.where(seen, noise, 0.0).sum((1, 2)) / count.square() * around.sum().square()
    variance = torch.where(seen.any(2).any(1), variance, torch.inf)
    error = variance + variance.median() * _MEDIAN / n + _SHARE**2
    found: Tensor = (total - total.median()) > _CLIP * error.sqrt()
    left = float((~found / variance.clamp_min(1e-30)).sum()) ** -0.5
    return found if 3 * int(found.sum()) <= n and left < _KNOWN else torch.zeros_like(found)


def _box(planes: Tensor) -> Tensor:
    """Means (n, k, k) of 3 x 3 pixels."""
    return torch.nn.functional.avg_pool2d(planes[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
