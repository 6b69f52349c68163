"""Greedy explanations of ramps by a rate and steps, one after the other until nothing is left."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.believed import FALLS, PAIR, Believed, believed_steps, largest
from astrid_ml.preprocessing.ramps.steps.likelihood import (
    Sampling,
    Solved,
    StepFit,
    masked_covariance,
    solve_tridiagonal,
)
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, RatePrior, lower_median

_COLUMNS = 6


@dataclass(frozen=True)
class Ramps:
    """Some pixels' reads as they are fitted.

    Args:
        difference: of neighbouring groups, e-, (m, n) float64; 0 where not used.
        used: which of them count, (m, n) bool.
        noise: of one read, e-, (n,) float64.
        sampling: times and reads.
    """

    difference: Tensor
    used: Tensor
    noise: Tensor
    sampling: Sampling

    @staticmethod
    def of(reads: Tensor, noise: Tensor, sampling: Sampling, chosen: Tensor) -> Ramps:
        """The chosen pixels (k,) of reads (n_groups, n) and noises (n,)."""
        difference = torch.diff(reads[:, chosen].double(), dim=0)
        return Ramps(difference.nan_to_num(0.0), difference.isfinite(), noise[chosen].double(), sampling)

    def part(self, where: Tensor, used: Tensor) -> Ramps:
        """That of some pixels, of which others are ``used``, (m, n)."""
        return Ramps(self.difference[:, where], used[:, where], self.noise[where], self.sampling)

    def covariance(self, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonals (m, n) and what stands beside them (m - 1, n), for a rate, e-/s, (n,)."""
        return masked_covariance(self.used, self.sampling, self.noise, rate)

    def solved(self, rate: Tensor, template: Tensor | None = None) -> Solved:
        """With the photon noise of a rate, e-/s, (n,)."""
        return Solved.of(self.difference, self.used, self.sampling, self.noise, rate, template)


@dataclass(frozen=True)
class Rules:
    """When there is a step.

    Args:
        threshold: its significance.
        rounds: steps looked for in one pixel; None until nothing is left.
        signed: falls need evidence: odds of ``FALLS``, or a rise of the same pixel.
    """

    threshold: float
    rounds: int | None
    signed: bool


@dataclass(frozen=True)
class Explained:
    """Pixels and their steps. n pixels.

    Args:
        values: rate (e-/s), its variance, chi-square with the steps, degrees of freedom, charge that a decay beside the
            steps released by the last read (e-), the number of steps and what they cost, (7, n) float64.
        table: group, pixel, size (e-), significance by the pixel's own ramp, that believed, evidence; a row a step.
    """

    values: Tensor
    table: Tensor

    @property
    def rate(self) -> Tensor:
        """Around the steps, e-/s, (n,)."""
        return self.values[0]

    @property
    def variance(self) -> Tensor:
        """Of the rate, (n,)."""
        return self.values[1]

    @property
    def chi2(self) -> Tensor:
        """With the steps, (n,)."""
        return self.values[2]

    @property
    def degrees(self) -> Tensor:
        """Of freedom, (n,)."""
        return self.values[3]

    @property
    def decay(self) -> Tensor:
        """Charge that traps released, e-, (n,)."""
        return self.values[4]

    @property
    def steps(self) -> Tensor:
        """Number of steps, (n,)."""
        return self.values[5]

    @property
    def cost(self) -> Tensor:
        """What its steps must lower chi-square by at least, (n,): a threshold each, two halves of a ray little more."""
        return self.values[6]

    def part(self, where: Tensor) -> Explained:
        """That of the pixels marked in ``where``, (n,) bool; in the table they are counted anew."""
        number = torch.cumsum(where, 0) - 1
        table = self.table[where[self.table[:, 1].long()]].clone()
        table[:, 1] = number[table[:, 1].long()].double()
        return Explained(self.values[:, where], table)

    def replaced(self, pixel: Tensor, other: Explained) -> Explained:
        """With some pixels (k,) explained otherwise."""
        table = other.table.clone()
        table[:, 1] = pixel[table[:, 1].long()].double()
        kept = ~torch.isin(self.table[:, 1].long(), pixel)
        return Explained(self.values.index_copy(1, pixel, other.values), torch.cat([self.table[kept], table]))


def joined(parts: Sequence[Explained]) -> Explained:
    """Explanations of several sets of pixels as those of one, in this order; at least one."""
    tables, before = [], 0
    for part in parts:
        table = part.table.clone()
        table[:, 1] += before
        tables.append(table)
        before += part.values.shape[1]
    return Explained(torch.cat([part.values for part in parts], 1), torch.cat(tables))


