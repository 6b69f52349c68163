"""Whether an exposure is what it is said to be: noise, signs, fits and borders, measured before its results count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import numpy as np
from scipy.special import chdtri

from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.ramp.codes import SNOWBALL
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Array, Floats, Ints, Mask, Ordered, Positive, Share

SAMPLED = 64  # rows of which the noise is measured
FEWEST = 100  # pixels, or steps, of which a share or a spread says something
IMPROBABLE = 1e-4  # chance of a chi-square from which a fit counts as poor
DECAYS = 5.0  # sigmas from which a rate counts as decaying
ALONE = 5.0  # times as many steps in a group as in most, from which it stands alone
COPIED = 0.2  # share of pixels that repeat the group before, beyond which it is a copy, whole or in part
LIT = 5.0  # sigmas of light in reference pixels, and read noises by which they rise with it
LIGHT = (0.5, 2.0)  # of the rise, that the photons' noise makes of it
OF_BOUND = {"crowded": "flagged"}
HIDDEN = 0.8  # share of photons in the scatter from which the read noise cannot be measured
_TRIM, _TRIMMED = 2.5, 0.8711  # per cent at either end, and what is left of a Gaussian's standard deviation


@dataclass(frozen=True)
class SanityBounds:
    """What an exposure may show. One that shows more is marked, and its probabilities are withheld.

    Args:
        read_noise_ratio: measured over given read noise. Noise of a difference of two reads, given as that of one, is
            1.41 times too large; what drifts and amplifiers add is less.
        chi2: median of the reduced chi-square over its expectation. A gain that is wrong by 2 moves it so far.
        poor_fits: share of pixels whose chi-square has a chance below 10^-4.
        flagged: share of the differences with a step, snowballs apart; in orbit 100 s hold .003 to .01. It holds for
            one group as well, where the others have few.
        lone_falls: share of steps that fall and are no telegraph noise; noise alone makes half of them.
        decaying: share of pixels whose rate decays by 5 sigmas (persistence, a detector that is not linear).
        falling: read noises by which the median pixel may fall from the first group to the last.
        lost_reference: share of the reference pixels that are flagged, or drift unlike the others; of
            more than half nobody could tell which are the bad ones.
        unusable: share of pixels without a slope, reference pixels apart.
        withhold: whether probabilities of an exposure that fails are withheld; it is marked in any case.
    """

    read_noise_ratio: Annotated[Sequence[Positive], Ordered()] = (0.75, 1.33)
    chi2: Annotated[Sequence[Positive], Ordered()] = (0.5, 2.0)
    poor_fits: Share = 0.2
    flagged: Share = 0.1
    lone_falls: Share = 0.4
    decaying: Share = 0.2
    falling: Positive = 3.0
    lost_reference: Share = 0.4
    unusable: Share = 0.95
    withhold: bool = True


@dataclass(frozen=True)
class Sanity:
    """What was measured, and why it is not what it should be.

    Args:
        measures: name -> number, None where the exposure does not tell it.
        reasons: a sentence for each bound that is passed.
        bounds: that were asked for.
    """

    measures: dict[str, float | None]
    reasons: tuple[str, ...]
    bounds: SanityBounds

    @property
    def sound(self) -> bool:
        """Whether every measure is within its bound."""
        return not self.reasons

    @property
    def withheld(self) -> str | None:
        """Why probabilities are withheld; None where they stand."""
        return None if self.sound or not self.bounds.withhold else "; ".join(self.reasons)

    def plain(self) -> dict[str, Any]:
        """For ``sanity.json``."""
        said = {"sound": self.sound, "reasons": list(self.reasons), "withheld": self.withheld is not None}
        return said | {"measures": self.measures, "bounds": asdict(self.bounds)}


def examine(processed: Processed, cube: Array, bounds: SanityBounds | None = None) -> Sanity:
    """Measure an exposure and hold it against the bounds.

    Args:
        processed: the exposure.
        cube: its processed reads, e-, (n_ints, n_groups, n_rows, n_cols); some rows of it are read.
        bounds: what it may show.
    """
    bounds = bounds or SanityBounds()
    found = _of_fits(processed) | _of_steps(processed) | read_noise(processed, cube) | _of_pixels(processed)
    found |= {"crowded": _crowded(processed), "copied": _copied(processed, cube), "lit_reference": _lit(processed)}
    return Sanity(found, tuple(_reasons(found, bounds)), bounds)


def _of_fits(processed: Processed) -> dict[str, float | None]:
    """Each pixel's chi-square is held against its own degrees: a ramp that saturates early has few."""
    maps = processed.features
    fitted = np.isfinite(maps["chi2"])
    known, degrees = maps["chi2"][fitted], maps["degrees"][fitted].astype(int)
    decay = maps["decay_snr"][np.isfinite(maps["decay_snr"])]
    if len(known) < FEWEST:
        return {"chi2": None, "poor_fits": None, "decaying": None}
    own = np.arange(1, degrees.max() + 1)  # all the degrees there can be: these are looked up
    usual, most = chdtri(own, 0.5) / own, chdtri(own, IMPROBABLE) / own
    poor = float((known > most[degrees - 1]).mean())
    middle = float(np.median(known / usual[degrees - 1]))
    enough = len(decay) >= FEWEST
    return {"chi2": middle, "poor_fits": poor, "decaying": float((decay > DECAYS).mean()) if enough else None}


