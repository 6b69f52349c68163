"""Coordinates in any celestial frame, turned into ICRS: the pixels and their distortions stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.types import Floats

# Projections about a point (Calabretta & Greisen 2002, A&A 395, 1077, sect. 5.1): a rotation of the sky changes no more
# than where that point lies and how the sky is turned about it.
ECLIPTIC = ("ELON", "HLON", "SLON")  # astropy takes the first for ICRS
ZENITHAL = ("TAN", "SIN", "STG", "ARC", "ZPN", "ZEA", "AIR", "SZP", "AZP", "TPV", "TNX", "ZPX")


def longitude_first(wcs: Any) -> Any:
    """A celestial WCS whose first world axis is the longitude, from 0 to 360 degrees: FITS allows either order."""
    wcs.wcs.set()
    longitude, latitude = wcs.wcs.lng, wcs.wcs.lat
    out = wcs
    if longitude > latitude:
        out = wcs.deepcopy()
        numbers = {longitude + 1: latitude + 1, latitude + 1: longitude + 1}
        out.wcs.set_pv([(numbers.get(axis, axis), place, value) for axis, place, value in wcs.wcs.get_pv()])
        matrix = "cd" if wcs.wcs.has_cd() else "pc"
        for name in ("ctype", "crval", "cunit", *(() if matrix == "cd" else ("cdelt",))):
            setattr(out.wcs, name, list(getattr(wcs.wcs, name))[::-1])
        setattr(out.wcs, matrix, getattr(wcs.wcs, matrix)[::-1])
    if not 0 <= out.wcs.crval[0] < 360:
        out = out.deepcopy()
        out.wcs.crval = [out.wcs.crval[0] % 360, out.wcs.crval[1]]
    out.wcs.set()
    return out


def in_icrs(wcs: Any, path: str) -> tuple[Any, str]:
    """A celestial WCS as one in ICRS, and the name of the frame that it was in.

    Raises:
        UserError: the frame has no relation to ICRS, or the projection is not about a point.
    """
    from astropy.wcs.utils import wcs_to_celestial_frame

    try:
        if str(wcs.wcs.ctype[0])[:4] in ECLIPTIC:
            raise ValueError("ecliptic")
        frame = wcs_to_celestial_frame(wcs)
    except ValueError as error:
        got = f"{path} with RADESYS {wcs.wcs.radesys or 'absent'} and CTYPE {wcs.wcs.ctype[0]}"
        raise UserError("coordinates in ICRS, FK5, FK4 or galactic", got, "fix the header") from error
    name = frame.name.upper()
    if name == "ICRS":
        return wcs, name
    projection = str(wcs.wcs.ctype[0])[5:8]
    if projection not in ZENITHAL:
        got = f"{path} in {name} with the projection {projection}"
        raise UserError("coordinates in ICRS, or a projection about a point", got, "reproject the image to ICRS")
    equinox = getattr(frame, "equinox", None)
    return _turned(wcs, frame), name if equinox is None else f"{name} {equinox.value}"


def _turned(wcs: Any, frame: Any) -> Any:
    from astropy import units
    from astropy.coordinates import ICRS, SkyCoord

    out = wcs.deepcopy()
    wcs.wcs.set()
    place = SkyCoord(*(wcs.wcs.crval * units.deg), frame=frame).transform_to(ICRS())
    pole = SkyCoord(0 * units.deg, 90 * units.deg, frame=ICRS()).transform_to(frame).spherical
    out.wcs.ctype = [f"RA---{wcs.wcs.ctype[0][5:]}", f"DEC--{wcs.wcs.ctype[1][5:]}"]
    out.wcs.crval = [place.ra.deg, place.dec.deg]
    out.wcs.lonpole = _native_longitude(wcs, np.array([pole.lon.deg, pole.lat.deg]))
    out.wcs.latpole = place.dec.deg
    out.wcs.radesys, out.wcs.equinox = "ICRS", np.nan
    out.wcs.set()
    return out


def _native_longitude(wcs: Any, sky: Floats) -> float:
    """Native longitude of a place of the sky, degrees (eq. 5 of the paper, for a reference point at the pole)."""
    lon, lat = np.radians(sky)
    at, up = np.radians(wcs.wcs.crval)
    y = -np.cos(lat) * np.sin(lon - at)
    x = np.sin(lat) * np.cos(up) - np.cos(lat) * np.sin(up) * np.cos(lon - at)
    return float(wcs.wcs.lonpole + np.degrees(np.arctan2(y, x)))
