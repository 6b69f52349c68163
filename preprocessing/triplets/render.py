"""Light on pixels, many stamps at once: all functions take (n,) parameters and give (n, size, size) float32."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Floats32

SIZE = 63


def offsets(x: Floats32, y: Floats32, size: int = SIZE) -> tuple[Floats32, Floats32]:
    """Pixel distances dx (n, 1, size) and dy (n, size, 1) from (x, y); the centre of the first pixel is 0, 0."""
    grid = np.arange(size, dtype=np.float32)
    dx = grid[None, None, :] - x.astype(np.float32)[:, None, None]
    dy = grid[None, :, None] - y.astype(np.float32)[:, None, None]
    return dx, dy


def moffat(
    x: Floats32,
    y: Floats32,
    fwhm: Floats32,
    beta: float,
    ellipticity: Floats32 | None = None,
    angle: Floats32 | None = None,
) -> Floats32:
    """A Moffat PSF of unit flux (Moffat 1969): (beta - 1) / (pi a^2) (1 + r^2 / a^2)^-beta."""
    dx, dy = offsets(x, y)
    if ellipticity is not None and angle is not None:
        dx, dy = stretched(dx, dy, ellipticity, angle)
    a2 = (fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))).astype(np.float32)[:, None, None] ** 2
    dx2, dy2 = dx * dx / a2, dy * dy / a2
    out: Floats32 = np.exp(np.float32(-beta) * np.log1p(dx2 + dy2)).astype(np.float32)
    out *= np.float32((beta - 1) / np.pi) / a2
    return out


def stretched(dx: Floats32, dy: Floats32, ellipticity: Floats32, angle: Floats32) -> tuple[Floats32, Floats32]:
    """Elliptical coordinates of the same area: the axis ratio is 1 - ellipticity."""
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    root = np.sqrt(1 - ellipticity)[:, None, None]
    along = (dx * cosine + dy * sine) * root
    across = (dy * cosine - dx * sine) / root
    return along.astype(np.float32), across.astype(np.float32)


def galaxy(
    x: Floats32, y: Floats32, radius: Floats32, fwhm: Floats32, ellipticity: Floats32, angle: Floats32
) -> Floats32:
    """An exponential disc of unit flux, its radius widened by the seeing.

    Args:
        x: pixels.
        y: pixels.
        radius: half-light radius before seeing, pixels.
        fwhm: of the PSF, pixels.
        ellipticity: one minus the axis ratio.
        angle: radians.
    """
    dx, dy = stretched(*offsets(x, y), ellipticity, angle)
    scale = (np.hypot(radius, fwhm / 2.355) / 1.678)[:, None, None]
    # The square root rounds the cusp over the seeing; a raw exponential has an unphysical peak pixel. The integral of
    # exp(-sqrt(r^2 + s^2) / h) over the plane is 2 pi h (h + s) exp(-s / h).
    soft = 0.3 * fwhm[:, None, None]
    light = np.exp((soft - np.sqrt(dx * dx + dy * dy + soft**2)) / scale)
    out: Floats32 = (light / (2 * np.pi * scale * (scale + soft))).astype(np.float32)
    return out


def line(x: Floats32, y: Floats32, angle: Floats32, half_length: Floats32, sigma: Floats32) -> Floats32:
    """A straight track through (x, y): Gaussian across, flat along, soft ends; peak 1."""
    dx, dy = offsets(x, y)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = np.abs(dx * cosine + dy * sine), dy * cosine - dx * sine
    width = sigma[:, None, None]
    beyond = np.maximum(along - half_length[:, None, None], 0)
    out: Floats32 = np.exp(-0.5 * (across**2 + beyond**2) / width**2).astype(np.float32)
    return out


def ring(x: Floats32, y: Floats32, radius: Floats32, hole: Floats32) -> Floats32:
    """A reflection ghost: a disc of unit brightness with a darker hole and soft edges."""
    dx, dy = offsets(x, y)
    r = np.hypot(dx, dy)
    outer, inner = radius[:, None, None], (radius * hole)[:, None, None]
    out: Floats32 = (1 / (1 + np.exp((r - outer) / 0.8)) * (1 - 0.7 / (1 + np.exp((r - inner) / 0.8)))).astype(
        np.float32
    )
    return out
