"""Large steps of long ramps, which no prior could argue away: found at once, in single precision, by the ramps alone.

What is left of such ramps is then searched exactly, and their cleaned rates tell of their neighbours from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.believed import FALLS, largest
from astrid_ml.preprocessing.ramps.steps.explain import Rules
from astrid_ml.preprocessing.ramps.steps.likelihood import solve_tridiagonal
from astrid_ml.preprocessing.ramps.steps.pixels import Ramps, blocks, rough_rates
from astrid_ml.preprocessing.ramps.steps.prior import EVIDENCE

LEAST = 12  # differences; of fewer the prior of the rate decides
# Of chi-square, beyond that of the threshold. By so much no parts of a prior differ: 7 sigmas for a threshold of 4.5.
SURE = 29.0
OBVIOUS = 44.0  # the same of a difference alone: 8 sigmas
_FEW = 0.25  # of the differences


@dataclass(frozen=True)
class Certain:
    """What the ramps alone say of n pixels.

    Args:
        table: of the certain steps, a row each, as in ``Explained``, in the order in which they were found.
        steps: number of all that pass the threshold, certain or not, (n,) int64.
        rate: without them, e-/s, (n,) float32.
        variance: of the rate, (n,).
        rise: significance of the largest rise that is left, (n,).
    """

    table: Tensor
    steps: Tensor
    rate: Tensor
    variance: Tensor
    rise: Tensor


def certain(ramps: Ramps, rules: Rules) -> Certain:
    """Find the strongest step of each ramp, leave it free, and look again, until nothing passes the threshold."""
    n, device = len(ramps.noise), ramps.noise.device
    single = replace(ramps.to(torch.float32), used=ramps.used.clone())
    search = _Quick(single, rough_rates(single), torch.zeros(n, device=device), torch.zeros(4, n, device=device))
    active, found = torch.arange(n, device=device), [search.obvious(rules)]
    while len(active):
        rows = torch.cat([search.one_more(block, rules) for block in blocks(active, len(ramps.used))])
        found.append(rows)
        active = rows[:, 1].long()
    rate, variance, rise, steps = search.out
    table = torch.cat(found)
    sure = table[:, 4].square() > rules.threshold**2 + SURE
    return Certain(table[sure], steps.long(), rate, variance, rise)


@dataclass(frozen=True)
class _Quick:
    """How far the search in n pixels is.

    Args:
        ramps: in single precision, without the steps so far.
        photons: rate that sets the photon noise, e-/s, (n,).
        last: size of the last rise of each pixel, e-, (n,).
        out: rate, its variance, the largest rise and the number of steps, (4, n).
    """

    ramps: Ramps
    photons: Tensor
    last: Tensor
    out: Tensor

    def obvious(self, rules: Rules) -> Tensor:
        """Rows of all differences that alone stand out, which are left out then."""
        ramps, spacing = self.ramps, self.ramps.sampling.spacing.to(self.photons)[:, None]
        size = torch.addcmul(ramps.difference, spacing, self.photons, value=-1)
        variance = ramps.sampling.covariance(self.photons.clamp(min=0), ramps.noise)[0]
        snr = size * variance.rsqrt_()
        high = (snr > (rules.threshold**2 + OBVIOUS) ** 0.5) & ramps.used
        number = high.sum(0)
        # Where more than a few do, the median is no rate, or the ramp is no line.
        few = number < _FEW * ramps.used.sum(0)
        pixel, at = (high & few).T.nonzero().T
        ramps.used[at, pixel] = False
        number = number * few
        self.out[3] = number.to(self.out)
        self.last[number > 0] = 1.0
        size, snr = size[at, pixel], snr[at, pixel]
        return torch.stack([at + 1, pixel, size, snr, snr, torch.zeros_like(snr)], 1).double()

    def one_more(self, pixel: Tensor, rules: Rules) -> Tensor:
        """Rows of the strongest steps of some pixels (k,), which are left out then."""
        here = self.ramps.part(pixel, self.ramps.used)
        spacing = here.sampling.spacing.to(here.noise)[:, None]
        sides, mask = [here.difference, spacing], here.used.to(here.noise)
        solved = solve_tridiagonal(*here.covariance(self.photons[pixel]), sides, mask)
        in_d, in_t = solved.solution
        information = (spacing * in_t).sum(0)
        slope, leverage = (here.difference * in_t).sum(0) / information, in_t / information
        residual = torch.addcmul(in_d, in_t, slope, value=-1)
        free = torch.addcmul(solved.inverse_diagonal, in_t, leverage, value=-1)
        # What is not used has neither weight nor residual.
        signed = (residual * residual.abs()).div_(free).nan_to_num_(0.0, 0.0, 0.0)
        gain = signed.abs()
        if rules.signed:
            gain.addcmul_(signed.sign().clamp_(max=0), (self.last[pixel] <= 0).to(gain), value=2 * FALLS)
        at = largest(gain)[None]
        best, size = gain.gather(0, at)[0], (residual.gather(0, at) / free.gather(0, at))[0]
        self.photons[pixel] = slope - size * leverage.gather(0, at)[0]
        hit = (best > rules.threshold**2) & (here.used.sum(0) > 2)
        rise, steps = signed.amax(0).clamp(min=0).sqrt(), self.out[3, pixel] + hit
        self.out[:, pixel] = torch.stack([slope, information.reciprocal(), rise, steps])
        at, size, snr, pixel = at[0, hit], size[hit], torch.copysign(best[hit].sqrt(), size[hit]), pixel[hit]
        self.ramps.used[at, pixel] = False
        returns = (size < 0) & (self.last[pixel] > 0) & rules.signed
        self.last[pixel] = torch.where(size > 0, size, self.last[pixel])
        return torch.stack([at + 1, pixel, size, snr, snr, returns * EVIDENCE.index("return")], 1).double()
