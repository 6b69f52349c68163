"""Which part of a FITS file is the image: the named HDU, its pixels, its whole header and its coordinates."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from astrid_ml.errors import UserError
from astrid_ml.executors.within import allowed
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.preprocessing.differencing.frame.header.sky_frame import longitude_first
from astrid_ml.preprocessing.differencing.frame.planes import linear_flux
from astrid_ml.readable import in_words, reading
from astrid_ml.reasons import shortened
from astrid_ml.types import Array

_NOT_DATA = ("ERR", "DQ", "VAR", "WHT", "CTX", "CON", "MASK", "PSF", "SAMP", "TIME", "NOISE", "UNCERT")


def split_name(path: str, ext: str | int | None) -> tuple[str, str | int | None]:
    """``FILE[EXT]`` as file and extension: a number where it is one, else ``NAME`` or ``NAME,VERSION``.

    An existing file of that name wins.
    """
    found = re.fullmatch(r"(.+)\[([^\[\]]+)\]", path)
    if found and not os.path.exists(path):
        path, ext = found[1], found[2] if ext is None else ext
    return path, int(ext) if isinstance(ext, str) and ext.isdigit() else ext


def place_of(ext: str | int) -> str | int | tuple[str, int]:
    """An extension as astropy takes it: ``SCI,2`` is the second of that name."""
    found = re.fullmatch(r"(.+?)\s*,\s*(\d+)", ext) if isinstance(ext, str) else None
    return (found[1].strip("'\""), int(found[2])) if found else ext


def open_fits(path: str) -> fits.HDUList:
    """Open a FITS file, or say what is wrong with it."""
    if not os.path.isfile(path):
        raise UserError("a FITS file", found(path), "check the path")
    with reading(Path(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdus = open_checked(Path(path), allowed())
        len(hdus)  # all headers are read here, where what astropy warns of them is not heard
        return hdus


def science_hdu(hdus: fits.HDUList, ext: str | int | None, path: str) -> int:
    """The HDU of the science image: the named one, else SCI, else the first image that is no noise, mask or PSF."""
    if ext is not None:
        try:
            return int(hdus.index_of(place_of(ext))) if _has(hdus, ext) else _refuse(hdus, ext, path)
        except KeyError:
            return _refuse(hdus, ext, path)
    images = [i for i, h in enumerate(hdus) if h.is_image and len(h.shape) >= 2]
    named = [i for i in images if hdus[i].name in ("SCI", "IMAGE", "DIFF")]
    plain = [i for i in images if not is_beside(hdus[i].name)]
    if not (named or plain):
        raise UserError("an image in the file", f"{path} with {[h.name for h in hdus]}", "name the HDU as FILE[EXT]")
    return (named or plain)[0]


def is_beside(name: str) -> bool:
    """Whether an extension of that name holds noise, a mask, a PSF or the like, told by its first or last word."""
    return name.startswith(_NOT_DATA) or name.rpartition(" ")[2].startswith(_NOT_DATA)


def _has(hdus: fits.HDUList, ext: str | int) -> bool:
    return not isinstance(ext, int) or 0 <= ext < len(hdus)


def _refuse(hdus: fits.HDUList, ext: str | int, path: str) -> int:
    raise UserError(f"an HDU {ext} in {path}", f"{[h.name or i for i, h in enumerate(hdus)]}", "name one of these")


def plane(hdu: Any, path: str) -> Array:
    """The HDU's pixels as native float64 (H, W); axes of length 1 in front are dropped."""
    data = None if hdu.data is None or not hdu.is_image else np.asarray(hdu.data, dtype=np.float64)
    while data is not None and data.ndim > 2 and data.shape[0] == 1:
        data = data[0]
    if data is None or data.ndim != 2:
        got = "no pixels" if data is None else f"shape {data.shape}"
        raise UserError("a 2-D image", f"{path} with {got}", "name another HDU as FILE[EXT]")
    return data


def merged_header(hdus: fits.HDUList, index: int) -> fits.Header:
    """The extension's header, completed by the primary's."""
    header = hdus[index].header.copy()
    if index:
        header.extend(hdus[0].header, unique=True, strip=True)
    return header


def celestial_wcs(header: fits.Header, path: str, needed: bool) -> WCS | None:
    """Celestial WCS (SIP and TPV too); None where absent and not needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            wcs = WCS(header, naxis=2)
        except Exception as error:  # wcslib has many; all mean that the header's coordinates are useless
            if needed:
                wrong = isinstance(error, TypeError | AttributeError)
                said = "a keyword of it is a number where a text is due, or the other way round"
                got = f"{path}: {said if wrong else shortened(in_words(error), 200)}"
                fix = "fix the header or use preprocessing/align=none"
                raise UserError("a readable WCS", got, fix) from error
            return None
    if wcs.has_celestial:
        return longitude_first(wcs)
    if needed:
        fix = (
            "solve the astrometry; in a pair preprocessing.load.need_wcs=false matches the stars, and "
            "preprocessing/align=none takes frames that are aligned"
        )
        raise UserError("celestial coordinates (WCS) in the header", f"none in {path}", fix)
    return None


def companion(hdus: fits.HDUList, index: int, name: str, shape: tuple[int, ...]) -> Any:
    """The HDU of a plane beside an image, of its shape; None where there is none.

    It has that name, or ends in it as a word (``CAMERA.CCD 1.1 UNCERT`` beside ``CAMERA.CCD 1.1 CAL``). Of several, the
    one with the image's version or the image's first words counts.
    """
    own, version = hdus[index].name.rpartition(" ")[0], hdus[index].ver
    named = [h for h in hdus if h.is_image and h.shape == shape and (h.name == name or h.name.endswith(f" {name}"))]
    same = [h for h in named if h.name.rpartition(" ")[0] == own and h.ver == version]
    return next(iter(same or named), None)


def stated_variance(
    hdus: fits.HDUList, index: int, shape: tuple[int, ...], uncertainty: str | None = None
) -> tuple[Array, str] | None:
    """The variance that a file holds, image units squared, and which extension says it; None where it holds none.

    ERR holds sigma (JWST, HST, Roman), VARIANCE variance (Rubin), UNCERT what its UTYPE says (astropy's CCDData), else
    sigma. Planes that are stretched as the image is (PS1) are made linear.

    Args:
        hdus: of the file.
        index: of the image.
        shape: (H, W).
        uncertainty: extension of sigma by the survey's description.
    """
    for name in dict.fromkeys([*([uncertainty] if uncertainty else []), "ERR", "UNCERT", "VARIANCE", "VAR"]):
        hdu = companion(hdus, index, name, shape)
        if hdu is None or hdu.data is None:
            continue
        values = linear_flux(np.asarray(hdu.data, dtype=np.float64), hdu.header)
        kind = str(hdu.header.get("UTYPE", "")).lower()
        if kind.startswith("inverse"):
            with np.errstate(divide="ignore"):
                values = 1 / values
        elif not (name.startswith("VAR") or kind.startswith("variance")):
            values = np.square(values)
        return values, f"{hdu.name} extension"
    return None
