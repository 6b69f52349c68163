"""One CSV file an object: ``time, mag, magerr, band`` (or ``flux, fluxerr``), loose in a folder or in a tar archive.

The SNAD test set and its like. What the objects are stands in a table beside them (:mod:`.catalogues`). Magnitudes are
AB.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from astrid_ml.errors import UserError
from astrid_ml.found import NOTES
from astrid_ml.inflating import MOST_SWOLLEN
from astrid_ml.preprocessing.lightcurves.curves.bands import short_name
from astrid_ml.preprocessing.lightcurves.curves.catalogues import CATALOGUES, catalogue_beside, objects_of
from astrid_ml.preprocessing.lightcurves.curves.fluxes import fluxes_of_magnitudes
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, NO_FLUX, Account, assemble, without_unknown_zero
from astrid_ml.preprocessing.lightcurves.curves.several import refuse_several
from astrid_ml.preprocessing.lightcurves.curves.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.headers import has_columns, usual_header
from astrid_ml.preprocessing.lightcurves.readers.values.marks import are_marks
from astrid_ml.preprocessing.lightcurves.readers.values.owners import BY_FOLDER, folder_that_names, may_name
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened
from astrid_ml.tars import ArchiveTooLargeError, Member, no_file, refuse_too_large, why_damaged
from astrid_ml.types import Floats

DETECTED = 4096
# A catalogue writes magnitudes of 99.999 and errors of 9.999 and more where nothing was measured.
FAINTEST, WORST = 50.0, 9.0
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, ArchiveTooLargeError)
LARGE = 32 * 2**20  # bytes of an object's table (a million epochs) that may come out of an archive of any size
LOOKED_AT = 20  # CSV files of an archive that are looked at before it is taken for something else


def is_curve_file(path: Path) -> bool:
    """Whether a CSV file has the columns of one object's light curve."""
    try:
        with path.open("rb") as stream:
            return has_columns(stream.readline(500))
    except OSError:
        return False


def is_curve_archive(path: Path) -> bool:
    """Whether one of a tar archive's first CSV files holds a light curve: a table of objects may stand before them."""
    try:
        return any(has_columns(line) for line in first_tables(path))
    except DAMAGE:
        return False


def first_tables(path: Path) -> Iterator[bytes]:
    """The first lines of a tar archive's first CSV files; of one that is cut off behind some, of those.

    Raises:
        TarError, OSError, EOFError, zlib.error, ArchiveTooLargeError: it is damaged before the first one.
    """
    some = False
    try:
        with opened(path) as archive:
            for member in islice(tables_in(archive, path), LOOKED_AT):
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is not None:
                    yield stream.readline(500)
                    some = True
    except DAMAGE:
        if not some:
            raise


def opened(path: Path) -> tarfile.TarFile:
    """An archive that can be read member by member, in any order."""
    return tarfile.open(path, "r:*", tarinfo=Member)


def is_compressed(archive: tarfile.TarFile) -> bool:
    """Whether an archive inflates while it is read."""
    return not isinstance(archive.fileobj, io.BufferedReader)


