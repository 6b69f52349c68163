"""How much likelier a ramp is with a step, its rate averaged over what is known of it.

For each part of the prior the rate is solved for with its Gaussian as one measurement more; the evidence of a part is
that of its marginal likelihood (the determinant lemma).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Solved
from astrid_ml.preprocessing.ramps.steps.prior import RatePart, RatePrior

FALLS = math.log(100.0)  # odds against a fall: charge comes, and goes in telegraph noise and recovery alone
PAIR = 0.5 * (23.8 - 20.25)  # two sizes fit noise better than one does: the same chance as 4.5 sigma (Brandt 2024)


@dataclass(frozen=True)
class Believed:
    """Steps under a prior, and the strongest of each pixel. m differences, n pixels.

    Args:
        snr: significance of a step at each difference, signed, (m, n); 0 where the difference is not used. Its square
            is twice the logarithm of how much likelier the ramp is with the best step there.
        at: difference of the strongest, (n,).
        strongest: its significance, (n,).
        amplitude: its size in the part that believes in it most, e-, (n,).
        evidence: what that part rests on, places in ``prior.EVIDENCE``, (n,).
        split: it goes on in the next difference: a ray within a group that averages reads, (n,) bool.
    """

    snr: Tensor
    at: Tensor
    strongest: Tensor
    amplitude: Tensor
    evidence: Tensor
    split: Tensor


def believed_steps(
    own: Solved, prior: RatePrior, solve: Callable[[Tensor], Solved], falls: Tensor | float, averaged: Tensor
) -> Believed:
    """Test a step of free size at each difference. Rises and falls compete.

    The charge of a ray is taken as flat in its logarithm. The Occam factor of a step is then a function of its
    significance alone, and the spectrum favours none of two equally significant ones.

    Args:
        own: with the photon noise of the pixels' own rates.
        prior: of the rate.
        solve: the same for photon noise of other rates, e-/s, (n,).
        falls: logarithm of the odds against a fall, (m, n).
        averaged: whether the group between a difference and the next averages several reads, (m - 1,) bool.
    """
    tests = [_Test.of(own if part.broad else solve(part.mean), part, averaged) for part in prior.parts]
    evidence = torch.stack([test.evidence for test in tests])
    total = torch.logsumexp(evidence, 0)
    rise, fall = torch.stack([test.rise for test in tests]), torch.stack([test.fall for test in tests])
    up, down = _gain(rise, evidence, total), (_gain(fall, evidence, total) - falls).clamp(min=0)
    enough = own.used.sum(0)
    split = torch.zeros_like(up, dtype=torch.bool)
    if bool(averaged.any()):
        both = _gain(torch.stack([test.both for test in tests]), evidence, total) - PAIR
        split[:-1] = (both > up[:-1]) & (both > up[1:]) & (both > down[:-1]) & (enough > 2)
        up[:-1] = torch.where(split[:-1], both, up[:-1])
    lower = down > up
    snr = torch.where(lower, -(2 * down).sqrt(), (2 * up).sqrt())
    # A pixel keeps a difference of its own for its rate.
    snr = torch.where(own.used & (enough > 1), snr, 0.0)
    at = snr.abs().argmax(0)
    place = torch.arange(len(at), device=at.device)
    believes = torch.where(lower[at, place], fall[:, at, place], rise[:, at, place]) + evidence
    part = believes.argmax(0)
    size = torch.stack([test.size[at, place] for test in tests])[part, place]
    code = torch.tensor([one.evidence for one in prior.parts], device=at.device)[part]
    return Believed(snr, at, snr[at, place], size, code, split[at, place])


def _gain(gain: Tensor, evidence: Tensor, total: Tensor) -> Tensor:
    """Logarithm of the ratio of evidences with and without a step, at least 0, (m, n).

    Args:
        gain: half the fall of chi-square in each part, (k, m, n).
        evidence: of the parts, (k, n).
        total: of their sum, (n,).
    """
    if len(gain) == 1:
        return gain[0]
    return (torch.logsumexp(evidence[:, None] + gain, 0) - total).clamp(min=0)


@dataclass(frozen=True)
class _Test:
    """Steps under one Gaussian.

    Args:
        evidence: logarithm of that without a step, (n,).
        rise: half the fall of chi-square with a rise at each difference, (m, n).
        fall: with a fall.
        both: with rises at a difference and the next, (m - 1, n); 0 where the group between averages nothing.
        size: of the step, e-, (m, n).
    """

    evidence: Tensor
    rise: Tensor
    fall: Tensor
    both: Tensor
    size: Tensor

    @staticmethod
    def of(solved: Solved, part: RatePart, averaged: Tensor) -> _Test:
        precision = part.sigma.pow(-2)
        weight = solved.weight_d - part.mean * solved.weight_t  # of what is left beside the mean
        left = solved.difference - part.mean * solved.spacing
        information = (solved.spacing * solved.weight_t).sum(0)
        known = information + precision
        beyond = (left * solved.weight_t).sum(0) / known
        free = solved.inverse_diagonal - solved.weight_t.square() / known
        residual = weight - solved.weight_t * beyond
        testable = solved.used & (free > 1e-9 * solved.inverse_diagonal)
        free = torch.where(testable, free, 1.0)
        residual = torch.where(testable, residual, 0.0)
        chi2 = (left * weight).sum(0) - beyond.square() * known
        width = torch.where(precision > 0, torch.log1p(information / precision), 0.0)  # 0: it is the only part
        evidence = -0.5 * (chi2 + solved.log_determinant + width) + part.log_weight
        gain = 0.5 * residual.square() / free
        rises = residual > 0
        both = torch.zeros_like(gain[1:])
        rows = averaged.nonzero()[:, 0]
        if len(rows):
            beside = solved.inverse_beside - solved.weight_t[:-1] * solved.weight_t[1:] / known
            usable = testable[rows] & testable[rows + 1]
            both[rows] = _two(residual[rows], residual[rows + 1], free[rows], free[rows + 1], beside[rows], usable)
        return _Test(evidence, torch.where(rises, gain, 0.0), torch.where(rises, 0.0, gain), both, residual / free)


def _two(first: Tensor, second: Tensor, one: Tensor, other: Tensor, beside: Tensor, usable: Tensor) -> Tensor:
    """Half the fall of chi-square with two rises side by side, 0 where one of them is no rise.

    Args:
        first: residual at the first, times the inverse covariance.
        second: the same at the second.
        one: diagonal element of the first.
        other: of the second.
        beside: the element between them.
        usable: both differences can be tested.
    """
    determinant = one * other - beside.square()
    usable = usable & (determinant > 1e-9 * one * other)
    safe = torch.where(usable, determinant, 1.0)
    size, size_after = (other * first - beside * second) / safe, (one * second - beside * first) / safe
    return torch.where(usable & (size > 0) & (size_after > 0), 0.5 * (first * size + second * size_after), 0.0)
