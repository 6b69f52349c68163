"""Which part of a FITS file is the image: the named HDU, its pixels, its whole header and its coordinates."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

from astrid_ml.errors import UserError
from astrid_ml.executors.within import allowed
from astrid_ml.fits_headers import refuse_impossible
from astrid_ml.found import found
from astrid_ml.readable import reading
from astrid_ml.types import Array

_NOT_DATA = ("ERR", "DQ", "VAR", "WHT", "CTX", "CON", "MASK", "PSF", "SAMP", "TIME", "NOISE")


def split_name(path: str, ext: str | int | None) -> tuple[str, str | int | None]:
    """``FILE[EXT]`` as file and extension (a number where it is one); an existing file of that name wins."""
    found = re.fullmatch(r"(.+)\[([^\[\]]+)\]", path)
    if found and not Path(path).exists():
        path, ext = found[1], found[2] if ext is None else ext
    return path, int(ext) if isinstance(ext, str) and ext.isdigit() else ext


def open_fits(path: str) -> fits.HDUList:
    """Open a FITS file, or say what is wrong with it."""
    if not Path(path).is_file():
        raise UserError("a FITS file", found(path), "check the path")
    refuse_impossible(Path(path), allowed())
    with reading(Path(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fits.open(path, memmap=False)


def science_hdu(hdus: fits.HDUList, ext: str | int | None, path: str) -> int:
    """The HDU of the science image: the named one, else SCI, else the first image that is no noise, mask or PSF."""
    if ext is not None:
        try:
            place = ext if isinstance(ext, str) else int(ext)
            return int(hdus.index_of(place)) if _has(hdus, ext) else _refuse(hdus, ext, path)
        except KeyError:
            return _refuse(hdus, ext, path)
    images = [i for i, h in enumerate(hdus) if h.is_image and len(h.shape) >= 2]
    named = [i for i in images if hdus[i].name in ("SCI", "IMAGE", "DIFF")]
    plain = [i for i in images if not hdus[i].name.startswith(_NOT_DATA)]
    if not (named or plain):
        raise UserError("an image in the file", f"{path} with {[h.name for h in hdus]}", "name the HDU as FILE[EXT]")
    return (named or plain)[0]


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
                raise UserError(
                    "a readable WCS", f"{path}: {error}", "fix the header or use preprocessing/align=none"
                ) from error
            return None
    if wcs.has_celestial:
        return wcs
    if needed:
        fix = "solve the astrometry, or use preprocessing/align=none where the frames are already aligned"
        raise UserError("celestial coordinates (WCS) in the header", f"none in {path}", fix)
    return None
