"""A frame or a packet of each survey that is described, as its archive or its broker would give it."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from made.alerts import fits_bytes

# Cards of an image's header, by mission, and what must be read from them.
FRAMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ztf": (
        {"ORIGIN": "Zwicky Transient Facility", "TELESCOP": "P48", "INSTRUME": "ZTF/MOSAIC", "FILTER": "ZTF_r",
         "OBSMJD": 59000.0, "EXPTIME": 30.0, "GAIN": 6.2, "MAGZP": 26.3},
        {"filter": "r", "gain": 6.2, "zero_point": 26.3, "mjd": 59000 + 15 / 86400, "unit": "DN"},
    ),
    "rubin": (
        {"TELESCOP": "Simonyi Survey Telescope", "INSTRUME": "LSSTCam", "FILTER": "i_39", "BUNIT": "nJy",
         "DATE-AVG": "2026-03-05T06:08:00", "EXPTIME": 30.0},
        {"filter": "i", "gain": None, "zero_point": 31.4, "mjd": 61104 + (22080 - 37) / 86400},
    ),
    "decam": (
        {"TELESCOP": "CTIO 4.0-m telescope", "INSTRUME": "DECam", "FILTER": "g DECam SDSS c0001 4720.0 1520.0",
         "GAINA": 4.0, "GAINB": 4.0, "EXPTIME": 90.0, "MJD-OBS": 60000.0},
        {"filter": "g", "gain": 4.0, "mjd": 60000 + 45 / 86400},
    ),
    "gattini": ({"TELESCOP": "Gattini-IR", "FILTER": "J"}, {"filter": "J"}),
    "winter": ({"INSTRUME": "WINTER", "FILTER": "Hs"}, {"filter": "Hs"}),
    "ls4": ({"TELESCOP": "LS4", "FILTER": "z"}, {"filter": "z"}),
    "atlas": ({"TELESCOP": "ATLAS", "FILT": "o", "MJD-OBS": 60000.0, "EXPTIME": 30.0}, {"filter": "o"}),
    "goto": ({"TELESCOP": "GOTO", "FILTER": "L"}, {"filter": "L"}),
    "blackgem": (
        {"TELESCOP": "BG3", "FILTER": "q", "BUNIT": "e-", "PC-ZP": 22.5, "EXPTIME": 60.0},
        {"filter": "q", "gain": 1.0, "zero_point": 22.5 + 2.5 * np.log10(60)},
    ),
    "meerlicht": ({"TELESCOP": "ML1", "FILTER": "u", "BUNIT": "electron"}, {"filter": "u", "gain": 1.0}),
    "ps1": (
        {"FPA.TELESCOPE": "PS1", "FPA.INSTRUMENT": "GPC1", "FPA.FILTERID": "z.00000", "FPA.ZP": 24.2, "EXPTIME": 100.0,
         "CELL.GAIN": 1.1, "MJD-OBS": 58000.0},
        {"filter": "z", "gain": 1.1, "zero_point": 29.2, "mjd": 58000 + (50 - 37) / 86400},
    ),
    "swift": (
        {"TELESCOP": "SWIFT", "INSTRUME": "UVOTA", "FILTER": "UVW1", "TIMESYS": "UTC", "EXPOSURE": 100.0,
         "DATE-OBS": "2026-03-05T06:00:00", "DATE-END": "2026-03-05T06:10:00"},
        {"filter": "UVW1", "gain": 1.0, "zero_point": 18.95 + 5, "mjd": 61104 + 21900 / 86400},
    ),
    "galex": (
        {"MPSTYPE": "AIS", "TILENUM": 1, "BAND": 2, "EXPTIME": 100.0, "OBS-DATE": "2006-01-02", "TIME-OBS": "12:00:00"},
        {"filter": "FUV", "gain": 100.0, "zero_point": 18.82, "mjd": 53737.5 + 50 / 86400},
    ),
    "hst": (
        {"TELESCOP": "HST", "INSTRUME": "WFC3", "FILTER": "F160W", "BUNIT": "ELECTRONS/S", "EXPTIME": 1200.0,
         "NCOMBINE": 4, "PHOTFLAM": 1.9e-20, "PHOTPLAM": 15369.0, "EXPSTART": 58000.0},
        {"filter": "F160W", "gain": 1200.0, "mjd": 58000 + 600 / 86400,
         "zero_point": -2.5 * np.log10(1.9e-20) - 5 * np.log10(15369.0) - 2.408},
    ),
    "jwst": (
        {"TELESCOP": "JWST", "INSTRUME": "MIRI", "FILTER": "F770W", "BUNIT": "MJy/sr", "PIXAR_SR": 2.87e-13,
         "MJD-AVG": 60000.0},
        {"filter": "F770W", "gain": None, "zero_point": 8.9 - 2.5 * np.log10(2.87e-7), "mjd": 60000.0},
    ),
    "tess": (
        {"TELESCOP": "TESS", "INSTRUME": "TESS Photometer", "BUNIT": "electrons/s", "EXPOSURE": 0.0165,
         "FILTER": "TESS"},
        {"gain": 0.0165 * 86400, "exposure_time": 0.0165 * 86400, "filter": "TESS"},
    ),
    "roman": (
        {"SCA_NUM": 3, "ZPTMAG": 17.638, "FILTER": "F106", "EXPTIME": 302.275, "MJD-OBS": 62000.0},
        {"filter": "Y106", "zero_point": 17.638 + 15.023547, "mjd": 62000 + 302.275 / 172800},
    ),
    "sdss": (
        {"TELESCOP": "2.5m", "ORIGIN": "SDSS", "FILTER": "r", "BUNIT": "nanomaggy", "EXPTIME": "53.907456"},
        {"filter": "r", "gain": None, "zero_point": 22.5},
    ),
    "2mass": (
        {"ORIGIN": "2MASS", "TELESCOP": "FLWO", "FILTER": "j", "MAGZP": 20.9},
        {"filter": "J", "zero_point": 21.794},
    ),
    "lco": ({"TELESCOP": "1m0-05", "ORIGIN": "LCOGT", "FILTER": "rp", "GAIN": 1.0}, {"filter": "rp", "gain": 1.0}),
    "wise": (
        {"TELESCOP": "WISE", "BAND": 1, "MAGZP": 20.5, "MJD_OBS": 55200.0, "EXPTIME": 7.7},
        {"filter": "W1", "zero_point": 23.199, "mjd": 55200.0},
    ),
    "vista": (
        {"TELESCOP": "ESO-VISTA", "INSTRUME": "VIRCAM", "ESO INS FILT1 NAME": "J", "EXPTIME": 10.0, "MJD-OBS": 56000.0,
         "ESO DET DIT": 10.0, "ESO DET NDIT": 6, "GAIN": 4.0, "MAGZPT": 23.0},
        {"filter": "J", "exposure_time": 60.0, "gain": 4.0, "mjd": 56000 + 30 / 86400,
         "zero_point": 23.916 + 2.5 * np.log10(60)},
    ),
}  # fmt: skip
WITHOUT_IMAGES = ("gaia",)
_CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
_CANDIDATE = {"jd": 2459000.5, "fid": 1, "ra": 10.0, "dec": 5.0, "isdiffpos": "f", "candid": 7}
_SOURCE = {"diaSourceId": 7, "diaObjectId": 9, "ra": 10.0, "dec": 5.0, "isNegative": True, "reliability": 0.4,
           "psfFlux": -50.0, "psfFluxErr": 10.0}  # fmt: skip
# Packets without their cutouts, the size of those, and what must be read.
PACKETS: dict[str, tuple[dict[str, Any], int, dict[str, Any]]] = {
    "ztf": (
        {"publisher": "Fink", "objectId": "ZTF18abadigg", "candid": 7, "candidate": _CANDIDATE},
        63,
        {"filter": "g", "mjd": 59000.0, "sign": -1, "group_id": "ZTF18abadigg"},
    ),
    "gattini": (
        {"publisher": "pgirdps", "objectId": "PGIR19aacbvv", "candid": 7, "candidate": _CANDIDATE | {"exptime": 60.0}},
        61,
        {"filter": "J", "mjd": 59000 + 30 / 86400, "time_ref": "mid-exposure"},
    ),
    "winter": (
        {"publisher": "WINTER-mirar", "objectid": "WNTR24awati", "candid": 7, "candidate": _CANDIDATE | {"fid": 3}},
        81,
        {"filter": "Hs", "group_id": "WNTR24awati"},
    ),
    "decam": (
        {
            "publisher": "DESIRT", "objectId": "c4d_260101_000000_xxx_g_1-1", "candid": 7,
            "candidate": {"mjd": 61229.08, "band": "g", "isdiffpos": 1, "ra": 10.0, "dec": 5.0, "psfFlux": 30.0,
                          "psfFluxErr": 6.0, "reliability": 0.9},
        },
        63,
        {"filter": "g", "mjd": 61229.08, "snr": 5.0, "reliability": 0.9, "sign": 1},
    ),
    "rubin": (
        {"diaSourceId": 7, "diaSource": _SOURCE | {"midpointMjdTai": 61000.0, "band": "y", "detector": 168}},
        30,
        {"filter": "y", "mjd": 61000 - 37 / 86400, "sign": -1, "snr": -5.0, "group_id": "9", "detector": "168"},
    ),
    "roman": (
        {"diaSourceId": 7, "diaSource": _SOURCE | {"midpointMjd": 62000.0, "band": "F106", "hp9": 2, "field": 5}},
        40,
        {"filter": "Y106", "mjd": 62000.0, "pixel_scale": 0.11, "field": "5", "time_ref": "mid-exposure"},
    ),
}  # fmt: skip


def write_frame(path: Path, mission: str) -> None:
    """An image of noise with the header of a mission's archive."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [30, 30]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    header = wcs.to_header()
    for key, value in FRAMES[mission][0].items():
        header[key if len(key) <= 8 and "." not in key else f"HIERARCH {key}"] = value
    data = np.random.default_rng(4).normal(100, 5, (64, 64)).astype(np.float32)
    fits.PrimaryHDU(data, header).writeto(path)


