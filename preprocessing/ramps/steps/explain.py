"""Greedy explanations of ramps by a rate and steps, one after the other until nothing is left."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.believed import FALLS, PAIR, Believed, believed_steps
from astrid_ml.preprocessing.ramps.steps.likelihood import (
    Sampling,
    Solved,
    StepFit,
    masked_covariance,
)
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, RatePrior

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
        returns = _returning(fit, last[active]) & rules.signed
        against = torch.where(returns, 0.0, FALLS * rules.signed)
        solve = functools.partial(here.solved, template=shape)
        tested = believed_steps(solved, prior.part(active), solve, against, averaged)
        hit = tested.strongest.abs() > rules.threshold
        if not bool(hit.any()):
            break
        rows = _rows(tested, returns, hit)
        sizes = rows[: int(hit.sum()), 2]
        active = active[hit]
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
    rough = torch.where(ramps.used, ramps.difference / spacing, torch.nan).nanmedian(0).values.nan_to_num(0.0)
    fit = ramps.solved(rough).fit()
    gain = fit.snr.square() - torch.where(fit.snr < 0, 2 * FALLS * rules.signed, 0.0)
    at = gain.argmax(0)[None]
    # To leave a difference out is to fit a step there; of a single one nothing remains: then its own photons count.
    step, lowers = (part.gather(0, at)[0] for part in (fit.amplitude, fit.leverage))
    alone = ramps.used.sum(0) < 2
    return ramps.solved(torch.where(alone, rough, fit.rate - lowers * step), template)


def _returning(fit: StepFit, last: Tensor) -> Tensor:
    """Where a fall would follow or precede a rise of its pixel, (m, n) bool: rays are alone, telegraph noise is not."""
    return (last > 0) & (fit.amplitude < 0)


def _rows(tested: Believed, returns: Tensor, hit: Tensor) -> Tensor:
    """A row of the table for the strongest step of each pixel that is hit; behind them the second halves of split ones.

    Pixels count among the ``hit``. The fourth column is filled later.
    """
    at, snr = tested.at[hit], tested.strongest[hit]
    back = returns[at, hit.nonzero()[:, 0]] & (snr < 0)
    evidence = torch.where(back, EVIDENCE.index("return"), tested.evidence[hit])
    pixel = torch.arange(len(at), device=at.device)
    rows = torch.stack([at + 1.0, pixel.double(), tested.amplitude[hit], snr, snr, evidence.double()], 1)
    second = rows[tested.split[hit]].clone()
    second[:, 0] += 1
    second[:, 4] = 0.0  # both were believed in together (see ``_larger_half``)
    return torch.cat([rows, second])


def _final(table: Tensor, ramps: Ramps, rate: Tensor, rules: Rules, template: Tensor | None) -> Tensor:
    """Replace each jump's size, and its significance by its own ramp, by those in the joint fit of all its pixel's.

    A jump's size was fitted while later-found jumps still stood in the data. Putting one difference back with all
    others still out gives the joint fit's value.
    """
    if not len(table):
        return table
    at, pixel = table[:, 0].long() - 1, table[:, 1].long()
    again = ramps.used[:, pixel].clone()
    columns = torch.arange(len(pixel), device=table.device)
    again[at, columns] = True
    whole = Ramps(ramps.difference[:, pixel], again, ramps.noise[pixel], ramps.sampling)
    fit = whole.solved(rate[pixel].nan_to_num(0.0), None if template is None else template[:, pixel]).fit()
    out, testable = table.clone(), fit.amplitude_sigma[at, columns].isfinite()
    out[:, 2] = torch.where(testable, fit.amplitude[at, columns], table[:, 2])
    out[:, 3] = torch.where(testable, fit.snr[at, columns], 0.0)
    out[:, 4] = _larger_half(out)
    # What the ramp alone tells is told by the likelihood.
    alone = (out[:, 3].abs() > rules.threshold) & (table[:, 5] != EVIDENCE.index("return"))
    out[:, 5] = torch.where(alone, EVIDENCE.index("likelihood"), table[:, 5])
    return out


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
