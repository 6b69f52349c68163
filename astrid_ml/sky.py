"""Positions on the sky: unit vectors, and equal-area cells (HEALPix, nested)."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Array, Floats, Ints


def unit_vectors(sky: Array) -> Floats:
    """(n, 2) ra, dec in degrees (ICRS) -> (n, 3) unit vectors."""
    ra, dec = np.radians(sky[:, 0]), np.radians(sky[:, 1])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def healpix(ra: Array, dec: Array, order: int) -> Ints:
    """Nested HEALPix cells (Gorski et al. 2005, ApJ 622, 759).

    Args:
        ra: degrees, shape (n,).
        dec: degrees, shape (n,).
        order: 12 * 4**order cells on the sky; order 6 has cells of 55 arcmin, order 18 of 0.8 arcsec.

    Returns:
        Cell numbers, shape (n,); -1 where a position is not finite.
    """
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    lon, lat = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    known = np.isfinite(lon) & np.isfinite(lat)
    cells = np.full(lon.shape, -1, dtype=np.int64)
    cells[known] = lonlat_to_healpix(lon[known] * units.deg, lat[known] * units.deg, 1 << order, order="nested")
    return cells