def packet_of(mission: str) -> dict[str, Any]:
    """A packet of a mission, its difference -9 in the middle and 0 elsewhere, as gzipped or plain FITS."""
    fields, size, _ = PACKETS[mission]
    image = np.zeros((size, size), dtype=np.float32)
    image[size // 2, size // 2] = -9.0
    image[0, 0] = 1.0
    cutout = fits_bytes(image)
    return fields | dict.fromkeys(_CUTOUTS, cutout if mission in ("rubin", "roman") else gzip.compress(cutout))


MYSCOPE = {"scope": "MyScope", "event": {"number": 4711, "name": "MS26a", "mjd": 61000.25, "band": "white", "ra": 10.0,
                                         "dec": 5.0, "sn": 12.5}}  # fmt: skip


def write_myscope(folder: Path) -> None:
    """``packets/``: ten packets of a survey that nobody described, as JSON."""
    (folder / "packets").mkdir()
    random = np.random.default_rng(6)
    packets = []
    for number in range(10):
        event = {**MYSCOPE["event"], "number": 4711 + number}  # type: ignore[dict-item]
        images = {name: base64.b64encode(fits_bytes(random.normal(0, 3, (40, 40)))).decode() for name in _CUTOUTS}
        packets.append({**MYSCOPE, "event": event, **images})
    (folder / "packets" / "night.json").write_text(json.dumps(packets), encoding="utf-8")
