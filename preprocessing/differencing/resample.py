"""Resampling in torch: Lanczos with mask, variance and the correlation that it leaves in the noise."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from astropy.wcs import WCS
from torch import Tensor
from torch.nn.functional import interpolate

_SHARE = 0.02  # a masked tap counts where its weight exceeds this
_MOST_SHEAR = 0.2  # px per px of the other axis; beyond it two passes would alias
_BINS = 4096  # fractions of a pixel in the table of weights
_REACH = 3  # px around a masked pixel where a Lanczos tap's weight may exceed _SHARE


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


def pixel_area(positions: Tensor, step: int = 8) -> Tensor:
    """Source pixels covered by each target pixel, (H, W): the map's Jacobian determinant.

    Computed every ``step`` px and linear between: a map that resampling can follow is smooth.
    """
    coarse = positions[:, ::step, ::step]
    if min(coarse.shape[1:]) < 2:
        step, coarse = 1, positions
    dx, dy = torch.gradient(coarse[0], spacing=float(step)), torch.gradient(coarse[1], spacing=float(step))
    area = (dx[1] * dy[0] - dx[0] * dy[1]).abs().float()
    return interpolate(area[None, None], size=positions.shape[1:], mode="bilinear", align_corners=True)[0, 0]


def lanczos_weights(fraction: Tensor, order: int = 5) -> Tensor:
    """Weights (2 order, ...) of the taps at 1 - order ... order around a position, of sum 1 (Duchon 1979)."""
    taps = torch.arange(1 - order, order + 1, dtype=fraction.dtype).reshape(-1, *[1] * fraction.ndim)
    u = fraction - taps
    weights = torch.sinc(u) * torch.sinc(u / order) * (u.abs() < order)
    return weights / weights.sum(0)


def resample(data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Values, variances and mask (H', W') at positions ``at`` (2, H', W'); outside the frame is masked.

    Maps without much rotation are done in two passes, along rows and then along columns (Catmull & Smith 1980), with 4
    ``order`` taps in place of 4 ``order`` squared; frames turned by quarters or mirrored are turned back first.
    """
    data, variance, mask, at = _upright(data, variance, mask, torch.nan_to_num(at, nan=-1e6))
    few = at[:, ::8, ::8]
    u_y, v_x = (few[0].diff(dim=0) / 8).abs().max(), (few[1].diff(dim=1) / 8).abs().max()
    if max(float(u_y), float(v_x)) > _MOST_SHEAR:
        return _resample_at_once(data, variance, mask, at, order)
    return _resample_in_passes(data, variance, mask, at, order)


