"""Candidates: peaks of the matched filter's significance, of either sign, at sub-pixel positions."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

_LOG = logging.getLogger(__name__)
EDGE, NEAR_MASK, DIPOLE = 1, 2, 4  # bits of ``flags``
PEAK_COLUMNS = ("x", "y", "snr", "sign", "flags")


def local_maxima(significance: Tensor, mask: Tensor, threshold: float, radius: int = 2) -> Tensor:
    """(n, 2) rows and columns of unmasked peaks of (H, W), at least ``threshold`` and highest within ``radius`` px.

    Masked pixels are compared too, so that the shoulder of a masked peak is no peak. The outermost pixels hold none,
    since nothing can be interpolated there.
    """
    clean = torch.where(torch.isfinite(significance), significance, torch.full_like(significance, -torch.inf))
    highest = functional.max_pool2d(clean[None, None], 2 * radius + 1, 1, radius)[0, 0]
    peaks = torch.nonzero((clean == highest) & (clean >= threshold) & ~mask)
    h, w = significance.shape
    inside = (peaks[:, 0] > 0) & (peaks[:, 0] < h - 1) & (peaks[:, 1] > 0) & (peaks[:, 1] < w - 1)
    return peaks[inside]


def interpolate(significance: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y (px) and height of the paraboloid through the 3 x 3 pixels around each peak, at most 0.5 px away."""
    r, c = peaks[:, 0], peaks[:, 1]
    z = torch.stack([significance[r + dy, c + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], 1).double().view(-1, 3, 3)
    b_x, b_y = (z[:, 1, 2] - z[:, 1, 0]) / 2, (z[:, 2, 1] - z[:, 0, 1]) / 2
    a_x, a_y = z[:, 1, 2] + z[:, 1, 0] - 2 * z[:, 1, 1], z[:, 2, 1] + z[:, 0, 1] - 2 * z[:, 1, 1]
    cross = (z[:, 2, 2] + z[:, 0, 0] - z[:, 0, 2] - z[:, 2, 0]) / 4
    determinant = a_x * a_y - cross**2
    sound = (determinant > 0) & (a_x < 0)
    safe = torch.where(sound, determinant, torch.ones_like(determinant))
    d_x = torch.where(sound, (cross * b_y - a_y * b_x) / safe, 0).clamp(-0.5, 0.5)
    d_y = torch.where(sound, (cross * b_x - a_x * b_y) / safe, 0).clamp(-0.5, 0.5)
    height = z[:, 1, 1] + b_x * d_x + b_y * d_y + (a_x * d_x**2 + a_y * d_y**2) / 2 + cross * d_x * d_y
    return c + d_x, r + d_y, torch.maximum(height, z[:, 1, 1])


def _near(mask: Tensor, x: Tensor, y: Tensor, radius: int) -> Tensor:
    grown = functional.max_pool2d(mask[None, None].float(), 2 * radius + 1, 1, radius)[0, 0] > 0
    return grown[(y + 0.5).long().clamp(0, mask.shape[0] - 1), (x + 0.5).long().clamp(0, mask.shape[1] - 1)]


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

    threshold: float = 5.0
    radius: int = 2
    edge: int = 16
    dipole_radius: float = 6.0
    dipole_ratio: float = 0.3
    max_candidates: int = 20_000

    def __call__(self, significance: Tensor, mask: Tensor) -> pd.DataFrame:
        """Table of x, y (px), snr (negative for negative peaks), sign, flags; most significant first."""
        parts = []
        for sign in (1.0, -1.0):
            x, y, height = interpolate(
                sign * significance, local_maxima(sign * significance, mask, self.threshold, self.radius)
            )
            parts.append(torch.stack([x, y, sign * height]))
        x, y, snr = torch.cat(parts, 1)
        order = torch.argsort(snr.abs(), descending=True, stable=True)
        if len(order) > self.max_candidates:
            _LOG.warning("%d candidates: the %d most significant are kept", len(order), self.max_candidates)
            order = order[: self.max_candidates]
        x, y, snr = x[order], y[order], snr[order]
        table = pd.DataFrame({"x": x.numpy(), "y": y.numpy(), "snr": snr.numpy()})
        table["sign"] = np.sign(table["snr"]).astype(np.int8)
        table["flags"] = self._flags(x, y, snr, mask)
        return table

    def _flags(self, x: Tensor, y: Tensor, snr: Tensor, mask: Tensor) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        h, w = mask.shape
        edge = (x < self.edge) | (y < self.edge) | (x > w - 1 - self.edge) | (y > h - 1 - self.edge)
        flags = EDGE * edge.int() + NEAR_MASK * _near(mask, x, y, 3).int()
        out = flags.numpy() + DIPOLE * dipoles(x, y, snr, self.dipole_radius, self.dipole_ratio).astype(np.int32)
        return out.astype(np.int32)
