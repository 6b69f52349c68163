"""Count rates averaged over the steps that a ramp may hold: what a step too small to be found does to a slope.

A step below the threshold stays in the fit and raises the slope by up to several of its sigmas. Above a lower limit
nothing says with certainty whether there is one, so the rate is the mean over the fit without a further step and
the fits with one at each difference, weighted by their posterior probabilities (Bayesian model averaging; Hoeting et
al. 1999, Statistical Science 14, 382). The variance holds the spread of those fits. A pixel's prior is the density
of steps that the tile itself shows just above the threshold, and a higher one beside steps of the same group: the
track of a particle and the charge that spreads from it.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, Solved
from astrid_ml.preprocessing.ramps.steps.pixels import differences

_HIGHEST = 0.02  # steps expected at one difference in one sigma of its size: beyond, the prior would rule the data
_DENSE = 32  # marks a step
_LOWEST = -6.0  # sigmas: a rise is as unlikely there as it can be
_OFFSETS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


@dataclass(frozen=True)
class FoundSteps:
    """The steps of a tile so far, k of them.

    Args:
        group: group after the step, (k,).
        pixel: y * width + x, (k,).
        snr: signed significance, (k,).
        shape: groups, rows and columns of the tile.
    """

    group: Tensor
    pixel: Tensor
    snr: Tensor
    shape: tuple[int, int, int]

    @functools.cached_property
    def beside(self) -> tuple[Tensor, Tensor]:
        """(difference, pixel) of the eight neighbours of rises, in the same group, each once and sorted."""
        n_groups, h, w = self.shape
        rises = self.snr > 0
        group, y, x = self.group[rises], self.pixel[rises] // w, self.pixel[rises] % w
        keys = []
        for dy, dx in _OFFSETS:
            inside = (y + dy >= 0) & (y + dy < h) & (x + dx >= 0) & (x + dx < w)
            place = (y + dy) * w + x + dx
            keys.append((place * n_groups + group)[inside])
        key = torch.cat(keys)
        if len(key) * _DENSE > n_groups * h * w:  # to mark them is faster than to sort them
            marked = torch.zeros(n_groups * h * w, dtype=torch.bool, device=key.device)
            marked[key] = True
            key = marked.nonzero()[:, 0]
        else:
            key = torch.unique(key)
        return key % n_groups - 1, key // n_groups


@dataclass(frozen=True)
class Density:
    """Steps expected for each difference and e- of their size.

    Args:
        anywhere: in any pixel.
        beside: beside a step of the same group.
    """

    anywhere: float
    beside: float

    @staticmethod
    def measure(found: FoundSteps, threshold: float, size: Tensor) -> Density:
        """Count the steps between one and three thresholds; smaller ones are taken to be as dense.

        Args:
            found: steps of the tile.
            threshold: significance from which they were listed.
            size: typical standard deviation of a step's size in each pixel, e-, (n,).
        """
        n_groups = found.shape[0]
        small = (found.snr > threshold) & (found.snr < 3 * threshold)
        span = 2 * threshold * size.double()
        anywhere = float(small.sum()) / (float(span.sum()) * (n_groups - 1))
        difference, pixel = found.beside
        key = found.pixel * n_groups + found.group - 1
        beside = pixel * n_groups + difference  # in order
        place = torch.searchsorted(beside, key[small]).clamp(max=max(len(beside) - 1, 0))
        near = beside[place] == key[small] if len(beside) else torch.zeros_like(place, dtype=torch.bool)
        # As if of twenty more neighbours one had a step: what holds where there are few.
        share = (float(near.sum()) + 1.0) / (len(pixel) + 20.0)
        return Density(anywhere, anywhere + share / float(span.mean()))


def average_rate(solved: Solved, density: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the rate over no further step and one rise at each difference.

    The size of a step has a flat prior above 0, so that the Bayes factor of a step at difference k is
    density sigma_k sqrt(2 pi) Phi(z_k) exp(z_k^2 / 2).

    Args:
        solved: of m differences and n pixels.
        density: steps expected for each difference and e-, (m, n).

    Returns:
        rate (e-/s) and its variance, both (n,).
    """
    test, testable = solved.tested(), solved.mask * solved.enough
    sigma = test.free.rsqrt()
    z, reach = (test.residual * sigma).clamp_(min=_LOWEST), test.leverage * sigma
    expected = (density * sigma).clamp_(min=1e-30, max=_HIGHEST).mul_(testable)
    top = 0.5 * z.amax(0).clamp(min=0).square()  # all is in units of the strongest's factor
    factor = torch.exp((0.5 * z).mul_(z).sub_(top)).mul_(torch.erf(z * math.sqrt(0.5)).add_(1.0))
    weight = factor.mul_(expected).mul_(0.5 * math.sqrt(2 * math.pi))
    none = torch.exp(-top)
    total = none + weight.sum(0)
    # Moments of a normal cut at 0: with h = phi(z) / Phi(z), x = z + h and x^2 = 1 + z^2 + z h. The weight times h
    # is the prior over the total.
    cut, reach = expected.mul_(none), reach.nan_to_num_(0.0).mul_(testable)
    first = torch.addcmul(cut, weight, z)
    mean = (reach * first).sum(0) / total
    second = (reach.square_() * torch.addcmul(weight, first, z)).sum(0) / total
    return test.rate - mean, test.rate_variance + second - mean.square()


def doubtful(peak: Tensor, size: Tensor, density: float, share: float) -> Tensor:
    """Pixels in which a further step may weigh at least ``share``, (n,) bool.

    Args:
        peak: significance of the largest rise, (n,).
        size: standard deviation of a step's size, e-, (n,).
        density: steps for each difference and e-.
        share: posterior probability below which a step is left out of account.
    """
    expected = (density * size).clamp(min=1e-30, max=_HIGHEST) * math.sqrt(2 * math.pi)
    return peak > (2 * torch.log((share / expected).clamp(min=1.0))).sqrt()


def averaged_rates(
    reads: Tensor, noise: Tensor, sampling: Sampling, rate: Tensor, found: FoundSteps, density: Density, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """Averaged rates of some pixels, with the steps that were found left free.

    Args:
        reads: (n_groups, n), e-; NaN unusable.
        noise: of one read, e-, (n,).
        sampling: times and reads.
        rate: rate that sets the photon noise, e-/s, (n,).
        found: steps of the tile.
        density: of further ones.
        chosen: which pixels, sorted, (k,).

    Returns:
        rate and variance, both (k,); NaN where nothing is left to fit.
    """
    difference, used = differences(reads, chosen)
    row, mine = positions(found.pixel, chosen)
    used[found.group[mine] - 1, row] = False
    prior = torch.full_like(difference, density.anywhere)
    near_difference, near_pixel = found.beside
    row, mine = positions(near_pixel, chosen)
    prior[near_difference[mine], row] = density.beside
    sigma, photons = noise[chosen].to(difference), rate[chosen].to(difference).nan_to_num(0.0)
    return average_rate(Solved.of(difference, used, sampling, sigma, photons), prior)


def positions(pixel: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of pixels within the ``chosen``, and which of ``pixel`` they are."""
    last = max((int(one.max()) for one in (pixel, chosen) if len(one)), default=0)
    row = torch.full((last + 1,), -1, device=chosen.device)
    row[chosen] = torch.arange(len(chosen), device=chosen.device)
    place = row[pixel]
    mine = place >= 0
    return place[mine], mine
