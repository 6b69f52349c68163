"""Sources of one image and the stars among them that can show the point-spread function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.masks import spread
from astrid_ml.preprocessing.differencing.pixels.segment import segmented
from astrid_ml.preprocessing.differencing.pixels.stamps import fractions, taken, windows
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.types import Count, Floats, InUnits, Mask, NonNegative, Positive, Whole

_AT_ONCE = 128  # sources whose stamps stay in the processor's cache
_BISECTIONS = 12  # to 0.002 px
SOURCE_COLUMNS = ("x", "y", "flux", "peak", "r50", "ellipticity", "snr", "flag")


@dataclass(frozen=True)
class Sources:
    """Sources of an image.

    Args:
        table: ``SOURCE_COLUMNS``, the brightest first.
        covered: (H, W) bool, the pixels that they cover.
    """

    table: pd.DataFrame
    covered: torch.Tensor

    @property
    def places(self) -> Floats:
        """(n, 2) x, y (px), the brightest first."""
        return self.table[["x", "y"]].to_numpy(dtype=float)


def find_sources(image: Image, threshold: float = 3.0, max_sources: int = 50_000) -> Sources:
    """Sources of a background-free image by ``sep`` (Bertin & Arnouts 1996; Barbary 2016), isophotes at ``threshold``.

    x, y in px, flux and peak in image units, r50 the radius (px) that holds half the flux within 10 px.
    """
    data = np.ascontiguousarray(image.data.numpy())
    mask = image.mask.numpy()
    level = typical(image.variance, ~image.mask)
    noise = math.sqrt(level) if math.isfinite(level) else 1.0
    found, segments = segmented(data, threshold, noise, mask, minarea=5)
    found = found[np.isfinite(found["x"]) & (found["flux"] > 0)]
    order = np.argsort(-found["flux"], kind="stable")[:max_sources]
    found = found[order]
    table = pd.DataFrame({"x": found["x"], "y": found["y"], "flux": found["flux"], "peak": found["peak"]}, dtype=float)
    x, y = (torch.from_numpy(table[c].to_numpy(copy=True)) for c in ("x", "y"))
    table["r50"] = half_light_radii(image, x, y).double().numpy()
    table["ellipticity"] = 1 - found["b"] / np.maximum(found["a"], 1e-9)
    table["snr"] = table["flux"] / (noise * np.sqrt(np.maximum(found["npix"], 1)))
    table["flag"] = found["flag"].astype(int)
    return Sources(table, torch.from_numpy(segments > 0))


def half_light_radii(image: Image, x: torch.Tensor, y: torch.Tensor, reach: int = 10) -> torch.Tensor:
    """Radius (px, n) that holds half the flux within ``reach`` px, masked pixels left out, by bisection.

    A pixel at distance d counts by r + 1/2 - d, 0 to 1: the share of it that a circle of radius r covers.
    """
    size, out = 2 * reach + 3, []
    t = torch.arange(size) - size // 2
    for part in torch.split(torch.arange(len(x)), _AT_ONCE):
        index, inside = windows(image.shape, x[part], y[part], size)
        data = taken(image.data, index) * (inside & ~taken(image.mask, index))
        dx, dy = fractions(x[part], y[part])
        distance = torch.hypot((t - dx[:, None])[:, None, :], (t - dy[:, None])[:, :, None]) - 0.5
        half = (data * (reach - distance).clamp_(0, 1)).sum((1, 2)).clamp_min_(1e-9) / 2
        low, high = torch.zeros(len(part)), torch.full((len(part),), float(reach))
        for _ in range(_BISECTIONS):
            radius = (low + high) / 2
            short = (data * (radius[:, None, None] - distance).clamp_(0, 1)).sum((1, 2)) < half
            low, high = torch.where(short, radius, low), torch.where(short, high, radius)
        out.append((low + high) / 2)
    return torch.cat(out) if out else torch.zeros(0)


def compact_locus(radii: Floats, width: float = 1.3, share: float = 0.3, least: int = 4) -> float:
    """Half-light radius of the stars: the middle of the smallest crowd of radii; NaN where there is none.

    Nothing real is smaller than a star, while galaxies may well outnumber them. A crowd holds at least ``least``
    radii, and ``share`` of the largest crowd's, within a factor ``width``.
    """
    r = np.sort(radii[np.isfinite(radii) & (radii > 0)])
    if r.size == 0:
        return float("nan")
    counts = np.searchsorted(r, r * width, side="right") - np.arange(r.size)
    first = int(np.argmax(counts >= max(min(least, r.size), share * counts.max())))
    return float(np.median(r[first : first + counts[first]]))


def shared(sources: Sources, other: Sources, radius: float = 2.0) -> Mask:
    """Sources that another image on the same grid holds too: no cosmic rays, no transients."""
    from scipy.spatial import cKDTree

    here, there = (s.table[["x", "y"]].to_numpy() for s in (sources, other))
    if len(here) == 0 or len(there) == 0:
        return np.zeros(len(here), dtype=bool)
    return np.asarray(cKDTree(there).query(here)[0] < radius)


@dataclass(frozen=True)
class SelectStars:
    """Picks stars.

    Args:
        min_snr: least signal-to-noise of the isophotal flux.
        isolation: px around a star without a neighbour of more than ``neighbour`` of its flux.
        neighbour: see there.
        locus: relative half-width of the accepted half-light radii around the stars'.
        max_stars: the brightest are kept.
        margin: px to the border, and to masked pixels half of it.
    """

    min_snr: Positive = 20.0
    isolation: Annotated[NonNegative, InUnits("px")] = 12.0
    neighbour: NonNegative = 0.1
    locus: Positive = 0.15
    max_stars: Count = 300
    margin: Annotated[Whole, InUnits("px")] = 16

    def __call__(self, image: Image, sources: Sources, other: Sources | None = None) -> pd.DataFrame:
        """The rows of ``sources.table`` that are stars, brightest first; may be empty.

        Args:
            image: background-free.
            sources: what was found in it.
            other: what was found in the pair's other image, on the same grid.
        """
        table = sources.table
        good = (table["snr"].to_numpy() >= self.min_snr) & (table["flag"].to_numpy() & ~1 == 0)
        good &= table["ellipticity"].to_numpy() < 0.35
        good &= self._inside(image, table)
        if other is not None:
            good &= shared(sources, other)
        size = compact_locus(table["r50"].to_numpy()[good])
        good &= np.abs(table["r50"].to_numpy() / size - 1) < self.locus if np.isfinite(size) else False
        good &= self._isolated(table, good)
        stars: pd.DataFrame = table[good].head(self.max_stars).reset_index(drop=True)
        return stars

    def _inside(self, image: Image, table: pd.DataFrame) -> Mask:
        h, w = image.shape
        x, y = table["x"].to_numpy(), table["y"].to_numpy()
        ok = (x >= self.margin) & (y >= self.margin) & (x <= w - 1 - self.margin) & (y <= h - 1 - self.margin)
        near = spread(image.mask, self.margin // 2).numpy()
        rows, columns = np.clip(np.rint(y).astype(int), 0, h - 1), np.clip(np.rint(x).astype(int), 0, w - 1)
        return np.asarray(ok & ~near[rows, columns])

    def _isolated(self, table: pd.DataFrame, candidate: Mask) -> Mask:
        from scipy.spatial import cKDTree

        ok = np.ones(len(table), dtype=bool)
        if len(table) < 2 or not candidate.any():
            return ok
        flux, points = table["flux"].to_numpy(), table[["x", "y"]].to_numpy()
        for i, j in cKDTree(points).query_pairs(self.isolation, output_type="ndarray"):
            ok[i] &= flux[j] < self.neighbour * flux[i]
            ok[j] &= flux[i] < self.neighbour * flux[j]
        return ok
