"""How well each pixel's ramp is fitted: chi-square, what photons add to the variance, a rate that decays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.preprocessing.ramps.steps.filters import BEND
from astrid_ml.preprocessing.ramps.steps.likelihood import Sampling
from astrid_ml.preprocessing.ramps.steps.steps import Steps
from astrid_ml.types import Array, Floats, Floats32, Mask

CHUNK = 16384  # pixels at once: what is kept of them stays in the cache
_NUDGE = 1.05  # of the rate, for the share of its photons in the variance


def residual_maps(reads: Floats32, noise: Floats32, sampling: Sampling, steps: Steps) -> dict[str, Floats32]:
    """Maps of (h, w) for a strip, of all its pixels.

    Differences with a step, and those of groups that cannot be used, are left out.

    Args:
        reads: (n_groups, h, w), e-; NaN unusable.
        noise: of one read, e-, (h, w).
        sampling: times and reads.
        steps: what was fitted.

    Returns:
        chi2 (reduced, of the ramp around its steps; NaN where fewer than two differences are left), degrees (of its
        freedom: differences that are left, less one), photon_share (of the variance of the slope), decay_snr
        (significance of a rate that decays within a quarter of the ramp: persistence, or a detector that is not
        linear).
    """
    n_groups, h, w = reads.shape
    flat, sigma, rate = reads.reshape(n_groups, -1), noise.reshape(-1), steps.rate.numpy().reshape(-1)
    place = (steps.y * w + steps.x).numpy()
    order = np.argsort(place, kind="stable")
    place, at = place[order], steps.group.numpy()[order] - 1
    out = np.full((4, h * w), np.nan, np.float32)
    terms = _Terms.of(sampling)
    for start in range(0, h * w, CHUNK):
        part = slice(start, min(start + CHUNK, h * w))
        first, last = np.searchsorted(place, [part.start, part.stop])
        difference = np.diff(flat[:, part], axis=0)
        used = np.isfinite(difference)
        used[at[first:last], place[first:last] - start] = False
        out[:, part] = _fitted(difference, used, terms, sigma[part], rate[part])
    out[:, np.isnan(rate)] = np.nan
    names = ("chi2", "degrees", "photon_share", "decay_snr")
    return {name: image.reshape(h, w) for name, image in zip(names, out, strict=True)}


@dataclass(frozen=True)
class _Terms:
    """Factors of read and photon noise, (m,) and (m - 1,), times between groups, and the template of a decay, (m,)."""

    read: Floats
    photon: Floats
    read_off: Floats
    photon_off: Floats
    spacing: Floats
    decay: Floats

    @staticmethod
    def of(sampling: Sampling) -> _Terms:
        spacing, times = sampling.spacing.numpy(), sampling.times.numpy()
        since = 0.5 * (times[1:] + times[:-1]) - times[0]
        decay = spacing * np.exp(-BEND * since / (times[-1] - times[0]))
        read, photon, read_off, photon_off = (part.numpy() for part in sampling.terms())
        return _Terms(read, photon, read_off, photon_off, spacing, decay)

    def covariance(self, i: int, variance: Floats32, rate: Floats32) -> tuple[Floats32, Floats32]:
        """Of difference ``i``, and with the one before it (nothing for the first), (n,)."""
        own = np.float32(self.read[i]) * variance + np.float32(self.photon[i]) * rate
        if i == 0:
            return own, np.zeros_like(own)
        return own, np.float32(self.read_off[i - 1]) * variance + np.float32(self.photon_off[i - 1]) * rate


def _fitted(difference: Floats32, used: Mask, terms: _Terms, noise: Floats32, rate: Floats32) -> Array:
    """Reduced chi-square and its degrees, share of photons and significance of a decay, (4, n)."""
    rate = np.nan_to_num(rate)
    photons, variance = np.maximum(rate, 0), np.square(noise)
    spacing, decay = terms.spacing.astype(np.float32), terms.decay.astype(np.float32)
    residual = np.where(used, difference - spacing[:, None] * rate, 0)
    template = np.stack([spacing, decay], 1)[:, :, None] * used[:, None]
    right = np.concatenate([residual[:, None], template], axis=1)  # (m, 3, n)
    gram = _gram(right, used, terms, variance, photons)
    rr, rt, rd, tt, td, dd = gram[0, 0], gram[0, 1], gram[0, 2], gram[1, 1], gram[1, 2], gram[2, 2]
    degrees = used.sum(0) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        chi2 = np.where(degrees >= 1, (rr - rt * rt / tt) / degrees, np.nan)
        free = dd - td * td / tt
        snr = np.where((degrees >= 1) & (free > 1e-4 * dd), (rd - rt * td / tt) / np.sqrt(free), np.nan)
    share = np.empty_like(photons)
    whole, ratio = used.all(axis=0), photons / variance
    share[~whole] = _photon_share(used[:, ~whole], terms, ratio[~whole])
    # Of whole ramps it depends on that ratio alone.
    grid: Floats32 = (np.geomspace(1e-4, 1e4, 81) / terms.spacing.mean()).astype(np.float32)
    known = _photon_share(np.ones((len(spacing), len(grid)), bool), terms, grid)
    share[whole] = np.interp(np.log(np.maximum(ratio[whole], grid[0])), np.log(grid), known)
    return np.stack([chi2, degrees, share, snr])


def _photon_share(used: Mask, terms: _Terms, ratio: Array) -> Floats32:
    """Share of photons in the variance of a slope, (n,), for rates in units of the read noise's variance.

    By how much the variance grows with the rate: that of the best weights changes as if these stayed.
    """
    right, one = terms.spacing.astype(np.float32)[:, None, None] * used[:, None], np.ones_like(ratio)
    low, high = (_gram(right, used, terms, one, ratio * np.float32(f))[0, 0] for f in (1 / _NUDGE, _NUDGE))
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats32 = np.clip(np.log(low / high) / np.float32(2 * np.log(_NUDGE)), 0, 1)
    return out


def _gram(right: Array, used: Mask, terms: _Terms, variance: Floats32, rate: Floats32) -> Array:
    """``right^T C^-1 right`` for the tridiagonal covariance C of the differences: one pass forward, (k, k, n).

    Args:
        right: k vectors of each pixel, (m, k, n); 0 where not used.
        used: (m, n).
        terms: of the covariance.
        variance: of one read, e-^2, (n,).
        rate: that sets the photon noise, e-/s, (n,).
    """
    k, n = right.shape[1:]
    gram = np.zeros((k, k, n), np.float32)
    pivot, before = np.ones(n, np.float32), np.zeros((k, n), np.float32)
    for i in range(len(right)):
        own, beside = terms.covariance(i, variance, rate)
        link = beside / pivot if i == 0 else np.where(used[i] & used[i - 1], beside, 0) / pivot
        pivot = np.where(used[i], own - beside * link, 1)
        before = right[i] - link * before
        weighted = before / pivot
        for a in range(k):
            for b in range(a, k):
                gram[a, b] += before[a] * weighted[b]
    return gram
