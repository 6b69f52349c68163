"""SNANA FITS files: a HEAD table of objects and a PHOT table of all their epochs, in any dialect."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.bands import short_name, wavelength_of
from astrid_ml.preprocessing.lightcurves.curves.ingest import REPEATED, Account, clean
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES, REDSHIFTS, static_columns
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import EPOCH_COLUMNS, CurveTable
from astrid_ml.preprocessing.lightcurves.readers.fits_table import Table, open_table, read_columns
from astrid_ml.preprocessing.lightcurves.readers.pointers import Segments, locate
from astrid_ml.types import Array, Floats, Floats32, Ints

SEPARATOR_MJD = -777.0
IN_MEMORY = 4_000_000  # rows of PHOT that are held in memory: 88 MB
# ELASTICC2_TRAIN_02_SNIa-SALT3: these releases name the class in VERSION, one pair of files a class.
_CLASS_IN_VERSION = re.compile(r"^(?:ELASTICC2?|ASTRIDSIM)_([A-Z]+)(?:_\d+)?_(.+)$")
_HEAD = re.compile(r"head(\.fits(?:\.gz)?)$", re.IGNORECASE)
_KEPT = ("PEAKMJD", "SNTYPE", "SIM_TYPE_INDEX", "SIM_TYPE_NAME", "SIM_MODEL_NAME", "SIM_REDSHIFT_HELIO")
ZERO_POINT = "ZP_FLUXCAL"  # of FLUXCAL, where the file says another than SNANA's own
POINTERS = ("PTROBS_MIN", "PTROBS_MAX", "NOBS")
_HEAD_COLUMNS = {"SNID", "DECL", ZERO_POINT, *POINTERS, *_KEPT, *OTHER_FEATURES, *REDSHIFTS}
_HEAD_COLUMNS |= {f"{name}_ERR" for name in REDSHIFTS}


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


def read_snana(head: Path, account: Account, wavelengths: Mapping[str, float] | None = None) -> CurveTable:
    """All curves of a HEAD and PHOT pair as one table; see :func:`snana_blocks`."""
    tables = list(snana_blocks(head, account, wavelengths, size=None))
    if not tables:
        raise UserError(f"objects with observations in {head.name}", "none", "check the file, and its PHOT file")
    return tables[0]


def snana_blocks(
    head: Path, account: Account, wavelengths: Mapping[str, float] | None = None, size: int | None = 2000
) -> Iterator[CurveTable]:
    """Curves of a HEAD and PHOT pair, ``size`` objects at a time (None: all at once).

    Of PHOT only time, flux, error, flags and band are held (22 bytes a row), however many columns it has; those of a
    large table on the disk.

    Args:
        head: the HEAD file, plain or gzipped.
        account: gets the drops and repairs, each with its reason.
        wavelengths: wavelengths of bands (micrometres) that override the built-in ones.
        size: objects in a table.

    Raises:
        UserError: PHOT is missing, a file is damaged, or a needed column is absent.
    """
    phot = phot_beside(head)
    if phot is None:
        raise UserError(f"a PHOT file beside {head.name}", "none", "put both files of the pair into one folder")
    with open_table(head) as table:
        need(table, ("SNID", "NOBS", "PTROBS_MIN", "PTROBS_MAX"), head)
        header = table.header
        wanted = [name for name in table.names if name in _HEAD_COLUMNS]
        several = [name for name in wanted if table.layout[name].shape]
        if kept := sorted(set(several) & {"SNID", *POINTERS}):
            raise UserError(f"one value a row in {head.name}", f"several in {', '.join(kept)}", "check the file")
        account.counts.update(f"columns_of_several_values_left_out: {name}" for name in several)
        columns = read_columns(table, [name for name in wanted if name not in several])
    epochs = read_phot(phot)
    first, last, nobs = (columns[name].astype(np.int64) for name in POINTERS)
    segments = locate(first, last, nobs, epochs.mjd == SEPARATOR_MJD)
    account.bits = flag_bits(header)
    usable = account_for(texts(columns["SNID"]), segments, account)
    own = band_wavelengths(header, epochs.bands, wavelengths)
    names = tuple(short_name(name) for name in epochs.bands)
    step = size or max(len(usable), 1)
    for begin in range(0, len(usable), step):
        chosen = usable[begin : begin + step]
        offsets, rows = rows_of(segments, chosen)
        flat: dict[str, Array] = {name: getattr(epochs, name)[rows] for name in EPOCH_COLUMNS}
        if ZERO_POINT in columns:
            factor = np.repeat(fluxcal_of(columns[ZERO_POINT][chosen].astype(np.float64)), np.diff(offsets))
            flat |= {name: (flat[name] * factor).astype(np.float32) for name in ("flux", "flux_err")}
        part = object_table(header, {name: values[chosen] for name, values in columns.items()})
        yield clean(CurveTable(part, offsets, bands=names, wavelengths=own, **flat), account)


def fluxcal_of(zero_point: Floats) -> Floats:
    """What fluxes of these zero points are multiplied by to have that of FLUXCAL, 27.5; 1 where there is none (-9)."""
    known = np.isfinite(zero_point) & (zero_point > 0)
    out: Floats = np.where(known, 10 ** (-0.4 * (np.where(known, zero_point, 27.5) - 27.5)), 1.0)
    return out


@dataclass(frozen=True)
class Epochs:
    """The needed columns of PHOT, separators included.

    Args:
        mjd: (N,) days; -777 at a separator.
        flux, flux_err: (N,) FLUXCAL, zero point 27.5.
        phot_flag: (N,) bits.
        band: (N,) places in ``bands``.
        bands: names as in the file.
    """

    mjd: Floats
    flux: Floats32
    flux_err: Floats32
    phot_flag: npt.NDArray[np.int32]
    band: npt.NDArray[np.int16]
    bands: list[str]


def read_phot(path: Path) -> Epochs:
    """PHOT's needed columns, block by block."""
    with open_table(path) as table:
        need(table, ("MJD", "FLUXCAL", "FLUXCALERR"), path)
        band_column = next((name for name in ("BAND", "FLT") if name in table.names), None)
        if band_column is None:
            raise UserError(f"the column BAND or FLT in {path.name}", "neither", "check the file")
        mjd, bands = column_of(table.rows, np.float64), TextCodes()
        flux, error = column_of(table.rows, np.float32), column_of(table.rows, np.float32)
        flag, codes = column_of(table.rows, np.int32), column_of(table.rows, np.int16)
        wanted: dict[str, Array] = {"MJD": mjd, "FLUXCAL": flux, "FLUXCALERR": error, "PHOTFLAG": flag}
        for start, block in table.blocks():
            place = slice(start, start + len(block))
            for name, values in wanted.items():
                if name in table.names:
                    values[place] = table.column(block, name)
            codes[place] = bands.encode(block[band_column])
    return Epochs(mjd, flux, error, flag, codes, bands.names)


