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

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, StepFit, fit_steps

_HIGHEST = 0.02  # steps expected at one difference in one sigma of its size: beyond, the prior would rule the data
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
        key = torch.unique(torch.cat(keys))
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
        near = torch.isin(key[small], pixel * n_groups + difference)
        # As if of twenty more neighbours one had a step: what holds where there are few.
        share = (float(near.sum()) + 1.0) / (len(pixel) + 20.0)
        return Density(anywhere, anywhere + share / float(span.mean()))


def average_rate(fit: StepFit, density: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the rate over no further step and one rise at each difference.

    The size of a step has a flat prior above 0, so that the Bayes factor of a step at difference k is
    density sigma_k sqrt(2 pi) Phi(z_k) exp(z_k^2 / 2).

    Args:
        fit: of m differences and n pixels.
        density: steps expected for each difference and e-, (m, n).

    Returns:
        rate (e-/s) and its variance, both (n,).
    """
    testable = fit.amplitude_sigma.isfinite()
    reach = torch.where(testable, fit.leverage * fit.amplitude_sigma, 0.0)
    sigma = torch.where(testable, fit.amplitude_sigma, 1.0)
    expected = torch.log((density * sigma).clamp(min=1e-30, max=_HIGHEST))
    log_factor = 0.5 * fit.snr.square() + torch.special.log_ndtr(fit.snr) + 0.5 * math.log(2 * math.pi)
    log_weight = torch.where(testable, log_factor + expected, -torch.inf)
    log_total = torch.logaddexp(torch.logsumexp(log_weight, dim=0), torch.zeros_like(fit.rate))
    weight = torch.exp(log_weight - log_total)
    # Moments of a normal cut at 0: with h = phi(z) / Phi(z), x = z + h and x^2 = 1 + z^2 + z h. The weight times h
    # is the prior over the total.
    cut = torch.where(testable, torch.exp(expected - log_total), 0.0)
    mean = (reach * (weight * fit.snr + cut)).sum(0)
    second = (reach.square() * (weight * (1 + fit.snr.square()) + cut * fit.snr)).sum(0)
    return fit.rate - mean, fit.rate_variance + second - mean.square()


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
        rate and variance, both (k,) float64; NaN where nothing is left to fit.
    """
    difference = torch.diff(reads[:, chosen].double(), dim=0)
    used = difference.isfinite()
    row, mine = _rows(found.pixel, chosen)
    used[found.group[mine] - 1, row] = False
    prior = torch.full_like(difference, density.anywhere)
    near_difference, near_pixel = found.beside
    row, mine = _rows(near_pixel, chosen)
    prior[near_difference[mine], row] = density.beside
    sigma, photons = noise[chosen].double(), rate[chosen].double().nan_to_num(0.0)
    fit = fit_steps(difference.nan_to_num(0.0), used, sampling, sigma, photons)
    mean, variance = average_rate(fit, prior)
    return mean, variance


def _rows(pixel: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of pixels within the sorted ``chosen``, and which of ``pixel`` they are."""
    row = torch.searchsorted(chosen, pixel).clamp(max=max(len(chosen) - 1, 0))
    mine = chosen[row] == pixel
    return row[mine], mine
