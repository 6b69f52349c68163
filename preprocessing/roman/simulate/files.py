"""Writing a simulated job folder in either naming generation."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS

from astrid_ml.files import whole
from astrid_ml.preprocessing.roman.job.header import bandpass_zero_point
from astrid_ml.preprocessing.roman.simulate.field import EXPOSURES, PIXEL_SCALE, Field, zptmag
from astrid_ml.preprocessing.roman.simulate.products import OLD_NAMES, rounded
from astrid_ml.types import Array

INDEX_HEADER = (
    "#    object_id            ra              dec               x                y          realized_flux"
    "         flux             mag            obj_type     "
)
# photutils 3 and the parquet catalogues came with the 2026 runs.
STEMS = {
    ("zogy", False): "diffimage_masked",
    ("zogy", True): "zogy_diffimage_masked",
    ("sfft", False): "sfftdiffimage_masked",
    ("sfft", True): "sfftdiffimage_masked",
    ("naive", False): "naive_diffimage_masked",
    ("naive", True): "naive_diffimage_masked",
}


def image_wcs(field: Field, shift: tuple[float, float]) -> WCS:
    """TAN about the field's centre; the pointing's shift moves the reference pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], list(field.centre)
    wcs.wcs.crpix = [(field.shape[1] + 1) / 2 - shift[0], (field.shape[0] + 1) / 2 - shift[1]]
    wcs.wcs.cd = PIXEL_SCALE / 3600 * np.array([[-1.0, 0.0], [0.0, 1.0]])
    return wcs


def science_header(band: str, sca: int, mjd: float, wcs: WCS) -> fits.Header:
    """Keys that RAPID's science images have."""
    header = wcs.to_header()
    header["FILTER"] = f"{band:8s}"  # padded, as it is
    header["SCA_NUM"], header["MJD-OBS"], header["EXPTIME"] = sca, mjd, EXPOSURES[band]
    header["ZPTMAG"] = zptmag(band)
    return header


def reference_header(band: str, field: Field, mjd: float, inputs: list[str], wcs: WCS) -> fits.Header:
    """Keys of the reference mosaic; its zero point is the mosaic's, not the science image's."""
    header = wcs.to_header()
    header["MAGZP"], header["BUNIT"], header["NFRAMES"], header["COV5PERC"] = 17.0, "DN/s", len(inputs), 100.0
    header["FIELD"], header["FILTER"] = int(field.name), band
    header["JDSTART"], header["JDEND"] = mjd + 2400000.5 - 5, mjd + 2400000.5 + 5
    for number, name in enumerate(inputs, 1):
        header[f"INFIL{number:03d}"] = name
    return header


def write_image(path: Path, data: Array, header: fits.Header, dtype: str = "f4") -> None:
    """One primary HDU, big-endian as FITS is."""
    _whole(path, lambda part: fits.PrimaryHDU(data.astype(dtype), header).writeto(part))


def write_text(path: Path, text: str) -> None:
    """A text file, gzipped where its name ends so."""
    content = text.encode()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    _whole(path, lambda part: part.write_bytes(content))


def write_catalogues(
    folder: Path, stem: str, new: bool, psfcat: pd.DataFrame, finder: pd.DataFrame, negative: bool
) -> None:
    """psfcat and finder as text with the generation's names; 2026 runs also join them in a parquet file."""
    suffix = "_negative" if negative else ""
    psfcat, finder = rounded(psfcat), rounded(finder)
    if new:
        joined = psfcat.merge(finder.drop(columns=["x_centroid", "y_centroid"]), on="id", how="inner")
        _whole(folder / f"{stem}_psfcat{suffix}.parquet", lambda part: joined.to_parquet(part, index=False))
    else:
        psfcat = psfcat.drop(columns=["reduced_chi2"]).rename(columns=OLD_NAMES)
        finder = finder.rename(columns=OLD_NAMES)
    for name, table in ((f"{stem}_psfcat{suffix}.txt", psfcat), (f"{stem}_psfcat_finder{suffix}.txt", finder)):
        write_text(folder / name, table.to_csv(sep=" ", index=False, na_rep="nan"))


def injection_text(table: pd.DataFrame) -> str:
    """RAPID's list: a padded header and the numbers as python prints them; pixels 0-based, flux in counts."""
    rows = [f"{x!r} {y!r} {flux!r}" for x, y, flux in table[["x", "y", "flux"]].astype(float).itertuples(index=False)]
    return "\n".join(["xpix    ypix     flux", *rows]) + "\n"


def index_text(table: pd.DataFrame, band: str, rng: np.random.Generator) -> str:
    """An OpenUniverse index file: fixed width; ``mag`` is AB - ZPTMAG."""
    lines = [INDEX_HEADER]
    realized = rng.poisson(np.clip(table["flux"].to_numpy(np.float64), 0, 1e9))
    zero = float(bandpass_zero_point(band) or 0.0)
    for row, counts in zip(table.to_dict("records"), realized, strict=True):
        mag = zero - 2.5 * np.log10(row["flux"])
        values = (row["ra"], row["dec"], row["x"], row["y"], float(counts), row["flux"], mag)
        lines.append(
            f"{int(row['object_id']):16d}" + "".join(f"{value:17.8e}" for value in values) + f"{row['obj_type']:>17s}"
        )
    return "\n".join(lines) + "\n"


def sextractor_text(finder: pd.DataFrame) -> str:
    """A SExtractor-like list; its pixels are 1-based."""
    table = pd.DataFrame({"NUMBER": finder["id"], "XWIN_IMAGE": finder["x_centroid"] + 1})
    table["YWIN_IMAGE"], table["FLUX_APER"] = finder["y_centroid"] + 1, finder["flux"]
    return table.to_csv(sep=" ", index=False)


def _whole(path: Path, write: Any) -> None:
    with whole(path) as part:
        write(part)
