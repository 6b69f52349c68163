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
    """PSF at a relative position (0 ... 1) of the frame: the one of (k, k), or bilinear in a grid (t, t, k, k).

    The grid's PSFs are those of the middles of tiles; in the outer halves of the outer tiles the line goes on.
    """
    if psf.ndim == 2:
        return psf
    (ty, tx), (v, u) = psf.shape[:2], (y * psf.shape[0] - 0.5, x * psf.shape[1] - 0.5)
    v, u = (min(max(p, -0.5), t - 0.5) if t > 1 else 0.0 for p, t in ((v, ty), (u, tx)))
    i, j = (min(max(int(p), 0), max(t - 2, 0)) for p, t in ((v, ty), (u, tx)))
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
        size = self.size
        if grid > 1:
            return self._blended(subtract, pair, grid)
        if max(h, w) <= 1.5 * size:
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
                del part  # its planes go before those of the next tile come
        return SubtractionResult(psf=torch.stack(psfs).mean(0), mask=mask, quality=quality, **planes)

    def _blended(self, subtract: Subtract, pair: SubtractionInput, grid: int) -> SubtractionResult:
        """Differences with the PSFs at the corners of tiles, each pixel from the four around it, by its distance.

        Where a PSF changes evenly from corner to corner, what is left at a star is of second order in the change.
        """
        h, w = pair.science.shape
        margin = int(self.margin * pair.psfs[0].shape[-1])
        nodes = [max(grid, math.ceil(n / self.size)) for n in (h, w)]
        planes = {name: torch.zeros(h, w) for name in ("diff", "flux", "variance", "flux_error")}
        mask, psfs, quality = torch.zeros(h, w, dtype=torch.bool), [], dict[str, float]()
        for rows, along_y, y in _hats(h, nodes[0]):
            for columns, along_x, x in _hats(w, nodes[1]):
                ya, xa = max(rows.start - margin, 0), max(columns.start - margin, 0)
                yb, xb = min(rows.stop + margin, h), min(columns.stop + margin, w)
                part = subtract(crop(pair, (ya, yb), (xa, xb), (y / (h - 1), x / (w - 1))))
                inner = (slice(rows.start - ya, rows.stop - ya), slice(columns.start - xa, columns.stop - xa))
                weight = along_y[:, None] * along_x[None, :]
                for name, plane in planes.items():
                    plane[rows, columns] += weight * _of_part(part, name, inner)
                mask[rows, columns] |= part.mask[inner]
                psfs.append(part.psf)
                quality.update(part.quality)
                del part, weight  # a tile's planes go before those of the next one come
        significance = planes.pop("flux") / planes["flux_error"]
        psf = torch.stack(psfs).mean(0)
        return SubtractionResult(significance=significance, psf=psf, mask=mask, quality=quality, **planes)


def _of_part(part: SubtractionResult, name: str, inner: tuple[slice, slice]) -> Tensor:
    """A plane of a tile without its margins; its point-source flux is none of those that it holds."""
    if name == "flux":
        return part.significance[inner] * part.flux_error[inner]
    plane: Tensor = getattr(part, name)[inner]
    return plane


def _hats(length: int, tiles: int) -> Iterator[tuple[slice, Tensor, float]]:
    """Parts of an axis around each corner of its tiles, their weights, which add up to 1, and where the corner is."""
    at = [i * (length - 1) / tiles for i in range(tiles + 1)]
    t = torch.arange(length)
    for i, corner in enumerate(at):
        weight = (1 - (t - corner).abs() * tiles / (length - 1)).clamp_min(0)
        low = math.ceil(at[i - 1]) if i else 0
        high = math.floor(at[i + 1]) if i < tiles else length - 1
        part = slice(low, high + 1)
        yield part, weight[part], corner


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
