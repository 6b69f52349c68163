"""Detection where photons are few: a matched filter for counts, its false alarms by Poisson statistics.

The filter is that of Ofek & Zackay (2018, PASP 130, 074503), log(1 + F P / B), for a new source of flux F on a sky of
B; what the reference holds is taken away through the kernel that matches its PSF. The sum is one of independent Poisson
counts, with weights: its tail is known from its cumulants by the saddle point (Lugannani & Rice 1980; in the form of
Barndorff-Nielsen 1986), so that a threshold of 5 sigma has a Gaussian's 2.9e-7 false alarms a pixel, at any count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.detect.options import Peaks, candidates
from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, stamp_of, transform
from astrid_ml.preprocessing.differencing.pixels.peaks import interpolate, local_maxima
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult
from astrid_ml.types import InUnits, NonNegative, Positive

POISSON_SIGMA = "poisson_sigma"  # the column of its own
_REGULAR = 1e-3  # of the reference PSF's power, below which frequencies are not divided by it
_FIRST = 3.0  # sigma of a Gaussian at which a peak is looked at
_BRIGHT = 3.0  # sigma of the reference's filtered light that is no noise
_REACH = 3  # px over which a star's residual spreads
_BRIGHTER = 30.0  # sigma of stars that show residuals
_LEAST_STARS = 5
_AT_ONCE = 1024
_LARGEST = 300.0  # exponent of a weight; float64 holds e^700
_STEPS = 100


@dataclass(frozen=True)
class Counts:
    """A pair in electrons, on one grid, without its skies.

    Args:
        science, reference: (H, W), e-; masked pixels 0.
        rates: e- of blank sky in a pixel of each.
        psfs: (k, k) of both, sum 1.
        ratio: electrons in the science image of what makes one in the reference.
        read_noise: e- a pixel of each; Gaussian.
        shake: px per axis, registration error.
        known: whether the gains were known; else nothing here is in electrons.
    """

    science: Tensor
    reference: Tensor
    rates: tuple[float, float]
    psfs: tuple[Tensor, Tensor]
    ratio: float
    read_noise: tuple[float, float] = (0.0, 0.0)
    shake: float = 0.0
    known: bool = True


@runtime_checkable
class DetectsCounts(Protocol):
    """A detection step that looks at the counts behind the significance."""

    def of_counts(self, counts: Counts, result: SubtractionResult) -> tuple[pd.DataFrame, dict[str, str]]:
        """Candidates as of a detection step, and what was chosen and why, for ``quality.json``."""


@dataclass(frozen=True)
class CountFilter:
    """Weights of the counts around a place.

    Args:
        science, reference: (k, k), of a count in each image; those of the reference with its ratio, positive.
        read_variance: of the sum, by read noise.
    """

    science: Tensor
    reference: Tensor
    read_variance: float


def count_filter(counts: Counts, sigma: float) -> CountFilter:
    """The filter that is best for sources at the threshold of ``sigma``."""
    p_n, p_r = (psf.clamp_min(0) for psf in counts.psfs)
    sky = counts.rates[0] + counts.ratio**2 * counts.rates[1] + counts.read_noise[0] ** 2
    flux = sigma * (sky / float(p_n.square().sum())) ** 0.5 + sigma
    weight = torch.log1p(flux * p_n / sky)
    size = weight.shape[-1]
    box = padded_shape((4 * size, 4 * size), size)
    a, n, r = (transform(t, box) for t in (weight, p_n, p_r))
    # correlated with the weights, a star of both images gives the same: conj(a) n = conj(b) r
    power = r.abs().square()
    b = a * n.conj() * r / (power + _REGULAR)
    reference = counts.ratio * stamp_of(b, box, size)
    read = counts.read_noise[0] ** 2 * float(weight.square().sum())
    read += counts.read_noise[1] ** 2 * float(reference.square().sum())
    return CountFilter(weight, reference, read)


def _correlate(plane: Tensor, stamp: Tensor) -> Tensor:
    h, w = plane.shape
    shape = padded_shape((h, w), stamp.shape[-1])
    out: Tensor = torch.fft.irfft2(torch.fft.rfft2(plane, s=shape) * transform(stamp, shape).conj(), s=shape)
    return out[:h, :w]


def count_score(counts: Counts, weights: CountFilter) -> Tensor:
    """(H, W) weighted sum of the counts around each pixel, 0 on the mean where nothing changed."""
    return _correlate(counts.science, weights.science) - _correlate(counts.reference, weights.reference)


def static_light(counts: Counts) -> Tensor:
    """Electrons (H, W) that the reference's sources put into the science image, 0 where they are no more than noise."""
    psf = counts.psfs[1]
    light = _correlate(counts.reference, psf)
    noise = (max(counts.rates[1] + counts.read_noise[1] ** 2, 1e-9) * float(psf.square().sum())) ** 0.5
    return torch.where(light > _BRIGHT * noise, light, 0.0) * counts.ratio


