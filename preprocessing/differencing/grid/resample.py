"""Resampling in torch: Lanczos with mask, variance and the correlation that it leaves in the noise."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.grid.pixel_map import stretched
from astrid_ml.preprocessing.differencing.pixels.lanczos import lanczos_weights, resample_along
from astrid_ml.preprocessing.differencing.pixels.masks import spread

_SHARE = 0.02  # a masked tap counts where its weight exceeds this
_MOST_SHEAR = 0.2  # px per px of the other axis; beyond it two passes would alias
_SAMPLE = 10_000  # pixels whose fractions stand for all
_PHASES = 512  # fractions of a pixel between which products of weights are linear
_LAGS = 32  # lags whose products are made at once: memory
_REACH = 3  # px around a masked pixel where a Lanczos tap's weight may exceed _SHARE


def resample(data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Values, variances and mask (H', W') at positions ``at`` (2, H', W'); outside the frame is masked.

    Maps without much rotation are done in two passes, along rows and then along columns (Catmull & Smith 1980), with 4
    ``order`` taps in place of 4 ``order`` squared; frames turned by quarters or mirrored are turned back first.
    """
    if not bool(at.sum().isfinite()):
        at = torch.nan_to_num(at, nan=-1e6)
    data, variance, mask, at = _upright(data, variance, mask, at)
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


def _row_map(at: Tensor, rows: range, step: int = 16) -> Tensor:
    """Source column (R, W') of each source row and target column: where the target's column crosses that row.

    Exact every ``step`` px, linear between.
    """
    h, w = at.shape[1:]
    last = torch.tensor([h - 1])
    lines = torch.cat([torch.arange(0, h - 1, step), last])
    nodes = torch.arange(0, w, step)
    columns = torch.unique(torch.cat([nodes, torch.tensor([w - 1])]))
    coarse = at[:, lines][:, :, columns].numpy()
    # beyond the band the map goes on as it ends
    y = np.concatenate([[-h], lines.numpy(), [2 * h]]).astype(float)
    slopes = [(coarse[:, i + 1] - coarse[:, i]) / (y[i + 2] - y[i + 1]) for i in (0, len(lines) - 2)]
    ends = (coarse[:, 0] + slopes[0] * (y[0] - y[1]), coarse[:, -1] + slopes[1] * (y[-1] - y[-2]))
    u, v = np.concatenate([ends[0][:, None], coarse, ends[1][:, None]], 1)
    sought = rows.start + np.arange(0, len(rows) + step, step, dtype=float)
    found = np.stack([np.interp(sought, v[:, i], u[:, i]) for i in range(len(columns))], 1) - columns.numpy()
    beyond = w - 1 - int(nodes[-1])
    if beyond > 0:  # the next node lies outside the frame
        found[:, -1] = found[:, -2] + (found[:, -1] - found[:, -2]) * step / beyond
    else:
        found = np.concatenate([found, 2 * found[:, -1:] - found[:, -2:-1]], 1)
    tall = stretched(torch.from_numpy(found.T.copy()), step, len(rows)).T
    return stretched(tall, step, w) + torch.arange(w)


def _resample_in_passes(
    data: Tensor, variance: Tensor, mask: Tensor, at: Tensor, order: int
) -> tuple[Tensor, Tensor, Tensor]:
    h, w = data.shape
    low, high = (int(v.floor()) for v in torch.aminmax(at[1]))
    low, high = max(low + 1 - order, 0), min(high + order, h - 1)
    if low > high:
        blank = torch.zeros(at.shape[1:])
        return blank, blank + variance.median(), torch.ones_like(blank, dtype=torch.bool)
    rows = slice(low, high + 1)
    planes = resample_along((data[rows], variance[rows]), _row_map(at, range(low, high + 1)), 1, order)
    out, var = resample_along(planes, at[1] - low, 0, order)
    reach = order - 1
    bad = (at[0] < reach) | (at[0] > w - 1 - reach) | (at[1] < reach) | (at[1] > h - 1 - reach)
    if bool(mask[rows].any()):
        nearest = (at + 0.5).floor_().long()
        bad |= spread(mask, _REACH).take(nearest[1].clamp_(0, h - 1) * w + nearest[0].clamp_(0, w - 1))
    return out, var, bad


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


