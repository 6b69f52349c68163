"""What every reader shares: flat columns become a clean table, and an account says what was dropped or repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.bands import wavelengths_of
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.printable import LONGEST_ID, TOO_LONG, as_id
from astrid_ml.types import Mask

BY_GIVEN = "files_by_the_given_zero_point"  # a count: of files that do not tell theirs
NO_FLUX = np.array([-999, -9999, -99999], dtype=np.float32)
LARGEST = 1e20  # of a flux: brighter than the Sun by far
JD_ZERO = 2400000.5
FIRST_MJD, LAST_MJD = 8000.0, 100_000.0  # of 1880 and 2132
NEAR = 4  # rows of one time in which a repeated one is looked for
NAMELESS = ("", "nan", "None", "<NA>")  # how an empty name comes out of the readers of tables
NO_NAME = "an object without a name: its id is empty"
WHICH_ZERO = "times before 1880: days since which zero? Give MJD, JD or dates (of TESS: BTJD + 56999.5)"
REPEATED = "object_id more than once in this file; the first is kept"


@dataclass
class Account:
    """What happened to the objects of a file: names with reasons, and counts of rows.

    Args:
        read: objects that were read.
        dropped, repaired: ``object_id`` and ``reason`` of each object that was left out, or changed and kept; ``file``
            where the source is many files, or an archive of them.
        failed: ``file`` and ``reason`` of each of these files that could not be read at all.
        unread: the same of those of another kind, which nobody reads.
        counts: rows by what was done to them.
        bits: PHOTFLAG's as the file declares them, by the names of ``selection.Flags``; empty where it does not.
    """

    read: int = 0
    dropped: list[dict[str, str]] = field(default_factory=list)
    repaired: list[dict[str, str]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    unread: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    bits: dict[str, int] = field(default_factory=dict)

    def drop(self, ids: object, reason: str, files: object = None) -> None:
        """Name objects that are left out.

        Args:
            ids: one, or several.
            reason: of all.
            files: where each stands, where the source is many files.
        """
        self.dropped += _named(ids, reason, files)

    def repair(self, ids: object, reason: str, files: object = None) -> None:
        """Name objects that were repaired and kept; see :meth:`drop`."""
        self.repaired += _named(ids, reason, files)

    def fail(self, file: str, reason: str) -> None:
        """Name one of many files that could not be read at all."""
        self.failed.append({"file": file, "reason": reason})

    def pass_over(self, file: str, reason: str) -> None:
        """Name one of many files that is of another kind."""
        self.unread.append({"file": file, "reason": reason})

    def merge(self, other: Account) -> None:
        """Add another file's account."""
        self.read += other.read
        self.dropped += other.dropped
        self.repaired += other.repaired
        self.failed += other.failed
        self.unread += other.unread
        self.counts.update(other.counts)


def _named(ids: object, reason: str, files: object) -> list[dict[str, str]]:
    names = [as_id(_shown(str(name))) for name in np.atleast_1d(np.asarray(ids))]
    if files is None:
        return [{"object_id": name, "reason": reason} for name in names]
    places = np.broadcast_to(np.asarray(files, dtype=object), len(names))
    return [{"object_id": n, "reason": reason, "file": str(f)} for n, f in zip(names, places, strict=True)]


def _shown(name: str) -> str:
    """A name as a report has it: the beginning of one that is too long."""
    return name if len(name) <= LONGEST_ID else name[:60]


def clean(table: CurveTable, account: Account) -> CurveTable:
    """Sort by time; leave out rows without a usable flux, error or time, rows twice there, and objects without rows,
    without a name or with one of kilobytes, or twice there. Control characters of names are written out. A column
    ``file`` of the objects says where each stands.

    Rows that are left out are counted by reason; a JD becomes an MJD and is counted; rows in bands of unknown
    wavelength, and times of which no MJD is known, are counted and stay.
    """
    account.read += len(table)
    table = _with_mjd(table, account)
    checks = {
        "rows_flux_not_finite": np.isfinite(table.flux),
        "rows_flux_that_stands_for_none": ~(np.isin(table.flux, NO_FLUX) | (np.abs(table.flux) > LARGEST)),
        "rows_error_not_positive": np.isfinite(table.flux_err) & (table.flux_err > 0),
        "rows_time_not_finite": np.isfinite(table.mjd) & (table.mjd >= 0),
        "rows_time_that_is_no_MJD": ~(table.mjd > LAST_MJD),
    }
    good = np.ones(len(table.mjd), dtype=bool)
    for name, passed in checks.items():
        if not passed.all():
            account.counts[name] += int((~passed & good).sum())
            good &= passed
    table = _with_ids(table)
    before = table.lengths
    table = used_bands(table.keep_epochs(good))
    if len(table.bands):
        unknown = int((~np.isfinite(table.wavelengths))[table.band].sum())
        account.counts["rows_band_of_unknown_wavelength"] += unknown
    names = table.objects["object_id"]
    empty = table.lengths == 0
    nameless = names.isna().to_numpy() | names.astype(str).str.strip().isin(NAMELESS).to_numpy()
    damaged = names.astype(str).str.len().to_numpy() > LONGEST_ID
    nameless, unnamed = nameless | damaged, nameless
    repeated = names.duplicated().to_numpy() & ~nameless
    lost = {
        NO_NAME: unnamed,
        TOO_LONG: damaged,
        "no observations": empty & (before == 0) & ~repeated & ~nameless,
        "no usable observation: see the counts of rows left out": empty & (before > 0) & ~repeated & ~nameless,
        REPEATED: repeated,
    }
    files = table.objects.get("file")
    for reason, which in lost.items():
        account.drop(names[which], reason, None if files is None else files[which])
    if (empty | repeated | nameless).any():
        table = table.take(np.flatnonzero(~(empty | repeated | nameless)))
    table, disordered = table.sorted_by_time()
    account.counts["objects_sorted_by_time"] += int(disordered.sum())
    again = repeated_rows(table)
    if again.any():
        account.counts["rows_repeated"] += int(again.sum())
        table = table.keep_epochs(~again)
    return table


