"""Planes that stand beside the pixels in a mission's file: stretched fluxes, bit masks, variances and what they say."""

from __future__ import annotations

import math

import numpy as np
from astropy.io.fits import Header

from astrid_ml.preprocessing.surveys.survey import MaskBits
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array


def linear_flux(data: Array, header: Header) -> Array:
    """Fluxes of PS1 skycells, stored as BOFFSET + 2 BSOFTEN sinh(x ln 10 / 2.5) (PS1 archive, "FITS image format").

    Other images come back as they are.
    """
    soften, offset = header.get("BSOFTEN"), header.get("BOFFSET")
    if soften is None or offset is None:
        return data
    return np.asarray(float(offset) + 2 * float(soften) * np.sinh(data * math.log(10) / 2.5))


def stretched_flux(flux: Array, header: Header) -> Array:
    """The inverse of ``linear_flux`` for a header that has BSOFTEN and BOFFSET."""
    scaled = (flux - float(header["BOFFSET"])) / (2 * float(header["BSOFTEN"]))
    return np.asarray(np.arcsinh(scaled) * 2.5 / math.log(10))


def named_mask(mask: Array | None, header: Header | None, convention: MaskBits) -> Array:
    """Bad pixels of a mask plane, by the bits that its own header names; a header without them masks none.

    Args:
        mask: (H, W); None where the file has none.
        header: of the mask.
        convention: which meanings make a pixel bad, and how the header names their bits.
    """
    bits = 0
    for name in convention.bad if convention.named else ():
        bit = None if header is None else header.get(f"{convention.named}{name}")
        bits |= 0 if bit is None else 1 << int(bit)
    return np.zeros((), bool) if mask is None or not bits else (mask.astype(np.int64) & bits) != 0


def mask_of_file(mask: Array, header: Header, rules: MaskBits, named: MaskBits) -> tuple[Array, str]:
    """Bad pixels of a mask that stands in a file of its own, and by what they were told.

    What is a bit or a number for each meaning is read by its meaning: that a pixel belongs to a source is no defect.

    Args:
        mask: (H, W).
        header: of the mask; it may name its own bits.
        rules: of the image's survey.
        named: how a header names bits, and which of them are bad.
    """
    nonzero = mask != 0
    if not np.any(mask[nonzero] != 1):
        return nonzero, "pixels of 1"
    rules_named = rules if rules.named else named
    if any(key.startswith(str(rules_named.named)) for key in header):
        return named_mask(mask, header, rules_named), f"the bits that its header names {rules_named.named}..."
    if rules.codes and rules.value is not None and np.isin(mask[nonzero], list(rules.bits.values())).all():
        bad = [rules.bits[name] for name in rules.bad]
        return np.isin(mask, bad), f"the numbers of {', '.join(rules.bad)}"
    if not rules.codes and rules.value is not None:
        return (mask.astype(np.int64) & rules.value) != 0, f"the bits of {', '.join(rules.bad)}"
    return nonzero, "pixels that are not 0"


def gain_from_variance(data: Array, variance: Array, good: Array) -> float | None:
    """Effective gain (e- per image unit) of an image whose variance holds its sources' Poisson noise.

    There the variance grows with flux by 1 / gain; read off as the slope between bins of flux.

    Returns:
        the gain, or None where the bright pixels are too few or the variance does not follow the flux.
    """
    x, v = data[good], variance[good]
    if x.size < 1000:
        return None
    level, low, high = np.percentile(x, (50, 99, 99.95))
    spread = float(robust_sigma(x, centre=level))
    edges = np.linspace(max(low, level + 3 * spread), high, 9)
    if not edges[-1] > edges[0]:
        return None
    bins = np.digitize(x, edges)
    chosen = [bins == i for i in range(1, 9) if np.count_nonzero(bins == i) >= 5]
    if len(chosen) < 3:
        return None
    px, pv = (np.array([float(np.median(values[c])) for c in chosen]) for values in (x, v))
    slope, start = np.polyfit(px, pv, 1)
    residual = float(np.std(pv - slope * px - start))
    return float(1 / slope) if slope > 0 and residual < 0.1 * float(np.ptp(pv)) else None