def column_of(rows: int, kind: type[np.generic]) -> Array:
    """Room for a column, filled with zeros; a large one lies in a temporary file, whose pages the system takes back.

    Args:
        rows: how many.
        kind: of the values.
    """
    if rows <= IN_MEMORY:
        return np.zeros(rows, dtype=kind)
    with tempfile.TemporaryFile() as file:  # it has no name; it goes when the array does
        return np.asarray(np.memmap(file, dtype=kind, mode="w+", shape=(rows,)))


def flag_bits(header: Mapping[str, Any]) -> dict[str, int]:
    """PHOTFLAG's bits as the header declares them (SNANA since 2022), by the names of ``selection.Flags``."""
    keys = {"detect": "PHOTFLAG_DETECT", "trigger": "PHOTFLAG_TRIGGER", "saturate": "PHOTFLAG_SATURATE"}
    given = {name: header.get(key) for name, key in keys.items()}
    return {name: value for name, value in given.items() if isinstance(value, int) and value > 0}


def account_for(names: npt.NDArray[np.object_], segments: Segments, account: Account) -> Ints:
    """Name the objects whose rows are lost or were found again; returns the places of the usable ones."""
    for number in np.flatnonzero(segments.problem != ""):
        account.drop(names[number], str(segments.problem[number]))
    for number in np.flatnonzero(segments.repair != ""):
        account.repair(names[number], str(segments.repair[number]))
    usable = np.flatnonzero(segments.problem == "")
    repeated = pd.Series(names[usable]).duplicated().to_numpy()
    account.drop(names[usable[repeated]], REPEATED)
    account.read += len(names) - len(usable) + int(repeated.sum())
    return usable[~repeated]


def rows_of(segments: Segments, chosen: Ints) -> tuple[Ints, Ints]:
    """Offsets and rows of PHOT of some objects, one after the other."""
    start, length = segments.start[chosen], (segments.stop - segments.start)[chosen]
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return offsets, np.arange(offsets[-1]) - np.repeat(offsets[:-1] - start, length)


def need(table: Table, columns: tuple[str, ...], path: Path) -> None:
    """Refuse a table without these columns."""
    absent = [name for name in columns if name not in table.names]
    if absent:
        raise UserError(f"the columns {', '.join(columns)} in {path.name}", f"no {', '.join(absent)}", "check the file")