def _with_ids(table: CurveTable) -> CurveTable:
    """Objects whose names are lines of text without control characters; the same ones where they all are."""
    names = table.objects["object_id"]
    if pd.api.types.is_numeric_dtype(names):
        return table
    lines = [as_id(name) if isinstance(name, str) else name for name in names]
    if all(line is name for line, name in zip(lines, names, strict=True)):
        return table
    return replace(table, objects=table.objects.assign(object_id=lines))


def _with_mjd(table: CurveTable, account: Account) -> CurveTable:
    """JD as MJD; days before the first photographs of the sky are counted: they may be of another origin."""
    julian = (table.mjd >= JD_ZERO) & (table.mjd < JD_ZERO + LAST_MJD)
    if julian.any():
        account.counts["rows_JD_made_MJD"] += int(julian.sum())
        table = replace(table, mjd=np.where(julian, table.mjd - JD_ZERO, table.mjd))
    early = (table.mjd >= 0) & (table.mjd < FIRST_MJD)
    if early.any():
        account.counts["rows_time_before_1880_is_it_MJD"] += int(early.sum())
    return table


def without_unknown_zero(epochs: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Epochs of strangers' tables without times that are no MJD, for want of the zero from which they count.

    An object of which all times are before 1880 (``FIRST_MJD``) is dropped with the reason; single rows are counted.
    Simulations may count from any day of their own: their readers leave the times as they are.

    Args:
        epochs: with ``object_id`` and ``mjd``, of times that may be JD.
        account: gets drops and counts.
    """
    early = (epochs["mjd"] >= 0) & (epochs["mjd"] < FIRST_MJD)
    if not early.any():
        return epochs
    usable = (epochs["mjd"] >= FIRST_MJD).groupby(epochs["object_id"]).transform("any")
    lost = epochs["object_id"][early & ~usable].unique()
    account.drop(lost, WHICH_ZERO)
    account.read += len(lost)
    account.counts["rows_time_before_1880"] += int((early & usable).sum())
    return epochs[~early & ~epochs["object_id"].isin(lost)]


def repeated_rows(table: CurveTable) -> Mask:
    """Rows that are one before them, in time, band, flux and error: each epoch counts once, (n,).

    Limits (a flux of 0) stay: brokers repeat them for overlapping quadrants of a camera.
    """
    again = np.zeros(len(table.mjd), dtype=bool)
    owner = table.owner
    for back in range(1, min(NEAR, len(again) - 1) + 1):
        same = owner[back:] == owner[:-back]
        for column in (table.mjd, table.band, table.flux, table.flux_err):
            same &= column[back:] == column[:-back]
        same &= table.flux[back:] != 0
        again[back:] |= same
    return again


def used_bands(table: CurveTable) -> CurveTable:
    """Without bands that no epoch has (the separators' own, for instance)."""
    used = np.unique(table.band)
    if len(used) == len(table.bands):
        return table
    code = np.zeros(len(table.bands), dtype=np.int16)
    code[used] = np.arange(len(used))
    bands = tuple(table.bands[number] for number in used)
    return replace(table, band=code[table.band], bands=bands, wavelengths=table.wavelengths[used])


def assemble(
    objects: pd.DataFrame,
    epochs: pd.DataFrame,
    account: Account,
    wavelengths: Mapping[str, float] | None = None,
) -> CurveTable:
    """A clean table from a long table of epochs, for readers whose files are long tables.

    Args:
        objects: one row an object with ``object_id``; those of ``epochs`` that it lacks are dropped and counted.
        epochs: ``object_id, mjd, flux, flux_err, phot_flag, band``, in any order.
        account: gets drops and counts.
        wavelengths: the user's wavelengths of bands.
    """
    objects = objects.reset_index(drop=True)
    first = objects[~objects["object_id"].duplicated()]
    names = pd.Index(first["object_id"].to_numpy(dtype=object), dtype=object)
    place = names.get_indexer(epochs["object_id"].to_numpy(dtype=object))
    orphans = place < 0
    if orphans.any():
        account.drop(epochs["object_id"][orphans].unique(), "epochs without a row in the table of objects")
        epochs, place = epochs[~orphans], place[~orphans]
    code = first.index.to_numpy(dtype=np.int64)[place]
    order = np.argsort(code, kind="stable")
    bands, names = pd.factorize(epochs["band"].astype(str))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(objects)))]).astype(np.int64)
    table = CurveTable(
        objects,
        offsets,
        epochs["mjd"].to_numpy(dtype=np.float64)[order],
        epochs["flux"].to_numpy(dtype=np.float32, na_value=np.nan)[order],
        epochs["flux_err"].to_numpy(dtype=np.float32, na_value=np.nan)[order],
        epochs["phot_flag"].to_numpy(dtype=np.int32)[order],
        bands.astype(np.int16)[order],
        tuple(str(name) for name in names),
        wavelengths_of([str(name) for name in names], wavelengths),
    )
    return clean(table, account)
