"""ZTF at IRSA: science and reference images, by IRSA's service of image metadata (IBE)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.rows import finite, names_among, readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.types import Positive

JD_ZERO = 2_400_000.5  # of MJD
MISSION = "ztf"
BANDS = {"g": "zg", "r": "zr", "i": "zi"}  # filter -> IRSA's code
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sci": ("ra", "dec", "field", "ccdid", "qid", "filtercode", "filefracday", "imgtypecode", "obsjd", "exptime"),
    "ref": ("ra", "dec", "field", "ccdid", "qid", "filtercode", "startobsdate", "endobsdate"),
}


@dataclass(frozen=True)
class IrsaZtfArchive:
    """ZTF's images (https://irsa.ipac.caltech.edu/docs/program_interface/ztf_api.html).

    A table of CSV by one request: pyvo would ask the same service with more requests and one more library.

    Args:
        client: how it is asked.
        server: its address.
        kind: sci, single epochs; or ref, sums of many.
        arcsec: side of the cut-out around the target; None fetches the whole quadrant.
        name: as observations call it.
    """

    client: ArchiveClient
    server: str = "https://irsa.ipac.caltech.edu"
    kind: str = "sci"
    arcsec: Positive | None = 600.0
    name: str = "irsa"

    def __post_init__(self) -> None:
        if self.kind not in COLUMNS:
            raise UserError("kind sci or ref", repr(self.kind), "sci has single epochs")

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """Quadrants that hold a target; filters and times are asked for in the query itself.

        Args:
            target: its position.
            asked: filters g, r, i; times.

        Raises:
            ArchiveError: IRSA does not answer, or with no table.
        """
        codes = [BANDS[name] for name in names_among(asked.filters, BANDS)]
        if (asked.missions and MISSION not in asked.missions) or (asked.filters and not codes):
            return []
        parameters: dict[str, str | float] = {"POS": f"{target.ra},{target.dec}", "ct": "csv"}
        where = []
        if codes:
            listed = ",".join(f"'{code}'" for code in codes)
            where.append(f"filtercode IN ({listed})")
        if self.kind == "sci":
            where += [f"obsjd>={asked.first + JD_ZERO}"] if asked.first is not None else []
            where += [f"obsjd<={asked.last + JD_ZERO}"] if asked.last is not None else []
        if where:
            parameters["WHERE"] = " AND ".join(where)
        text = self.client.get(f"{self.server}/ibe/search/ztf/products/{self.kind}", parameters).text
        try:
            table = pd.read_csv(io.StringIO(text))
        except ValueError as error:
            raise _no_table(text, self.kind) from error
        if not set(COLUMNS[self.kind]) <= set(table.columns):
            raise _no_table(text, self.kind)
        found = readable_rows(self.name, table.to_dict("records"), lambda row: self._observation(row, target))
        return [one for one in found if asked.wants(one)]

    def products(self, observation: Observation) -> list[Product]:
        """The image, or the part of it around the target.

        Args:
            observation: of :meth:`search`.
        """
        return [Product(observation.id, f"{observation.id}.fits", observation.url)]

    def _observation(self, row: Mapping[Any, Any], target: Target) -> Observation:
        field, chip, quadrant, code = int(row["field"]), int(row["ccdid"]), int(row["qid"]), str(row["filtercode"])
        tail = f"{field:06d}_{code}_c{chip:02d}"
        root = f"{self.server}/ibe/data/ztf/products/{self.kind}"
        if self.kind == "sci":
            day = f"{int(row['filefracday']):014d}"
            name = f"ztf_{day}_{tail}_{row['imgtypecode']}_q{quadrant}_sciimg"
            url = f"{root}/{day[:4]}/{day[4:8]}/{day[8:]}/{name}.fits"
            start = end = float(row["obsjd"]) - JD_ZERO
        else:
            name = f"ztf_{tail}_q{quadrant}_refimg"
            url = f"{root}/{field:06d}"[:-3] + f"/field{field:06d}/{code}/ccd{chip:02d}/q{quadrant}/{name}.fits"
            start, end = (_mjd(row[column]) for column in ("startobsdate", "endobsdate"))
        if self.arcsec is not None:
            url += f"?center={target.ra},{target.dec}&size={self.arcsec}arcsec&gzip=false"
        corners = [finite(row.get(f"{axis}{corner}")) for corner in (1, 2, 3, 4) for axis in ("ra", "dec")]
        exposure, depth = (finite(row.get(name_)) for name_ in ("exptime", "maglimit"))
        return Observation(
            archive=self.name,
            mission=MISSION,
            filter=code.removeprefix("z"),
            id=name,
            ra=float(row["ra"]),
            dec=float(row["dec"]),
            start=start,
            end=end,
            exposure=exposure if exposure is not None and exposure > 0 else None,
            depth=depth,
            footprint="" if None in corners else "POLYGON ICRS " + " ".join(map(str, corners)),
            instrument="ZTF",
            url=url,
        )


def _mjd(text: Any) -> float:
    return float((pd.Timestamp(text).tz_localize(None) - pd.Timestamp("1858-11-17")) / pd.Timedelta(days=1))


def _no_table(text: str, kind: str) -> ArchiveError:
    return ArchiveError(f"a table with {', '.join(COLUMNS[kind])}", repr(text[:60]), "try again later")
