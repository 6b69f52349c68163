"""Some pixels' ramps as they are fitted, and the sizes of the steps that are left out of their fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import (
    Sampling,
    Solved,
    masked_covariance,
    solve_tridiagonal,
)
from astrid_ml.preprocessing.ramps.steps.prior import lower_median

_SHORT = 64  # groups
_CACHED = 2**18  # values of pixels and groups that stay in the cache


def differences(reads: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of the chosen pixels' reads, 0 where there are none, and where there are some, (m, k) both.

    They are as exact as so long ramps need it: the condition of their matrices grows with the square of the length.
    """
    exact = torch.float32 if len(reads) <= _SHORT else torch.float64
    difference = torch.diff(reads.index_select(1, chosen).to(exact), dim=0)
    used = difference.isfinite()
    return difference.nan_to_num_(0.0, 0.0, 0.0), used


@dataclass(frozen=True)
class Ramps:
    """Some pixels' reads as they are fitted.

    Args:
        difference: of neighbouring groups, e-, (m, n); 0 where not used.
        used: which of them count, (m, n) bool.
        noise: of one read, e-, (n,).
        sampling: times and reads.
    """

    difference: Tensor
    used: Tensor
    noise: Tensor
    sampling: Sampling

    @staticmethod
    def of(reads: Tensor, noise: Tensor, sampling: Sampling, chosen: Tensor) -> Ramps:
        """The chosen pixels (k,) of reads (n_groups, n) and noises (n,)."""
        difference, used = differences(reads, chosen)
        return Ramps(difference, used, noise[chosen].to(difference), sampling)

    def to(self, dtype: torch.dtype) -> Ramps:
        """In another precision."""
        return replace(self, difference=self.difference.to(dtype), noise=self.noise.to(dtype))

    def part(self, where: Tensor, used: Tensor) -> Ramps:
        """That of some pixels, of which others are ``used``, (m, n)."""
        difference, used = (one.index_select(1, where) for one in (self.difference, used))
        return Ramps(difference, used, self.noise[where], self.sampling)

    def covariance(self, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Diagonals (m, n) and what stands beside them (m - 1, n), for a rate, e-/s, (n,)."""
        return masked_covariance(self.used.to(self.difference), self.sampling, self.noise, rate)

    def solved(self, rate: Tensor, template: Tensor | None = None) -> Solved:
        """With the photon noise of a rate, e-/s, (n,)."""
        return Solved.of(self.difference, self.used, self.sampling, self.noise, rate, template)


def blocks(pixel: Tensor, groups: int) -> Sequence[Tensor]:
    """Parts of pixels (k,) whose values stay in the cache; at least one."""
    return torch.split(pixel, max(1, _CACHED // groups))


def rough_rates(ramps: Ramps) -> Tensor:
    """The medians of the differences' rates, e-/s, (n,); 0 where there are none."""
    spacing = ramps.sampling.spacing.to(ramps.difference)[:, None]
    # 0 / 0 is no number, and such stand last.
    rates = (ramps.difference / (spacing * ramps.used.to(spacing))).T
    return lower_median(rates.float().contiguous(), ramps.used.sum(0)).to(ramps.difference).nan_to_num(0.0)


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
    spacing = ramps.sampling.spacing.to(rate)[:, None]
    known = beyond(ramps, rate, [spacing] if template is None else [spacing, template], at, pixel)
    whole, weight = known.whole, known.weight
    gram = torch.stack([torch.stack([(side * one).sum(0) for one in weight[1:]], 1) for side in whole[1:]], 1)
    taken = torch.stack([(side * weight[0]).sum(0) for side in whole[1:]], 1)
    if template is None:
        spread = gram.reciprocal()
    else:
        scale = gram.diagonal(dim1=1, dim2=2).clamp(min=1e-300).rsqrt()  # of one size, so that it can be inverted
        spread = torch.linalg.pinv(gram * scale[:, :, None] * scale[:, None, :], hermitian=True)
        spread = spread * scale[:, :, None] * scale[:, None, :]
    terms = known.sides[1:].T
    fitted = torch.einsum("kij,kj->ki", spread[pixel], taken[pixel])
    enough = ramps.used.sum(0)[pixel] >= len(whole) - 1
    size = known.sides[0] - (terms * fitted).sum(1)
    variance = known.variance + torch.einsum("ki,kij,kj->k", terms, spread[pixel], terms)
    return size, torch.where(enough, variance, torch.inf)


@dataclass(frozen=True)
class Beyond:
    """What steps have beyond the prediction of the differences beside them. c sides: the differences, then others.

    Args:
        whole: the sides, (m, n) or (m, 1) each.
        weight: C^-1 on them, 0 where a difference is out, (c, m, n).
        sides: at k steps, less what the noise of those beside predicts, (c, k).
        variance: of the noise that is left there, (k,).
    """

    whole: Sequence[Tensor]
    weight: Tensor
    sides: Tensor
    variance: Tensor


def beyond(ramps: Ramps, rate: Tensor, sides: Sequence[Tensor], at: Tensor, pixel: Tensor) -> Beyond:
    """See ``put_back``; ``sides`` are (m, n) or (m, 1)."""
    m, whole = len(ramps.used), [ramps.difference, *sides]
    found = torch.stack([side.expand_as(ramps.difference)[at, pixel] for side in whole])
    solved = solve_tridiagonal(*ramps.covariance(rate), whole, ramps.used.to(rate))
    read, photon, read_beside, photon_beside = (term.to(rate) for term in ramps.sampling.terms())
    noise, photons = ramps.noise[pixel].square(), rate.clamp(min=0)[pixel]
    inverse, left = solved.inverse_diagonal, read[at] * noise + photon[at] * photons
    for near, shared in ((at - 1, at - 1), (at + 1, at)):
        row, shared = near.clamp(0, m - 1), shared.clamp(0, m - 2)
        common = read_beside[shared] * noise + photon_beside[shared] * photons
        common *= (near == row) & ramps.used[row, pixel]
        found = found - common * solved.solution[:, row, pixel]
        left = left - common.square() * inverse[row, pixel]
    return Beyond(whole, solved.solution, found, left)