def residual_variance(counts: Counts, weights: CountFilter, score: Tensor, variance: Tensor, mask: Tensor) -> Tensor:
    """What subtraction leaves at stars, as variance (H, W) of the score: registration and a share of a star's light.

    The share is what makes the mean square of the score at bright stars its variance, as in ``StarResiduals``.

    Args:
        counts: the pair.
        weights: of the filter.
        score, variance: (H, W), of photons alone.
        mask: (H, W), True where nothing may be used.
    """
    old = _correlate(counts.reference, weights.reference)
    slopes = [torch.stack(torch.gradient(plane)).square().sum(0) for plane in (old, score + old)]
    shaken = counts.shake**2 * torch.minimum(slopes[0], slopes[1])
    side = 2 * _REACH + 1
    star = torch.nn.functional.max_pool2d(old.clamp_min(0)[None, None], side, 1, _REACH)[0, 0]
    at = local_maxima(old / (variance + shaken).sqrt(), mask, _BRIGHTER, 4)
    if len(at) < _LEAST_STARS:
        return shaken
    near = torch.nn.functional.avg_pool2d(score.square()[None, None], 5, 1, 2)[0, 0]
    y, x = at.T
    excess = (near - variance - shaken)[y, x] / old[y, x].square()
    kept = excess <= torch.quantile(excess, 0.9)  # a variable star must not count for all
    return shaken + excess[kept].mean().clamp_min(0) * star.square()


def tail_sigma(
    value: Tensor, rates: tuple[Tensor, Tensor], weights: CountFilter, sign: float, extra: Tensor | float = 0.0
) -> Tensor:
    """Deviation of a Gaussian that is exceeded as often as a score; float64 (n,).

    Args:
        value: (n,) of ``count_score``.
        rates: (n, k, k) electrons that are expected in the pixels of science and reference where nothing changed.
        weights: the filter.
        sign: 1 for scores that are too high, -1 for those that are too low.
        extra: (n,) variance of the score that is not of photons, Gaussian.
    """
    gaussian = torch.as_tensor(extra, dtype=torch.double) + weights.read_variance
    a = torch.cat([sign * weights.science.flatten(), -sign * weights.reference.flatten()]).double()
    rate = torch.cat([r.flatten(1) for r in rates], 1).double()
    wanted = sign * value.double()
    variance = (rate * a.square()).sum(1) + gaussian
    steepest = float(a.abs().max())  # were all weights so large, the start would be the solution; it is below it
    top = _LARGEST / steepest
    t = (torch.log1p(wanted.clamp_min(0) * steepest / variance) / steepest).clamp(1e-6, top / 2)
    low, high = torch.zeros_like(t), torch.full_like(t, top)
    for _ in range(_STEPS):
        grown = torch.exp(a[None] * t[:, None])
        first = (rate * a * (grown - 1)).sum(1) + gaussian * t
        second = (rate * a.square() * grown).sum(1) + gaussian
        low, high = torch.where(first < wanted, t, low), torch.where(first < wanted, high, t)
        step = t - (first - wanted) / second
        new = torch.where((step >= low) & (step <= high) & torch.isfinite(step), step, (low + high) / 2)
        if bool(((new - t).abs() <= 1e-9 * t.abs() + 1e-12).all()):
            break
        t = new
    grown = torch.expm1(a[None] * t[:, None])
    cumulant = (rate * (grown - a * t[:, None])).sum(1) + gaussian * t.square() / 2
    second = (rate * a.square() * (grown + 1)).sum(1) + gaussian
    w = (2 * (t * wanted - cumulant)).clamp_min(0).sqrt()
    u = t * second.sqrt()
    sound = (wanted > 0) & (w > 1e-3)
    return torch.where(sound, w + torch.log(u / w.clamp_min(1e-3)) / w.clamp_min(1e-3), 0.0)


