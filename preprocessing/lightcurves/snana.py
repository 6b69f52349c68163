"""SNANA FITS files: a HEAD table of objects and a PHOT table of all their epochs, in any dialect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from preprocessing.lightcurves.bands import short_name, wavelength_of
from preprocessing.lightcurves.ingest import Account, clean
from preprocessing.lightcurves.missing import static_columns
from preprocessing.lightcurves.pointers import locate
from preprocessing.lightcurves.table import CurveTable

Array = npt.NDArray[Any]
SEPARATOR_MJD = -777.0
# ELASTICC2_TRAIN_02_SNIa-SALT3: these releases name the class in VERSION, one pair of files a class.
_CLASS_IN_VERSION = re.compile(r"^(?:ELASTICC2?|ASTRIDSIM)_([A-Z]+)_\d+_(.+)$")
_HEAD = re.compile(r"head(\.fits(?:\.gz)?)$", re.IGNORECASE)
_KEPT = ("PEAKMJD", "SNTYPE", "SIM_TYPE_INDEX", "SIM_TYPE_NAME", "SIM_MODEL_NAME", "SIM_REDSHIFT_HELIO")


def is_head(path: Path) -> bool:
    """Whether a file's name is that of a HEAD table."""
    return bool(_HEAD.search(path.name))


def phot_beside(head: Path) -> Path | None:
    """The PHOT table of a HEAD table: the same name, plain or gzipped; None where there is none."""
    stem = head.name[: _HEAD.search(head.name).start()]  # type: ignore[union-attr]
    for word in ("PHOT", "phot"):
        for ending in (".FITS", ".FITS.gz", ".fits", ".fits.gz"):
            path = head.with_name(f"{stem}{word}{ending}")
            if path.is_file():
                return path
    return None


def read_snana(head: Path, account: Account, own: Mapping[str, float] | None = None) -> CurveTable:
    """Read a HEAD and PHOT pair.

    Args:
        head: the HEAD file, plain or gzipped.
        account: gets the drops and repairs, each with its reason.
        own: wavelengths of bands (micrometres) that override the built-in ones.

    Raises:
        UserError: PHOT is missing, a file is damaged, or a needed column is absent.
    """
    phot = phot_beside(head)
    if phot is None:
        raise UserError(f"a PHOT file beside {head.name}", "none", "put both files of the pair into one folder")
    header, objects_raw = read_table(head)
    _, epochs = read_table(phot)
    need(objects_raw, ("SNID", "NOBS", "PTROBS_MIN", "PTROBS_MAX"), head)
    need(epochs, ("MJD", "FLUXCAL", "FLUXCALERR"), phot)
    return build_table(header, objects_raw, epochs, account, own, phot)


def read_table(path: Path) -> tuple[dict[str, Any], Array]:
    """The primary header and the first table of a file as a numpy record array, big-endian as it is stored."""
    from astropy.io import fits

    try:
        with fits.open(path, memmap=not path.name.endswith(".gz")) as hdus:
            tables = [hdu for hdu in hdus[1:] if isinstance(hdu, fits.BinTableHDU)]
            if not tables:
                raise UserError(
                    f"a binary table in {path.name}", "none (another file, or one that is cut off)", "fetch it again"
                )
            rows = np.asarray(tables[0].data).view(np.ndarray)
            return {**dict(hdus[0].header), **dict(tables[0].header)}, rows
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise UserError(
            f"{path.name} to be a whole FITS file", f"it is cut off or damaged: {error}"[:200], "fetch it again"
        ) from error


def need(table: Array, columns: tuple[str, ...], path: Path) -> None:
    """Refuse a table without these columns."""
    absent = [name for name in columns if name not in (table.dtype.names or ())]
    if absent:
        raise UserError(f"the columns {', '.join(columns)} in {path.name}", f"no {', '.join(absent)}", "check the file")


