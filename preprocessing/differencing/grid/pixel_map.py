"""Where each pixel of one grid falls in another: exact at nodes, linear between, worked out for a band of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from astropy.wcs import WCS
from torch import Tensor


def stretched(nodes: Tensor, step: int, length: int) -> Tensor:
    """(..., length) values linear between nodes (..., n) that stand every ``step`` px from pixel 0 on."""
    share = torch.arange(step, dtype=nodes.dtype) / step
    return torch.lerp(nodes[..., :-1, None], nodes[..., 1:, None], share).flatten(-2)[..., :length]


@dataclass(frozen=True)
class PixelMap:
    """Source positions of a target grid's pixels.

    Args:
        nodes: (2, ny, nx) float64, source x, y at the target pixels (i step, j step), beyond its far edges.
        shape: (H, W) of the target.
        step: px between nodes.
    """

    nodes: Tensor
    shape: tuple[int, int]
    step: int

    def rows(self, start: int, stop: int) -> Tensor:
        """Source x, y (2, stop - start, W) float64 of a band of target rows."""
        ny, nx = self.nodes.shape[1:]
        own = torch.stack(torch.meshgrid(torch.arange(nx), torch.arange(ny), indexing="xy")) * self.step
        # the offset is small and smooth; the pixel itself is added back exactly
        out = stretched(self._lines(self.nodes - own, start, stop), self.step, self.shape[1])
        out[0] += torch.arange(self.shape[1])
        out[1] += torch.arange(start, stop)[:, None]
        return out

    @property
    def steps(self) -> Tensor:
        """Mean change (2, 2) of the source's x and y (rows) from a pixel to the next along x and along y."""
        dx, dy = (torch.gradient(plane, spacing=float(self.step)) for plane in self.nodes)
        return torch.stack([torch.stack([d[1].mean(), d[0].mean()]) for d in (dx, dy)])

    @property
    def ratio(self) -> float:
        """Pixels of the source along one of the target, the mean of both axes."""
        return float(torch.linalg.det(self.steps).abs().sqrt())

    def area(self, start: int, stop: int) -> Tensor:
        """Source pixels that each target pixel of the band covers, (stop - start, W) float32: the map's Jacobian.

        One number (1, 1) where it is the same in the whole frame to one in a million.
        """
        dx, dy = (torch.gradient(plane, spacing=float(self.step)) for plane in self.nodes)
        area = (dx[1] * dy[0] - dx[0] * dy[1]).abs()
        low, high = torch.aminmax(area)
        if float(high - low) < 1e-6 * float(high):
            return area.mean().float().view(1, 1)
        return stretched(self._lines(area.float(), start, stop), self.step, self.shape[1])

    def _lines(self, nodes: Tensor, start: int, stop: int) -> Tensor:
        """Nodes (..., ny, nx) linear along y at the rows of a band."""
        y = torch.arange(start, stop)
        above, share = y // self.step, ((y % self.step) / self.step).to(nodes.dtype)[:, None]
        return torch.lerp(nodes[..., above, :], nodes[..., above + 1, :], share)


def pixel_map(
    target: WCS, source: WCS, shape: tuple[int, int], correction: Tensor | None = None, step: int = 16
) -> PixelMap:
    """The map from the pixels of ``target`` (H, W) to those of ``source``.

    Args:
        target, source: celestial WCS of the grid and of the image.
        shape: (H, W) of the grid.
        correction: affine (2, 3) of (1, x, y), target px: the map is taken at x + c(x), so that what is resampled by it
            moves by -c.
        step: px between the nodes of the map.
    """
    rows, columns = (n // step + 2 for n in shape)  # one beyond the far edges
    y, x = np.mgrid[0:rows, 0:columns].astype(float) * step
    dx, dy = (0.0, 0.0) if correction is None else (float(c[0]) + float(c[1]) * x + float(c[2]) * y for c in correction)
    at = source.all_world2pix(*target.all_pix2world((x + dx).ravel(), (y + dy).ravel(), 0), 0, quiet=True)
    return PixelMap(torch.from_numpy(np.stack(at).reshape(2, *x.shape)), shape, step)
