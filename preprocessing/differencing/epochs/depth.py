"""How faint a source a difference image would have shown: limiting magnitudes over the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.types import Floats


def limiting_magnitude(
    score_sigma: Tensor, flux_per_score: Tensor | float, zero_point: float, n_sigma: float = 5.0
) -> Tensor:
    """AB magnitude of a point source that would be ``n_sigma`` significant at each pixel.

    Args:
        score_sigma: (H, W) standard deviation of the matched filter's score S. For a map of the flux error of a point
            source, which is this times ``flux_per_score``, leave the latter at 1.
        flux_per_score: 1 / F_S: flux, in image units, of a source whose score is 1 (Zackay, Ofek & Gal-Yam 2016).
        zero_point: AB magnitude of one unit of flux.
        n_sigma: significance.

    Returns:
        (H, W); NaN where the noise is not a positive number.
    """
    flux = n_sigma * score_sigma * flux_per_score
    magnitude: Tensor = zero_point - 2.5 * torch.log10(flux.clamp_min(0))
    return torch.where(torch.isfinite(flux) & (flux > 0), magnitude, torch.full_like(flux, torch.nan))


def coarse_map(values: Tensor, good: Tensor, box: int) -> Tensor:
    """Medians of the good, finite pixels of (H, W) in boxes of about ``box`` px; NaN where a box has none.

    Returns:
        (ceil(H / box), ceil(W / box)); the boxes' edges are where ``torch.tensor_split`` puts them.
    """
    h, w = values.shape
    rows, columns = -(-h // box), -(-w // box)
    kept = torch.where(good, values, torch.full_like(values, torch.nan))
    medians = [
        part.flatten().nanmedian() for row in kept.tensor_split(rows) for part in row.tensor_split(columns, dim=1)
    ]
    return torch.stack(medians).view(rows, columns)


@dataclass(frozen=True)
class DepthMap:
    """Limiting magnitude of one difference image.

    Args:
        coarse: (rows, columns) medians in boxes.
        median, p05, p95: over good pixels; p05 is the bright end: 5 % of the field is shallower than that.
        area: share of pixels that are good.
    """

    coarse: Tensor
    median: float
    p05: float
    p95: float
    area: float


@dataclass(frozen=True)
class Depth:
    """Limiting magnitudes from the flux error of a point source.

    Args:
        n_sigma: significance of the limit.
        box: px, of the coarse map.
    """

    n_sigma: float = 5.0
    box: int = 64

    def __call__(self, flux_error: Tensor, mask: Tensor, zero_point: float) -> DepthMap:
        """Depth of (H, W) ``flux_error``, in image units, outside ``mask``; ``zero_point`` AB."""
        magnitude = limiting_magnitude(flux_error, 1.0, zero_point, self.n_sigma)
        good = ~mask & torch.isfinite(magnitude)
        coarse = coarse_map(magnitude, good, self.box)
        values = magnitude[good].double().numpy()
        if not len(values):
            return DepthMap(coarse, np.nan, np.nan, np.nan, 0.0)
        p05, median, p95 = (float(p) for p in np.percentile(values, (5, 50, 95)))
        return DepthMap(coarse, median, p05, p95, float(good.double().mean()))


def depth_table(depth: DepthMap, shape: tuple[int, int], wcs: Any | None = None) -> pd.DataFrame:
    """The coarse map as rows: centre ``x, y`` (px), ``ra, dec`` (degrees, NaN without a WCS) and ``limit`` (AB)."""
    rows, columns = depth.coarse.shape
    centres = [_centres(n, parts) for n, parts in zip(shape, (rows, columns), strict=True)]
    y, x = (a.ravel() for a in np.meshgrid(*centres, indexing="ij"))
    ra = dec = np.full(len(x), np.nan)
    if wcs is not None:
        ra, dec = (np.asarray(a, dtype=float) for a in wcs.all_pix2world(x, y, 0))
    return pd.DataFrame({"x": x, "y": y, "ra": ra, "dec": dec, "limit": depth.coarse.double().numpy().ravel()})


def _centres(length: int, parts: int) -> Floats:
    pieces = np.array_split(np.arange(length, dtype=float), parts)
    return np.array([piece.mean() for piece in pieces])
