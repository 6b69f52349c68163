"""What is known of a pixel's count rate before its ramp is looked at: a mixture of Gaussians.

Few groups cannot tell a step from a higher rate. The neighbours can: most pixels have their rate. Those that do not, at
the edges of stars and where a pixel is warm, have one of their own. The mixture holds both, and each ramp says by its
own evidence which of them it believes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, fit_steps, solve_tridiagonal
from astrid_ml.stats import MAD_TO_SIGMA

REACH = 3  # rows and columns around a pixel in which its neighbours lie
_OFFSETS = [
    (dy, dx)
    for dy in range(-REACH, REACH + 1)
    for dx in range(-REACH, REACH + 1)
    if 0 < dy * dy + dx * dx <= REACH * REACH + 1
]
_LEAST = 8  # neighbours with a rate, below which they tell nothing
_MEDIAN = math.pi / 2  # variance of a median over that of a mean
WEIGHTS = (0.9, 0.07, 0.03)  # the neighbours' rate; one near it; any
NEAR, ANY = 5.0, 100.0  # widths of the second part, in those of the first; of the third, e-/s beside ten rates
FALLS = math.log(1e3)  # odds against a fall: charge comes, and goes in telegraph noise and recovery alone


@dataclass(frozen=True)
class RatePrior:
    """Gaussians of one mean. n pixels, k parts.

    Args:
        mean: e-/s, (n,).
        sigma: widths of the parts, e-/s, (k, n).
        weight: of the parts, (k,); they sum to 1.
    """

    mean: Tensor
    sigma: Tensor
    weight: Tensor

    def part(self, where: Tensor | slice) -> RatePrior:
        """That of some pixels."""
        return RatePrior(self.mean[where], self.sigma[:, where], self.weight)


def neighbours_prior(rate: Tensor, variance: Tensor) -> RatePrior:
    """By the median of the neighbours and their scatter beyond their noise.

    Args:
        rate: of each pixel by its own ramp, e-/s, (h, w); NaN where nobody knows.
        variance: of it, (h, w).
    """
    around, known = _around(rate), _known(rate)
    middle = _median(around, known)
    scatter = MAD_TO_SIGMA * _median((around - middle[..., None]).abs_(), known).double()
    noise = _median(_around(variance), known).double().sqrt()
    middle = middle.double()
    own = (scatter.square() - noise.square()).clamp(min=0)  # rates differ by so much
    first = (own + _MEDIAN * torch.maximum(scatter, noise).square() / known.clamp(min=1)).sqrt()
    second = NEAR * torch.maximum(first, noise)
    third = ANY + 10 * middle.clamp(min=0)
    lonely = (known < _LEAST) | ~middle.isfinite() | ~first.isfinite()
    sigma = torch.stack([torch.where(lonely, third.nan_to_num(ANY), one) for one in (first, second, third)])
    mean = torch.where(lonely, 0.0, middle)
    return RatePrior(mean.reshape(-1), sigma.reshape(len(WEIGHTS), -1), torch.tensor(WEIGHTS).to(mean))


def _around(image: Tensor) -> Tensor:
    """The neighbours of each pixel, (h, w, k) float32; NaN beyond the edges."""
    wide = torch.nn.functional.pad(image.float(), (REACH,) * 4, value=torch.nan)
    side = 2 * REACH + 1
    windows = wide.unfold(0, side, 1).unfold(1, side, 1)
    rows, columns = (torch.tensor(part) + REACH for part in zip(*_OFFSETS, strict=True))
    return windows[..., rows, columns]


def _known(image: Tensor) -> Tensor:
    """How many neighbours have a value, (h, w)."""
    kernel = torch.zeros(1, 1, 2 * REACH + 1, 2 * REACH + 1, device=image.device)
    for dy, dx in _OFFSETS:
        kernel[0, 0, dy + REACH, dx + REACH] = 1.0
    return torch.nn.functional.conv2d(image.isfinite().float()[None, None], kernel, padding=REACH)[0, 0].round().long()


def _median(values: Tensor, known: Tensor) -> Tensor:
    """The lower one of the two in the middle of the last axis, of which so many are known; NaN of none."""
    # numpy sorts short rows ten times as fast as torch; both put what is not known last.
    ordered = torch.from_numpy(np.sort(values.numpy(), axis=-1)) if values.device.type == "cpu" else values.sort(-1)[0]
    return ordered.gather(-1, ((known - 1) // 2).clamp(min=0)[..., None])[..., 0]


@dataclass(frozen=True)
class Believed:
    """Steps under a prior. m differences, n pixels.

    Args:
        snr: significance of a step at each difference, signed, (m, n); 0 where the difference is not used. Its square
            is twice the logarithm of how much likelier the ramp is with the best step there.
        amplitude: of that step in the part that believes in it most, e-, (m, n).
    """

    snr: Tensor
    amplitude: Tensor


def believed_steps(difference: Tensor, used: Tensor, sampling: Sampling, noise: Tensor, prior: RatePrior) -> Believed:
    """Test a step of free size at each difference, the rate averaged over its prior.

    For each part of the prior the rate is solved for with its Gaussian as one measurement more; the evidence of a part
    is that of its marginal likelihood (the determinant lemma). Rises and falls compete: falls have the odds ``FALLS``
    against them.

    Args:
        difference: (m, n) in e-, float64.
        used: which differences count, (m, n) bool.
        sampling: times and reads.
        noise: of one read, e-, (n,).
        prior: of the rate, n pixels.
    """
    spacing = sampling.spacing.to(difference)[:, None]
    start = fit_steps(difference, used, sampling, noise, prior.mean)
    others = used.clone()
    others[start.snr.abs().argmax(0), torch.arange(difference.shape[1], device=difference.device)] = False
    alone = fit_steps(difference, others, sampling, noise, prior.mean).rate
    rates = (prior.mean, torch.where(alone.isfinite(), alone, prior.mean))  # that set the photon noise
    solved = [_Solved.of(difference, used, sampling, noise, rate.clamp(min=0)) for rate in rates]
    none, rise, fall, sizes = [], [], [], []
    for number, (weight, sigma) in enumerate(zip(prior.weight, prior.sigma, strict=True)):
        evidence, snr, size = solved[min(number, 1)].under(prior.mean, sigma, used, spacing)
        evidence = evidence + weight.log()
        none.append(evidence)
        rise.append(evidence + 0.5 * snr.clamp(min=0).square())
        fall.append(evidence + 0.5 * snr.clamp(max=0).square())
        sizes.append(size)
    total = torch.logsumexp(torch.stack(none), 0)
    up, down = torch.stack(rise), torch.stack(fall)
    gain_up = (torch.logsumexp(up, 0) - total).clamp(min=0)
    gain_down = (torch.logsumexp(down, 0) - total - FALLS).clamp(min=0)
    falls = gain_down > gain_up
    best = torch.where(falls, down.argmax(0), up.argmax(0))
    size = torch.stack(sizes).gather(0, best[None])[0]
    snr = torch.where(falls, -(2 * gain_down).sqrt(), (2 * gain_up).sqrt())
    testable = used & (used.sum(0) > 1)  # a pixel keeps a difference of its own for its rate
    return Believed(torch.where(testable, snr, 0.0), torch.where(testable, size, 0.0))


@dataclass(frozen=True)
class _Solved:
    """C^-1 on differences and times, for one photon noise."""

    weight_d: Tensor
    weight_t: Tensor
    inverse_diagonal: Tensor
    log_determinant: Tensor
    right_d: Tensor
    right_t: Tensor

    @staticmethod
    def of(difference: Tensor, used: Tensor, sampling: Sampling, noise: Tensor, rate: Tensor) -> _Solved:
        alpha, beta = sampling.covariance(rate, noise)
        alpha = torch.where(used, alpha, 1.0)
        beta = torch.where(used[1:] & used[:-1], beta, 0.0)
        spacing = sampling.spacing.to(difference)[:, None].expand_as(difference)
        right = torch.stack([torch.where(used, difference, 0.0), torch.where(used, spacing, 0.0)])
        (weight_d, weight_t), inverse = solve_tridiagonal(alpha, beta, right)
        pivot = alpha[0]
        log_determinant = pivot.log()
        for row in range(1, len(alpha)):
            pivot = alpha[row] - beta[row - 1].square() / pivot
            log_determinant = log_determinant + pivot.log()
        return _Solved(weight_d, weight_t, inverse, log_determinant, right[0], right[1])

    def under(self, mean: Tensor, sigma: Tensor, used: Tensor, spacing: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log evidence (n,), significance and size of a step at each difference (m, n), for one Gaussian."""
        precision = sigma.double().pow(-2)
        weight = self.weight_d - mean * self.weight_t  # of what is left beside the mean
        left = self.right_d - mean * self.right_t
        information = (self.right_t * self.weight_t).sum(0)
        beyond = (left * self.weight_t).sum(0) / (information + precision)
        free = self.inverse_diagonal - self.weight_t.square() / (information + precision)
        residual = weight - self.weight_t * beyond
        testable = used & (free > 1e-9 * self.inverse_diagonal)
        free = torch.where(testable, free, 1.0)
        chi2 = (left * weight).sum(0) - beyond.square() * (information + precision)
        evidence = -0.5 * (chi2 + self.log_determinant + torch.log1p(information / precision))
        zero = torch.zeros((), dtype=residual.dtype)
        return (
            evidence,
            torch.where(testable, residual / free.sqrt(), zero),
            torch.where(testable, residual / free, zero),
        )