def files_in(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive that are no folders; links and pipes among them.

    Raises:
        ReadError, ArchiveTooLargeError: a member that ends beyond it, or that a bomb holds.
    """
    for member in archive:
        refuse_too_large(member, path, is_compressed(archive))
        if not member.isdir():
            yield member


def tables_in(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Those that are called as CSV files; see :func:`files_in`."""
    return (member for member in files_in(archive, path) if member.name.endswith(".csv"))


def read_archive(
    path: Path, account: Account, wavelengths: Mapping[str, float] | None = None, zero_point: float | None = None
) -> Iterator[CurveTable]:
    """Tables of a tar archive, one for each folder of light curves."""
    files: dict[PurePosixPath, dict[str, bytes]] = defaultdict(dict)
    try:
        with opened(path) as archive:
            size = path.stat().st_size if is_compressed(archive) else None
            for member in files_in(archive, path):
                place = PurePosixPath(member.name)
                if place.suffix != ".csv":
                    if not place.name.startswith((".", *NOTES)):
                        account.pass_over(str(place), "no CSV file, which alone is read in an archive: unpack it")
                    continue
                if why := no_file(member):
                    account.fail(str(place), why)
                elif size is not None and member.size > max(LARGE, MOST_SWOLLEN * size):
                    account.fail(str(place), f"{member.size} bytes in an archive of {size}: unpack it first")
                elif (stream := archive.extractfile(member)) is not None:
                    files[place.parent][place.name] = stream.read()
    except DAMAGE as error:
        got = str(error) if isinstance(error, ArchiveTooLargeError) else why_damaged(error)
        raise UserError(f"{path.name} to be a whole archive", got, "fetch it again") from error
    for folder in sorted(files):
        curves = {name: content for name, content in sorted(files[folder].items()) if has_columns(content[:500])}
        tables = {name: content for near in (folder.parent, folder) for name, content in files.get(near, {}).items()}
        known = next((name for name in CATALOGUES if name in tables), None)
        for name in sorted(set(files[folder]) - set(curves) - set(CATALOGUES)):
            account.pass_over(str(folder / name), "no reader of light curves knows its columns")
        if curves:
            table = tables.get(known or "", b"")
            owners = _owners(folder, files) if known is None else {}
            yield from read_curves(curves, known, table, account, wavelengths, zero_point, str(folder), owners)


def _owners(folder: PurePosixPath, files: Mapping[PurePosixPath, Mapping[str, bytes]]) -> dict[str, str]:
    """Names of files -> the folder's, of those that other folders of an archive have too."""
    others = [held for other, held in files.items() if other != folder and other.parent == folder.parent]
    stems = {name: name.removesuffix(".csv") for name in files[folder] if any(name in held for held in others)}
    return {stem: folder.name for stem in stems.values() if may_name(folder.name, stem)}


def read_members(
    members: Sequence[Path],
    catalogue: Path | None,
    account: Account,
    wavelengths: Mapping[str, float] | None = None,
    zero_point: float | None = None,
) -> Iterator[CurveTable]:
    """Tables of loose files of one folder."""
    curves = {path.name: path.read_bytes() for path in members}
    table = catalogue.read_bytes() if catalogue else b""
    known = catalogue.name if catalogue else None
    found = {path.name: folder_that_names(path) for path in members} if known is None else {}
    owners = {name.removesuffix(".csv"): folder for name, folder in found.items() if folder is not None}
    yield from read_curves(curves, known, table, account, wavelengths, zero_point, owners=owners)


def read_curves(
    curves: Mapping[str, bytes],
    known: str | None,
    table: bytes,
    account: Account,
    wavelengths: Mapping[str, float] | None,
    zero_point: float | None,
    folder: str = "",
    owners: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[CurveTable]:
    """Curves of a folder as one table.

    Args:
        curves: file name -> content.
        known: the name of the table of objects, or None: then label, survey and kind of flux stay unknown.
        table: its content.
        account: gets files that cannot be read.
        wavelengths: the user's wavelengths of bands.
        zero_point: of the fluxes; files of fluxes are dropped where it is None.
        folder: of the files in an archive.
        owners: name of a file -> its object's, where that is another.
    """
    parts: list[pd.DataFrame] = []
    by_header: dict[bytes, dict[str, bytes]] = defaultdict(dict)
    for name, content in curves.items():
        text = usual_header(content)
        by_header[text.split(b"\n", 1)[0].strip()][name.removesuffix(".csv")] = text
    for same in by_header.values():
        parts += read_together(same, account, zero_point, folder)
    if not parts:
        return
    epochs = pd.concat(parts, ignore_index=True)
    catalogue = CATALOGUES[known] if known else None
    renamed = dict(catalogue.bands) if catalogue else {}
    names = {band: short_name(str(band)) for band in epochs["band"].unique()}
    epochs["band"] = epochs["band"].map({band: renamed.get(name, name) for band, name in names.items()})
    account.counts["rows_without_measurement"] += int(epochs["flux"].isna().sum())
    epochs = without_unknown_zero(epochs, account)
    if len(epochs):
        files = epochs["object_id"]
        epochs["object_id"] = [owners.get(name, name) for name in files] if owners else files
        account.counts[BY_FOLDER] += len(owners)
        objects = objects_of(epochs, catalogue, table)
        objects["file"] = [_file_of(name, folder) for name in files[~epochs["object_id"].duplicated()]]
        yield assemble(objects, epochs[epochs["flux"].notna()], account, wavelengths)


def _file_of(stem: str, folder: str) -> str:
    return str(PurePosixPath(folder) / f"{stem}.csv")


def read_together(
    files: Mapping[str, bytes], account: Account, zero_point: float | None, folder: str
) -> list[pd.DataFrame]:
    """Files with one header read as one table; one by one where that fails, so that the bad one is named."""
    bodies = [content.partition(b"\n")[2].strip() for content in files.values()]
    lengths = [body.count(b"\n") + 1 if body else 0 for body in bodies]
    header = next(iter(files.values())).partition(b"\n")[0]
    try:
        owner = np.repeat(np.array(list(files), dtype=object), lengths)
        rows = epochs_of(b"\n".join([header, *(body for body in bodies if body)]), zero_point, owner)
        account.counts[BY_GIVEN] += len(files) if not {b"mag", b"zp"} & set(header.split(b",")) else 0
        return [rows.assign(object_id=owner)]
    except (pa.ArrowException, KeyError, ValueError, TypeError, UserError) as error:
        if len(files) == 1:
            stem = next(iter(files))
            why = shortened(str(error), 400) if isinstance(error, UserError) else shortened(in_words(error), 120)
            account.drop(stem, f"no light curve: {why}", _file_of(stem, folder))
            account.read += 1
            return []
    return [part for name in files for part in read_together({name: files[name]}, account, zero_point, folder)]


def epochs_of(content: bytes, zero_point: float | None, owner: npt.ArrayLike = 0) -> pd.DataFrame:
    """Epochs of CSV text in FLUXCAL; NaN where the catalogue has no measurement.

    Args:
        content: of files with one header, behind each other.
        zero_point: of fluxes.
        owner: the file of each row.

    Raises:
        UserError: a column that nothing uses tells several objects apart in a file.
    """
    read = pa_csv.read_csv(io.BytesIO(content), read_options=pa_csv.ReadOptions(use_threads=False))
    names = ("time", "mag", "magerr") if "mag" in read.column_names else ("time", "flux", "fluxerr")
    columns: dict[str, Floats] = {n: _numbers(read[n], n) for n in names}
    if "flux" in columns:  # marks are of the numbers as they stand, before a zero point changes them
        columns["flux"] = np.where(np.isin(columns["flux"], NO_FLUX), np.nan, columns["flux"])
    within = _numbers(read["zp"], "zp") if "zp" in read.column_names and "flux" in columns else None
    if within is not None and zero_point is not None and np.abs(within - zero_point).max(initial=0.0) > 1e-6:
        raise ValueError(f"its column zp says {within[0]:g}, and zero_point={zero_point:g} was given")
    if "mag" in columns:
        flux, error = fluxes_of_magnitudes(columns["mag"], columns["magerr"])
        lost = (columns["mag"] > FAINTEST) | (columns["magerr"] > WORST)
        flux, error = np.where(lost, np.nan, flux), np.where(lost, np.nan, error)
    elif within is not None:
        flux, error = (columns[name] * 10 ** (-0.4 * (within - 27.5)) for name in ("flux", "fluxerr"))
    elif zero_point is None:
        raise ValueError("fluxes need a zero point: zero_point=31.4 for nJy")
    else:
        flux, error = (columns[name] * 10 ** (-0.4 * (zero_point - 27.5)) for name in ("flux", "fluxerr"))
    band = read["band"].to_pylist()
    once = [name for name in read.column_names if read.column_names.count(name) == 1]
    if unused := [name for name in once if name not in (*names, "band", "zp")]:
        sky = [name for name in unused if name.lower() in ("ra", "dec")]
        more = read.select(unused).to_pandas()
        places = more[sky].apply(pd.to_numeric, errors="coerce") if len(sky) == 2 else None
        if marks := [name for name in more if are_marks(more[name])]:
            raise ValueError(f"the column {marks[0]} marks limits: columns=map.yaml with is_limit: {marks[0]}")
        refuse_several(more.drop(columns=sky), pd.Series(columns["time"]), pd.Series(band), places, owner)
    return pd.DataFrame({"mjd": columns["time"], "band": band, "flux": flux, "flux_err": error, "phot_flag": DETECTED})


def _numbers(column: pa.ChunkedArray, name: str) -> Floats:
    """A column as numbers: dates as MJD, and NaN for a magnitude that is a limit (``>20.5``).

    Raises:
        ValueError: a text that is neither.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        since = column.cast(pa.timestamp("us")).to_numpy().astype("datetime64[us]")
        out: Floats = (since - np.datetime64("1858-11-17")) / np.timedelta64(1, "D")
        return out
    if name == "mag" and pa.types.is_string(column.type):
        texts = pd.Series(column.to_pandas()).str.strip()
        return np.asarray(pd.to_numeric(texts.where(~texts.str.startswith((">", "<")))), dtype=np.float64)
    return np.asarray(column.to_numpy().astype(np.float64))


@dataclass(frozen=True)
class CurveFileReader:
    """CSV files of time, magnitude (or flux), error and band, an object each."""

    kind: ClassVar[str] = "curve_files"
    known_as: ClassVar[str] = "CSV files of time, mag, magerr, band"
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By its first line."""
        if path.suffix != ".csv" or not is_curve_file(path):
            return None
        catalogue = catalogue_beside(path)
        return CurveSource(self, path, {"catalogue": catalogue} if catalogue else {}, members=(path,))

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from read_members(source.members, source.companions.get("catalogue"), account, wavelengths, zero_point)


@dataclass(frozen=True)
class CurveArchiveReader:
    """Such files in a tar archive."""

    kind: ClassVar[str] = "curve_archive"
    known_as: ClassVar[str] = "archives of such files (.tar, .tar.gz, .tgz)"
    grouped: ClassVar[bool] = False
    cut: ClassVar[bool] = False

    def recognise(self, path: Path) -> CurveSource | None:
        """By the first file in it."""
        named = path.name.endswith((".tar.gz", ".tgz", ".tar"))
        return CurveSource(self, path, {}) if named and is_curve_archive(path) else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        yield from read_archive(source.path, account, wavelengths, zero_point)


READERS: tuple[CurveReader, ...] = (CurveFileReader(), CurveArchiveReader())
