"""Greedy explanations of ramps by a rate and steps, one after the other until nothing is left."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.believed import FALLS, PAIR, Believed, believed_steps, largest
from astrid_ml.preprocessing.ramps.steps.likelihood import Solved
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps, blocks, put_back, rough_rates
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE, RatePrior

COLUMNS = 6


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
        kept = torch.ones_like(self.rate, dtype=torch.bool)
        kept[pixel] = False
        return Explained(
            self.values.index_copy(1, pixel, other.values),
            torch.cat([self.table[kept[self.table[:, 1].long()]], table]),
        )


def joined(parts: Sequence[Explained]) -> Explained:
    """Explanations of several sets of pixels as those of one, in this order; at least one."""
    tables, before = [], 0
    for part in parts:
        table = part.table.clone()
        table[:, 1] += before
        tables.append(table)
        before += part.values.shape[1]
    return Explained(torch.cat([part.values for part in parts], 1), torch.cat(tables))


def explain(
    ramps: Ramps, prior: RatePrior, rules: Rules, template: Tensor | None = None, certain: Tensor | None = None
) -> Explained:
    """Find the strongest step, leave it free, and look again.

    Args:
        ramps: of n pixels.
        prior: of their rates.
        rules: when there is a step.
        template: (m, n), fitted beside rate and steps, or None.
        certain: rows of the table of steps that are known already.
    """
    search = _Search.of(ramps, rules, certain)
    active = torch.arange(len(ramps.noise), device=ramps.noise.device)
    found = [] if certain is None else [certain]
    limit = len(ramps.used) if rules.rounds is None else rules.rounds
    for number in range(limit + 1):
        rows = [
            search.one_more(ramps, block, prior.part(block).to(ramps.noise), rules, template, number < limit)
            for block in blocks(active, len(ramps.used))
        ]
        found += rows
        active = torch.cat([part[: len(part) - int((part[:, 4] == 0).sum()), 1].long() for part in rows])
        if not len(active):
            break
    used, out = search.used, search.out
    table = _final(torch.cat(found), replace(ramps, used=used), out[0], rules, template)
    degrees = used.sum(0) - 1 - int(template is not None)
    values = [*out[:3], degrees, out[3], ramps.used.sum(0) - used.sum(0), search.cost]
    return Explained(torch.stack([value.double() for value in values]), table)


@dataclass(frozen=True)
class _Search:
    """How far the search in n pixels is.

    Args:
        used: which differences count, (m, n) bool.
        last: size of the last rise of each pixel, e-, (n,).
        cost: of its steps, (n,).
        out: rate, its variance, chi-square and template, (4, n).
    """

    used: Tensor
    last: Tensor
    cost: Tensor
    out: Tensor

    @staticmethod
    def of(ramps: Ramps, rules: Rules, certain: Tensor | None) -> _Search:
        """The beginning."""
        used, last, cost = ramps.used.clone(), torch.zeros_like(ramps.noise), torch.zeros_like(ramps.noise)
        if certain is not None:
            at, pixel, size = certain[:, 0].long() - 1, certain[:, 1].long(), certain[:, 2]
            used[at, pixel] = False
            last[pixel[size > 0]] = size[size > 0].to(last)
            cost += rules.threshold**2 * torch.bincount(pixel, minlength=len(cost))
        return _Search(used, last, cost, ramps.noise.new_full((4, len(cost)), torch.nan))

    def one_more(
        self, ramps: Ramps, pixel: Tensor, prior: RatePrior, rules: Rules, template: Tensor | None, more: bool
    ) -> Tensor:
        """Rows of the strongest steps of some pixels (k,), which are left out then; ``more``: look for them."""
        here, shape = ramps.part(pixel, self.used), None if template is None else template[:, pixel]
        solved = _solve(here, rules, shape)
        test = solved.tested()
        self.out[:, pixel] = torch.stack([test.rate, test.rate_variance, test.chi2, test.template])
        if not more:
            return torch.empty(0, COLUMNS, dtype=torch.float64, device=pixel.device)
        signed = rules.signed
        # A fall that follows or precedes a rise of its pixel: rays are alone, telegraph noise is not.
        returns = (self.last[pixel] > 0) & (test.residual < 0) & signed
        against = FALLS * (1.0 - returns.to(test.residual)) if signed else 0.0
        averaged = (ramps.sampling.reads[1:-1] > 1).to(pixel.device) & signed
        solve = functools.partial(here.solved, template=shape)
        tested = believed_steps(solved, prior, solve, against, averaged, rules.threshold)
        hit = tested.strongest.abs() > rules.threshold
        rows = _rows(tested, returns, hit)
        sizes, whose = rows[: int(hit.sum()), 2], pixel[tested.pixel[hit]]
        rows[:, 1] = pixel[tested.pixel[hit][rows[:, 1].long()]].double()
        self.used[rows[:, 0].long() - 1, rows[:, 1].long()] = False
        self.last[whose] = torch.where(sizes > 0, sizes.to(self.last), self.last[whose])
        self.cost[whose] += rules.threshold**2 + 2 * PAIR * tested.split[hit]
        return rows


def _solve(ramps: Ramps, rules: Rules, template: Tensor | None) -> Solved:
    """With the photon noise of the rate that remains without the strongest step."""
    rough, number = rough_rates(ramps), ramps.used.sum(0)
    test = ramps.solved(rough).tested()
    signed = test.gain
    gain = signed.abs()
    if rules.signed:
        gain.add_(signed.sign_().clamp_(max=0), alpha=2 * FALLS)
    at = largest(gain)[None]
    # To leave a difference out is to fit a step there; of a single one nothing remains: then its own photons count.
    left, free, lowers = (part.gather(0, at)[0] for part in (test.residual, test.free, test.leverage))
    alone = number < 2
    return ramps.solved(torch.where(alone, rough, test.rate - lowers * left / free), template)


def _rows(tested: Believed, returns: Tensor, hit: Tensor) -> Tensor:
    """A row of the table for the strongest step of each pixel that is hit; behind them the second halves of split ones.

    Pixels count among the ``hit``. The fourth column is filled later.
    """
    at, snr = tested.at[hit], tested.strongest[hit]
    back = returns[at, tested.pixel[hit]] & (snr < 0)
    evidence = torch.where(back, EVIDENCE.index("return"), tested.evidence[hit])
    pixel = torch.arange(len(at), device=at.device)
    rows = torch.stack([at + 1.0, pixel.double(), tested.amplitude[hit], snr, snr, evidence], 1)
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
    part = ramps.part(hit, ramps.used)
    size, variance = (one.double() for one in put_back(part, rate[hit].nan_to_num(0.0), at, column, shape))
    out, testable = table.clone(), variance.isfinite()
    out[:, 2] = torch.where(testable, size, table[:, 2])
    out[:, 3] = torch.where(testable, size * variance.rsqrt(), 0.0)
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
