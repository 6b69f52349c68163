"""What a broker or a service calls the columns of a light curve: each in a YAML file beside this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from astrid_ml.preprocessing.surveys.describe import content, made
from astrid_ml.types import Filled

FileForm = Literal["table", "json", "text"]
NEEDED = (("time",), ("filter",), ("mag", "flux"), ("mag_err", "flux_err"))


@dataclass(frozen=True)
class TableLayout:
    """A layout of tables with a row an epoch.

    Args:
        name: as messages call such tables.
        source: where it is described.
        survey: whose filters and filter numbers they have.
        files: CSV and parquet (``table``), JSON, or text with blanks between the columns.
        known_by: columns that tell it.
        columns: role -> names, best first: object, time, filter, mag, mag_err or flux, flux_err, sign (1 or t, -1, 0 or
            f), limit (5 sigma), zero_point, ra, dec (degrees). Without an object's column a file is one object.
        time: of the time.
        flux_kind: ``difference``, ``total``; null where the table does not say.
        lists: of JSON documents, keys of the lists of rows.
        limits: keys of the lists of upper limits.
        bands: names of filters that the survey does not have -> its own.
        zero_point: AB, of the fluxes.
        detections: whether a row with a magnitude or flux is a detection; else none has the flag, and rows are counted.
        left_out: column -> words of rows that are no good.
        left_out_from: column -> numbers from which on a row is no good.
    """

    name: str
    source: Annotated[tuple[str, ...], Filled()]
    survey: str
    files: Annotated[tuple[FileForm, ...], Filled()]
    known_by: Annotated[tuple[str, ...], Filled()]
    columns: Mapping[str, tuple[str, ...]]
    time: Literal["jd", "mjd"]
    flux_kind: Literal["difference", "total"] | None = None
    lists: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    bands: Mapping[str, str] = field(default_factory=dict)
    zero_point: float | None = None
    detections: bool = True
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out_from: Mapping[str, float] = field(default_factory=dict)

    def roles(self, names: Collection[str]) -> dict[str, str]:
        """Role -> column, of the columns that are there.

        Raises:
            ValueError: one that a light curve needs is not; says which.
        """
        found = {
            role: next(name for name in spelt if name in names)
            for role, spelt in self.columns.items()
            if any(name in names for name in spelt)
        }
        only_limits = "limit" in found and not {"mag", "mag_err"} & set(found)
        needed = NEEDED[:2] if only_limits else NEEDED
        absent = [role for roles in needed for role in roles if role in self.columns and role not in found]
        if "mag" in found and "sign" in self.columns and "sign" not in found:
            absent.append("sign")
        if "flux" in found and "zero_point" in self.columns and "zero_point" not in found:
            absent.append("zero_point")
        if absent:
            words = "; none ".join(", ".join(self.columns[role]) for role in absent)
            raise ValueError(f"{self.name} without the column {words}")
        return found


@cache
def layouts() -> tuple[TableLayout, ...]:
    """All of them, by the names of their files."""
    return tuple(made(TableLayout, content(path), path.name) for path in sorted(Path(__file__).parent.glob("*.yaml")))
