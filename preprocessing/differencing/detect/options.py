"""Candidates: peaks of the matched filter's significance, of either sign, at sub-pixel positions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.pixels.peaks import interpolate, local_maxima
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.types import Count, Floats, InUnits, NonNegative, Positive, Share, Whole

_LOG = logging.getLogger(__name__)
EDGE, NEAR_MASK, DIPOLE = 1, 2, 4  # bits of ``flags``
PEAK_COLUMNS = ("x", "y", "snr", "sign", "flags")


def _near(mask: Tensor, x: Tensor, y: Tensor, radius: int) -> Tensor:
    bad, inside = stamps_at(mask, x, y, 2 * radius + 1)
    return (bad & inside).flatten(1).any(1)


def dipoles(
    x: Tensor, y: Tensor, snr: Tensor, radius: float, ratio: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True for each peak with one of the other sign within ``radius`` px and at least ``ratio`` times its size."""
    from scipy.spatial import cKDTree

    out = np.zeros(len(x), dtype=bool)
    if len(x) < 2:
        return out
    s = snr.numpy()
    for i, j in cKDTree(np.column_stack([x.numpy(), y.numpy()])).query_pairs(radius):
        if s[i] * s[j] < 0 and min(abs(s[i]), abs(s[j])) >= ratio * max(abs(s[i]), abs(s[j])):
            out[i] = out[j] = True
    return out


@dataclass(frozen=True)
class Peaks:
    """Matched-filter peaks.

    Args:
        threshold: of the significance at the brightest pixel, sigma; applied to both signs.
        radius: px within which a peak is the highest of its sign.
        edge: px from the frame's border in which a peak gets the flag EDGE.
        dipole_radius, dipole_ratio: px and share of the greater lobe; see ``dipoles``.
        max_candidates: more are cut, the most significant kept, with a warning.
    """

    threshold: Positive = 5.0
    radius: Annotated[Count, InUnits("px")] = 2
    edge: Annotated[Whole, InUnits("px")] = 16
    dipole_radius: Annotated[NonNegative, InUnits("px")] = 6.0
    dipole_ratio: Share = 0.3
    max_candidates: Count = 20_000

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """Table of x, y (px), snr (negative for negative peaks), sign, flags; most significant first."""
        peaks = [local_maxima(sign * significance, mask, self.threshold, self.radius) for sign in (1.0, -1.0)]
        return candidates(
            significance, mask, peaks, self.edge, self.dipole_radius, self.dipole_ratio, self.max_candidates
        )


def candidates(
    significance: Tensor,
    mask: Tensor,
    peaks: list[Tensor],
    edge: int,
    dipole_radius: float,
    dipole_ratio: float,
    max_candidates: int,
) -> pd.DataFrame:
    """The table of detections from peak pixels.

    Args:
        significance, mask: (H, W).
        peaks: (n, 2) rows and columns of the positive peaks, then of the negative ones.
        edge, dipole_radius, dipole_ratio, max_candidates: as in ``Peaks``.

    Returns:
        ``PEAK_COLUMNS``, most significant first; no rows where nothing was found.
    """
    parts = []
    for sign, found in zip((1.0, -1.0), peaks, strict=True):
        x, y, height = interpolate(sign * significance, found)
        parts.append(torch.stack([x, y, sign * height]))
    x, y, snr = torch.cat(parts, 1)
    order = torch.argsort(snr.abs(), descending=True, stable=True)
    if len(order) > max_candidates:
        _LOG.warning("%d candidates: the %d most significant are kept", len(order), max_candidates)
        order = order[:max_candidates]
    x, y, snr = x[order], y[order], snr[order]
    table = pd.DataFrame({"x": x.numpy(), "y": y.numpy(), "snr": snr.numpy()})
    table["sign"] = np.sign(table["snr"]).astype(np.int8)
    h, w = mask.shape
    at_edge = (x < edge) | (y < edge) | (x > w - 1 - edge) | (y > h - 1 - edge)
    flags = (EDGE * at_edge.int() + NEAR_MASK * _near(mask, x, y, 3).int()).numpy()
    table["flags"] = (flags + DIPOLE * dipoles(x, y, snr, dipole_radius, dipole_ratio)).astype(np.int32)
    return table