def noise_autocorrelation(
    at: Tensor, order: int = 5, steps: Tensor | None = None, line: Tensor | None = None
) -> Tensor:
    """Mean autocovariance (4 order - 1, 4 order - 1), centred, of unit noise after resampling at ``at``.

    Args:
        at: (2, ...) positions x, y, px of the source.
        order: half the Lanczos taps.
        steps: (2, 2), change of x and y (rows) from a pixel of the grid to the next along x and y; None: one pixel.
        line: autocovariance of the noise along each axis of the source, centred, odd; None for white noise.
    """
    steps = torch.eye(2) if steps is None else steps
    lag = torch.arange(1 - 2 * order, 2 * order).double()
    # source px; lags that differ by less than a hundredth are one, so that grids along the source's axes have few
    moves = [(steps[i, 0].double() * lag[None, :] + steps[i, 1].double() * lag[:, None]) for i in (0, 1)]
    unique = [torch.unique((move * 100).round() / 100, return_inverse=True) for move in moves]
    step = max(1, at[0].numel() // _SAMPLE) | 1
    phases = torch.arange(_PHASES + 1).double() / _PHASES
    along = [(self_products(phases, values, order, line=line), inverse.flatten()) for values, inverse in unique]
    shares = _shares_of_phases(*(at[i].flatten()[::step] for i in (0, 1)))
    x, y = (products[inverse] for products, inverse in along)
    return ((x @ shares) * y).sum(-1).view(moves[0].shape)


def _shares_of_phases(x: Tensor, y: Tensor) -> Tensor:
    """Shares (phases + 1, phases + 1) of positions by their fractions, each told among its four nearest phases.

    The mean over positions of a product of functions that are linear between phases is then one matrix product.
    """
    low, weight = [], []
    for place in (x, y):
        phase = (place - place.floor()) * _PHASES
        low.append(phase.long().clamp(max=_PHASES - 1))
        weight.append((phase - low[-1]).double())
    out, n = torch.zeros((_PHASES + 1) ** 2, dtype=torch.double), _PHASES + 1
    for i in (0, 1):
        for j in (0, 1):
            share = (weight[0] if i else 1 - weight[0]) * (weight[1] if j else 1 - weight[1])
            out.index_add_(0, (low[0] + i) * n + low[1] + j, share)
    return out.view(n, n) / len(x)


def self_products(
    fraction: Tensor, lags: Tensor, order: int, stretch: float = 1.0, line: Tensor | None = None
) -> Tensor:
    """Covariance (lags, positions) of unit noise resampled at positions along an axis and ``lags`` px further.

    Args:
        fraction: (n,) positions, px.
        lags: px of the source.
        order: half the Lanczos taps.
        stretch: of the kernel.
        line: autocovariance of the noise along the axis, centred, odd; None for white noise.
    """
    if not bool(torch.isfinite(lags).all() and torch.isfinite(fraction).all()):
        got = "places that are no numbers"
        fix = "check the WCS of both headers, or use preprocessing/align=none where the frames are aligned"
        raise UserError("coordinates that put the pixels of one image onto the other", got, fix)
    here = fraction.double()
    own, first = _taps(here, order, stretch)
    taps = own.shape[1]
    if line is not None:  # what each tap shares with the noise around it
        half = len(line) // 2
        own, first = conv1d(own[:, None], line.double().flip(0)[None, None], padding=2 * half)[:, 0], first - half
    own = pad(own, (taps, taps))  # taps of no position in common give nothing
    out = torch.empty(len(lags), len(fraction), dtype=torch.double)
    for start in range(0, len(lags), _LAGS):
        far = lags[start : start + _LAGS].double()[:, None]
        other, others_first = _taps(here + far, order, stretch)
        place = (others_first - first + taps).clamp(0, own.shape[1] - taps)
        index = place[..., None] + torch.arange(taps)
        shared = torch.gather(own.expand(len(far), -1, -1), 2, index)
        out[start : start + _LAGS] = (shared * other).sum(-1)
    return out


def _taps(places: Tensor, order: int, stretch: float) -> tuple[Tensor, Tensor]:
    """Lanczos weights (..., taps) at positions (...), their sum 1, and the pixel of the first."""
    reach = math.ceil(order * stretch)
    first = places.floor().long() + 1 - reach
    u = ((places - first)[..., None] - torch.arange(2 * reach)) / stretch
    weight = torch.sinc(u) * torch.sinc(u / order) * (u.abs() < order)
    return weight / weight.sum(-1, keepdim=True), first
