"""Statistics of each passband and of all epochs together, each from sums and extremes that run with the epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.preprocessing.lightcurves.features.running import GROUPS, PASSBANDS, Grouped, latest, running
from astrid_ml.types import Array, Floats, Ints

NAMES = (
    "count", "detected", "mean", "spread", "excess_variance", "reduced_chi2", "skew", "kurtosis",
    "maximum", "minimum", "first", "last", "largest_snr", "smallest_snr", "share_bright", "share_negative",
    "luminosity", "time_of_maximum", "since_maximum", "first_detection", "since_first_detection",
    "since_last_detection", "duration", "rise", "fall", "steepest_rise", "steepest_fall", "von_neumann",
    "stetson_j", "stetson_k", "trend", "trend_snr",
)  # fmt: skip
COLOURS = ("colour_at_maximum", "colour_of_means", "colour_first", "colour_last")
PAIRS = tuple((i, i + step) for step in (1, 2) for i in range(len(PASSBANDS) - step))  # neighbours, and but one
SNR = 3.0  # of an epoch that is bright
SHORTEST = 0.01  # days between two epochs that have a slope
MODULUS = 40.0  # luminosities are fluxes as they would be at this distance modulus


def names() -> tuple[str, ...]:
    """Of the columns of :func:`statistics`."""
    each = [f"{name}@{group}" for group in GROUPS for name in NAMES]
    pairs = [f"{PASSBANDS[one]}-{PASSBANDS[two]}" for one, two in PAIRS]
    return (*each, *(f"{name}@{pair}" for pair in pairs for name in COLOURS))


@dataclass(frozen=True)
class GroupsAsked:
    """Where questions stand in groups of epochs.

    Args:
        grouped: the epochs.
        epochs: (2 M, 5) in the order of the groups: days, flux, error, detected, wavelength.
        row: (B, Q, G) of each group's last epoch at each question.
        count: (B, Q, G) how many it has there.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
    """

    grouped: Grouped
    epochs: Floats
    row: Ints
    count: Ints
    softening: float

    def sums(self, *parts: Array) -> list[Floats]:
        """Running sums of columns (2 M,), at the questions, each (B, Q, G)."""
        return self._at(running(np.stack(parts, axis=1).astype(np.float64), self.grouped.place))

    def most(self, *parts: Array) -> list[Floats]:
        """Running maxima."""
        return self._at(running(np.stack(parts, axis=1), self.grouped.place, np.maximum))

    def _at(self, table: Floats) -> list[Floats]:
        return [table[:, number][self.row] for number in range(table.shape[1])]

    def soft(self, flux: Floats) -> Floats:
        """Asinh of a flux."""
        out: Floats = np.arcsinh(flux / self.softening)
        return out

    def from_least(self, count: int, column: Floats) -> Floats:
        """A column (B, Q, G) where a group has so many epochs; NaN elsewhere."""
        return np.where(self.count >= count, column, np.nan)


def statistics(
    epochs: Floats, grouped: Grouped, seen: Ints, now: Floats, softening: float, modulus: Floats | None = None
) -> Floats:
    """(B, Q, F) columns of :func:`names`; NaN where there are too few epochs.

    Fluxes enter as asinh(flux / softening) and times as asinh of days, so that none is far from 1.

    Args:
        epochs: (N, 5) days since time zero, flux, error, detected, wavelength; see ``Grouped.of``.
        grouped: of the same epochs.
        seen: (B, Q) epochs that each question sees.
        now: (B, Q) days since time zero at which it is asked.
        softening: FLUXCAL at which asinh turns from linear to logarithmic.
        modulus: (B,) distance moduli, NaN where none is known.
    """
    row, count = grouped.last(seen)
    asked = GroupsAsked(grouped, epochs[grouped.rows], row, count, softening)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        columns, shades = _moments(asked)
        nearer = np.full((len(seen), 1, 1), np.nan) if modulus is None else 10 ** (0.4 * (modulus - MODULUS))
        columns.append(asked.soft(shades[0] * nearer.reshape(-1, 1, 1)))
        columns += _times(asked, now)
        columns += _changes(asked)
        columns += _trend(asked)
        # A colour is a difference of asinh magnitudes (Lupton et al. 1999, AJ 118, 1406).
        bright = [np.where(count > 0, -2.5 / np.log(10) * asked.soft(shade / 2), np.nan) for shade in shades]
        colours = [shade[..., 1 + one] - shade[..., 1 + two] for one, two in PAIRS for shade in bright]
    table = np.where(count[..., None] > 0, np.stack(columns, axis=3), np.nan)
    table[..., :2] = np.nan_to_num(table[..., :2])
    out = np.concatenate([table.reshape(*seen.shape, -1), np.stack(colours, axis=2)], axis=2)
    return np.where(np.isfinite(out), out, np.nan)


def _moments(asked: GroupsAsked) -> tuple[list[Floats], list[Floats]]:
    """From ``count`` to ``share_negative``; and the four brightnesses that colours are made of."""
    _, flux, error, detected, _ = asked.epochs.T
    n = asked.count.astype(np.float64)
    start = flux[np.arange(len(flux)) - asked.grouped.place]
    off, weight, snr = flux - start, error**-2, flux / error  # about the first flux: far from zero stays exact
    found, many, negative, noise = asked.sums(detected > 0, snr > SNR, snr < -SNR, error**2)
    one, two, three, four = (part / n for part in asked.sums(off, off**2, off**3, off**4))
    w, wf, wff = asked.sums(weight, weight * off, weight * off**2)
    high, low, best, worst = asked.most(flux, -flux, snr, -snr)
    variance = np.maximum(two - one**2, 0.0)
    third = three - 3 * one * two + 2 * one**3
    fourth = four - 4 * one * three + 6 * one**2 * two - 3 * one**4
    level, last = start[asked.row], flux[asked.row]
    mean, chi2 = level + wf / w, np.maximum(wff - wf**2 / w, 0.0) / (n - 1)
    columns = [
        np.log1p(n), np.log1p(found), asked.soft(mean),
        asked.from_least(2, asked.soft(np.sqrt(variance))),
        asked.from_least(2, np.arcsinh((variance - noise / n) / (level + one) ** 2)),
        asked.from_least(2, np.log1p(chi2)),
        asked.from_least(3, third / variance**1.5),
        asked.from_least(4, np.arcsinh(fourth / variance**2 - 3)),
        asked.soft(high), asked.soft(-low), asked.soft(level), asked.soft(last),
        np.arcsinh(best), np.arcsinh(-worst), many / n, negative / n,
    ]  # fmt: skip
    return columns, [high, mean, level, last]


def _times(asked: GroupsAsked, now: Floats) -> list[Floats]:
    """From ``time_of_maximum`` to ``fall``."""
    days, flux, _, detected, _ = asked.epochs.T
    place = asked.grouped.place
    # The brightest so far is where the running maximum was reached last.
    top = latest(flux >= running(flux, place, np.maximum), place)[asked.row]
    begun, ended = (latest(detected > 0, place, first)[asked.row] for first in (True, False))
    first = (np.arange(len(days)) - place)[asked.row]
    since = now[:, :, None]
    found = begun >= 0
    columns = [
        days[top], since - days[top], np.where(found, days[begun], np.nan),
        np.where(found, since - days[begun], np.nan), np.where(found, since - days[ended], np.nan),
        days[asked.row] - days[first],
    ]  # fmt: skip
    slopes = [
        np.where(apart > SHORTEST, (flux[one] - flux[other]) / apart, np.nan)
        for one, other, apart in (
            (top, first, days[top] - days[first]),
            (asked.row, top, days[asked.row] - days[top]),
        )
    ]
    return [*map(np.arcsinh, columns), *map(asked.soft, slopes)]


def _changes(asked: GroupsAsked) -> list[Floats]:
    """From ``steepest_rise`` to ``stetson_k``: what an epoch says beside the one before it, and beside the mean so far.

    Stetson (1996, PASP 108, 851) takes residuals from the mean of the whole curve; these are from the weighted mean up
    to each epoch, so that they run.
    """
    days, flux, error, _, _ = asked.epochs.T
    place, before = asked.grouped.place, np.maximum(np.arange(len(flux)) - 1, 0)
    follows = place > 0
    gap, change = days - days[before], np.where(follows, flux - flux[before], 0.0)
    steep = np.where(follows & (gap > SHORTEST), change / np.maximum(gap, SHORTEST), np.nan)
    start = flux[np.arange(len(flux)) - place]
    weight = error**-2
    w, wf = running(np.stack([weight, weight * (flux - start)], axis=1), place).T
    residual = (flux - start - wf / w) / error * np.sqrt((place + 1) / np.maximum(place, 1))
    pair = np.where(follows, residual * residual[before], 0.0)
    jumps, off, square, size, power, both = asked.sums(
        change**2, flux - start, (flux - start) ** 2, np.abs(residual), residual**2,
        np.sign(pair) * np.sqrt(np.abs(pair)),
    )  # fmt: skip
    n = asked.count.astype(np.float64)
    variance = np.maximum(square / n - (off / n) ** 2, 0.0)
    most = asked.most(np.where(np.isnan(steep), -np.inf, steep), np.where(np.isnan(steep), -np.inf, -steep))
    return [
        *(asked.soft(np.where(np.isfinite(value), value, np.nan)) for value in (most[0], -most[1])),
        asked.from_least(3, np.log1p(jumps / (n - 1) / variance)),
        asked.from_least(2, np.arcsinh(both / (n - 1))),
        asked.from_least(2, size / n / np.sqrt(power / n)),
    ]


def _trend(asked: GroupsAsked) -> list[Floats]:
    """``trend`` and ``trend_snr``: the slope of a weighted straight line, and how sure it is."""
    days, flux, error, _, _ = asked.epochs.T
    begin = np.arange(len(flux)) - asked.grouped.place
    t, f, weight = days - days[begin], flux - flux[begin], error**-2
    w, wt, wtt, wf, wtf = asked.sums(weight, weight * t, weight * t**2, weight * f, weight * t * f)
    determinant = w * wtt - wt**2
    sure = (asked.count >= 3) & (determinant > 1e-9 * w * wtt)
    slope = np.where(sure, (w * wtf - wt * wf) / determinant, np.nan)
    return [asked.soft(slope), np.arcsinh(slope * np.sqrt(determinant / w))]