def _of_steps(processed: Processed) -> dict[str, float | None]:
    ramp, steps = processed.exposure.ramp, processed.fitted
    tested = float(np.isfinite(processed.features["slope"]).sum()) * (ramp.shape[1] - 1)
    single, falls = int((steps.type != SNOWBALL).sum()), len(processed.falls)
    shares = {"flagged": single / tested if tested >= FEWEST else None}
    return shares | {"lone_falls": falls / single if single >= FEWEST else None}


def _crowded(processed: Processed) -> float | None:
    """Largest share of pixels with a step in one group, where the other groups have few; snowballs with a core apart.

    Rays come in all groups alike: what half of a detector does at once is the electronics'.
    """
    shape = processed.exposure.ramp.shape
    steps, pixels = processed.fitted, np.isfinite(processed.features["slope"]).sum(axis=(1, 2))
    if pixels.max(initial=0) < FEWEST:
        return None
    others: Mask = np.ones(len(steps), bool)
    for ball in processed.snowballs:
        if len(ball.core):
            at = ((steps.integration == ball.integration) & (steps.group == ball.group)).to_numpy(bool)
            own: Mask = np.zeros(shape[2:], bool)
            own[ball.pixels[:, 0], ball.pixels[:, 1]] = True
            others[at] &= ~own[steps.y.to_numpy(int)[at], steps.x.to_numpy(int)[at]]
    counts = np.zeros(shape[:2])
    np.add.at(counts, (steps.integration.to_numpy(int)[others], steps.group.to_numpy(int)[others]), 1)
    shares = (counts / np.maximum(pixels, 1)[:, None])[pixels >= FEWEST, 1:]
    alone = shares > ALONE * np.quantile(shares, 0.5, axis=1, keepdims=True, method="lower")
    return float(shares[alone].max(initial=0.0))


def _copied(processed: Processed, cube: Array) -> float | None:
    """Largest share of pixels that have in a group the very number of the group before, beyond that of most groups.

    Pixels at the top of all are left out: full ones do not change.
    """
    ramp, found = processed.exposure.ramp, list[float]()
    for integration in range(ramp.shape[0]):
        parts = [
            (np.asarray(ramp.data[integration, :, row], np.float64), cube[integration, :, row]) for row in _rows(ramp)
        ]
        raw = np.concatenate([one for one, _ in parts], axis=1)
        usable = np.isfinite(np.concatenate([other for _, other in parts], axis=1)) & np.isfinite(raw)
        usable &= raw < raw[usable].max(initial=-np.inf)
        if ramp.reference is not None:
            usable &= ~np.concatenate([ramp.reference[row] for row in _rows(ramp)])
        both = usable[1:] & usable[:-1]
        shares = ((np.diff(raw, axis=0) == 0) & both).sum(1)[both.sum(1) >= FEWEST] / both.sum(1)[both.sum(1) >= FEWEST]
        if len(shares):
            found.append(float(shares.max() - np.median(shares)))
    return max(found) if found else None


