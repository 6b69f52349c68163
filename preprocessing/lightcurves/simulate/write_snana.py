"""Writes SNANA HEAD/PHOT pairs with right pointers and separators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from astrid_ml.files import write_bytes

if TYPE_CHECKING:
    from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits

END = -777.0


def write_pair(folder: Path, version: str, head: pd.DataFrame, visits: Visits) -> None:
    """Write ``<version>_HEAD.FITS.gz`` and ``_PHOT.FITS.gz``.

    Args:
        folder: made where it is absent.
        version: SNANA's VERSION, in both headers and names.
        head: one row an object with ``SNID``; floats are stored as 32 bits, positions and times as 64.
        visits: the epochs of the objects, in that order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nobs = visits.there.sum(axis=1)
    last = np.cumsum(nobs + 1) - 1
    pointers = pd.DataFrame({"NOBS": nobs, "PTROBS_MIN": last - nobs + 1, "PTROBS_MAX": last}).astype(np.int32)
    table = pd.concat([head.reset_index(drop=True), pointers], axis=1)
    # With one more column that always exists, each object's epochs end in its separator.
    there = np.pad(visits.there, ((0, 0), (0, 1)), constant_values=True)

    def rows(values: np.ndarray, end: float) -> np.ndarray:
        return np.pad(values, ((0, 0), (0, 1)), constant_values=end)[there]

    band = np.array([b"u ", b"g ", b"r ", b"i ", b"z ", b"Y ", b"- "])[rows(visits.band, 6)]
    phot = {
        "MJD": rows(visits.mjd, END),
        "BAND": band,
        "PHOTFLAG": rows(visits.flag, 0).astype(np.int32),
        "FLUXCAL": rows(visits.flux, END).astype(np.float32),
        "FLUXCALERR": rows(visits.flux_err, END).astype(np.float32),
    }
    columns = {str(name): column(str(name), table[name].to_numpy()) for name in table}
    write_table(folder / f"{version}_HEAD.FITS.gz", "Header", columns, version)
    write_table(folder / f"{version}_PHOT.FITS.gz", "Photometry", phot, version)


def column(name: str, values: np.ndarray) -> np.ndarray:
    """SNANA's types: identifiers as text, positions and times in double, the rest in single precision."""
    if name == "SNID":
        return values.astype("S24")
    if values.dtype.kind == "f":
        return values.astype(np.float64 if name in ("RA", "DEC", "PEAKMJD") else np.float32)
    return values.astype(np.int32)


def write_table(path: Path, name: str, columns: dict[str, np.ndarray], version: str) -> None:
    """One binary table behind a primary header; gzip without a time stamp, so that bytes repeat."""
    import gzip
    import io

    from astropy.io import fits

    formats = {"f8": "D", "f4": "E", "i4": "J", "i8": "K"}
    made = [
        fits.Column(key, f"{v.dtype.itemsize}A" if v.dtype.kind == "S" else formats[v.dtype.str[1:]], array=v)
        for key, v in columns.items()
    ]
    primary = fits.PrimaryHDU()
    for key, value in (("SURVEY", "LSST"), ("FILTERS", "ugrizY"), ("VERSION", version), ("DATATYPE", "SIM_SNANA")):
        primary.header[key] = value
    buffer = io.BytesIO()
    fits.HDUList([primary, fits.BinTableHDU.from_columns(made, name=name)]).writeto(buffer)
    write_bytes(path, gzip.compress(buffer.getvalue(), compresslevel=3, mtime=0))
