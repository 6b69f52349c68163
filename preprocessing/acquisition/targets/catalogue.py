"""A catalogue of transients becomes targets: rows that can be used, and the others counted with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.angles import SkyTable
from astrid_ml.crossmatch.marks import is_mark
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.preprocessing.acquisition.targets.dates import dates_of, years_of
from astrid_ml.preprocessing.acquisition.targets.file_names import plain, short_digest
from astrid_ml.preprocessing.acquisition.targets.notations import coordinates_of
from astrid_ml.preprocessing.acquisition.targets.origins import is_json, open_supernovae, roles_of
from astrid_ml.tables import read_table


@dataclass(frozen=True)
class Target:
    """One object that archives are asked for.

    Args:
        name: as its catalogue writes it.
        ra, dec: degrees, ICRS.
        discovered: MJD, UTC; None for a field or a position, of which any two epochs make a pair.
        type: as its catalogue writes it; empty where it says none.
        host: name of its galaxy; empty where the catalogue says none.
        mag: of its discovery or its maximum, as the catalogue has it; None where it says none.
    """

    name: str
    ra: float
    dec: float
    discovered: float | None = None
    type: str = ""
    host: str = ""
    mag: float | None = None


@dataclass(frozen=True)
class TargetList:
    """Targets, and what became of the other rows.

    Args:
        rows: name, ra, dec (deg), discovered (MJD), year, type, host, mag, redshift (null where nobody knows).
        read: rows that the catalogue has.
        dropped: (row of the file's data, from 1; reason) of those that cannot be used.
        left_out: reason -> rows that can be used and were not chosen.
        all_places: ra, dec (deg) of all rows that can be used, chosen or not; None where all were chosen.
        moving: name -> the target, of those that are there for a moment.
        tracks: object, mjd, ra, dec (deg) of all known places of moving objects; None without any.
        renamed: name -> what the row itself says, of targets that would share their files with an earlier one.
    """

    rows: pd.DataFrame
    read: int
    dropped: tuple[tuple[int, str], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    all_places: pd.DataFrame | None = None
    moving: Mapping[str, Target] = field(default_factory=dict)
    tracks: pd.DataFrame | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def everything(self) -> pd.DataFrame:
        """ra, dec (deg) of all rows that can be used."""
        return self.rows[["ra", "dec"]] if self.all_places is None else self.all_places

    def __len__(self) -> int:
        return len(self.rows)

    def targets(self) -> list[Target]:
        """The targets, one by one, in the catalogue's order."""
        return [
            self.moving.get(name) or Target(name, ra, dec, _known(discovered), kind, host, _known(mag))
            for name, ra, dec, discovered, kind, host, mag in zip(
                *(self.rows[column].tolist() for column in ("name", "ra", "dec", "discovered", "type", "host", "mag")),
                strict=True,
            )
        ]

    def joined(self, other: TargetList) -> TargetList:
        """These targets, then others.

        Args:
            other: of another origin.
        """
        rows = pd.concat([self.rows, other.rows], ignore_index=True)
        left_out = Counter(self.left_out) + Counter(other.left_out)
        places = pd.concat([self.everything, other.everything], ignore_index=True)
        tracks = self.tracks if other.tracks is None else other.tracks
        dropped, moving = (*self.dropped, *other.dropped), {**self.moving, **other.moving}
        return TargetList(rows, self.read + other.read, dropped, dict(left_out), places, moving, tracks)

    def told_apart(self) -> TargetList:
        """These targets, each with files of its own: ``SN 1`` and ``SN/1`` are one name of a file, as are two letters
        that differ in their case alone. The later one has a digest of its row behind its name.

        Example:
            >>> rows = pd.DataFrame({"name": ["SN 1", "SN/1"], "ra": [1.0, 2.0], "dec": [0.0, 0.0]})
            >>> read = TargetList(rows, 2).told_apart()
            >>> read.rows["name"].tolist(), read.renamed
            (['SN 1', 'SN/1-2707e166'], {'SN/1-2707e166': 'SN/1'})
        """
        taken, names, renamed, moving = set[str](), list[str](), dict[str, str](), dict(self.moving)
        for name, ra, dec in zip(*(self.rows[column].tolist() for column in ("name", "ra", "dec")), strict=True):
            tries = (f"{name}-{short_digest(name, repr(ra), repr(dec), *['again'] * n)}" for n in count())
            own = name
            while plain(own).casefold() in taken:
                own = next(tries)
            taken.add(plain(own).casefold())
            names.append(own)
            if own != name:
                renamed[own] = name
                if name in moving and (moving[name].ra, moving[name].dec) == (ra, dec):
                    moving[own] = replace(moving.pop(name), name=own)
        return replace(self, rows=self.rows.assign(name=names), moving=moving, renamed=renamed)

    def account(self) -> dict[str, Any]:
        """The first steps of the funnel: rows read, unusable by reason, left out by reason, kept."""
        reasons = Counter(reason.split(": '")[0] for _, reason in self.dropped)
        return {
            "rows": self.read,
            "rows_unusable": len(self.dropped),
            "rows_unusable_by_reason": dict(sorted(reasons.items())),
            "rows_unusable_examples": [f"row {row}: {reason}" for row, reason in self.dropped[:10]],
            "rows_left_out": dict(self.left_out),
            "targets": len(self.rows),
            "targets_renamed": dict(self.renamed),
        }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def read_targets(path: Path | str, columns: Mapping[str, str | None] | None = None) -> TargetList:
    """Read a catalogue of transients of any origin.

    Args:
        path: ``sncat_compiled.txt``; CSV with any delimiter (exports of TNS, of the Open Supernova Catalog), ECSV,
            VOTable, FITS, parquet; JSON of the Open Supernova Catalog. Each may be gzipped.
        columns: role (name, ra, dec, discovered, type, host, mag, redshift) -> the column that plays it, where it has
            none of the usual names.

    Raises:
        UserError: nothing there, no table, no row, a column that is not there.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "sne.csv"
        >>> _ = path.write_text("name,ra,dec,discoverydate\\n2014J,09:55:42.15,+69 40 25.9,2014-01-21\\n1604A,x,1,\\n")
        >>> read = read_targets(path)
        >>> read.targets()[0].discovered, read.account()["rows_unusable_by_reason"]
        (56678.0, {'the right ascension cannot be read': 1})
    """
    path = Path(path)
    if not path.is_file():
        raise UserError("a catalogue of transients", found(path), "check the path")
    units: dict[str, str] = {}
    split: tuple[tuple[int, str], ...] = ()
    if is_json(path):
        table = open_supernovae(path)
    else:
        read = read_table(path, {})
        table, split = read.rows, read.dropped
        units = {name: meaning.unit for name, meaning in read.meanings.items()}
    size = len(table) + len(split)
    if not size:
        raise UserError("a catalogue with at least one row", f"{path}, which has none", "check that it is whole")
    numbers = np.setdiff1d(np.arange(1, size + 1), [row for row, _ in split])
    roles = roles_of(path, table.columns, columns or {})
    rows, reasons = _typed(path, table, roles, units)
    wrong = [(int(number), reason) for number, reason in zip(numbers, reasons, strict=True) if reason]
    kept = rows[np.array([not reason for reason in reasons], dtype=bool)].reset_index(drop=True)
    return TargetList(kept, size, tuple(sorted([*split, *wrong])))


def _typed(
    path: Path, table: pd.DataFrame, roles: Mapping[str, str], units: Mapping[str, str]
) -> tuple[pd.DataFrame, list[str]]:
    """Columns of one type each, and for each row why it cannot be used (the first reason), or nothing."""
    where = SkyTable(str(path), "catalogue")
    names = texts_of(table, roles, "name")
    ra, no_ra = coordinates_of(where, table[roles["ra"]], units.get(roles["ra"], ""), "ra")
    dec, no_dec = coordinates_of(where, table[roles["dec"]], units.get(roles["dec"], ""), "dec")
    discovered, no_date = dates_of(table[roles["discovered"]])
    rows = pd.DataFrame(
        {
            "name": names,
            "ra": ra,
            "dec": dec,
            "discovered": discovered,
            "year": years_of(discovered),
            "type": texts_of(table, roles, "type"),
            "host": texts_of(table, roles, "host"),
            "mag": numbers_of(table, roles, "mag"),
            "redshift": numbers_of(table, roles, "redshift"),
        }
    )
    repeated = names.duplicated().to_numpy(dtype=bool)
    reasons = [
        "no name" if not name else first or second or third or ("a name that stands in an earlier row" if again else "")
        for name, first, second, third, again in zip(names, no_ra, no_dec, no_date, repeated, strict=True)
    ]
    return rows, reasons


def texts_of(table: pd.DataFrame, roles: Mapping[str, str], role: str) -> pd.Series[Any]:
    """The column of a role without blanks around its texts; empty texts where there is none."""
    if role not in roles:
        return pd.Series("", index=range(len(table)), dtype="string")
    return table[roles[role]].astype("string").fillna("").str.strip().reset_index(drop=True)


def numbers_of(table: pd.DataFrame, roles: Mapping[str, str], role: str) -> Any:
    """The column of a role as numbers (n,), NaN for marks of what nobody knows and where there is none."""
    if role not in roles:
        return np.full(len(table), np.nan)
    numbers = pd.to_numeric(table[roles[role]], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(is_mark(numbers), np.nan, numbers)
