"""The noise that pixels show: one number for a detector is too small for half of its pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import chdtr, ndtri

from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.types import Floats, Floats32

FEWEST = 1000  # pixels, from which a spread of their noise can be told from chance
TOLD = 0.05  # scatter of the noise that is worth a sentence
_CERTAIN = 5.0  # standard errors by which it must be there
_QUARTILES = 1.349  # from the first to the third of a Gaussian, in standard deviations


def variance_spread(chi2: Floats32, degrees: Floats32) -> float:
    """Scatter of the pixels' variances (as a share of the given ones) beyond that of their chi-squares, squared.

    Args:
        chi2: reduced, of each pixel's ramp around its steps; NaN where there is none.
        degrees: of its freedom.
    """
    known = np.isfinite(chi2) & (degrees >= 1)
    if known.sum() < FEWEST:
        return 0.0
    own = degrees[known].astype(float)
    score = ndtri(np.clip(chdtr(own, chi2[known] * own), 1e-12, 1 - 1e-12))
    low, high = np.quantile(score, [0.25, 0.75])
    # Of a Gaussian sample the quartiles' distance errs by 1.6 / sqrt n of itself.
    least = (1 + _CERTAIN * 0.8 * 2 / np.sqrt(len(score))) ** 2
    wide = float((high - low) / _QUARTILES) ** 2
    return (wide - 1) * 2 / float(np.median(own)) if wide > least else 0.0


def shown_noise(features: Mapping[str, Floats32], integration: int) -> Floats:
    """By what the noise of each pixel exceeds the given one, as far as its own ramp can tell, (n_rows, n_cols); >= 1.

    The variance is drawn from its chi-square towards the given one, by how much the exposure's pixels differ at all.

    Args:
        features: maps of an exposure, with ``chi2`` and ``degrees``.
        integration: 0-based.
    """
    chi2, degrees = features["chi2"][integration], features["degrees"][integration]
    spread = variance_spread(chi2, degrees)
    own = 2 / np.maximum(np.nan_to_num(degrees, nan=1.0), 1.0).astype(float)
    believed = spread / (spread + own)
    out: Floats = np.sqrt(np.maximum(1 + believed * (np.nan_to_num(chi2, nan=1.0) - 1), 1.0))
    return out


def noise_warnings(processed: Processed) -> list[str]:
    """A sentence where pixels differ in their noise by more than the given one says.

    Args:
        processed: the exposure.
    """
    maps = processed.features
    found = [variance_spread(chi2, degrees) for chi2, degrees in zip(maps["chi2"], maps["degrees"], strict=True)]
    share = 0.5 * float(np.sqrt(max(found, default=0.0)))  # a variance differs by twice as much as its root
    if share < TOLD:
        return []
    ramp = processed.exposure.ramp
    return [
        f"{ramp.name}: the noise of its pixels differs by {share:.0%} beyond what read_noise says, so that steps of "
        "the noisier ones look more certain than they are: give preprocessing.load.read_noise=MAP.fits"
    ]
