"""What a person would measure on a stamp before asking a network: features of a baseline that can win."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.stamps import NO_DATA, middle_and_noise
from astrid_ml.types import Array, Floats

HALF = 10  # of the central box in which a source lies, pixels
INNER, OUTER, NEAR = 1.5, 4.0, 2.0  # radii, pixels
HIGH = 3.0  # sigmas
BLOCK = 2048  # stamps at a time


def stamp_statistics(stamps: Array, channels: Sequence[str]) -> pd.DataFrame:
    """Statistics of each channel, in units of its own noise, and the correlations between channels.

    Of each channel: the highest and the lowest pixel within 2 px of the centre; the S/N within 4 px; which part of
    that flux lies within 1.5 px; the shares of pixels above and below 3 sigma; width, elongation and distance from the
    centre of the bright pixels; how alike the centre is to itself turned by 180 degrees; the share without data.

    Args:
        stamps: (n, C, h, w), the source in the centre; NaN where there are no data.
        channels: their names, (C,).

    Returns:
        n rows, columns ``<channel>: <what>``; NaN where a stamp cannot tell.
    """
    parts = [_block(stamps[start : start + BLOCK], channels) for start in range(0, len(stamps), BLOCK)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _block(stamps: Array, channels: Sequence[str]) -> pd.DataFrame:
    out, centres = dict[str, Floats](), dict[str, Floats]()
    for number, name in enumerate(channels):
        plane = np.asarray(stamps[:, number], dtype=np.float64)
        plane = np.where(np.abs(plane) < NO_DATA, plane, np.nan)
        found, centres[name] = _channel(plane)
        out |= {f"{name}: {what}": values for what, values in found.items()}
    for one, other in combinations(channels, 2):
        out[f"{one} and {other}: correlation"] = _correlation(centres[one], centres[other])
    return pd.DataFrame(out)


def _channel(plane: Floats) -> tuple[dict[str, Floats], Floats]:
    """Statistics of one channel, each (n,), and its centre in sigma with 0 where there are no data, (n, k, k)."""
    flat = plane.reshape(len(plane), -1)
    median, sigma = np.full(len(plane), np.nan), np.full(len(plane), np.nan)
    usable = np.isfinite(flat).any(axis=1)
    if usable.any():
        median[usable], sigma[usable] = middle_and_noise(flat[usable])
    sigma = np.where(sigma > 0, sigma, np.nan)
    centre, radius = _centre((plane - median[:, None, None]) / sigma[:, None, None])
    lost = np.isnan(sigma)
    z = np.nan_to_num(centre)
    near, inner, outer = (radius <= edge for edge in (NEAR, INNER, OUTER))
    whole = z[:, outer].sum(axis=1)
    found = {
        "highest": z[:, near].max(axis=1),
        "lowest": z[:, near].min(axis=1),
        "S/N within 4 px": whole / np.sqrt(outer.sum()),
        "part within 1.5 px": _part(z[:, inner].sum(axis=1), whole),
        "share above 3 sigma": (z > HIGH).mean(axis=(1, 2)),
        "share below -3 sigma": (z < -HIGH).mean(axis=(1, 2)),
        **_moments(np.clip(z - 2.0, 0, None)),
        "alike when turned": _correlation(z, z[:, ::-1, ::-1]),
    }
    found = {what: np.where(lost, np.nan, values) for what, values in found.items()}
    return found | {"share without data": np.isnan(plane).mean(axis=(1, 2))}, z


def _centre(z: Floats) -> tuple[Floats, Floats]:
    """The central box (n, k, k) and the distance of each of its pixels from the centre (k, k)."""
    row, column = z.shape[1] // 2, z.shape[2] // 2
    half = min(HALF, row, column, z.shape[1] - 1 - row, z.shape[2] - 1 - column)
    box = z[:, row - half : row + half + 1, column - half : column + half + 1]
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    radius: Floats = np.hypot(x, y)
    return box, radius


def _part(inner: Floats, whole: Floats) -> Floats:
    """A ratio of fluxes, bounded: beyond -2 and 2 the whole is noise about 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = np.clip(inner / whole, -2, 2)
    return out


def _moments(weight: Floats) -> dict[str, Floats]:
    """Width, elongation and offset of what is bright; NaN where nothing is."""
    half = weight.shape[1] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    total = weight.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        cx, cy = ((weight * axis).sum(axis=(1, 2)) / total for axis in (x, y))
        xx, yy, xy = (
            (weight * a * b).sum(axis=(1, 2)) / total - ca * cb
            for a, b, ca, cb in ((x, x, cx, cx), (y, y, cy, cy), (x, y, cx, cy))
        )
        root = np.sqrt(np.clip((xx - yy) ** 2 / 4 + xy**2, 0, None))
        large, small = (xx + yy) / 2 + root, np.clip((xx + yy) / 2 - root, 0, None)
        elongation = 1 - np.sqrt(small / large)
    return {"width": np.sqrt(large), "elongation": elongation, "offset": np.hypot(cx, cy)}


def _correlation(one: Floats, other: Floats) -> Floats:
    """Pearson's r of two stacks (n, k, k) pixel by pixel, (n,)."""
    side = min(one.shape[1], other.shape[1])
    a, b = (part.reshape(len(part), -1) for part in (_inner(one, side), _inner(other, side)))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return out


def _inner(stack: Floats, side: int) -> Floats:
    cut = (stack.shape[1] - side) // 2
    return stack[:, cut : cut + side, cut : cut + side]
