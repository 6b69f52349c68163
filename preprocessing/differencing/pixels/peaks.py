"""Local maxima and their sub-pixel positions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at

_AT_ONCE = 1 << 16  # pixels whose surroundings are gathered together


def local_maxima(significance: Tensor, mask: Tensor, threshold: float, radius: int = 2) -> Tensor:
    """(n, 2) rows and columns of unmasked peaks of (H, W), at least ``threshold`` and highest within ``radius`` px.

    Masked pixels are compared too, so that the shoulder of a masked peak is no peak. The outermost pixels hold none,
    since nothing can be interpolated there. Equal peaks within ``radius`` px of one another are one flat top, which
    counts once, at its first pixel in the order of rows.
    """
    h, w = significance.shape
    peaks = torch.nonzero((significance >= threshold) & ~mask)
    inside = (peaks[:, 0] > 0) & (peaks[:, 0] < h - 1) & (peaks[:, 1] > 0) & (peaks[:, 1] < w - 1)
    peaks = peaks[inside]
    for reach in (1, radius):  # most pixels have a higher one beside them
        peaks = torch.cat([part[_highest(significance, part, reach)] for part in torch.split(peaks, _AT_ONCE)])
    return peaks[_first_of_flat_tops(significance, peaks, radius)]


def _first_of_flat_tops(significance: Tensor, peaks: Tensor, radius: int) -> Tensor:
    """True for the peaks (n, 2), in the order of rows, that no chain of equal peaks joins to an earlier one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    height = significance[peaks[:, 0], peaks[:, 1]].detach().cpu().numpy()
    _, which, count = np.unique(height, return_inverse=True, return_counts=True)
    tied = np.flatnonzero(count[which] > 1)  # few, or none
    keep, n = np.ones(len(peaks), dtype=bool), len(tied)
    if n:
        pairs = cKDTree(peaks.cpu().numpy()[tied]).query_pairs(radius, p=np.inf, output_type="ndarray")
        i, j = pairs[which[tied[pairs[:, 0]]] == which[tied[pairs[:, 1]]]].T
        label = connected_components(coo_array((np.ones(len(i), dtype=bool), (i, j)), shape=(n, n)), directed=False)[1]
        keep[tied] = False
        keep[tied[np.unique(label, return_index=True)[1]]] = True
    return torch.from_numpy(keep).to(peaks.device)


def _highest(significance: Tensor, peaks: Tensor, radius: int) -> Tensor:
    """True for the peaks (n, 2) that nothing within ``radius`` px exceeds."""
    around, there = stamps_at(significance, peaks[:, 1], peaks[:, 0], 2 * radius + 1)
    around = torch.where(there & torch.isfinite(around), around, -torch.inf)
    own = around[:, radius, radius]
    return torch.isfinite(own) & (own >= around.flatten(1).amax(1))


def interpolate(significance: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y (px) and height of the paraboloid through the 3 x 3 pixels around each peak, at most 0.5 px away.

    Where one of the nine is not finite, they are those of the pixel itself.
    """
    r, c = peaks[:, 0], peaks[:, 1]
    z = torch.stack([significance[r + dy, c + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)], 1).double().view(-1, 3, 3)
    z = torch.where(torch.isfinite(z).flatten(1).all(1)[:, None, None], z, z[:, 1:2, 1:2])
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
