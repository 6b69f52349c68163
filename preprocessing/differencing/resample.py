"""Resampling in torch: Lanczos with mask, variance and the correlation that it leaves in the noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from astropy.wcs import WCS
from torch import Tensor
from torch.nn.functional import interpolate

_SHARE = 0.02  # a masked tap counts where its weight exceeds this


def pixel_map(target: WCS, source: WCS, shape: tuple[int, int], step: int = 16) -> Tensor:
    """Source pixel (2, H, W) float64 (x, y) of each target pixel; exact every ``step`` px, bilinear between."""
    rows, cols = (math.ceil((n - 1) / step) * step + 1 for n in shape)
    y, x = np.mgrid[0:rows:step, 0:cols:step].astype(float)
    px, py = source.all_world2pix(*target.all_pix2world(x.ravel(), y.ravel(), 0), 0, quiet=True)
    coarse = torch.from_numpy(np.stack([px, py]).reshape(2, *x.shape))
    # The offset is small and smooth; the pixel itself is added back exactly.
    offset = coarse - torch.from_numpy(np.stack([x, y]))
    fine = interpolate(offset[None], size=(rows, cols), mode="bilinear", align_corners=True)[0]
    base = torch.stack(torch.meshgrid(torch.arange(cols), torch.arange(rows), indexing="xy")).double()
    return (fine + base)[:, : shape[0], : shape[1]]


def pixel_area(positions: Tensor) -> Tensor:
    """Source pixels covered by each target pixel, (H, W): the map's Jacobian determinant."""
    dx, dy = torch.gradient(positions[0]), torch.gradient(positions[1])
    return (dx[1] * dy[0] - dx[0] * dy[1]).abs()


def lanczos_weights(fraction: Tensor, order: int = 5) -> Tensor:
    """Weights (2 order, ...) of the taps at 1 - order ... order around a position, of sum 1 (Duchon 1979)."""
    taps = torch.arange(1 - order, order + 1, dtype=fraction.dtype).reshape(-1, *[1] * fraction.ndim)
    u = fraction - taps
    weights = torch.sinc(u) * torch.sinc(u / order) * (u.abs() < order)
    return weights / weights.sum(0)


def resample(data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Values, variances and mask (H', W') at positions ``at`` (2, H', W'); outside the frame is masked."""
    h, w = data.shape
    at = torch.nan_to_num(at, nan=-1e6)
    corner = at.floor()
    wx, wy = (lanczos_weights((at[i] - corner[i]).to(data.dtype), order) for i in (0, 1))
    x0, y0 = corner[0].clamp(-1e6, 1e6).long(), corner[1].clamp(-1e6, 1e6).long()
    out, var, bad = torch.zeros_like(wx[0]), torch.zeros_like(wx[0]), torch.zeros_like(wx[0], dtype=torch.bool)
    for j in range(2 * order):
        y = y0 + j + 1 - order
        for i in range(2 * order):
            x = x0 + i + 1 - order
            weight = wy[j] * wx[i]
            index = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
            inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
            out += weight * data.take(index)
            var += weight.square() * variance.take(index)
            bad |= (mask.take(index) | ~inside) & (weight.abs() > _SHARE)
    return out, var, bad


def noise_autocorrelation(at: Tensor, order: int = 5) -> Tensor:
    """Mean autocovariance (4 order - 1, 4 order - 1), centred, of unit white noise after resampling at ``at``."""

    def lags(positions: Tensor) -> Tensor:
        sample = positions[::7, ::7].flatten()
        weights = lanczos_weights(sample - sample.floor(), order)
        n = 2 * order
        return torch.stack(
            [
                (weights[max(0, -d) : n - max(0, d)] * weights[max(0, d) : n - max(0, -d)]).sum(0)
                for d in range(1 - n, n)
            ]
        )

    y, x = lags(at[1]), lags(at[0])
    return torch.einsum("in,jn->ij", y, x) / y.shape[1]
