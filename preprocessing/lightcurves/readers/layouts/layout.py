"""What a broker, a service or a user calls the columns of a light curve: each known layout in a YAML file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from astrid_ml.preprocessing.lightcurves.readers.layouts.names import folded
from astrid_ml.preprocessing.surveys.describe import content, made
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Filled, NonNegative, Positive, Whole

FileForm = Literal["table", "json", "text", "avro"]
TimeForm = Literal["jd", "mjd", "days", "unix", "any"]
TimeScale = Literal["utc", "tai", "tt", "tdb", "tcb"]
TimePlace = Literal["earth", "sun", "barycentre"]

# What a column may hold; the last are static columns of the object.
ROLES = (
    "object", "time", "filter", "flux", "flux_err", "mag", "mag_err", "sign", "limit", "is_limit", "mag_mark",
    "detected", "forced", "zero_point", "system", "join", "ra", "dec", "label", "REDSHIFT_HELIO", "REDSHIFT_HELIO_ERR",
    "HOSTGAL_SPECZ", "HOSTGAL_PHOTOZ", "HOSTGAL_PHOTOZ_ERR", "MWEBV",
)  # fmt: skip


@dataclass(frozen=True)
class TableLayout:
    """A layout of tables with a row an epoch, also where they lie in the cells of a table with a row an object.

    Names of columns are compared whole, whatever their capitals.

    Args:
        name: as messages call such tables.
        source: where it is described.
        survey: whose filters and filter numbers they have; null: any survey's, by their full names.
        called: the survey in what is written, where it is not that one's name.
        files: CSV, FITS, VOTable and parquet (``table``), JSON, Avro, or text with blanks between the columns.
        known_by: columns that tell it, all of them.
        file_name: pattern of the end of a path (regular expression) that tells it where no line names columns; its
            groups (``object``, ``band``) are said once for all rows.
        names: of the columns of texts where no line names them.
        said: key of the file's header -> a part of its value; all of them tell it too.
        columns: role -> names, best first: object, time, filter, mag, mag_err or flux, flux_err, sign (1 or t, -1, 0 or
            f), limit, is_limit, detected, forced, zero_point, system (of magnitudes), ra, dec (degrees), label, join,
            and names of static columns. Without an object's column a file is one object.
        time: of the time: a Julian date, MJD, days since ``time_zero``, seconds (or milliseconds) since 1970, or any
            that tells itself (MJD, JD, a date).
        time_zero: Julian date of day 0 of ``days``.
        zero_keys: of the header, whose sum is that date.
        time_scale: of the time.
        time_of: the place where the light arrives then.
        flux_kind: ``difference``, ``total``; null where the table does not say.
        lists: of JSON documents, keys of the lists of rows.
        limits: keys of the lists of upper limits.
        band: of all rows, where no column tells it.
        bands: names of filters -> those of the survey.
        wavelengths: micrometres of filters that no survey of ours has.
        zero_point: AB, of the fluxes.
        zero_points: the same, of filters that differ.
        limit_sigma: of the limits.
        system: of the magnitudes; null where nobody says: they are taken as AB, and counted.
        vega_to_ab: filter -> what is added to a magnitude of Vega's system.
        detections: whether a row with a magnitude or flux is a detection; else none has the flag, and rows are counted.
        repeated: rows come again in other files and lists, as an alert's history does: each counts once.
        left_out: column -> words of rows that are no good.
        left_out_from: column -> numbers from which on a row is no good.
        left_out_bits: column -> bits of rows that are no good, any of them.
        left_out_with: columns with a value in rows that are no good alone.
        kept: column -> words of the only good rows.
        flux_units: parts of the units of which the file must tell one; where it tells none, fluxes about 1 are refused:
            they were divided by their middle.
    """

    name: str
    files: Annotated[tuple[FileForm, ...], Filled()]
    columns: Mapping[str, tuple[str, ...]]
    source: tuple[str, ...] = ()
    survey: str | None = None
    called: str | None = None
    known_by: tuple[str, ...] = ()
    file_name: str = ""
    names: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict)
    time: TimeForm = "any"
    time_zero: float | None = None
    zero_keys: tuple[str, ...] = ()
    time_scale: TimeScale = "utc"
    time_of: TimePlace = "earth"
    flux_kind: Literal["difference", "total"] | None = None
    lists: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    band: str | None = None
    bands: Mapping[str, str] = field(default_factory=dict)
    wavelengths: Mapping[str, NonNegative] = field(default_factory=dict)
    zero_point: float | None = None
    zero_points: Mapping[str, float] = field(default_factory=dict)
    limit_sigma: Positive = 5.0
    system: Literal["AB", "Vega"] | None = "AB"
    vega_to_ab: Mapping[str, float] = field(default_factory=dict)
    detections: bool = True
    repeated: bool = False
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out_from: Mapping[str, float] = field(default_factory=dict)
    left_out_bits: Mapping[str, Whole] = field(default_factory=dict)
    left_out_with: tuple[str, ...] = ()
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    flux_units: tuple[str, ...] = ()

    @property
    def offsets(self) -> dict[str, float]:
        """Filter -> what is added to a magnitude of Vega's system, of its survey's own filters too."""
        bands = survey_named(self.survey).bands if self.survey is not None else {}
        own = {name: band.vega_to_ab for name, band in bands.items() if band.vega_to_ab is not None}
        return {**own, **self.vega_to_ab}

    def fits(self, names: Collection[str], header: Mapping[str, object]) -> bool:
        """Whether columns and a header are those of this layout.

        Args:
            names: of the columns, and of what is told once for all rows.
            header: what is told so.
        """
        there = {folded(name) for name in names}
        told = {folded(key): str(value).lower() for key, value in header.items()}
        said = all(part.lower() in told.get(folded(key), "") for key, part in self.said.items())
        return said and bool(self.known_by) and there.issuperset(folded(name) for name in self.known_by)

    def roles(self, names: Collection[str]) -> dict[str, str]:
        """Role -> column, of the columns that are there, as they are spelt there.

        Raises:
            ValueError: one that a light curve needs is not; says which.
        """
        there = {folded(name): name for name in reversed([str(name) for name in names])}
        found = {
            role: next(there[folded(name)] for name in spelt if folded(name) in there)
            for role, spelt in self.columns.items()
            if any(folded(name) in there for name in spelt)
        }
        absent = [role for role in self._needed(found) if role in self.columns and role not in found]
        if absent:
            words = "; none ".join(", ".join(self.columns[role]) for role in absent)
            raise ValueError(f"{self.name} without the column {words}")
        return found

    def _needed(self, found: Collection[str]) -> list[str]:
        needed = ["filter"] if self.band is None else []
        needed += ["time"] if "join" not in found else []
        if "limit" in found and not {"mag", "mag_err", "flux", "flux_err"} & set(found):
            return needed
        flux = "flux" in found or "mag" not in self.columns
        needed += ["flux", "flux_err"] if flux else ["mag", "mag_err"]
        return [*needed, *(["zero_point"] if flux and self.zero_point is None else []), *(["sign"] if not flux else [])]


@cache
def layouts() -> tuple[TableLayout, ...]:
    """All known ones, by the names of their files."""
    folder = Path(__file__).parent / "known"
    return tuple(made(TableLayout, content(path), path.name) for path in sorted(folder.glob("*.yaml")))