def explain(ramps: Ramps, prior: RatePrior, rules: Rules, template: Tensor | None = None) -> Explained:
    """Find the strongest step, leave it free, and look again.

    Args:
        ramps: of n pixels.
        prior: of their rates.
        rules: when there is a step.
        template: (m, n), fitted beside rate and steps, or None.
    """
    used = ramps.used.clone()
    active = torch.arange(used.shape[1], device=used.device)
    last, cost = torch.zeros_like(ramps.noise), torch.zeros_like(ramps.noise)  # size of the last rise; of all steps
    out = [torch.full_like(ramps.noise, torch.nan) for _ in range(4)]
    found: list[Tensor] = []
    limit = len(used) if rules.rounds is None else rules.rounds
    averaged = (ramps.sampling.reads[1:-1] > 1).to(used.device) & rules.signed
    for number in range(limit + 1):
        here, shape = ramps.part(active, used), None if template is None else template[:, active]
        solved = _solve(here, rules, shape)
        fit = solved.fit()
        for whole, new in zip(out, (fit.rate, fit.rate_variance, fit.chi2, fit.template), strict=True):
            whole[active] = new
        if number == limit:
            break
        returns = _returning(fit, last[active]) if rules.signed else torch.zeros_like(here.used)
        against = FALLS * (1.0 - returns.to(fit.amplitude)) if rules.signed else 0.0
        solve = functools.partial(here.solved, template=shape)
        tested = believed_steps(solved, prior.part(active), solve, against, averaged, rules.threshold)
        hit = tested.strongest.abs() > rules.threshold
        if not bool(hit.any()):
            break
        rows = _rows(tested, returns, hit)
        sizes = rows[: int(hit.sum()), 2]
        active = active[tested.pixel[hit]]
        rows[:, 1] = active[rows[:, 1].long()].double()
        used[rows[:, 0].long() - 1, rows[:, 1].long()] = False
        last[active] = torch.where(sizes > 0, sizes, last[active])
        cost[active] += rules.threshold**2 + 2 * PAIR * tested.split[hit]
        found.append(rows)
    table = torch.cat(found) if found else torch.empty(0, _COLUMNS, dtype=torch.float64, device=used.device)
    table = _final(table, replace(ramps, used=used), out[0], rules, template)
    degrees = used.sum(0) - 1 - int(template is not None)
    values = [*out[:3], degrees.double(), out[3], (ramps.used.sum(0) - used.sum(0)).double(), cost]
    return Explained(torch.stack(values), table)


def _solve(ramps: Ramps, rules: Rules, template: Tensor | None) -> Solved:
    """With the photon noise of the rate that remains without the strongest step."""
    spacing = ramps.sampling.spacing.to(ramps.difference)[:, None]
    number = ramps.used.sum(0)
    # 0 / 0 is no number, and such stand last.
    rates = (ramps.difference / (spacing * ramps.used.to(spacing))).T
    rough = lower_median(rates.float().contiguous(), number).double().nan_to_num(0.0)
    fit = ramps.solved(rough).fit()
    gain = fit.snr.square()
    if rules.signed:
        gain.add_(fit.snr.sign().clamp_(max=0), alpha=2 * FALLS)
    at = largest(gain)[None]
    # To leave a difference out is to fit a step there; of a single one nothing remains: then its own photons count.
    step, lowers = (part.gather(0, at)[0] for part in (fit.amplitude, fit.leverage))
    alone = number < 2
    return ramps.solved(torch.where(alone, rough, fit.rate - lowers * step), template)


def _returning(fit: StepFit, last: Tensor) -> Tensor:
    """Where a fall would follow or precede a rise of its pixel, (m, n) bool: rays are alone, telegraph noise is not."""
    return (last > 0) & (fit.amplitude < 0)


def _rows(tested: Believed, returns: Tensor, hit: Tensor) -> Tensor:
    """A row of the table for the strongest step of each pixel that is hit; behind them the second halves of split ones.

    Pixels count among the ``hit``. The fourth column is filled later.
    """
    at, snr = tested.at[hit], tested.strongest[hit]
    back = returns[at, tested.pixel[hit]] & (snr < 0)
    evidence = torch.where(back, EVIDENCE.index("return"), tested.evidence[hit])
    pixel = torch.arange(len(at), device=at.device)
    rows = torch.stack([at + 1.0, pixel.double(), tested.amplitude[hit], snr, snr, evidence.double()], 1)
    second = rows[tested.split[hit]].clone()
    second[:, 0] += 1
    second[:, 4] = 0.0  # both were believed in together (see ``_larger_half``)
    return torch.cat([rows, second])