def build_table(
    header: Mapping[str, Any],
    head: Array,
    phot: Array,
    account: Account,
    own: Mapping[str, float] | None,
    path: Path,
) -> CurveTable:
    """Objects and epochs as a clean table; objects whose rows cannot be found are dropped by name."""
    mjd = native(phot["MJD"], np.float64)
    first, last, nobs = (native(head[name], np.int64) for name in ("PTROBS_MIN", "PTROBS_MAX", "NOBS"))
    segments = locate(first, last, nobs, mjd == SEPARATOR_MJD)
    objects = object_table(header, head)
    names = objects["object_id"].to_numpy()
    for number in np.flatnonzero(segments.problem != ""):
        account.drop(names[number], str(segments.problem[number]))
    for number in np.flatnonzero(segments.repair != ""):
        account.repair(names[number], str(segments.repair[number]))
    usable = np.flatnonzero(segments.problem == "")
    account.read += len(names) - len(usable)
    start, length = segments.start[usable], (segments.stop - segments.start)[usable]
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - start, length)
    band_column = next((name for name in ("BAND", "FLT") if name in (phot.dtype.names or ())), None)
    if band_column is None:
        raise UserError(f"the column BAND or FLT in {path.name}", "neither", "check the file")
    codes, raw_names = factorize_text(phot[band_column])
    flags = native(phot["PHOTFLAG"], np.int32) if "PHOTFLAG" in (phot.dtype.names or ()) else np.zeros(len(mjd), "i4")
    table = CurveTable(
        objects.iloc[usable].reset_index(drop=True),
        offsets,
        mjd[rows],
        native(phot["FLUXCAL"], np.float32)[rows],
        native(phot["FLUXCALERR"], np.float32)[rows],
        flags[rows].astype(np.int32),
        codes[rows].astype(np.int16),
        tuple(short_name(name) for name in raw_names),
        band_wavelengths(header, raw_names, own),
    )
    return clean(table, account)


def band_wavelengths(
    header: Mapping[str, Any], names: list[str], own: Mapping[str, float] | None
) -> npt.NDArray[np.float32]:
    """Wavelengths of the file's bands; NaN where they are not known.

    Compilations label dozens of filters by single characters (FILTERS = bcdegh...): there ``g`` or ``H`` is a label,
    not a filter, and only the user's own table or a full name (``CSP-B/e``) says which filter it is.
    """
    labels = set(str(header.get("FILTERS", "")).strip()) - set("ugrizyYUBVRIJHK")
    known = [(own is not None and name in own) or not labels or len(name) > 1 for name in names]
    return np.array([wavelength_of(n, own) if k else np.nan for n, k in zip(names, known, strict=True)], np.float32)


def object_table(header: Mapping[str, Any], head: Array) -> pd.DataFrame:
    """One row an object: id, label, survey, kind of flux, static columns with NaN for what is missing."""
    names = head.dtype.names or ()
    numeric = {name: native(head[name], np.float64) for name in names if head[name].dtype.kind in "fiu"}
    out = {"object_id": texts(head["SNID"]), "label": labels_of(header, head)}
    survey = str(header.get("SURVEY", "")).strip()
    frame = pd.DataFrame({**out, "survey": survey or None, "flux_kind": "difference"})
    found = _CLASS_IN_VERSION.match(str(header.get("VERSION", "")).strip())
    if found:
        frame["part"] = found.group(1).lower()
    kept = {name: numeric[name] if name in numeric else texts(head[name]) for name in _KEPT if name in names}
    return pd.concat([frame, static_columns(pd.DataFrame(numeric)), pd.DataFrame(kept)], axis=1)


def labels_of(header: Mapping[str, Any], head: Array) -> npt.NDArray[np.object_]:
    """The survey's label: the class in VERSION where it is named there, else SNTYPE as text; 0 and -9 are none."""
    found = _CLASS_IN_VERSION.match(str(header.get("VERSION", "")).strip())
    if found:
        return np.full(len(head), found.group(2), dtype=object)
    if "SNTYPE" not in (head.dtype.names or ()):
        return np.full(len(head), None, dtype=object)
    types = native(head["SNTYPE"], np.int64)
    return np.array([str(value) if value > 0 else None for value in types], dtype=object)


def native(column: Array, dtype: Any) -> Array:
    """A big-endian column in this machine's order."""
    return np.ascontiguousarray(column.astype(dtype))


def texts(column: Array) -> npt.NDArray[np.object_]:
    """Padded bytes or integers as text without padding."""
    if column.dtype.kind in "iu":
        return column.astype(np.int64).astype(str).astype(object)
    return np.array([value.decode("latin-1").strip() for value in column.tolist()], dtype=object)


def factorize_text(column: Array) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Codes and names of a column of padded bytes, without decoding each row.

    Rows are compared as 64-bit words: a band name of 20 bytes is three of them.
    """
    width = column.dtype.itemsize
    padded = np.zeros((len(column), -(-width // 8) * 8), dtype=np.uint8)
    padded[:, :width] = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
    words = padded.view(np.uint64)
    codes = np.zeros(len(column), dtype=np.int64)
    for word in range(words.shape[1]):
        part, values = pd.factorize(words[:, word])
        codes = codes * max(len(values), 1) + part
        codes, _ = pd.factorize(codes)
    first = np.unique(codes, return_index=True)[1]
    raw = [bytes(padded[row, :width]).rstrip(b"\0").decode("latin-1").strip() for row in first]
    merged, names = pd.factorize(np.array(raw, dtype=object))  # paddings with blanks and with zeros are one name
    return np.asarray(merged)[codes] if len(raw) else codes, [str(name) for name in names]
