"""What is known of a pixel's count rate before its ramp is looked at: a mixture of Gaussians.

Few groups cannot tell a step from a higher rate. The neighbours can: most pixels have their rate. Those that do not, at
the edges of stars and where a pixel is warm, have one of their own. So do other integrations of the same pixel, and an
image of the rates. The mixture holds them all, and each ramp says by its own evidence which of them it believes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.stats import MAD_TO_SIGMA

REACH = 3  # rows and columns around a pixel in which its neighbours lie
_OFFSETS = [
    (dy, dx)
    for dy in range(-REACH, REACH + 1)
    for dx in range(-REACH, REACH + 1)
    if 0 < dy * dy + dx * dx <= REACH * REACH + 1
]
_BESIDE = 2  # integrations before and after: sources vary, and memory ends
_CHUNK = 8192  # pixels whose neighbours stay in the cache
_LEAST = 8  # neighbours with a rate, below which they tell nothing
_COMPANY = 4  # of 36: their median moves by a seventh of their scatter
_MEDIAN = math.pi / 2  # variance of a median over that of a mean
WEIGHTS = (0.9, 0.07, 0.03)  # the neighbours' rate; one near it; any
NEAR, ANY = 5.0, 100.0  # widths of the second part, in those of the first; of the third, e-/s beside ten rates
KNOWN = 19.0  # weight of a rate that is known otherwise: it holds in 95 %, and where not, the neighbours' sum of 1 does
_STEADY = 0.01  # such a rate is as good as this share of it: flats, pointing and stars change between exposures

# What a step may rest on. Places in this list are the codes of ``Steps.evidence``.
EVIDENCE = ("likelihood", "neighbours", "integrations", "reference", "return")


@dataclass(frozen=True)
class KnownRate:
    """The count rates of a tile from elsewhere.

    Args:
        kind: ``integrations`` or ``reference``.
        rate: e-/s, (h, w); NaN where nobody knows.
        variance: of it by its own noise, (h, w).
    """

    kind: str
    rate: Tensor
    variance: Tensor


class Integrations:
    """Rates of an exposure's integrations by their whole ramps, as many as are needed at a time.

    Args:
        number: of integrations.
        rates: rate (e-/s) and variance of one, both (h, w); NaN where nobody knows.

    Example:
        >>> known = Integrations(3, lambda one: (torch.full((2, 2), 4.0 + one), torch.ones(2, 2)))
        >>> float(known.beside(1).rate[0, 0])
        5.0
    """

    def __init__(self, number: int, rates: Callable[[int], tuple[Tensor, Tensor]]) -> None:
        self.number, self._rates = number, rates
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def beside(self, integration: int) -> KnownRate | None:
        """The median of those around one, which a ray in one of three does not move; None where there are none."""
        wanted = range(max(0, integration - _BESIDE), min(self.number, integration + _BESIDE + 1))
        self._kept = {one: self._kept[one] if one in self._kept else self._rates(one) for one in wanted}
        others = [self._kept[one] for one in wanted if one != integration]
        if not others:
            return None
        rates, variances = (torch.stack(parts) for parts in zip(*others, strict=True))
        count = rates.isfinite().sum(0)
        ordered = rates.sort(0)[0]  # what is not known is last
        low, high = ((count - 1).clamp(min=0) // 2, (count // 2).clamp(max=len(rates) - 1))
        middle = 0.5 * (ordered.gather(0, low[None]) + ordered.gather(0, high[None]))[0]
        spread = torch.where(count > 2, math.pi / 2, 1.0) / count.clamp(min=1)
        return KnownRate("integrations", middle, variances.nanmean(0) * spread)


@dataclass(frozen=True)
class RatePart:
    """One Gaussian of the mixture. n pixels.

    Args:
        evidence: what it rests on, a place in ``EVIDENCE``.
        broad: it says so little that the photon noise is better that of the pixel's own rate.
        mean: e-/s, (n,).
        sigma: its width, e-/s, (n,); infinite where nothing is known.
        log_weight: (n,); -infinity where it has no say.
    """

    evidence: int
    broad: bool
    mean: Tensor
    sigma: Tensor
    log_weight: Tensor

    def made(self, change: Callable[[Tensor], Tensor]) -> RatePart:
        """With its numbers changed."""
        return RatePart(self.evidence, self.broad, *(change(one) for one in (self.mean, self.sigma, self.log_weight)))


@dataclass(frozen=True)
class RatePrior:
    """The mixture.

    Args:
        parts: at least one of which has a say in each pixel.
    """

    parts: tuple[RatePart, ...]

    def part(self, where: Tensor) -> RatePrior:
        """That of some pixels."""
        return RatePrior(tuple(one.made(lambda value: value[where]) for one in self.parts))

    def to(self, like: Tensor) -> RatePrior:
        """The same in the precision of a tensor."""
        return RatePrior(tuple(one.made(lambda value: value.to(like)) for one in self.parts))


def flat_prior(pixels: int, device: torch.device | None = None) -> RatePrior:
    """Nothing is known: any rate is as good as another."""
    zero = torch.zeros(pixels, dtype=torch.float64, device=device)
    return RatePrior((RatePart(0, True, zero, torch.full_like(zero, torch.inf), zero),))


def neighbours_prior(
    rate: Tensor,
    variance: Tensor,
    where: Tensor | None = None,
    known: Sequence[KnownRate] = (),
    common: Tensor | None = None,
) -> RatePrior:
    """By the median of the neighbours and their scatter beyond their noise, and by rates that are known otherwise.

    A pixel with too few neighbours has a rate of its own, whatever it is.

    Args:
        rate: of each pixel by its own ramp, e-/s, (h, w); NaN where nobody knows.
        variance: of it, (h, w).
        where: pixels for which it is asked, (k,); None: all.
        known: further rates; where one of them is off all around a pixel, by so much it is corrected.
        common: rates of the neighbours where most of them have a step of one group, e-/s, (h, w); NaN elsewhere.
    """
    where = torch.arange(rate.numel(), device=rate.device) if where is None else where
    near = _Surroundings.of(rate, variance, where)
    lonely = near.lonely
    own = rate.reshape(-1)[where].double()
    middle = torch.where(lonely, own.nan_to_num(0.0), near.middle)
    if common is not None:
        better = common.reshape(-1)[where].double()
        middle = torch.where(better.isfinite() & ~lonely, better, middle)
    # Where the pixel's own rate is not known either, as in a field that saturates, any is as good as another.
    third = torch.where(lonely & own.isnan(), torch.inf, ANY + 10 * middle.clamp(min=0))
    parts = []
    for number, (width, weight) in enumerate(zip((near.sigma, near.wide, third), WEIGHTS, strict=True)):
        mute = lonely & (number < 2)
        log_weight = torch.where(mute, -torch.inf, math.log(weight)).double()
        evidence = EVIDENCE.index("likelihood" if number == 2 else "neighbours")
        parts.append(RatePart(evidence, number > 0, middle, torch.where(mute, 1.0, width), log_weight))
    return RatePrior((*parts, *(_elsewhere(one, rate, variance, where) for one in known)))


@dataclass(frozen=True)
class _Surroundings:
    """What the neighbours of n pixels have.

    Args:
        middle: their median, (n,).
        sigma: how well that tells the pixel's value, (n,).
        wide: a width of values that are merely like it, (n,).
        lonely: too few neighbours have a value, (n,) bool.
    """

    middle: Tensor
    sigma: Tensor
    wide: Tensor
    lonely: Tensor

    @staticmethod
    def of(image: Tensor, variance: Tensor, where: Tensor) -> _Surroundings:
        values, noises = _padded(image), _padded(variance)
        parts = [
            _Surroundings._some(values, noises, _centres(part, image.shape[1])) for part in torch.split(where, _CHUNK)
        ]
        return _Surroundings(*(torch.cat(part) for part in zip(*parts, strict=True)))

    @staticmethod
    def _some(image: Tensor, variance: Tensor, centre: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        around = _around(image, centre)
        count = around.isfinite().sum(-1)
        middle = lower_median(around, count)
        scatter = MAD_TO_SIGMA * lower_median((around - middle[:, None]).abs_(), count).double()
        noise = lower_median(_around(variance, centre), count).double().sqrt()
        own = (scatter.square() - noise.square()).clamp(min=0)  # rates differ by so much
        sigma = (own + _MEDIAN * torch.maximum(scatter, noise).square() / count.clamp(min=1)).sqrt()
        wide = NEAR * torch.maximum(sigma, noise)
        lonely = (count < _LEAST) | ~middle.isfinite() | ~sigma.isfinite()
        return middle.double(), sigma, wide, lonely


def in_company(hit: Tensor) -> Tensor:
    """Pixels of whose neighbours so many are hit that their median is moved, (h, w) bool."""
    h, w = hit.shape
    wide = w + 2 * REACH
    y, x = hit.nonzero().T
    centre = (y + REACH) * wide + x + REACH
    near = centre[:, None] + torch.tensor([dy * wide + dx for dy, dx in _OFFSETS], device=hit.device)
    count = torch.bincount(near.reshape(-1), minlength=(h + 2 * REACH) * wide).reshape(h + 2 * REACH, wide)
    return count[REACH : REACH + h, REACH : REACH + w] >= _COMPANY


def disturbed(rise: Tensor, differences: int) -> Tensor:
    """Pixels most of whose neighbours may have a step: a snowball, a shower, a broad track, (h, w) bool.

    Args:
        rise: significance of the largest rise of each pixel, (h, w); NaN where nobody knows.
        differences: of their ramps.
    """
    usual = NormalDist().inv_cdf(0.5 ** (1 / differences))  # median of the largest of so many
    kernel = torch.zeros(1, 1, 2 * REACH + 1, 2 * REACH + 1, device=rise.device)
    for dy, dx in _OFFSETS:
        kernel[0, 0, dy + REACH, dx + REACH] = 1.0
    both = torch.stack([rise > usual + 1, rise.isfinite()]).float()[:, None]
    high, count = torch.nn.functional.conv2d(both, kernel, padding=REACH)[:, 0].round()
    most: Tensor = (high > 0.5 * count) & (count >= _LEAST)
    return most


def common_rates(reads: Tensor, sampling: Sampling, chosen: Tensor) -> Tensor:
    """The neighbours' rate where many have a step: the median in time of their median differences, (h, w), else NaN.

    A step of one group that most of them have moves one of these differences.

    Args:
        reads: (n_groups, h, w), e-; NaN unusable.
        sampling: times and reads.
        chosen: pixels for which it is asked, (h, w) bool.
    """
    out = torch.full(chosen.shape, torch.nan, dtype=reads.dtype, device=reads.device)
    for where in torch.split(chosen.reshape(-1).nonzero()[:, 0], _CHUNK):
        middles, centre = [], _centres(where, chosen.shape[1])
        for before, after, time in zip(reads[:-1], reads[1:], sampling.spacing.tolist(), strict=True):
            around = _around(_padded((after - before) / time), centre)
            middles.append(lower_median(around, around.isfinite().sum(-1)))
        stacked = torch.stack(middles, 1)
        out.view(-1)[where] = lower_median(stacked, stacked.isfinite().sum(-1)).to(out)
    return out


def _elsewhere(known: KnownRate, rate: Tensor, variance: Tensor, where: Tensor) -> RatePart:
    """The part of a rate that is known otherwise, with the offset and the scatter that the neighbours show of it.

    Args:
        known: it.
        rate: of each pixel by its own ramp, e-/s, (h, w).
        variance: of it, (h, w).
        where: pixels for which it is asked, (n,).
    """
    near = _Surroundings.of(rate - known.rate.to(rate), variance, where)
    there, noise = (one.reshape(-1)[where].double() for one in (known.rate, known.variance))
    silent = near.lonely | ~(there.isfinite() & noise.isfinite())
    mean = torch.where(silent, 0.0, there + near.middle)
    sigma = (near.sigma.square() + noise + (_STEADY * there).square()).sqrt()
    log_weight = torch.where(silent, -torch.inf, math.log(KNOWN)).double()
    return RatePart(EVIDENCE.index(known.kind), False, mean, torch.where(silent, 1.0, sigma), log_weight)


def _padded(image: Tensor) -> Tensor:
    """An image with NaN beyond its edges, as far as neighbours reach, float32."""
    return torch.nn.functional.pad(image.float(), (REACH,) * 4, value=torch.nan)


def _centres(where: Tensor, width: int) -> Tensor:
    """Places of pixels (n,) of an image so wide in the padded one."""
    return (where // width + REACH) * (width + 2 * REACH) + where % width + REACH


def _around(padded: Tensor, centre: Tensor) -> Tensor:
    """The neighbours of some pixels (n,), (n, k); NaN beyond the edges."""
    offsets = torch.tensor([dy * padded.shape[1] + dx for dy, dx in _OFFSETS], device=padded.device)
    return padded.reshape(-1)[centre[:, None] + offsets]


def lower_median(values: Tensor, known: Tensor) -> Tensor:
    """The lower one of the two in the middle of the last axis, of which so many are known; NaN of none."""
    # numpy sorts short rows ten times as fast as torch; both put what is not known last.
    ordered = torch.from_numpy(np.sort(values.numpy(), axis=-1)) if values.device.type == "cpu" else values.sort(-1)[0]
    return ordered.gather(-1, ((known - 1) // 2).clamp(min=0)[..., None])[..., 0]
