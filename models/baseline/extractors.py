"""Features of light curves for the baseline of the report: the extractors of ``light-curve`` in each band and in all.

Malanchev et al. 2021 (MNRAS 502, 5147). No network uses them, and no checkpoint needs the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats, Floats32, Ints

PLAIN = (
    "Amplitude", "AndersonDarlingNormal", "BiweightScale", "Chi2Pvar", "Cusum", "Duration", "Eta", "EtaE",
    "ExcessVariance", "Kurtosis", "LaflerKinmanStringLength", "LinearFit", "LinearTrend", "MagnitudePercentageRatio",
    "MaximumSlope", "MaximumTimeInterval", "Mean", "MeanVariance", "Median", "MedianAbsoluteDeviation",
    "MedianBufferRangePercentage", "MinimumTimeInterval", "ObservationCount", "OtsuSplit", "ParabolaFit",
    "PercentAmplitude", "PercentDifferenceMagnitudePercentile", "QnScale", "ReducedChi2", "Roms", "Skew",
    "StandardDeviation", "StetsonK", "TimeMean", "TimeStandardDeviation", "WeightedMean",
)  # fmt: skip
WITH_NUMBER = (("BeyondNStd", 1.0), ("BeyondNStd", 2.0), ("InterPercentileRange", 0.02), ("InterPercentileRange", 0.1),
               ("InterPercentileRange", 0.25))  # fmt: skip
FITS = ("BazinFit", "LinexpFit", "VillarFit")
# Last, and only for curves of so many different times: its grid of frequencies needs a span.
LAST, FEWEST = "Periodogram", 4
# Bands that are told apart; a compilation of dozens of filters keeps its most frequent ones.
MOST_BANDS = 8
# Beside the extractors: what a light curve shows with a single epoch.
SIMPLE = ("maximum", "minimum", "last", "largest_snr", "time_of_maximum", "first_time", "detections")


@dataclass(frozen=True)
class Extractors:
    """The full set, and the same without its last part.

    Args:
        full: for curves of ``FEWEST`` different times or more.
        short: for the others.
        names: of the full set's columns; those of ``short`` come first.
    """

    full: Any
    short: Any
    names: tuple[str, ...]


def full_set() -> Extractors:
    """All extractors.

    Raises:
        UserError: the package is not installed.
    """
    try:
        import light_curve as lc
    except ImportError as error:
        raise UserError(
            "the package light-curve, which computes the baseline's features",
            "it is not installed",
            "pip install 'astrid-ml[features]' (or pip install light-curve)",
        ) from error
    parts = [getattr(lc, name)() for name in PLAIN]
    parts += [getattr(lc, name)(number) for name, number in WITH_NUMBER]
    parts += [getattr(lc, name)("lmsder") for name in FITS]
    full = lc.Extractor(*parts, getattr(lc, LAST)())
    return Extractors(full, lc.Extractor(*parts), tuple(full.names))


def bands_of(wavelengths: Floats32) -> Floats:
    """The wavelengths that are told apart, ascending (micrometres, to 1 nm)."""
    values, counts = np.unique(np.round(wavelengths.astype(np.float64), 3), return_counts=True)
    return np.sort(values[np.argsort(-counts, kind="stable")[:MOST_BANDS]])


def feature_names(bands: Floats, extractor: Extractors) -> list[str]:
    """Names of the columns of :func:`curve_features`."""
    own = [*extractor.names, *SIMPLE]
    each = [f"{name}@{band:.3f}" for band in bands for name in own]
    colours = [f"colour_{kind}@{one:.3f}-{two:.3f}" for one, two in pairs(bands) for kind in ("maximum", "mean")]
    return [f"{name}@all" for name in own] + each + colours


def pairs(bands: Floats) -> list[tuple[float, float]]:
    """Pairs of bands of which a colour is made: neighbours, and neighbours but one."""
    return [(bands[i], bands[i + step]) for step in (1, 2) for i in range(len(bands) - step)]


def curve_features(epochs: Floats32, offsets: Ints, seen: Ints, bands: Floats, extractor: Extractors) -> Floats:
    """Features of the first ``seen`` epochs of each curve, (n, F); NaN where an extractor needs more epochs.

    Args:
        epochs: (N, 5) days since time zero, flux, error, detected, wavelength in micrometres.
        offsets: (n + 1,).
        seen: (n,) epochs that may be used.
        bands: wavelengths of :func:`bands_of`.
        extractor: of :func:`full_set`.
    """
    of_band = np.round(epochs[:, 4].astype(np.float64), 3)
    wide = np.ascontiguousarray(epochs[:, :3].T.astype(np.float64))
    blocks, bright = [], []
    for band in (None, *bands):
        rows = [np.arange(start, start + n) for start, n in zip(offsets[:-1], seen, strict=True)]
        if band is not None:
            rows = [row[of_band[row] == band] for row in rows]
        curves = [(wide[0, row], wide[1, row], wide[2, row]) for row in rows]
        simple = np.array([_simple(*curve, epochs[row, 3]) for curve, row in zip(curves, rows, strict=True)])
        blocks += [_extract(curves, extractor), simple]
        if band is not None:
            mean = [float(np.mean(flux)) if len(flux) else np.nan for _, flux, _ in curves]
            bright.append(np.stack([simple[:, 0], np.array(mean)], axis=1))
    place = {band: number for number, band in enumerate(bands)}
    colours = [_magnitude(bright[place[one]]) - _magnitude(bright[place[two]]) for one, two in pairs(bands)]
    return np.concatenate([*blocks, *colours], axis=1)


def _extract(curves: list[tuple[Floats, Floats, Floats]], extractor: Extractors) -> Floats:
    """(n, features); empty curves are not asked about."""
    out = np.full((len(curves), len(extractor.names)), np.nan)
    times = np.array([len(np.unique(time)) for time, _, _ in curves])
    for part, chosen in ((extractor.full, times >= FEWEST), (extractor.short, (times > 0) & (times < FEWEST))):
        rows = np.flatnonzero(chosen)
        if len(rows):
            found = part.many([curves[k] for k in rows], fill_value=np.nan, sorted=True, check=False, n_jobs=1)
            out[rows, : found.shape[1]] = found
    return np.where(np.abs(out) < 1e30, out, np.nan)


def _simple(time: Floats, flux: Floats, error: Floats, detected: Floats32) -> Floats:
    if not len(time):
        return np.full(len(SIMPLE), np.nan)
    top = int(np.argmax(flux))
    return np.array([flux[top], flux.min(), flux[-1], (flux / error).max(), time[top], time[0], detected.sum()])


def _magnitude(flux: Floats) -> Floats:
    """asinh magnitudes (Lupton et al. 1999) with a softening of 10 FLUXCAL: colours of faint and negative fluxes."""
    out: Floats = -2.5 / np.log(10) * np.arcsinh(flux / 20.0)
    return out
