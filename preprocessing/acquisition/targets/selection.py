"""Which targets of a catalogue are looked for, by rules that configuration states; what is left out is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.targets.catalogue import TargetList
from astrid_ml.sky import SkyStrips
from astrid_ml.types import Count, Range

Latitude = Annotated[float, Range(0.0, 90.0)]
Magnitude = Annotated[float, Range(-40.0, 60.0)]
SAME_PLACE = 2.0  # arcsec
SAME_TIME = 30.0  # days
Year = Annotated[int, Range(0, 9999)]


@dataclass(frozen=True)
class SelectTargets:
    """Which rows of a catalogue are looked for; None chooses nothing by that property.

    Args:
        years: first and last year of discovery, inclusive.
        types: beginnings of types, without regard to case or an ``SN`` before them: ``Ia`` chooses ``Ia``, ``Ia:``,
            ``SN Ia`` and ``IaPec``, ``exactly:Ia`` the first and the third alone.
        hemisphere: north or south, by declination.
        names: of objects, with or without ``SN`` or ``AT`` before them.
        brighter_than: faintest magnitude; a row without a magnitude is left out.
        galactic_latitude: least distance from the Galactic plane, degrees.
        first: at most so many, in the catalogue's order.

    Example:
        >>> SelectTargets(years=(2005, 2011), types=("Ia",), hemisphere="north").years
        (2005, 2011)
    """

    years: tuple[Year, Year] | None = None
    types: tuple[str, ...] | None = None
    hemisphere: str | None = None
    names: tuple[str, ...] | None = None
    brighter_than: Magnitude | None = None
    galactic_latitude: Latitude | None = None
    first: Count | None = None

    def __post_init__(self) -> None:
        if self.hemisphere not in (None, "north", "south"):
            raise UserError(
                "hemisphere north or south", repr(self.hemisphere), "for instance acquisition.select.hemisphere=north"
            )
        if self.years is not None and (len(self.years) != 2 or self.years[0] > self.years[1]):
            raise UserError(
                "a first and a last year", repr(tuple(self.years)), "for instance acquisition.select.years=[2005,2011]"
            )
        if self.galactic_latitude is not None and not 0 <= self.galactic_latitude < 90:
            got = f"galactic_latitude={self.galactic_latitude}"
            raise UserError("a distance from the Galactic plane of 0 to 90 degrees", got, "for instance 15")
        if self.first is not None and self.first < 1:
            raise UserError("first above 0", str(self.first), "for instance acquisition.select.first=20")

    def __call__(self, targets: TargetList) -> TargetList:
        """Choose; each row that is left out is counted under the first rule that it fails.

        Args:
            targets: of a catalogue.

        Raises:
            UserError: nothing is left, or a name that the catalogue does not have.
        """
        rows, left_out = targets.rows, dict(targets.left_out)
        for reason, keep in self._rules(rows):
            kept = keep.reindex(rows.index)
            if not kept.all():
                left_out[reason] = left_out.get(reason, 0) + int((~kept).sum())
            rows = rows[kept]
        if self.first is not None and len(rows) > self.first:
            left_out["beyond the first"] = len(rows) - self.first
            rows = rows.iloc[: self.first]
        if not len(rows):
            got = f"none of {len(targets)} usable rows: " + ", ".join(f"{n} {why}" for why, n in left_out.items())
            raise UserError("targets that the selection leaves", got, "widen the selection")
        return TargetList(rows.reset_index(drop=True), targets.read, targets.dropped, left_out, targets.everything)

    def _rules(self, rows: pd.DataFrame) -> Iterable[tuple[str, pd.Series[bool]]]:
        if self.names is not None:
            wanted = {_bare(name): name for name in self.names}
            names = rows["name"].map(_bare)
            absent = [name for bare, name in wanted.items() if bare not in set(names)]
            if absent:
                raise UserError(
                    "names of the catalogue", f"no usable row of {', '.join(absent[:5])}", "check the names"
                )
            yield "another name", names.isin(list(wanted))
        if self.years is not None:
            yield "another year", rows["year"].between(*self.years)
        if self.types is not None:
            plain = rows["type"].map(_kind)
            keep = pd.Series(False, index=rows.index)
            for kind in self.types:
                exact = kind.startswith("exactly:")
                word = _kind(kind.removeprefix("exactly:"))
                keep |= (plain == word) if exact else plain.str.startswith(word)
            yield "another type", keep.astype(bool)
        if self.hemisphere is not None:
            yield "the other hemisphere", (rows["dec"] >= 0) == (self.hemisphere == "north")
        if self.brighter_than is not None:
            yield "fainter, or no magnitude", rows["mag"] <= self.brighter_than
        if self.galactic_latitude is not None:
            latitude = pd.Series(galactic_latitude(rows["ra"], rows["dec"]), index=rows.index)
            yield "near the Galactic plane", latitude.abs() >= self.galactic_latitude


def one_each(targets: TargetList) -> TargetList:
    """Leave out rows of an object that an earlier row has under another name: its pixels would count twice.

    Rows are of one object within 2 arcsec whose discoveries are not more than 30 days apart, or unknown in either:
    supernovae of one galaxy whose catalogue gives them its centre are years apart.

    Args:
        targets: of a catalogue.

    Example:
        >>> rows = pd.DataFrame({"name": ["SN 2007a", "2007A", "2012x"], "discovered": [54100.0, 54101.0, 56000.0]})
        >>> one_each(TargetList(rows.assign(ra=10.0, dec=-5.0), 3)).rows["name"].tolist()
        ['SN 2007a', '2012x']
    """
    rows = targets.rows
    places, days = rows[["ra", "dec"]].to_numpy(dtype=float), rows["discovered"].to_numpy(dtype=float)
    first, second, _ = SkyStrips(places, SAME_PLACE).pairs(places)
    far = np.abs(days[first] - days[second]) > SAME_TIME  # a date that nobody knows is not far from any
    later = np.unique(np.maximum(first, second)[(first != second) & ~far])
    if not len(later):
        return targets
    left_out = {**targets.left_out, "an object of an earlier row under another name": len(later)}
    return replace(
        targets, rows=rows.drop(index=rows.index[later]).reset_index(drop=True), left_out=left_out,
        all_places=targets.everything,
    )  # fmt: skip


def _kind(text: str) -> str:
    """A type in small letters without the ``SN`` that TNS writes before it; ``SN`` alone says none.

    >>> _kind("SN Ia-91T-like"), _kind("Ia:"), _kind("SNIIn"), _kind("SLSN-I"), _kind("SN")
    ('ia-91t-like', 'ia:', 'iin', 'slsn-i', 'sn')
    """
    plain = text.strip().casefold()
    bare = plain.removeprefix("sn").strip()
    return bare or plain


def _bare(name: str) -> str:
    plain = name.strip().replace(" ", "")
    for lead in ("SN", "AT"):
        if plain.upper().startswith(lead) and plain[len(lead) : len(lead) + 1].isdigit():
            plain = plain[len(lead) :]
    # 2014J is not 2014j: letters after the year say which of the year it is
    return plain


def galactic_latitude(ra: Any, dec: Any) -> Any:
    """Galactic latitude of ICRS positions, degrees (n,).

    The pole is at ra 192.85948, dec 27.12825 degrees (Hipparcos catalogue, ESA SP-1200, vol. 1, sec. 1.5.3).

    >>> galactic_latitude([266.40510], [-28.936175]).round(3).tolist()
    [-0.0]
    """
    a, d = np.radians(np.asarray(ra, dtype=float)), np.radians(np.asarray(dec, dtype=float))
    pole_ra, pole_dec = np.radians(192.85948), np.radians(27.12825)
    sine = np.sin(d) * np.sin(pole_dec) + np.cos(d) * np.cos(pole_dec) * np.cos(a - pole_ra)
    return np.degrees(np.arcsin(np.clip(sine, -1, 1)))
