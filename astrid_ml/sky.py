"""Positions on the sky: unit vectors, and equal-area cells (HEALPix, nested)."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Array, Floats, Ints


def unit_vectors(sky: Array) -> Floats:
    """(n, 2) ra, dec in degrees (ICRS) -> (n, 3) unit vectors."""
    ra, dec = np.radians(sky[:, 0]), np.radians(sky[:, 1])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def nearest(places: Array, known: Array, radius: float, block: int = 1 << 18) -> tuple[Ints, Floats]:
    """For each place the nearest of some known ones within a radius; memory does not grow with their square.

    Args:
        places: ra, dec in degrees (ICRS), shape (n, 2); those that are not finite have no neighbour.
        known: the same, shape (m, 2).
        radius: arcsec.
        block: places looked at together, a strip in declination.

    Returns:
        Which known one, (n,), -1 where none is near; and its distance in arcsec, (n,), infinite there.

    Example:
        >>> found, distance = nearest(np.array([[10.0, 0.0], [20.0, 0.0]]), np.array([[10.0001, 0.0]]), 1.0)
        >>> found.tolist(), distance.round(2).tolist()
        ([0, -1], [0.36, inf])
    """
    from scipy.spatial import cKDTree

    found, distance = np.full(len(places), -1, dtype=np.int64), np.full(len(places), np.inf)
    inside, there = (np.flatnonzero(np.isfinite(sky).all(axis=1)) for sky in (places, known))
    inside, there = inside[np.argsort(places[inside, 1])], there[np.argsort(known[there, 1])]
    chord, edges = 2 * np.sin(np.radians(radius / 3600) / 2), known[there, 1]
    for start in range(0, len(inside), block):
        rows = inside[start : start + block]
        low, high = places[rows[[0, -1]], 1] + np.array([-1.01, 1.01]) * radius / 3600
        strip = there[np.searchsorted(edges, low) : np.searchsorted(edges, high, side="right")]
        if not len(strip):
            continue
        given = cKDTree(unit_vectors(known[strip])).query(unit_vectors(places[rows]), distance_upper_bound=chord)
        length, place = np.asarray(given[0]), np.asarray(given[1])
        near = np.isfinite(length)
        found[rows[near]] = strip[place[near]]
        distance[rows[near]] = np.degrees(2 * np.arcsin(length[near] / 2)) * 3600
    return found, distance


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
