"""A subtraction in overlapping tiles: large frames in little memory, and PSFs that vary over the field."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.subtract.pair import Subtract, SubtractionInput, SubtractionResult
from astrid_ml.types import Count, InUnits, NonNegative


def spans(length: int, size: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Start and stop of each tile's core, then of the tile with its margins, along an axis."""
    n = max(1, math.ceil(length / size))
    edges = [round(i * length / n) for i in range(n + 1)]
    for low, high in pairwise(edges):
        yield low, high, max(0, low - margin), min(length, high + margin)


def psf_at(psf: Tensor, y: float, x: float) -> Tensor:
    """PSF at a relative position (0 ... 1) of the frame: the one of (k, k), or bilinear in a grid (t, t, k, k)."""
    if psf.ndim == 2:
        return psf
    (ty, tx), (v, u) = psf.shape[:2], (y * psf.shape[0] - 0.5, x * psf.shape[1] - 0.5)
    v, u = min(max(v, 0.0), ty - 1.0), min(max(u, 0.0), tx - 1.0)
    i, j = min(int(v), max(ty - 2, 0)), min(int(u), max(tx - 2, 0))
    i1, j1, a, b = min(i + 1, ty - 1), min(j + 1, tx - 1), v - i, u - j
    return (1 - a) * ((1 - b) * psf[i, j] + b * psf[i, j1]) + a * ((1 - b) * psf[i1, j] + b * psf[i1, j1])


@dataclass(frozen=True)
class Tiles:
    """Cuts a pair into tiles.

    Args:
        size: px, side of a tile without its margins; frames up to 1.5 times this stay whole where the PSF is one.
        margin: px of overlap on each side, in PSF stamps.
    """

    size: Annotated[Count, InUnits("px")] = 2048
    margin: NonNegative = 3.0

    def __call__(self, subtract: Subtract, pair: SubtractionInput) -> SubtractionResult:
        """Subtract a pair whose PSFs are (k, k) or (t, t, k, k)."""
        h, w = pair.science.shape
        grid = max((p.shape[0] for p in pair.psfs if p.ndim == 4), default=1)
        size = min(self.size, math.ceil(max(h, w) / grid)) if grid > 1 else self.size
        if grid == 1 and max(h, w) <= 1.5 * size:
            return subtract(pair)
        margin = int(self.margin * pair.psfs[0].shape[-1])
        planes = {name: torch.empty(h, w) for name in ("diff", "significance", "variance", "flux_error")}
        mask, psfs, quality = torch.empty(h, w, dtype=torch.bool), [], {}
        for y0, y1, ya, yb in spans(h, size, margin):
            for x0, x1, xa, xb in spans(w, size, margin):
                centre = ((y0 + y1) / 2 / h, (x0 + x1) / 2 / w)
                part = subtract(crop(pair, (ya, yb), (xa, xb), centre))
                inner = (slice(y0 - ya, y1 - ya), slice(x0 - xa, x1 - xa))
                for name, plane in planes.items():
                    plane[y0:y1, x0:x1] = getattr(part, name)[inner]
                mask[y0:y1, x0:x1] = part.mask[inner]
                psfs.append(part.psf)
                quality.update(part.quality)
        return SubtractionResult(psf=torch.stack(psfs).mean(0), mask=mask, quality=quality, **planes)


def crop(
    pair: SubtractionInput, rows: tuple[int, int], columns: tuple[int, int], centre: tuple[float, float]
) -> SubtractionInput:
    """The part of a pair in rows [a, b) and columns [a, b), with the PSFs at ``centre``."""
    (ya, yb), (xa, xb) = rows, columns
    cut = (slice(ya, yb), slice(xa, xb))
    stars = pair.stars
    if stars is not None:
        stars = stars - torch.tensor([xa, ya], dtype=stars.dtype)
        stars = stars[(stars[:, 0] >= 0) & (stars[:, 1] >= 0) & (stars[:, 0] < xb - xa) & (stars[:, 1] < yb - ya)]
    return replace(
        pair,
        science=pair.science[cut],
        reference=pair.reference[cut],
        variances=(pair.variances[0][cut], pair.variances[1][cut]),
        masks=(pair.masks[0][cut], pair.masks[1][cut]),
        psfs=(psf_at(pair.psfs[0], *centre), psf_at(pair.psfs[1], *centre)),
        stars=stars,
    )
