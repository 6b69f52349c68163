"""The files that one subtracted pair leaves: difference.fits, candidates, quality.json, HDF5 triplets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.time import Time

from astrid_ml import __version__
from astrid_ml.days import on_calendar
from astrid_ml.described.columns import TableMeaning, printable_ascii
from astrid_ml.described.formats import write_described
from astrid_ml.files import whole
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.registered import central
from astrid_ml.printable import as_id
from astrid_ml.readable import quiet

# A WCS writes back the times that it read: of a date without its time, midnight.
_TIMES = ("DATE-OBS", "DATE-BEG", "DATE-AVG", "DATE-END", "MJD-OBS", "MJD-BEG", "MJD-AVG", "MJD-END", "TIMESYS",
          "MJDREF", "MJDREFI", "MJDREFF", "DATEREF", "JEPOCH", "BEPOCH", "TSTART", "TSTOP", "XPOSURE")  # fmt: skip


def _coordinates(image: Image) -> fits.Header:
    """The image's WCS, without times."""
    header = image.wcs.to_header(relax=True) if image.wcs is not None else fits.Header()
    for key in _TIMES:
        header.remove(key, ignore_missing=True)
    return header


def _iso(mjd: float | None) -> str | None:
    if mjd is None or not on_calendar(mjd):
        return None
    with quiet():  # of leap seconds that a future may bring
        return str(Time(mjd, format="mjd", scale="utc", precision=6).isot)


def _header(done: Difference, science: str, reference: str) -> fits.Header:
    header = _coordinates(done.science)
    cards: dict[str, tuple[Any, str]] = {
        "BUNIT": (done.science.unit, "as the science image"),
        "MISSION": (done.science.mission, "mission"),
        "FILTER": (done.science.filter, "filter"),
        "MJD": (done.science.mjd, "mid-exposure of the science image, UTC"),
        "DATE-AVG": (_iso(done.science.mjd), "the same"),
        "MJD-AVG": (done.science.mjd, "[d] the same"),
        "TIMESYS": (None if done.science.mjd is None else "UTC", "scale of all times"),
        # Not MJDREF: that key is the zero of a WCS's times.
        "REFMJD": (done.reference.mjd, "mid-exposure of the reference, UTC"),
        "ZP": (done.science.zero_point, "AB magnitude of one unit of flux"),
        "FLXRATIO": (done.quality.flux_ratio, "flux ratio, science / reference"),
        "ASTSIGMA": (done.quality.astrometric_sigma, "registration error, px per axis"),
        "SIGSTD": (done.quality.significance.std_raw, "std of SIG in blank sky before rescaling"),
        "SIGSCALE": (done.quality.significance.scale, "SIG was divided by this"),
        "OVERLAP": (done.quality.overlap, "share of the science image covered"),
        "SCIENCE": (Path(science).name, "science image"),
        "REFFILE": (Path(reference).name, "reference image"),
        "CREATOR": (f"astrid_ml {__version__}", "program"),
    }
    for name, (value, comment) in cards.items():
        if value is not None and not (isinstance(value, float) and not np.isfinite(value)):
            header[name] = (_text_of(value), comment)
    return header


def _text_of(value: Any) -> Any:
    """A value as a card holds it: FITS has ASCII alone, and names of files have what they like."""
    return printable_ascii(as_id(value)) if isinstance(value, str) else value


def write_difference(path: Path, done: Difference, science: str, reference: str) -> None:
    """``difference.fits``: DIFF, SIG, FLUXERR (of a point source), VAR, MASK (1 = do not use), PSF."""
    header = _header(done, science, reference)
    result = done.result
    hdus = [fits.PrimaryHDU(header=fits.Header({"CREATOR": header["CREATOR"]}))]
    for name, plane in (
        ("DIFF", result.diff.numpy()),
        ("SIG", result.significance.numpy()),
        ("FLUXERR", result.flux_error.numpy()),
        ("VAR", result.variance.numpy()),
        ("MASK", result.mask.numpy().astype(np.uint8)),
    ):
        hdus.append(fits.ImageHDU(plane, header=header, name=name))
    hdus.append(fits.ImageHDU(result.psf.detach().numpy(), name="PSF"))
    with whole(path) as at:
        fits.HDUList(hdus).writeto(at, output_verify="silentfix")


def write_image(path: Path, image: Image) -> None:
    """An aligned, background-free intermediate: SCI, ERR, MASK, PSF."""
    header = _coordinates(image)
    header["BUNIT"] = _text_of(image.unit)
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(image.data.numpy(), header=header, name="SCI"),
        fits.ImageHDU(image.variance.sqrt().numpy(), header=header, name="ERR"),
        fits.ImageHDU(image.mask.numpy().astype(np.uint8), header=header, name="MASK"),
    ]
    if image.psf is not None:
        hdus.append(fits.ImageHDU(central(image.psf).numpy(), name="PSF"))
    with whole(path) as at:
        fits.HDUList(hdus).writeto(at, output_verify="silentfix")


def _is_text(column: pd.Series) -> bool:
    """Whether a column is of text: objects, or any of the dtypes that pandas has for it."""
    return column.dtype == object or isinstance(column.dtype, pd.StringDtype)


def write_candidates(folder: Path, table: pd.DataFrame, meaning: TableMeaning, formats: Sequence[str] = ()) -> None:
    """``candidates.parquet``, ``candidates.ecsv`` and what ``format=`` asks for.

    Args:
        folder: of the pair.
        table: of the candidates.
        meaning: of its columns, with the unit of the image.
        formats: more of them.
    """
    write_described(table, folder / "candidates.parquet", meaning, tuple(dict.fromkeys(["ecsv", *formats])))


def write_triplets(path: Path, table: pd.DataFrame, stamps: Any, channels: list[str]) -> None:
    """HDF5: ``stamps`` (n, C, size, size) with the attribute ``channels``, and a dataset for each column."""
    import h5py

    def write(at: Path) -> None:
        with h5py.File(at, "w") as file:
            data = file.create_dataset("stamps", data=stamps, compression="gzip", shuffle=True)
            data.attrs["channels"] = channels
            for name in table.columns:
                values = table[name].to_numpy()
                if _is_text(table[name]) or values.dtype == object:
                    gone = table[name].isna()
                    text = ["" if absent else str(v) for v, absent in zip(values, gone, strict=True)]
                    file.create_dataset(f"table/{name}", data=text, dtype=h5py.string_dtype())
                else:
                    file.create_dataset(f"table/{name}", data=values)

    with whole(path) as at:
        write(at)