def _lit(processed: Processed) -> float | None:
    """Light by the scatter of the reference pixels over their rise; None where they do not rise, or it is too little.

    Light comes with the noise of its photons, and a drift of the electronics does not.
    """
    ramp, settings = processed.exposure.ramp, processed.exposure.settings
    if ramp.reference is None or ramp.corrected or settings.reference is None:
        return None
    rows = [row for row in _rows(ramp) if ramp.reference[row].any()]
    parts = [(ramp.electrons(0, slice(row, row + 1), slice(None))[:, 0], ramp.reference[row], row) for row in rows]
    reads = np.concatenate([part[:, own] for part, own, _ in parts], axis=1)
    noise = np.concatenate([ramp.noise(slice(row, row + 1), slice(None))[0, own] for _, own, row in parts])
    known = np.isfinite(reads).all(axis=0)
    if known.sum() < FEWEST:
        return None
    span = float(ramp.group_times[-1] - ramp.group_times[0])
    rise = float(np.median((reads[-1] - reads[0])[known])) / span
    typical = float(np.median(noise[known]))
    difference = np.diff(reads[:, known], axis=0)
    difference -= np.median(difference, axis=1, keepdims=True)
    ratio, of_read, of_photons = second_terms(processed)
    second = (difference[:-1] - ratio[:, None] * difference[1:]) / typical
    light = np.median((np.array([_trimmed(one) ** 2 for one in second]) - of_read) / of_photons) * typical**2
    error = np.median(of_read / of_photons) * typical**2 * np.sqrt(2 / known.sum())
    return float(light / rise) if rise * span > LIT * typical and light > LIT * error else None


def _rows(ramp: Ramp) -> Ints:
    return np.unique(np.linspace(0, ramp.shape[2] - 1, min(SAMPLED, ramp.shape[2])).astype(int))


def second_terms(processed: Processed) -> tuple[Floats, Floats, Floats]:
    """Of second differences: the factor of the later one, and the parts of read noise and photons in the variance."""
    sampling = processed.exposure.sampling
    read, photon, read_off, photon_off = (part.numpy() for part in sampling.terms())
    ratio = sampling.spacing.numpy()[:-1] / sampling.spacing.numpy()[1:]
    of_read = read[:-1] + ratio**2 * read[1:] - 2 * ratio * read_off
    return ratio, of_read, photon[:-1] + ratio**2 * photon[1:] - 2 * ratio * photon_off


def _of_pixels(processed: Processed) -> dict[str, float | None]:
    ramp, counts, slope = processed.exposure.ramp, processed.counts, processed.features["slope"]
    known = slope[np.isfinite(slope)]
    noise, span = float(np.nanmedian(ramp.read_noise)), float(ramp.group_times[-1] - ramp.group_times[0])
    border = 0 if ramp.reference is None else int(ramp.reference.sum())
    pixels = counts["pixels"] - border * ramp.shape[0]
    lost = counts.get("reference_pixels_left_out", 0)
    used = processed.exposure.settings.reference is not None and not ramp.corrected
    return {
        "rise_in_read_noises": float(np.median(known)) * span / noise if len(known) >= FEWEST else None,
        "lost_reference": lost / (border * ramp.shape[0]) if border and used else None,
        "unusable": 1 - len(known) / pixels if pixels else None,
    }


def read_noise(processed: Processed, cube: Array) -> dict[str, float | None]:
    """Measured read noise of one read (median, e-), and over the given one, of the fainter half of some rows' pixels.

    Second differences know no rate: their variance is that of the noise model, of which photons take their part. None
    where photons hide the read noise.
    """
    ramp = processed.exposure.ramp
    ratio, of_read, of_photons = second_terms(processed)
    ratios, hidden, given = [], [], []
    for integration in range(ramp.shape[0]):
        values, rate, noise = _sample(processed, cube, integration)
        if len(rate) < FEWEST:
            continue
        difference = np.diff(values, axis=0) / noise
        second = difference[:-1] - ratio[:, None] * difference[1:]
        variances = np.array([_trimmed(one[np.isfinite(one)]) ** 2 for one in second])
        photons = np.median(np.maximum(rate, 0) / noise**2) * of_photons
        ratios.append((variances - photons) / of_read)
        hidden.append(photons.mean() / (photons.mean() + of_read.mean()))
        given.append(float(np.median(noise)))
    if not ratios or np.mean(hidden) > HIDDEN:
        return {"read_noise": None, "read_noise_ratio": None}
    # The median over the groups: an event that most of the pixels see is in few of them.
    found = float(np.sqrt(max(np.nanmedian(np.concatenate(ratios)), 0.0)))
    return {"read_noise": found * float(np.mean(given)), "read_noise_ratio": found}


