"""Is the significance what it says? Figures of blank sky before any rescaling, and the rescaling."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from astrid_ml.stats import robust_mean_std
from astrid_ml.types import Count, NonNegative

_SOUND = (0.2, 5.0)  # blank-sky standard deviations that a rescaling may fix
_BAND = 64  # rows
_LAGS = ((0, 1), (1, 0), (1, 1))


def thinned(plane: Tensor, most: int = 1 << 20) -> Tensor:
    """Every other row and column, or fewer, of (H, W), such that at most ``most`` pixels are left.

    Pixels as near as this to each other share most of their noise in a filtered image: little is lost.
    """
    step = math.ceil(math.sqrt(plane.numel() / most))
    return plane[::step, ::step]


def neighbour_correlation(diff: Tensor, blank: Tensor) -> dict[tuple[int, int], tuple[float, float]]:
    """Correlation of (H, W) ``diff`` with itself at lags (dy, dx) over ``blank`` pixels, and its standard error."""
    centre, std = robust_mean_std(thinned(diff)[thinned(blank)])
    sums, counts = dict.fromkeys(_LAGS, 0.0), dict.fromkeys(_LAGS, 0)
    w = diff.shape[1]
    for top in range(0, diff.shape[0], _BAND):  # bands stay in the processor's cache
        rows = slice(top, top + _BAND + 1)
        z = (diff[rows] - centre).div_(std)
        good = blank[rows] & (z.abs() < 5)
        z = torch.where(good, z, 0.0)
        for dy, dx in _LAGS:
            own = min(_BAND, len(z) - dy)
            other, here = (slice(dy, dy + own), slice(dx, w)), (slice(0, own), slice(0, w - dx))
            counts[dy, dx] += int(torch.count_nonzero(good[other] & good[here]))
            sums[dy, dx] += float((z[other] * z[here]).sum(dtype=torch.double))
    return {lag: (sums[lag] / max(counts[lag], 1), 1 / math.sqrt(max(counts[lag], 1))) for lag in _LAGS}


def tail_counts(significance: Tensor, blank: Tensor) -> dict[str, float]:
    """Pixels beyond +-3, 4, 5 in blank sky and what a Gaussian expects (pixels are correlated: a mean, not a test)."""
    area, out = int(torch.count_nonzero(blank)), {}
    values = significance[(significance.abs() > 3).logical_and_(blank)]
    for level in (3, 4, 5):
        out[f"above_{level}"] = float((values > level).sum())
        out[f"below_{level}"] = float((values < -level).sum())
        out[f"expected_{level}"] = area * math.erfc(level / math.sqrt(2)) / 2
    return out


def tile_std(significance: Tensor, blank: Tensor, tiles: int = 4) -> list[float]:
    """Standard deviation in each of tiles x tiles parts, row by row; NaN where hardly any blank sky is left."""
    rows, columns = torch.tensor_split(significance, tiles), torch.tensor_split(blank, tiles)
    return [
        robust_mean_std(s[b])[1]
        for row, mask in zip(rows, columns, strict=True)
        for s, b in zip(torch.tensor_split(row, tiles, 1), torch.tensor_split(mask, tiles, 1), strict=True)
    ]


@dataclass(frozen=True)
class SignificanceCheck:
    """The significance in blank sky.

    Args:
        mean, std: after the rescaling.
        std_raw: before it.
        scale: what the significance was divided by.
        std_tiles: of each tile, row by row, after the rescaling.
        correlation, correlation_err: the strongest of the difference's neighbour correlations, and its standard error.
        correlation_lags: (dy, dx) -> the correlation and its standard error.
        tails: pixels beyond +-3, 4, 5 and what a Gaussian expects.
        warnings: sentences for the user.
    """

    mean: float
    std: float
    std_raw: float
    scale: float
    std_tiles: tuple[float, ...]
    correlation: float
    correlation_err: float
    correlation_lags: dict[tuple[int, int], tuple[float, float]]
    tails: dict[str, float]
    warnings: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """The entries of ``quality.json``."""
        return {
            "sig_mean": self.mean,
            "sig_std_raw": self.std_raw,
            "sig_scale": self.scale,
            "sig_std": self.std,
            "sig_std_tiles": list(self.std_tiles),
            "neighbour_corr": self.correlation,
            "neighbour_corr_err": self.correlation_err,
            "neighbour_corr_lags": {f"{dy},{dx}": list(value) for (dy, dx), value in self.correlation_lags.items()},
            **self.tails,
        }


@dataclass(frozen=True)
class Significance:
    """Checks the significance on blank sky and rescales it where that is asked for.

    Args:
        rescale: divide by the blank sky's standard deviation.
        tolerance: a warning is due where that deviation is further than this from 1 before rescaling.
        max_correlation: and where a neighbour correlation of the difference exceeds this.
        tiles: the frame is cut into tiles x tiles parts for the std per tile.
    """

    rescale: bool = True
    tolerance: NonNegative = 0.1
    max_correlation: NonNegative = 0.05
    tiles: Count = 4

    def __call__(self, significance: Tensor, diff: Tensor, blank: Tensor) -> tuple[Tensor, SignificanceCheck]:
        """Rescaled (H, W) significance and the check; ``blank`` is True on sky without sources or masks."""
        sample, seen = thinned(significance), thinned(blank)
        mean, raw = robust_mean_std(sample[seen])
        # far from 1 it is no error of the noise model: equal frames, or no sky at all
        scale = raw if self.rescale and _SOUND[0] < raw < _SOUND[1] else 1.0
        correlation = neighbour_correlation(diff, blank)
        worst = max(correlation.values(), key=lambda pair: abs(pair[0]))
        scaled = significance / scale
        return scaled, SignificanceCheck(
            mean=mean / scale,
            std=raw / scale,
            std_raw=raw,
            scale=scale,
            std_tiles=tuple(std / scale for std in tile_std(sample, seen, self.tiles)),
            correlation=worst[0],
            correlation_err=worst[1],
            correlation_lags=correlation,
            tails=tail_counts(scaled, blank),
            warnings=tuple(self._warnings(raw, worst[0])),
        )

    def _warnings(self, raw: float, correlation: float) -> list[str]:
        found = []
        if not abs(raw - 1) <= self.tolerance:
            found.append(f"the significance's standard deviation in blank sky is {raw:.3f}, not 1")
        if not abs(correlation) <= self.max_correlation:
            found.append(f"neighbouring pixels of the difference correlate by {correlation:.3f}")
        return found