def _upright(data: Tensor, variance: Tensor, mask: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The source mirrored and transposed so that its axes run along the target's, and the map to it."""
    h, w = at.shape[1] // 2, at.shape[2] // 2
    along_x, along_y = at[:, h, w] - at[:, h, w - 1], at[:, h, w] - at[:, h - 1, w]
    planes = [data, variance, mask]
    if abs(float(along_x[0])) < abs(float(along_x[1])):
        planes, at = [p.T for p in planes], at.flip(0)
        along_x, along_y = along_x.flip(0), along_y.flip(0)
    if float(along_x[0]) < 0:
        planes, at = [p.flip(1) for p in planes], torch.stack([planes[0].shape[1] - 1 - at[0], at[1]])
    if float(along_y[1]) < 0:
        planes, at = [p.flip(0) for p in planes], torch.stack([at[0], planes[0].shape[0] - 1 - at[1]])
    return planes[0].contiguous(), planes[1].contiguous(), planes[2].contiguous(), at


@functools.lru_cache(maxsize=4)
def _table(order: int) -> Tensor:
    """Lanczos weights (2 order, _BINS + 1) by fraction of a pixel."""
    return lanczos_weights(torch.linspace(0, 1, _BINS + 1, dtype=torch.float64), order).float().contiguous()


def _pass(planes: tuple[Tensor, Tensor], along: Tensor, dim: int, order: int) -> tuple[Tensor, Tensor]:
    """Data (Lanczos) and variance (linear, times the sum of squared weights) at positions along one axis.

    Done by bands of rows, whose temporaries stay in the processor's cache.
    """
    table, length = _table(order), planes[0].shape[dim]
    squares = table.square().sum(0)
    out = torch.empty((2, *along.shape))
    band = max(1, 65_536 // along.shape[1])
    for start in range(0, along.shape[0], band):
        stop = min(start + band, along.shape[0])
        part = along[start:stop]
        corner = part.floor()
        bins = torch.add((part - corner) * _BINS, 0.5).long()
        first = corner.long().clamp_(-order, length - 1 + order)
        low, high = (start, stop) if dim == 1 else (0, length)
        data, variance = planes[0][low:high], planes[1][low:high]
        whole = int(first.min()) - order >= -1 and int(first.max()) + order < length
        index = first + (1 - order)
        total = out[0, start:stop].zero_()
        for j in range(2 * order):
            at = index if whole else index.clamp(0, length - 1)
            total.addcmul_(table[j].take(bins), torch.gather(data, dim, at))
            index.add_(1)
        near, far = (torch.gather(variance, dim, (first + k).clamp_(0, length - 1)) for k in (0, 1))
        out[1, start:stop] = torch.lerp(near, far, (part - corner).float()) * squares.take(bins)
    return out[0], out[1]


def _row_map(at: Tensor, rows: Tensor, step: int = 16) -> Tensor:
    """Source column (R, W') of each source row and target column: where the target's column crosses that row."""
    h, w = at.shape[1:]
    columns = np.unique(np.append(np.arange(0, w, step), w - 1))
    coarse_rows = np.unique(np.append(np.arange(0, len(rows), step), len(rows) - 1))
    y = np.arange(-h, 2 * h, dtype=float)
    out = np.empty((len(coarse_rows), len(columns)))
    u, v = at[0][:, columns].numpy(), at[1][:, columns].numpy()
    for i in range(len(columns)):
        u_y, v_y = (
            np.concatenate([a[0] + (a[1] - a[0]) * y[:h], a, a[-1] + (a[-1] - a[-2]) * (y[2 * h :] - h + 1)])
            for a in (u[:, i], v[:, i])
        )
        out[:, i] = np.interp(rows[coarse_rows].numpy(), v_y, u_y) - columns[i]
    # linear between the nodes, first along rows, then along columns
    full = np.stack([np.interp(np.arange(len(rows)), coarse_rows, out[:, i]) for i in range(len(columns))], 1)
    where = np.interp(np.arange(w), columns, np.arange(len(columns)))
    left = np.minimum(where.astype(int), max(len(columns) - 2, 0))
    share = where - left
    offset = full[:, left] * (1 - share) + full[:, np.minimum(left + 1, len(columns) - 1)] * share
    return torch.from_numpy(offset + np.arange(w))


def _resample_in_passes(
    data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    h, w = data.shape
    low, high = (int(v) for v in (at[1].min().floor(), at[1].max().floor()))
    low, high = max(low + 1 - order, 0), min(high + order, h - 1)
    if low > high:
        blank = torch.zeros(at.shape[1:])
        return blank, blank + variance.median(), torch.ones_like(blank, dtype=torch.bool)
    rows = slice(low, high + 1)
    u = _row_map(at, torch.arange(low, high + 1, dtype=torch.float64))
    planes = _pass((data[rows], variance[rows]), u, 1, order)
    out, var = _pass(planes, at[1] - low, 0, order)
    nearest = (at + 0.5).floor().long()
    reach = order - 1
    inside = (at[0] >= reach) & (at[0] <= w - 1 - reach) & (at[1] >= reach) & (at[1] <= h - 1 - reach)
    bad = ~inside
    if bool(mask.any()):
        bad |= spread(mask, _REACH).take(nearest[1].clamp(0, h - 1) * w + nearest[0].clamp(0, w - 1))
    return out, var, bad


def spread(mask: Tensor, radius: int) -> Tensor:
    """A (H, W) bool mask dilated by a square of half-width ``radius`` px, one axis after the other."""
    for dim in (0, 1):
        wide, length = mask.clone(), mask.shape[dim]
        for step in range(1, min(radius, length - 1) + 1):
            wide.narrow(dim, step, length - step).logical_or_(mask.narrow(dim, 0, length - step))
            wide.narrow(dim, 0, length - step).logical_or_(mask.narrow(dim, step, length - step))
        mask = wide
    return mask


def _resample_at_once(
    data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    h, w = data.shape
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