def _sample(processed: Processed, cube: Array, integration: int) -> tuple[Array, Array, Array]:
    """Reads (n_groups, n), rates and noises (n,) of the fainter half of some rows' pixels without steps."""
    ramp, slope = processed.exposure.ramp, processed.features["slope"][integration]
    rows = _rows(ramp)
    hit: Mask = np.zeros(slope.shape, bool)
    steps = processed.fitted[processed.fitted.integration == integration]
    hit[steps.y.to_numpy(int), steps.x.to_numpy(int)] = True
    known = np.isfinite(slope[rows])
    chosen = known & ~hit[rows]
    if chosen.sum() < FEWEST:  # steps everywhere: then they are part of what is to be seen
        chosen = known
    rate = slope[rows][chosen]
    faint = rate <= np.median(rate) if len(rate) else np.zeros(0, bool)
    pairs = list(zip(rows, chosen, strict=True))
    values = np.concatenate([np.asarray(cube[integration, :, row], np.float64)[:, own] for row, own in pairs], axis=1)
    noise = np.concatenate([ramp.noise(slice(row, row + 1), slice(None))[0][own] for row, own in pairs])
    return values[:, faint], rate[faint], noise[faint]


def _trimmed(values: Array) -> float:
    """Standard deviation of a Gaussian of which few values are others; whole numbers do not make it 0, as a MAD."""
    if len(values) < FEWEST:
        return float("nan")
    low, high = np.percentile(values, [_TRIM, 100 - _TRIM])
    return float(values[(values >= low) & (values <= high)].std()) / _TRIMMED


def _reasons(found: dict[str, float | None], bounds: SanityBounds) -> list[str]:
    """A sentence for each bound that is passed: what is wrong, the numbers, what to look at."""
    out = []
    checks = {
        "read_noise_ratio": ("the read noise is {0:.2f} times the given one", "read_noise (of ONE read), gain, unit"),
        "chi2": ("chi-square is {0:.2f} times what noise makes", "gain, read_noise and the times of the reads"),
    }
    for name, (text, look) in checks.items():
        value, (low, high) = found[name], getattr(bounds, name)
        if value is not None and not low <= value <= high:
            out.append(f"{text.format(value)} ({low:g} to {high:g} is taken): check {look}")
    shares = {
        "poor_fits": ("{0:.1%} of the pixels fit no straight ramp with steps", "linearity, and what is no image"),
        "flagged": (
            "{0:.1%} of all differences have a step",
            "the unit, the noise, the reference pixels; a storm of rays does it too",
        ),
        "crowded": ("{0:.1%} of the pixels have a step in one group", "that group: the electronics, a flash"),
        "copied": (
            "{0:.1%} of the pixels have in one group the number of the group before",
            "the file, and the readout",
        ),
        "lone_falls": ("{0:.0%} of the steps fall", "polarity, and noise that is larger than given"),
        "decaying": ("the rate of {0:.1%} of the pixels decays", "persistence, and linearity"),
        "lost_reference": (
            "{0:.0%} of the reference pixels are bad or drift",
            "border (0: they are not used), and the mask",
        ),
        "unusable": ("{0:.1%} of the pixels have no slope", "saturation, the mask and the DQ"),
    }
    for name, (text, look) in shares.items():
        value, most = found[name], COPIED if name == "copied" else getattr(bounds, OF_BOUND.get(name, name))
        if value is not None and value > most:
            out.append(f"{text.format(value)} (at most {most:.0%} is taken): check {look}")
    lit = found["lit_reference"]
    if lit is not None and LIGHT[0] <= lit <= LIGHT[1]:
        out.append("the reference pixels rise, with the noise of light: check border (0 where there is none), REFPIX")
    rise = found["rise_in_read_noises"]
    if rise is not None and rise < -bounds.falling:
        out.append(f"the median pixel falls by {-rise:.1f} read noises (at most {bounds.falling:g}): check polarity")
    return out
