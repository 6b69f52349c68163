"""Sources of one image and the stars among them that can show the point-spread function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pandas as pd
import torch

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.segment import segmented
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.stars.few import sharpest_of_both
from astrid_ml.preprocessing.differencing.stars.widths import FLOOR, adaptive_widths, stellar_locus
from astrid_ml.types import Count, Floats, Ints, InUnits, Mask, NonNegative, Positive, Whole

_ENOUGH = 3  # stars of both images; fewer are no reason to leave out those of one
_SHARE = 4  # of a crowd of one image that the other must call stars too, one in so many
_FEW = 8  # stars alone; with fewer, those with neighbours further away serve too, and fainter ones
_FAINTER = 3.0  # by which the least signal-to-noise is divided then
_FEW_BAD = 0.05  # of the pixels around a star
_ONE_PIXEL = 0.7  # of the light in the brightest pixel: a hot one, which both images may hold
SOURCE_COLUMNS = ("x", "y", "flux", "peak", "width", "width_err", "ellipticity", "snr", "flag")


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

    x, y in px, flux and peak in image units, width (Gaussian sigma, px) and its relative error of ``adaptive_widths``.
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
    table["width"], table["width_err"] = (t.double().numpy() for t in adaptive_widths(image, x, y))
    table["ellipticity"] = 1 - found["b"] / np.maximum(found["a"], 1e-9)
    table["snr"] = table["flux"] / (noise * np.sqrt(np.maximum(found["npix"], 1)))
    table["flag"] = found["flag"].astype(int)
    return Sources(table, torch.from_numpy(segments > 0))


def partners(sources: Sources, other: Sources, radius: float = 2.0) -> tuple[Mask, Ints]:
    """Sources that another image on the same grid holds too (no cosmic rays, no transients), and their rows there."""
    from scipy.spatial import cKDTree

    here, there = (s.table[["x", "y"]].to_numpy() for s in (sources, other))
    if len(here) == 0 or len(there) == 0:
        return np.zeros(len(here), dtype=bool), np.zeros(len(here), dtype=np.int64)
    distance, row = cKDTree(there).query(here)
    return np.asarray(distance < radius), np.asarray(row, dtype=np.int64)


@dataclass(frozen=True)
class SelectStars:
    """Picks stars.

    Args:
        min_snr: least signal-to-noise of the isophotal flux; a third of it where hardly any star has as much.
        isolation: px around a star without a neighbour of more than ``neighbour`` of its flux; half of it where hardly
            any star is so alone.
        neighbour: see there.
        locus: relative half-width of the accepted widths around the stars'.
        max_stars: the brightest are kept.
        margin: px to the border. No pixel may be masked within a quarter of it, and few within half of it.
    """

    min_snr: Positive = 20.0
    isolation: Annotated[NonNegative, InUnits("px")] = 12.0
    neighbour: NonNegative = 0.1
    locus: Positive = 0.15
    max_stars: Count = 300
    margin: Annotated[Whole, InUnits("px")] = 16

    def __call__(self, image: Image, sources: Sources, other: Sources | None = None) -> pd.DataFrame:
        """The rows of ``sources.table`` that are stars, brightest first; may be empty.

        The column ``distinct`` says whether their widths are a crowd of their own (:class:`Locus`).

        Args:
            image: background-free.
            sources: what was found in it.
            other: what was found in the pair's other image, on the same grid; what is no star there is none here.
        """
        table = sources.table
        good = self._plain(table) & self._inside(image, table)
        if other is not None:
            near, partner = partners(sources, other)
            good &= near
            star_there, crowd_there = self._compact(other, self._plain(other.table) & partners(other, sources)[0])
            good, distinct = self._agreed(sources, good, near & np.append(star_there, False)[partner], crowd_there)
        else:
            compact, distinct = self._compact(sources, good)
            good &= compact
        few = int(good.sum()) < _FEW  # in a crowd there are enough, but not alone
        alone = good & self._isolated(table, good, self.isolation)
        if int(alone.sum()) < _FEW:  # the stack subtracts neighbours; near ones it cannot tell apart
            alone = good & self._isolated(table, good, self.isolation / 2)
        good = alone
        if other is not None and few and int(good.sum()) < _FEW:
            sharp, crowd = self._sharpest(image, sources, other)
            width = table["width"].to_numpy()
            told = distinct and int(good.sum()) >= _ENOUGH
            if told and sharp.any():  # a crowd of three in one image may be one of galaxies
                told, distinct = bool(np.median(width[good]) < (1 + 2 * FLOOR) * np.median(width[sharp])), crowd
            if sharp.any() and not told:
                good, distinct = sharp, crowd
        stars: pd.DataFrame = table[good].head(self.max_stars).reset_index(drop=True)
        return stars.assign(distinct=distinct)

    def _agreed(self, sources: Sources, good: Mask, there: Mask, crowd_there: bool) -> tuple[Mask, bool]:
        """Stars of both images; where hardly any are, those of the image whose stars are the sharper ones here."""
        compact, distinct = self._compact(sources, good)
        own, theirs, width = good & compact, good & there, sources.table["width"].to_numpy()
        both = int((own & there).sum())
        # a handful of a crowd: the other image took something else for its stars
        if both >= _ENOUGH and (not distinct or both * _SHARE >= int(own.sum())):
            return own & there, distinct
        if crowd_there and not distinct and int(theirs.sum()) >= _ENOUGH:  # here rays are sharper than the stars
            same = theirs & (np.abs(width / np.median(width[theirs]) - 1) < self.locus)
            if int(same.sum()) >= _ENOUGH:
                return same, True
        # one or two that the other image calls stars are no reason to leave a crowd
        told = theirs.any() and own.any() and (not distinct or int(theirs.sum()) >= max(_ENOUGH, 2 * both))
        if told and np.median(width[theirs]) < np.median(width[own]):
            return theirs, False
        return own, distinct

    def _sharpest(self, image: Image, sources: Sources, other: Sources) -> tuple[Mask, bool]:
        """The sharpest sources of both images, fainter ones and those nearer to the border too."""
        fainter = replace(self, min_snr=self.min_snr / _FAINTER)
        near, partner = partners(sources, other)
        good = near & fainter._plain(sources.table) & self._inside(image, sources.table, self.margin // 2)
        good &= np.append(fainter._plain(other.table), False)[partner]
        good &= self._isolated(sources.table, good, self.isolation / 2)
        rows = np.flatnonzero(good)
        widths, errors = (
            np.column_stack([sources.table[c].to_numpy()[rows], other.table[c].to_numpy()[partner[rows]]])
            for c in ("width", "width_err")
        )
        sharp, crowd = sharpest_of_both(widths, errors)
        good[rows] = sharp
        return good, crowd

    def _plain(self, table: pd.DataFrame) -> Mask:
        """Sources that are bright, round and whole."""
        good = (table["snr"].to_numpy() >= self.min_snr) & (table["flag"].to_numpy() & ~1 == 0)
        good &= table["peak"].to_numpy() < _ONE_PIXEL * table["flux"].to_numpy()
        return np.asarray(good & (table["ellipticity"].to_numpy() < 0.35))

    def _compact(self, sources: Sources, good: Mask) -> tuple[Mask, bool]:
        """Sources as wide as the stars are that show among the good ones, and whether those are a crowd apart."""
        width, error = (sources.table[c].to_numpy() for c in ("width", "width_err"))
        found = stellar_locus(width[good], error[good])
        if not np.isfinite(found.width):
            return np.zeros(len(width), dtype=bool), False
        return np.asarray(np.abs(width / found.width - 1) < self.locus), found.distinct

    def _inside(self, image: Image, table: pd.DataFrame, border: int | None = None) -> Mask:
        h, w = image.shape
        x, y = table["x"].to_numpy(), table["y"].to_numpy()
        border = self.margin if border is None else border
        ok = (x >= border) & (y >= border) & (x <= w - 1 - border) & (y <= h - 1 - border)
        half, core = self.margin // 2, self.margin // 4
        bad, _ = stamps_at(image.mask, torch.from_numpy(x.copy()), torch.from_numpy(y.copy()), 2 * half + 1)
        middle = bad[:, half - core : half + core + 1, half - core : half + core + 1]
        # single bad pixels beside the core: the stack and the fits are weighted without them
        whole = ~middle.flatten(1).any(1) & (bad.flatten(1).float().mean(1) <= _FEW_BAD)
        return np.asarray(ok & whole.numpy())

    def _isolated(self, table: pd.DataFrame, candidate: Mask, radius: float) -> Mask:
        from scipy.spatial import cKDTree

        ok = np.ones(len(table), dtype=bool)
        if len(table) < 2 or not candidate.any():
            return ok
        flux, points = table["flux"].to_numpy(), table[["x", "y"]].to_numpy()
        for i, j in cKDTree(points).query_pairs(radius, output_type="ndarray"):
            ok[i] &= flux[j] < self.neighbour * flux[i]
            ok[j] &= flux[i] < self.neighbour * flux[j]
        return ok