def _final(table: Tensor, ramps: Ramps, rate: Tensor, rules: Rules, template: Tensor | None) -> Tensor:
    """Replace each jump's size, and its significance by its own ramp, by those in the joint fit of all its pixel's.

    A jump's size was fitted while later-found jumps still stood in the data.
    """
    if not len(table):
        return table
    at, pixel = table[:, 0].long() - 1, table[:, 1].long()
    hit, column = torch.unique(pixel, return_inverse=True)
    shape = None if template is None else template[:, hit]
    size, variance = put_back(ramps.part(hit, ramps.used), rate[hit].nan_to_num(0.0), at, column, shape)
    out, testable = table.clone(), variance.isfinite()
    out[:, 2] = torch.where(testable, size, table[:, 2])
    out[:, 3] = torch.where(testable, size * variance.rsqrt(), 0.0)
    out[:, 4] = _larger_half(out)
    # What the ramp alone tells is told by the likelihood.
    alone = (out[:, 3].abs() > rules.threshold) & (table[:, 5] != EVIDENCE.index("return"))
    out[:, 5] = torch.where(alone, EVIDENCE.index("likelihood"), table[:, 5])
    return out


def put_back(
    ramps: Ramps, rate: Tensor, at: Tensor, pixel: Tensor, template: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sizes of the steps at differences that are out of the fit (k,), and their variances, infinite where it has none.

    The size is what the difference has beyond the prediction of all others that are in: by the rate and by their noise,
    which is shared with the two beside it alone.

    Args:
        ramps: of n pixels, without the differences of steps.
        rate: which sets the photon noise, e-/s, (n,).
        at: the differences, (k,).
        pixel: whose they are, (k,).
        template: fitted beside rate and steps, (m, n), or None.
    """
    m, spacing = len(ramps.used), ramps.sampling.spacing.to(rate)[:, None].expand_as(ramps.difference)
    sides = [ramps.difference, spacing] if template is None else [ramps.difference, spacing, template]
    whole = torch.stack(sides)
    right = whole * ramps.used.to(rate)
    solved = solve_tridiagonal(*ramps.covariance(rate), right)
    gram = torch.einsum("imn,jmn->nij", right[1:], solved.solution[1:])
    taken = torch.einsum("imn,mn->ni", right[1:], solved.solution[0])
    if template is None:
        spread = gram.reciprocal()
    else:
        scale = gram.diagonal(dim1=1, dim2=2).clamp(min=1e-300).rsqrt()  # of one size, so that it can be inverted
        spread = torch.linalg.pinv(gram * scale[:, :, None] * scale[:, None, :], hermitian=True)
        spread = spread * scale[:, :, None] * scale[:, None, :]
    variance, beside = ramps.sampling.covariance(rate.clamp(min=0)[pixel], ramps.noise[pixel])
    place = torch.arange(len(at), device=at.device)
    beyond, left = whole[:, at, pixel], variance[at, place]
    for near, shared in ((at - 1, at - 1), (at + 1, at)):
        inside = (near >= 0) & (near < m)
        row = near.clamp(0, m - 1)
        common = beside[shared.clamp(0, m - 2), place] * (inside & ramps.used[row, pixel])
        beyond = beyond - common * solved.solution[:, row, pixel]
        left = left - common.square() * solved.inverse_diagonal[row, pixel]
    terms = beyond[1:].T
    fitted = torch.einsum("kij,kj->ki", spread[pixel], taken[pixel])
    enough = ramps.used.sum(0)[pixel] >= len(sides) - 1
    size = beyond[0] - (terms * fitted).sum(1)
    spare = left + torch.einsum("ki,kij,kj->k", terms, spread[pixel], terms)
    return size, torch.where(enough, spare, torch.inf)


def _larger_half(table: Tensor) -> Tensor:
    """What was believed of each step, (k,): of two halves that were believed in together the larger one has it.

    The other, a few electrons beside a thousand, has its own significance alone.
    """
    believed, own = table[:, 4].clone(), table[:, 3].abs()
    second = (believed == 0).nonzero()[:, 0]
    place = table[:, 1].long() * (int(table[:, 0].max()) + 2) + table[:, 0].long()
    ordered, order = place.sort()
    at = torch.searchsorted(ordered, place[second] - 1).clamp(max=len(order) - 1)
    first = order[at]
    swapped = (ordered[at] == place[second] - 1) & (own[second] > own[first])
    believed[second[swapped]], believed[first[swapped]] = table[first[swapped], 4], 0.0
    return believed
