"""A list of places of moving objects at times; each row is a target of its own, grouped by its object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy import units

from astrid_ml.crossmatch.angles import SkyTable
from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, TargetList, numbers_of, texts_of
from astrid_ml.preprocessing.acquisition.targets.dates import dates_of, years_of
from astrid_ml.preprocessing.acquisition.targets.notations import coordinates_of
from astrid_ml.preprocessing.acquisition.targets.origins import ROLES, roles_of
from astrid_ml.preprocessing.acquisition.targets.tracks import NEIGHBOURS, SAME_NIGHT, Track
from astrid_ml.tables import read_table
from astrid_ml.types import Existing, Floats, Positive

# Columns of lists: astroquery's tables of JPL Horizons and of the MPC, of ZTF and Rubin, of one's own.
MOVING_ROLES: Mapping[str, tuple[str, ...]] = {
    "name": (
        "name", "targetname", "target_name", "object", "object_name", "objname", "designation", "desig", "ssnamenr",
        "ssobjectid", "number", "id",
    ),
    "time": (
        "mjd", "mjd_utc", "obsmjd", "obs_mjd", "datetime_jd", "jd", "obsjd", "epoch", "date", "datetime",
        "datetime_str", "obs_date", "obstime", "obs_time", "time",
    ),
    "ra": ROLES["ra"],
    "dec": ROLES["dec"],
    "mag": ("mag", "v", "vmag", "tmag", "magnitude", "magpsf"),
    "rate": ("rate", "motion", "proper motion", "sky_motion", "total_motion"),
    "ra_rate": ("ra_rate",),
    "dec_rate": ("dec_rate",),
}  # fmt: skip
REQUIRED = ("name", "time", "ra", "dec")
TURNING = 30.0  # days; the Earth's own motion shifts all within 1000 au by more than 20 arcsec in them
TRACKS = ("object", "mjd", "ra", "dec")


@dataclass(frozen=True)
class MovingTarget(Target):
    """A moving object at one time; ``discovered`` is that time.

    Args:
        object: its name, the same in all its rows.
        tolerance: days around the time in which the middle of a science image lies.
        trail: days; in a longer exposure it is no source any more.
        there: (first, last) MJD between which the object may stand at this place: no reference is of then.

    Example:
        >>> MovingTarget("Ceres 60000.25", 10.0, 2.0, 60000.25, object="Ceres", tolerance=0.01).object
        'Ceres'
    """

    object: str = ""
    tolerance: float = 0.0
    trail: float = np.inf
    there: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class MovingList:
    """Where moving objects were at times, and how far an image may be from them.

    Args:
        table: CSV, ECSV, VOTable, FITS or parquet with name, time, place as seen from the observatory, and optionally
            mag and rate (or ``RA_rate``, which holds cos dec, and ``DEC_rate``); None: no moving objects. Times are
            UTC: MJD, JD or dates; one without a time of day is of 0 h.
        columns: role (name, time, ra, dec, mag, rate, ra_rate, dec_rate) -> column of an unusual name.
        rate_unit: of rates, where the table says none.
        tolerated: arcsec; the middle of a science image lies within the time in which the object moves so far.
        tolerance: days; at most so much, and all of it where no rate is known; None leaves such rows out.
        clear: arcsec; the object is gone from a place when it is so far away. It may trail so far in an exposure.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "ceres.csv"
        >>> _ = path.write_text("name,mjd,ra,dec,rate\\nCeres,60000.25,10.0,2.0,30\\nCeres,soon,10.1,2.0,30\\n")
        >>> read = MovingList(path).read()
        >>> round(read.targets()[0].tolerance, 5), read.account()["rows_unusable_by_reason"]
        (0.00139, {'the time is no day': 1})
    """

    table: Existing | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    rate_unit: str = "arcsec/h"
    tolerated: Positive = 1.0
    tolerance: Positive | None = None
    clear: Positive = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.tolerated <= self.clear:
            got = f"tolerated={self.tolerated}, clear={self.clear}"
            raise UserError("tolerated above 0, at most clear", got, "for instance acquisition.moving.tolerated=1")
        _per_day(self.rate_unit, "acquisition.moving.rate_unit")

    def read(self) -> TargetList:
        """Targets, one for each row that can be used; the others are counted with their reasons.

        Raises:
            UserError: nothing there, no table, no row, a column that is not there, a unit that is none of a rate.
        """
        if self.table is None:
            return TargetList(pd.DataFrame(), 0)
        path = Path(self.table)
        if not path.is_file():
            raise UserError("a list of moving objects", found(path), "check the path")
        read = read_table(path, {})
        if not len(read.rows) + len(read.dropped):
            raise UserError("a list with at least one row", f"{path}, which has none", "check that it is whole")
        said = {name: meaning.unit for name, meaning in read.meanings.items()}
        roles = roles_of(path, read.rows.columns, self.columns, MOVING_ROLES, REQUIRED)
        rows, reasons = self._typed(path, read.rows, roles, said)
        placed = rows[np.array([not reason for reason in reasons], dtype=bool)]
        moving: dict[str, Target] = {}
        for _, some in placed.groupby("object", sort=False):
            moving |= self._targets(some, reasons)
        size = len(rows) + len(read.dropped)
        numbers = np.setdiff1d(np.arange(1, size + 1), [row for row, _ in read.dropped])
        wrong = [(int(number), reason) for number, reason in zip(numbers, reasons, strict=True) if reason]
        kept = rows[np.array([not reason for reason in reasons], dtype=bool)].reset_index(drop=True)
        return TargetList(
            kept,
            size,
            tuple(sorted([*read.dropped, *wrong])),
            all_places=kept.loc[:0, ["ra", "dec"]].iloc[:0],  # each is there for a moment alone
            moving=moving,
            tracks=placed.rename(columns={"discovered": "mjd"})[[*TRACKS]].reset_index(drop=True),
        )

    def _typed(
        self, path: Path, table: pd.DataFrame, roles: Mapping[str, str], said: Mapping[str, str]
    ) -> tuple[pd.DataFrame, list[str]]:
        """Columns of one type each, and for each row why it cannot be used (the first reason), or nothing."""
        where = SkyTable(str(path), "moving objects")
        names = texts_of(table, roles, "name")
        ra, no_ra = coordinates_of(where, table[roles["ra"]], said.get(roles["ra"], ""), "ra")
        dec, no_dec = coordinates_of(where, table[roles["dec"]], said.get(roles["dec"], ""), "dec")
        times, no_time = dates_of(table[roles["time"]], "time")
        own = [f"{name} {mjd:.5f}" for name, mjd in zip(names, times, strict=True)]
        rate, no_rate = self._rates(path, table, roles, said)
        rows = pd.DataFrame({"name": own, "object": names.astype(object), "ra": ra, "dec": dec, "discovered": times})
        rows = rows.assign(year=years_of(times), type="moving", host="", redshift=np.nan, rate=rate)
        rows["mag"] = numbers_of(table, roles, "mag")
        reasons = [
            "no name" if not name else first or second or third or fourth
            for name, first, second, third, fourth in zip(names, no_time, no_ra, no_dec, no_rate, strict=True)
        ]
        usable = rows[np.array([not reason for reason in reasons], dtype=bool)]
        for row in usable.index[usable["name"].duplicated()]:
            reasons[row] = "an object and time that stand in an earlier row"
        return rows, reasons

    def _rates(
        self, path: Path, table: pd.DataFrame, roles: Mapping[str, str], said: Mapping[str, str]
    ) -> tuple[Floats, list[str]]:
        """Arcsec a day, NaN where nobody says it; for each row a reason where what it says is no rate."""
        parts: tuple[str, ...] = ("rate",) if "rate" in roles else ("ra_rate", "dec_rate")
        if not all(part in roles for part in parts):
            return np.full(len(table), np.nan), [""] * len(table)
        rate, wrong = np.zeros(len(table)), np.zeros(len(table), dtype=bool)
        for part in parts:
            column = roles[part]
            factor = _per_day(said.get(column) or self.rate_unit, f"{path}, column {column}")
            numbers = numbers_of(table, roles, part)
            texts = texts_of(table, roles, part).str.casefold()
            written = ~texts.isin(["", "nan", "none", "null", "--", "n/a", "<na>"]).to_numpy(dtype=bool)
            wrong |= written & ~np.isfinite(_numbers(texts))
            wrong |= (numbers < 0) if part == "rate" else False
            rate = np.hypot(rate, numbers * factor)
        return np.where(wrong, np.nan, rate), ["the rate is no number of at least 0" if one else "" for one in wrong]

    def _targets(self, some: pd.DataFrame, reasons: list[str]) -> dict[str, Target]:
        """Of the rows of one object; a row whose rate nobody knows gets its reason."""
        track = Track.of(some["discovered"].to_numpy(float), some[["ra", "dec"]].to_numpy(float))
        known = some["rate"].to_numpy(dtype=float)
        rates = np.where(np.isnan(known), track.rates()[np.argsort(track.order)], known)
        out: dict[str, Target] = {}
        for row, rate in zip(some.to_dict("index").items(), rates.tolist(), strict=True):
            index, said = row
            if np.isnan(rate) and self.tolerance is None:
                reasons[int(str(index))] = f"no rate, no other place within {NEIGHBOURS:g} day, and no tolerance"
                continue
            out[str(said["name"])] = self._target(said, rate, track)
        return out

    def _target(self, said: Mapping[Any, Any], rate: float, track: Track) -> MovingTarget:
        days = self.tolerated / rate if rate > 0 else np.inf
        away = self.clear / rate if rate > 0 else np.inf
        mjd, place = float(said["discovered"]), (float(said["ra"]), float(said["dec"]))
        around = min(away, TURNING)
        return MovingTarget(
            str(said["name"]),
            *place,
            mjd,
            type="moving",
            mag=float(said["mag"]) if np.isfinite(said["mag"]) else None,
            object=str(said["object"]),
            tolerance=min(days, SAME_NIGHT, self.tolerance or np.inf),
            trail=around,
            there=track.there(place, self.clear, (mjd - around, mjd + around)),
        )


def _numbers(texts: pd.Series[Any]) -> Floats:
    return np.asarray(pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float, na_value=np.nan))


def _per_day(unit: str, where: str) -> float:
    """Arcsec a day in one of a unit."""
    try:
        return float(units.Unit(unit).to(units.arcsec / units.day))
    except (ValueError, TypeError, units.UnitConversionError) as error:
        fix = "for instance acquisition.moving.rate_unit=arcsec/h"
        raise UserError("a unit of angle by time", f"{where}: {unit!r}", fix) from error
