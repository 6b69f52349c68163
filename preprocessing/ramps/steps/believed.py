"""How much likelier a ramp is with a step, its rate averaged over what is known of it.

For each part of the prior the rate is solved for with its Gaussian as one measurement more; the evidence of a part is
that of its marginal likelihood (the determinant lemma).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
        pixel: which of those that were tested, (n,).
        snr: significance of a step at each difference, signed, (m, n); 0 where the difference is not used. Its square
            is twice the logarithm of how much likelier the ramp is with the best step there.
        at: difference of the strongest, (n,).
        strongest: its significance, (n,).
        amplitude: its size in the part that believes in it most, e-, (n,).
        evidence: what that part rests on, places in ``prior.EVIDENCE``, (n,).
        split: it goes on in the next difference: a ray within a group that averages reads, (n,) bool.
    """

    pixel: Tensor
    snr: Tensor
    at: Tensor
    strongest: Tensor
    amplitude: Tensor
    evidence: Tensor
    split: Tensor


def believed_steps(
    own: Solved,
    prior: RatePrior,
    solve: Callable[[Tensor], Solved],
    falls: Tensor | float,
    averaged: Tensor,
    least: float = 0.0,
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
        least: pixels all of whose steps must be less significant are not among those of the result.
    """
    tests = [_Test.of(own if part.broad else solve(part.mean), part, averaged) for part in prior.parts]
    pixel = _possible(tests, least) if least > 0 else torch.arange(len(own.count), device=own.count.device)
    if len(pixel) < len(own.count):
        tests = [test.part(pixel) for test in tests]
    evidence = torch.stack([test.evidence for test in tests])
    total = torch.logsumexp(evidence, 0)
    up = _gain(torch.stack([test.gain for test in tests]).clamp_(min=0), evidence, total)
    down = _gain(torch.stack([test.gain for test in tests]).neg_().clamp_(min=0), evidence, total)
    down = (down - (falls[:, pixel] if isinstance(falls, Tensor) else falls)).clamp_(min=0)
    split = torch.zeros_like(up, dtype=torch.bool)
    if bool(averaged.any()):
        both = _gain(torch.stack([test.both for test in tests]), evidence, total) - PAIR
        split[:-1] = (both > up[:-1]) & (both > up[1:]) & (both > down[:-1]) & (own.count[pixel] > 2)
        up[:-1] = torch.where(split[:-1], both, up[:-1])
    lower = down > up
    snr = torch.where(lower, -(2 * down).sqrt(), (2 * up).sqrt())
    # A pixel keeps a difference of its own for its rate.
    snr = torch.where(own.enough[pixel], snr, 0.0)
    at = largest(snr.abs())
    place = torch.arange(len(at), device=at.device)
    sizes = torch.stack([test.gain[at, place] for test in tests])
    believes = torch.where(lower[at, place], -sizes, sizes).clamp(min=0) + evidence
    part = believes.argmax(0)
    size = torch.stack([test.size(at, place) for test in tests])[part, place]
    code = torch.tensor([one.evidence for one in prior.parts], device=at.device)[part]
    return Believed(pixel, snr, at, snr[at, place], size, code, split[at, place])


def largest(values: Tensor) -> Tensor:
    """Where in each column the largest value stands, (n,)."""
    if values.device.type == "cpu":  # numpy is several times as fast at it
        return torch.from_numpy(values.numpy().argmax(0))
    return values.argmax(0)


def _possible(tests: Sequence[_Test], least: float) -> Tensor:
    """Pixels that may have a step so significant, (k,): no sum of parts is more than so many times the largest."""
    evidence = torch.stack([test.evidence for test in tests])
    share = evidence - torch.logsumexp(evidence, 0)
    bound = torch.full_like(share[0], -torch.inf)
    for test, part in zip(tests, share, strict=True):
        best = torch.maximum(-test.gain.amin(0), test.gain.amax(0))  # several times as fast as both at once
        if len(test.both):
            best = torch.maximum(best, test.both.amax(0) - PAIR)
        bound = torch.maximum(bound, best + part)
    return (bound > 0.5 * least**2 - math.log(len(tests))).nonzero()[:, 0]


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
        gain: half the fall of chi-square with a step at each difference; negative with a fall, (m, n).
        both: with rises at a difference and the next, (m - 1, n); 0 where the group between averages nothing. None of
            such a group: of no length.
        residual: what is left of each difference, times the inverse covariance, (m, n).
        free: the inverse variance of a step's size, 1/e-^2, (m, n).
    """

    evidence: Tensor
    gain: Tensor
    both: Tensor
    residual: Tensor
    free: Tensor

    @staticmethod
    def of(solved: Solved, part: RatePart, averaged: Tensor) -> _Test:
        precision = part.sigma.pow(-2)
        all_d, in_d, in_t = solved.products
        left, known = in_d - part.mean * in_t, in_t + precision  # of what is left beside the mean
        known = known.clamp(min=1e-30)
        beyond = left / known
        residual = torch.addcmul(solved.weight_d, solved.weight_t, part.mean + beyond, value=-1)
        free = torch.addcmul(solved.inverse_diagonal, solved.weight_t, solved.weight_t / known, value=-1)
        gain = (0.5 * residual).mul_(residual.abs()).div_(free)
        chi2 = all_d - part.mean * (in_d + left) - beyond.square() * known
        width = torch.where(precision > 0, torch.log1p(in_t / precision), 0.0)  # 0: it is the only part
        evidence = -0.5 * (chi2 + solved.matrix.log_determinant + width) + part.log_weight
        rows = averaged.nonzero()[:, 0]
        both = torch.zeros_like(gain[1:] if len(rows) else gain[:0])
        if len(rows):
            beside = solved.inverse_beside - solved.weight_t[:-1] * solved.weight_t[1:] / known
            usable = (solved.mask[rows] * solved.mask[rows + 1]) > 0
            both[rows] = _two(residual[rows], residual[rows + 1], free[rows], free[rows + 1], beside[rows], usable)
        return _Test(evidence, gain, both, residual, free)

    def part(self, where: Tensor) -> _Test:
        """Those of some pixels (k,)."""
        rest = (one.index_select(1, where) for one in (self.gain, self.both, self.residual, self.free))
        return _Test(self.evidence[where], *rest)

    def size(self, at: Tensor, pixel: Tensor) -> Tensor:
        """Of steps at differences (k,) of pixels (k,), e-."""
        return self.residual[at, pixel] / self.free[at, pixel]


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
