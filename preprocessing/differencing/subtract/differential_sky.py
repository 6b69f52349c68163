"""What is left of the sky in a difference, where the stars that hid it are gone."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult
from astrid_ml.stats import clipped_std
from astrid_ml.types import Count, Floats, InUnits, NonNegative

_GOOD = 0.3  # of the pixels of a part of a box
_MOST = 1 << 20  # pixels that are looked at, spread over the frame
_LEAST_BOX = 32  # px
_PARTS = 4  # of a box, along each axis
_BLANK = 0.3  # of the frame
_BRIGHT = 3.0  # times the sky's variance; where sources are brighter their residuals may be more than the noise
_CLIP = 6.0  # sigma; counts of few photons are skewed, and a nearer clip would take their mean down


@dataclass(frozen=True)
class DifferentialSky:
    """Takes the sky that is left in a difference from the science image, where it is more than noise.

    In a crowd of stars, or under a galaxy that fills the frame, neither image has a sky that could be measured alone.
    What both hold cancels, and with it what hid the sky.

    Args:
        box: px, side of the boxes in which it is measured.
        least: mean square of the boxes' skies in units of their errors, beyond which it is no noise.
    """

    box: Annotated[Count, InUnits("px")] = 128
    least: NonNegative = 9.0

    def finer(self, times: int) -> DifferentialSky:
        """The step with boxes half as long, as often as ``times``, for what larger ones left."""
        return replace(self, box=max(self.box >> times, _LEAST_BOX))

    def __call__(
        self, result: SubtractionResult, variances: tuple[Tensor, Tensor], blank: Tensor
    ) -> tuple[Tensor | None, dict[str, float]]:
        """The sky (H, W) in science units, None where there is none; ``differential_sky``, its rms over the noise.

        Args:
            result: the difference.
            variances: (H, W), of both images.
            blank: (H, W), True on sky without sources; where that is much of a box, it alone is looked at.
        """
        good, dim = blank & ~result.mask, ~result.mask
        for variance in variances:
            dim = dim & (variance < _BRIGHT * typical(variance, ~result.mask))
        if float(good.float().mean()) < _BLANK:
            good = dim
        step = math.ceil(math.sqrt(good.numel() / _MOST))
        plane, box = result.diff[::step, ::step], max(self.box // step, _PARTS)
        level, error = box_means(plane, good[::step, ::step], box)
        if not np.isfinite(level).all():  # below a galaxy that hides the sky of both, what is left of it shows
            below = box_means(plane, dim[::step, ::step], box)
            level, error = (np.where(np.isfinite(level), a, b) for a, b in zip((level, error), below, strict=True))
        known = np.isfinite(level)
        if not known.any():
            return None, {"differential_sky": 0.0}
        excess = float(np.mean((level[known] / error[known]) ** 2))
        noise = typical(result.variance, good) ** 0.5
        figures = {"differential_sky": float(np.sqrt(np.mean(level[known] ** 2))) / noise}
        if excess < self.least:
            return None, figures
        filled = np.where(known, level, np.median(level[known]))
        sky = torch.nn.functional.interpolate(
            torch.from_numpy(filled)[None, None].float(),
            size=tuple(result.diff.shape),
            mode="bicubic",
            align_corners=False,
        )
        return sky[0, 0], figures


def box_means(plane: Tensor, good: Tensor, box: int) -> tuple[Floats, Floats]:
    """Mean of (H, W) in boxes, without what lies beyond six sigma, and its error; NaN where a box holds too little.

    The error is told by the scatter of the means of sixteen parts of a box: noise may be correlated.
    """
    sides = [_PARTS * max(1, round(n / box)) for n in plane.shape]
    rows, columns = (np.linspace(0, n, parts + 1).astype(int) for n, parts in zip(plane.shape, sides, strict=True))
    values = plane[good]
    if values.numel() < _PARTS**2:
        return np.full((sides[0] // _PARTS, sides[1] // _PARTS), np.nan), np.full((1, 1), np.nan)
    sample = values[:: max(1, values.numel() // 100_000)].numpy()
    centre, sigma = float(np.median(sample)), clipped_std(sample, _CLIP)
    kept = good & ((plane - centre).abs() <= _CLIP * sigma)

    def sums(of: Tensor) -> Floats:
        along = np.add.reduceat(of.numpy(), rows[:-1], axis=0, dtype=np.float64)
        return np.asarray(np.add.reduceat(along, columns[:-1], axis=1))

    count = sums(kept)
    area = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    means = np.where(count > _GOOD * area, sums(torch.where(kept, plane, 0.0)) / np.maximum(count, 1), np.nan)
    parts = (
        means.reshape(sides[0] // _PARTS, _PARTS, -1, _PARTS).swapaxes(1, 2).reshape(sides[0] // _PARTS, -1, _PARTS**2)
    )
    n = np.isfinite(parts).sum(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level, scatter = np.nanmean(parts, axis=-1), np.nanstd(parts, axis=-1, ddof=1)
    level[n < _PARTS**2 // 4] = np.nan
    return level, np.maximum(scatter, 1e-12) / np.sqrt(np.maximum(n, 1))