def response_fwhm(significance: Tensor, mask: Tensor) -> float:
    """FWHM (px) of a point source in the significance, from how far its noise correlates: the two are one shape.

    A matched filter's noise has the autocorrelation of its response; taken to be Gaussian. 3 px where there is too
    little sky.
    """
    good = ~mask & torch.isfinite(significance) & (significance.abs() < 3)
    both = good[:, 1:] & good[:, :-1]
    if int(torch.count_nonzero(both)) < 1000:
        return 3.0
    a, b = significance[:, 1:][both].double(), significance[:, :-1][both].double()
    correlation = float(((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std()))
    sigma = (-1 / (2 * np.log(np.clip(correlation, 0.05, 0.99)))) ** 0.5
    return float(2.3548 * sigma)


def snap(significance: Tensor, mask: Tensor, x: Floats, y: Floats, threshold: float, reach: int) -> Tensor:
    """(m, 2) rows and columns of the highest unmasked pixel within ``reach`` px of each position, each once.

    Left out: what stays below ``threshold``, what is masked, and the outermost pixels.
    """
    h, w = significance.shape
    t = torch.arange(-reach, reach + 1)
    rows = (torch.from_numpy(np.rint(y)).long()[:, None] + t).clamp(0, h - 1)
    columns = (torch.from_numpy(np.rint(x)).long()[:, None] + t).clamp(0, w - 1)
    clean = torch.where(torch.isfinite(significance) & ~mask, significance, torch.full_like(significance, -torch.inf))
    best = clean[rows[:, :, None], columns[:, None, :]].flatten(1).argmax(1)
    n = torch.arange(len(best))
    pixels = np.unique((rows[n, best // len(t)] * w + columns[n, best % len(t)]).numpy())
    peaks = torch.from_numpy(np.column_stack([pixels // w, pixels % w]))
    r, c = peaks[:, 0], peaks[:, 1]
    return peaks[(r > 0) & (r < h - 1) & (c > 0) & (c < w - 1) & (clean[r, c] >= threshold)]


@dataclass(frozen=True)
class DaoFind:
    """DAOStarFinder (Stetson 1987, PASP 99, 191) on the significance: peaks that look like a star.

    Args:
        threshold: of the significance at the brightest pixel, sigma; applied to both signs.
        fwhm: px, of a star in the significance; None measures it there.
        sharplo, sharphi: limits of DAOFIND's sharpness; a single hot pixel is near 1, a smear near 0.
        roundness: limit of the absolute value of both of DAOFIND's roundnesses.
        edge, dipole_radius, dipole_ratio, max_candidates: as in ``Peaks``.
    """

    threshold: Positive = 5.0
    fwhm: Annotated[Positive, InUnits("px")] | None = None
    sharplo: float = 0.2
    sharphi: float = 1.0
    roundness: Positive = 1.0
    edge: Annotated[Whole, InUnits("px")] = 16
    dipole_radius: Annotated[NonNegative, InUnits("px")] = 6.0
    dipole_ratio: Share = 0.3
    max_candidates: Count = 20_000

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """Table of x, y (px), snr (negative for negative peaks), sign, flags; most significant first."""
        _check_range("sharplo < sharphi", self.sharplo < self.sharphi, f"{self.sharplo}, {self.sharphi}")
        fwhm = self.fwhm or response_fwhm(significance, mask)
        peaks = [self._find(sign * significance, mask, fwhm) for sign in (1.0, -1.0)]
        return candidates(
            significance, mask, peaks, self.edge, self.dipole_radius, self.dipole_ratio, self.max_candidates
        )

    def _find(self, significance: Tensor, mask: Tensor, fwhm: float) -> Tensor:
        import warnings

        from photutils.detection import DAOStarFinder
        from photutils.utils.exceptions import NoDetectionsWarning

        finder = DAOStarFinder(
            # Its own threshold acts on fitted heights above the surroundings; what counts is ours, on the peak.
            self.threshold / 2,
            fwhm,
            exclude_border=True,
            scale_threshold=False,
            sharpness_range=(self.sharplo, self.sharphi),
            roundness_range=(-self.roundness, self.roundness),
        )
        clean = torch.where(torch.isfinite(significance) & ~mask, significance, torch.zeros_like(significance))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoDetectionsWarning)
            found = finder(clean.double().numpy(), mask=mask.numpy())
        if found is None:
            return torch.zeros(0, 2, dtype=torch.long)
        x, y = (np.asarray(found[name], dtype=float) for name in ("x_centroid", "y_centroid"))
        return snap(significance, mask, x, y, self.threshold, 2)


@dataclass(frozen=True)
class SepExtract:
    """Islands of the significance, deblended, by sep (Bertin & Arnouts 1996; Barbary 2016).

    Args:
        threshold: of the significance, sigma; applied to both signs.
        min_area: px above the threshold.
        max_elongation: of the island's axes a / b; trails and columns are longer.
        deblend_levels, deblend_contrast: as in SExtractor.
        edge, dipole_radius, dipole_ratio, max_candidates: as in ``Peaks``.
    """

    threshold: Positive = 5.0
    min_area: Annotated[Count, InUnits("px")] = 1
    max_elongation: Positive = 4.0
    deblend_levels: Count = 32
    deblend_contrast: Share = 0.005
    edge: Annotated[Whole, InUnits("px")] = 16
    dipole_radius: Annotated[NonNegative, InUnits("px")] = 6.0
    dipole_ratio: Share = 0.3
    max_candidates: Count = 20_000

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """Table of x, y (px), snr (negative for negative peaks), sign, flags; most significant first."""
        _check_range("max_elongation of at least 1", self.max_elongation >= 1, str(self.max_elongation))
        peaks = [self._find(sign * significance, mask) for sign in (1.0, -1.0)]
        return candidates(
            significance, mask, peaks, self.edge, self.dipole_radius, self.dipole_ratio, self.max_candidates
        )

    def _find(self, significance: Tensor, mask: Tensor) -> Tensor:
        import sep

        bad = mask | ~torch.isfinite(significance)
        data = torch.where(bad, torch.zeros_like(significance), significance).numpy()
        sep.set_extract_pixstack(max(300_000, data.size))
        found = sep.extract(
            np.ascontiguousarray(data),
            self.threshold,
            mask=bad.numpy(),
            minarea=self.min_area,
            filter_kernel=None,  # the significance is filtered already
            deblend_nthresh=self.deblend_levels,
            deblend_cont=self.deblend_contrast,
            clean=False,
        )
        a, b = np.maximum(found["a"], 0.3), np.maximum(found["b"], 0.3)  # an island of one pixel has no extent
        kept = found[a <= self.max_elongation * b]
        return snap(significance, bad, kept["xpeak"].astype(float), kept["ypeak"].astype(float), self.threshold, 1)


def _check_range(expected: str, holds: bool, got: str) -> None:
    if not holds:
        raise UserError(expected, got, "change it in preprocessing.detect")
