"""Point spread functions of simulated images: Moffat profiles, elliptical and variable over the field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from astrid_ml.types import Floats

RADIUS = 25  # px; a PSF's flux is what falls into the (2r+1)^2 stamp, so that images and stamps agree
SHARP = 2.4  # px; PSFs below this FWHM are undersampled
_FAR = 80  # px; reach of the wings of bright stars


def moffat(dx: Floats, dy: Floats, fwhm: float, beta: float) -> Floats:
    """Moffat profile of unit flux per px^2 at offsets in pixels (Moffat 1969); the pixel's response included."""
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    return (beta - 1) / (np.pi * alpha2) * (1 + (dx**2 + dy**2) / alpha2) ** -beta


def sheared(dx: Floats, dy: Floats, fwhm: float, beta: float, g1: float, g2: float) -> Floats:
    """Moffat profile under an area-preserving shear: axis ratio (1 - |g|) / (1 + |g|)."""
    g = g1**2 + g2**2
    if g == 0:
        return moffat(dx, dy, fwhm, beta)
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    r2 = ((1 + g - 2 * g1) * dx**2 + (1 + g + 2 * g1) * dy**2 - 4 * g2 * dx * dy) / ((1 - g) * alpha2)
    return np.asarray((beta - 1) / (np.pi * alpha2) * (1 + r2) ** -beta)


def moffat_stamp(fwhm: float, beta: float, radius: int = RADIUS) -> Floats:
    """Centred (2r+1, 2r+1) Moffat of sum 1."""
    return Psf(fwhm, beta).stamp(radius=radius)


@dataclass(frozen=True)
class Psf:
    """An image's PSF.

    Args:
        fwhm: px, at the centre of the field, of the circle of equal area.
        beta: Moffat exponent.
        ellipticity: 1 - b/a, the same everywhere.
        angle: of the long axis, radians from x to y.
        variation: how much the width grows, and the radial ellipticity with it, from the centre to a corner: 0.1 is
            10 %; half of it tilts over the field.
    """

    fwhm: float
    beta: float
    ellipticity: float = 0.0
    angle: float = 0.0
    variation: float = 0.0

    def at(self, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
        """FWHM (px) and shear (g1, g2) at field positions, -1..1 from edge to edge."""
        u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
        radius2 = (u**2 + v**2) / 2
        fwhm = self.fwhm * (1 + self.variation * (radius2 / 2 + (u + v) / 4))
        shear = self.ellipticity / (2 - self.ellipticity)
        theta = 2 * np.arctan2(v, u)
        radial = self.variation * radius2 / 4
        g1 = shear * np.cos(2 * self.angle) + radial * np.cos(theta)
        g2 = shear * np.sin(2 * self.angle) + radial * np.sin(theta)
        return fwhm, g1, g2

    def profile(self, dx: Floats, dy: Floats, u: float = 0.0, v: float = 0.0) -> Floats:
        """Flux per px^2 at offsets in pixels, not yet normalised to the stamp."""
        fwhm, g1, g2 = (float(value) for value in self.at(np.array(u), np.array(v)))
        return sheared(dx, dy, fwhm, self.beta, g1, g2)

    def stamp(self, u: float = 0.0, v: float = 0.0, radius: int = RADIUS) -> Floats:
        """Centred (2r+1, 2r+1) PSF of sum 1 at a field position."""
        t = np.arange(-radius, radius + 1.0)
        stamp = self.profile(t[None, :], t[:, None], u, v)
        return np.asarray(stamp / stamp.sum())

    def modes(self, radius: int = RADIUS) -> tuple[Floats, Floats, Floats, Floats]:
        """Central stamp and its derivatives by ln FWHM, g1 and g2: the PSFs of the field to first order."""
        fwhm, g1, g2 = (float(value) for value in self.at(np.array(0.0), np.array(0.0)))
        t, e = np.arange(-radius, radius + 1.0), 0.01

        def made(width: float, a: float, b: float) -> Floats:
            stamp = sheared(t[None, :], t[:, None], width, self.beta, a, b)
            return np.asarray(stamp / stamp.sum())

        wider = (made(fwhm * (1 + e), g1, g2) - made(fwhm * (1 - e), g1, g2)) / (2 * e)
        along = (made(fwhm, g1 + e, g2) - made(fwhm, g1 - e, g2)) / (2 * e)
        across = (made(fwhm, g1, g2 + e) - made(fwhm, g1, g2 - e)) / (2 * e)
        return made(fwhm, g1, g2), wider, along, across

    def scaled(self, factor: float) -> Psf:
        """The same PSF on pixels that are ``factor`` times smaller."""
        return Psf(self.fwhm * factor, self.beta, self.ellipticity, self.angle, self.variation)


def window(shape: tuple[int, ...], x: float, y: float, radius: int) -> tuple[slice, slice]:
    """Rows and columns within ``radius`` of a position, cut at the edges (empty outside)."""
    i, j = round(y), round(x)
    return (
        slice(max(0, i - radius), max(0, min(shape[0], i + radius + 1))),
        slice(max(0, j - radius), max(0, min(shape[1], j + radius + 1))),
    )


def add_points(image: Floats, x: Floats, y: Floats, flux: Floats, fwhm: float, beta: float) -> None:
    """Add point sources of a round Moffat PSF in place, sampled exactly at their sub-pixel positions."""
    add_sources(image, x, y, flux, Psf(fwhm, beta))


def add_sources(image: Floats, x: Floats, y: Floats, flux: Floats, psf: Psf) -> None:
    """Add point sources in place.

    Fluxes are those within the PSF's stamp; bright stars have wings beyond it. Undersampled profiles, whose samples
    add up to a sum that depends on the position within the pixel, are normalised each by its own.
    """
    h, w = image.shape
    t = np.arange(-RADIUS, RADIUS + 1.0)
    inside = float(psf.profile(t[None, :], t[:, None]).sum())
    for xi, yi, fi in zip(x, y, flux, strict=True):
        reach = RADIUS if abs(fi) <= 2e4 else _FAR
        rows, cols = window(image.shape, xi, yi, reach)
        if rows.start >= rows.stop or cols.start >= cols.stop:
            continue
        dx = np.arange(cols.start, cols.stop)[None, :] - xi
        dy = np.arange(rows.start, rows.stop)[:, None] - yi
        light = psf.profile(dx, dy, 2 * xi / w - 1, 2 * yi / h - 1)
        if psf.fwhm < SHARP and light.shape == (2 * reach + 1, 2 * reach + 1):
            core = slice(reach - RADIUS, reach + RADIUS + 1)
            image[rows, cols] += fi / float(light[core, core].sum()) * light
        else:
            image[rows, cols] += fi / inside * light
