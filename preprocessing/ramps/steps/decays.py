"""Charge that traps release after an earlier exposure: ramps that bend, which steps explain worse than a decay does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.averaging import positions
from astrid_ml.preprocessing.ramps.steps.certain import SURE
from astrid_ml.preprocessing.ramps.steps.explain import Explained, Rules, explain
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling, masked_covariance, solve_tridiagonal
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps, beyond
from astrid_ml.preprocessing.ramps.steps.prior import flat_prior
from astrid_ml.stats import MAD_TO_SIGMA

_DECAYS = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)  # times in which traps empty, in lengths of the ramp
_LEAST = 7  # differences, below which a curve can be anything
_ROUGH = 10.0  # of chi-square, and a tenth of what a decay explains: so much a better time may add
_FASTEST = 1.5  # groups: a faster decay is all in one difference, as a ray is
_RARE = 2 * math.log(100.0)  # odds against a decay, as chi-square: rays are commoner
_SIDES, _PATCH = (5, 9), 9  # pixels across patches, and how many of them have to be known
_MOST, _TOGETHER = 3.0, 5.0  # sigmas that one of them counts for at most, and that all have together
_CLOSER = (0.35, 0.12, 0.04)  # steps in the logarithm of that time by which it is refined


def decaying(bend: Tensor) -> Tensor:
    """Pixels around which charge is released: one alone may not show it, those of a patch do together, (h, w) bool.

    Args:
        bend: significance of a rate that decays, (h, w); NaN where nobody knows.
    """
    from scipy import ndimage  # takes long to load

    image = bend.numpy(force=True)
    known = np.isfinite(image)
    found = np.zeros_like(known)
    if known.sum() >= _PATCH:
        values = image[known]
        middle = np.median(values)  # what all pixels have is the detector's
        scatter = max(MAD_TO_SIGMA * float(np.median(np.abs(values - middle))), 1.0)
        # One ray may bend its ramp by any amount, a patch of traps bends all.
        limited = np.where(known, np.clip((image - middle) / scatter, -_MOST, _MOST), 0.0).astype(np.float64)
        for side in _SIDES:
            total, count = (
                side**2 * ndimage.uniform_filter(one, side, mode="constant") for one in (limited, known.astype(float))
            )
            found |= total > _TOGETHER * np.sqrt(np.maximum(count, _PATCH))
    return torch.from_numpy(found & known).to(bend.device)


def decays(ramps: Ramps, steps: Explained, rules: Rules, expected: Tensor) -> tuple[Tensor, Explained]:
    """The pixels that a decay explains better than their steps do, (k,), and how.

    Traps that an earlier exposure filled release b (1 - exp(-t / tau)), b > 0. It costs as much as a step: a threshold;
    nothing where it is expected.

    Args:
        ramps: of n pixels.
        steps: how steps explain them.
        rules: when there is a step.
        expected: where decays are (``decaying``), (n,) bool.
    """
    price = rules.threshold**2
    times = torch.tensor(_DECAYS).to(steps.rate).clamp(min=_FASTEST / len(ramps.used))
    shapes = torch.stack([_decay(ramps.sampling, time)[:, 0] for time in times[:, None]])
    asked = torch.where(expected, 0.0, price + _RARE)
    able = (steps.steps > 0) & (ramps.used.sum(0) >= _LEAST)
    may_win, sure = _may_win(ramps, steps, shapes[::2], asked, price)  # half of the times will do for that
    pixel = (able & may_win).nonzero()[:, 0]
    if not len(pixel):
        return pixel, steps.part(torch.zeros_like(steps.rate, dtype=torch.bool))
    ramps = ramps.to(torch.float64)
    here, asked = ramps.part(pixel, _without_strongest(ramps.used, steps)), asked[pixel]
    cost, rate = (steps.chi2 + steps.cost)[pixel], steps.rate[pixel].nan_to_num(0.0)
    straight, gain, released = _with_each(here, rate, shapes[:, :, None])
    best, which = gain.max(0)
    # With one step or two the decay must win alone or beside the stronger, or nearly so while its time is rough.
    rough = (steps.steps[pixel] > 2) | (straight - best < cost - asked + _ROUGH + 0.1 * best)
    able = (released.gather(0, which[None])[0] > 0) & (best > asked.clamp(max=price)) & rough
    chosen = able.nonzero()[:, 0]
    if not len(chosen):
        return chosen, steps.part(torch.zeros_like(steps.rate, dtype=torch.bool))
    part, flat = ramps.part(pixel[chosen], ramps.used), flat_prior(len(chosen), rate.device)
    time = _refined(here.part(chosen, here.used), rate[chosen], times[which[chosen]]).clamp(min=float(times[0]))
    place, mine = positions(sure[:, 1].long(), pixel[chosen])
    sure = sure[mine]
    sure[:, 1] = place.double()
    first = explain(part, flat, rules, _decay(ramps.sampling, time), sure)
    # Once more by all that is no step.
    left = replace(part, used=_without(part.used, first))
    time = _refined(left, first.rate.nan_to_num(0.0), time).clamp(min=float(times[0]))
    curved = explain(part, flat, rules, _decay(ramps.sampling, time), sure)
    wins = (curved.chi2 + curved.cost + asked[chosen] < cost[chosen]) & (curved.decay > 0)
    found, won = curved.part(wins), wins.nonzero()[:, 0]
    found.values[1] = _variance(part.part(won, part.used), found, time[won])
    return pixel[chosen[wins]], found


def _may_win(ramps: Ramps, steps: Explained, shapes: Tensor, asked: Tensor, price: float) -> tuple[Tensor, Tensor]:
    """Where one of some decays (k, m) could be worth what is asked of it, (n,) bool; rows of steps beside any decay.

    It is worth what it explains beside all steps, and the price of each step that is none beside it.
    """
    at, pixel = steps.table[:, 0].long() - 1, steps.table[:, 1].long()
    rate, spacing = steps.rate.nan_to_num(0.0), ramps.sampling.spacing.to(steps.rate)[:, None]
    # What is left beside the rate is small enough for single precision.
    left = torch.addcmul(ramps.difference, spacing, rate, value=-1).float()
    spacing, shapes = spacing.float(), shapes.float()
    here = Ramps(left, _without(ramps.used, steps), ramps.noise.float(), ramps.sampling)
    known = beyond(here, rate.float(), [spacing, *shapes[:, :, None]], at, pixel)
    in_t, in_s = known.weight[1], known.weight[2:]
    tt, dt = (spacing * in_t).sum(0), (left * in_t).sum(0)
    ts, ds = (spacing * in_s).sum(1), (left * in_s).sum(1)
    ss = (shapes[:, :, None] * in_s).sum(1)
    left, spread = ds - ts * dt / tt, (ss - ts.square() / tt).clamp(min=1e-5 * ss)  # beside a rate
    size = left / spread
    alone = known.sides[0] - known.sides[1] * (dt / tt)[pixel]
    variance = known.variance + known.sides[1].square() / tt[pixel]
    beside = known.sides[2:] - known.sides[1] * (ts / tt)[:, pixel]
    chi2 = (alone - beside * size[:, pixel]).square() / (variance + beside.square() / spread[:, pixel])
    none = chi2 < price + _ROUGH + 0.1 * alone.square() / variance
    spared = torch.zeros_like(size).index_add_(1, pixel, none.to(size))
    worth = 1.2 * size.clamp(min=0).square() * spread + price * spared
    certain = (chi2.amin(0) > price + SURE) & (steps.table[:, 2] > 0)
    return (worth + 3.0 > asked).any(0) | ~tt.isfinite(), steps.table[certain]


def _variance(ramps: Ramps, found: Explained, time: Tensor) -> Tensor:
    """Of rates beside decays whose size and time are both unknown, (n,): the curvature of the fit in all three."""
    used = _without(ramps.used, found)
    ends = [_decay(ramps.sampling, time * factor) for factor in (1.0, 1.01, 0.99)]
    sides = [ramps.sampling.spacing.to(time)[:, None], ends[0], ends[1] - ends[2]]
    mask = used.to(time)
    covariance = masked_covariance(mask, ramps.sampling, ramps.noise, found.rate)
    weight = solve_tridiagonal(*covariance, sides, mask).solution
    gram = torch.stack([torch.stack([(side * one).sum(0) for one in weight], 1) for side in sides], 1)
    scale = gram.diagonal(dim1=1, dim2=2).clamp(min=1e-300).rsqrt()  # of one size, so that it can be inverted
    inverse = torch.linalg.pinv(gram * scale[:, :, None] * scale[:, None, :], hermitian=True)
    variance: Tensor = inverse[:, 0, 0] * scale[:, 0].square()
    return variance


def _without(used: Tensor, steps: Explained) -> Tensor:
    """Which differences count without those of steps, (m, n)."""
    out = used.clone()
    out[steps.table[:, 0].long() - 1, steps.table[:, 1].long()] = False
    return out


def _without_strongest(used: Tensor, steps: Explained) -> Tensor:
    """Which differences count without the strongest of several steps: a ray on top of a decay hides its time."""
    at, pixel, snr = steps.table[:, 0].long() - 1, steps.table[:, 1].long(), steps.table[:, 3].abs()
    strongest = torch.zeros_like(steps.rate).scatter_reduce(0, pixel, snr, "amax")
    chosen = (snr == strongest[pixel]) & (steps.steps[pixel] > 1)
    out = used.clone()
    out[at[chosen], pixel[chosen]] = False
    return out


def _with_each(ramps: Ramps, rate: Tensor, shapes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Chi-square of straight ramps (n,), its fall with each of some shapes alone, and their sizes, (k, n).

    ``shapes`` are (k, m, n) or (k, m, 1).
    """
    spacing = ramps.sampling.spacing.to(rate)[:, None]
    sides, mask = [ramps.difference, spacing, *shapes], ramps.used.to(rate)
    weight = solve_tridiagonal(*ramps.covariance(rate), sides, mask).solution
    (dd, dt), ds = (ramps.difference * weight[:2]).sum(1), (ramps.difference * weight[2:]).sum(1)
    tt, ts = (spacing * weight[1]).sum(0), (spacing * weight[2:]).sum(1)
    information = ((shapes * weight[2:]).sum(1) - ts.square() / tt).clamp(min=1e-300)
    left = ds - ts * dt / tt
    return dd - dt.square() / tt, left.square() / information, left / information


def _decay(sampling: Sampling, time: Tensor) -> Tensor:
    """Charge that traps release between groups, all of it by the last read 1, (m, n); ``time`` in lengths of ramps."""
    since = (sampling.times - sampling.times[0]).to(time)
    released = -torch.expm1(-(since / since[-1])[:, None] / time)
    return torch.diff(released / released[-1], dim=0)


def _refined(ramps: Ramps, rate: Tensor, time: Tensor) -> Tensor:
    """Decay times (n,) nearer to the least chi-square, by parabolas in their logarithm."""
    for width in _CLOSER:
        shapes = torch.stack([_decay(ramps.sampling, time * math.exp(shift)) for shift in (-width, 0.0, width)])
        before, here, after = _with_each(ramps, rate, shapes)[1].neg()
        bend = before - 2 * here + after
        vertex = 0.5 * (before - after) / bend
        downhill = torch.where(before < after, -1.0, 1.0)
        time = time * torch.exp(width * torch.where(bend > 0, vertex, downhill).nan_to_num(0.0).clamp(-1, 1))
    return time