def band_wavelengths(header: Mapping[str, Any], names: list[str], wavelengths: Mapping[str, float] | None) -> Floats32:
    """Wavelengths of the file's bands; NaN where they are not known.

    Compilations label dozens of filters by single characters (FILTERS = bcdegh...): there ``g`` or ``H`` is a label,
    not a filter, and only the user's own table or a full name (``CSP-B/e``) says which filter it is.
    """
    labels = set(str(header.get("FILTERS", "")).strip()) - set("ugrizyYUBVRIJHK")
    known = [(wavelengths is not None and name in wavelengths) or not labels or len(name) > 1 for name in names]
    return np.array(
        [wavelength_of(n, wavelengths) if k else np.nan for n, k in zip(names, known, strict=True)], np.float32
    )


def object_table(header: Mapping[str, Any], head: Mapping[str, Array]) -> pd.DataFrame:
    """One row an object: id, label, survey, kind of flux, static columns with NaN for what is missing."""
    survey = str(header.get("SURVEY", "")).strip()
    out = {"object_id": texts(head["SNID"]), "label": labels_of(header, head)}
    frame = pd.DataFrame({**out, "survey": survey or None, "flux_kind": "difference"})
    found = _CLASS_IN_VERSION.match(str(header.get("VERSION", "")).strip())
    if found:
        frame["part"] = found.group(1).lower()
    numeric = {name: values.astype(np.float64) for name, values in head.items() if values.dtype.kind in "fiu"}
    kept = {name: numeric[name] if name in numeric else texts(head[name]) for name in _KEPT if name in head}
    return pd.concat([frame, static_columns(pd.DataFrame(numeric)), pd.DataFrame(kept)], axis=1)


def labels_of(header: Mapping[str, Any], head: Mapping[str, Array]) -> npt.NDArray[np.object_]:
    """The survey's label: the class in VERSION where it is named there, else SNTYPE as text; 0 and -9 say nothing."""
    found = _CLASS_IN_VERSION.match(str(header.get("VERSION", "")).strip())
    if found:
        return np.full(len(head["SNID"]), found.group(2), dtype=object)
    if "SNTYPE" not in head:
        return np.full(len(head["SNID"]), None, dtype=object)
    return np.array([str(value) if value > 0 else None for value in head["SNTYPE"].astype(np.int64)], dtype=object)


def texts(column: Array) -> npt.NDArray[np.object_]:
    """Padded bytes or integers as text without padding."""
    if column.dtype.kind in "iu":
        return column.astype(np.int64).astype(str).astype(object)
    return np.array([value.decode("latin-1").strip() for value in column.tolist()], dtype=object)


class TextCodes:
    """Numbers for the names in a column of padded bytes, block after block, without decoding each row.

    Rows are compared as 64-bit words: a band name of 20 bytes is three of them.
    """

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The names in the order of their numbers."""
        return list(self.codes)

    def encode(self, column: Array) -> npt.NDArray[np.int16]:
        """Numbers of a block's rows, shape (n,)."""
        width = column.dtype.itemsize
        padded = np.zeros((len(column), -(-width // 8) * 8), dtype=np.uint8)
        padded[:, :width] = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
        words = padded.view(np.uint64)
        local, _ = pd.factorize(words[:, 0])
        for word in range(1, words.shape[1]):
            part, values = pd.factorize(words[:, word])
            local, _ = pd.factorize(local * max(len(values), 1) + part)
        # The first row of each number: written backwards, the first one stays.
        first = np.empty(local.max(initial=-1) + 1, dtype=np.int64)
        first[local[::-1]] = np.arange(len(local))[::-1]
        # Paddings with blanks and with zeros are one name.
        raw = [bytes(padded[row, :width]).rstrip(b"\0").decode("latin-1").strip() for row in first]
        known = [self.codes.setdefault(name, len(self.codes)) for name in raw]
        return np.array(known or [0], dtype=np.int16)[local]


@dataclass(frozen=True)
class SnanaReader:
    """HEAD and PHOT pairs of SNANA."""

    kind: ClassVar[str] = "snana"
    known_as: ClassVar[str] = "SNANA HEAD/PHOT pairs (*HEAD.FITS[.gz])"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By its name; a HEAD without PHOT is incomplete."""
        if not is_head(path):
            return None
        phot = phot_beside(path)
        return CurveSource(self, path, {}, ("PHOT",)) if phot is None else CurveSource(self, path, {"phot": phot})

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from snana_blocks(source.path, account, wavelengths)


READERS: tuple[CurveReader, ...] = (SnanaReader(),)