@dataclass(frozen=True)
class PoissonPeaks:
    """Peaks of a matched filter for counts; where there are many, of the significance.

    Args:
        threshold: sigma of a Gaussian with as many false alarms; applied to both signs.
        below: e- of blank sky in a pixel of the science image; with more, ``peaks`` finds. None: counts are always
            looked at.
        peaks: what both ways share: radius, edge, dipoles, and how many are kept; its threshold serves where it finds.
    """

    threshold: Positive = 5.0
    below: Annotated[NonNegative, InUnits("e-")] | None = None
    peaks: Peaks = field(default_factory=Peaks)

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """Peaks of a significance without counts: those of ``peaks``."""
        return self.peaks(significance, mask)

    def of_counts(self, counts: Counts, result: SubtractionResult) -> tuple[pd.DataFrame, dict[str, str]]:
        """Candidates, and why so; see :class:`DetectsCounts`. ``snr`` is of the significance, as of other steps.

        Raises:
            UserError: counts without a gain, where nothing else may be used.
        """
        held = f"blank sky holds {counts.rates[0]:.3g} e- a pixel, in the reference {counts.rates[1]:.3g}"
        few = self.below is None or (counts.known and counts.rates[0] < self.below)
        if few and not counts.known:
            fix = "give science.gain and reference.gain, or leave out preprocessing/detect=poisson"
            raise UserError("the gain of both frames, to count photons", "none in a header", fix)
        if not few:
            reason = held if counts.known else "the gain is not known"
            table = self.peaks(result.significance, result.mask).assign(**{POISSON_SIGMA: np.nan})
            return table, {"detect": "peaks", "detect_because": reason}
        return self._found(counts, result), {"detect": "poisson", "detect_because": held}

    def _found(self, counts: Counts, result: SubtractionResult) -> pd.DataFrame:
        weights, p = count_filter(counts, self.threshold), self.peaks
        score, light = count_score(counts, weights), static_light(counts)
        expected = (counts.rates[0] + light, counts.rates[1] + light / counts.ratio)
        variance = _correlate(expected[0], weights.science.square())
        variance += _correlate(expected[1], weights.reference.square()) + weights.read_variance
        variance = variance.clamp_min(1e-3 * float(variance.mean()))
        extra = residual_variance(counts, weights, score, variance, result.mask)
        plain = score / (variance + extra).sqrt()
        kept, sigmas = [], []
        for sign in (1.0, -1.0):
            at = local_maxima(sign * plain, result.mask, min(_FIRST, self.threshold), p.radius)
            sigma = _sigma_at(at, (score, extra), expected, weights, sign)
            kept.append(at[sigma >= self.threshold])
            sigmas.append(sigma[sigma >= self.threshold] * sign)
        table = candidates(plain, result.mask, kept, p.edge, p.dipole_radius, p.dipole_ratio, p.max_candidates)
        table[POISSON_SIGMA] = _in_order(plain, kept, torch.cat(sigmas)).numpy()[: len(table)]
        x, y = (torch.from_numpy(table[c].to_numpy(dtype=float, copy=True)) for c in ("x", "y"))
        table["snr"] = forced(result, x, y)[2].numpy()
        order = np.argsort(-np.abs(table[POISSON_SIGMA].to_numpy()), kind="stable")
        return table.iloc[order].reset_index(drop=True)


def _sigma_at(
    at: Tensor, planes: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], weights: CountFilter, sign: float
) -> Tensor:
    """``tail_sigma`` at pixels (n, 2), rows and columns; of the planes of the score and of its further variance."""
    score, extra = planes
    out, size = torch.zeros(len(at), dtype=torch.double), weights.science.shape[-1]
    for rows in torch.split(torch.arange(len(at)), _AT_ONCE) if len(at) else ():
        y, x = at[rows].T
        stamps = [stamps_at(plane, x.double(), y.double(), size)[0] for plane in expected]
        out[rows] = tail_sigma(score[y, x], (stamps[0], stamps[1]), weights, sign, extra[y, x])
    return out


def _in_order(plain: Tensor, kept: list[Tensor], sigmas: Tensor) -> Tensor:
    """The sigmas in the order in which ``candidates`` lists the peaks: by their interpolated height."""
    height = torch.cat([interpolate(s * plain, at)[2] for s, at in zip((1.0, -1.0), kept, strict=True)])
    return sigmas[torch.argsort(height.abs(), descending=True, stable=True)]
