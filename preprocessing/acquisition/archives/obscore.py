"""Archives of the Virtual Observatory: their images by SIA 2, or by TAP from the table ``ivoa.obscore``."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.missions import canonical
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.rows import finite, readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.reasons import shortened
from astrid_ml.types import Range

MOST = 20_000  # rows of an answer
BANDS = ("energy_bandpassname", "filter", "filter_name", "bandpass_name")  # what archives add to ObsCore


@dataclass(frozen=True)
class ObscoreArchive:
    """Images of an archive that speaks SIA 2 (https://www.ivoa.net/documents/SIA/) or TAP with ObsCore.

    pyvo reads what the archive says (its errors, tables cut short); our client asks, since pyvo's own requests read an
    answer however long it is.

    Args:
        client: how it is asked.
        server: address of SIA 2's query (``https://irsa.ipac.caltech.edu/SIA``), or of TAP, without ``/sync``.
        collections: as the archive calls them -> their mission.
        protocol: sia2 or tap.
        calibration: least level: 2 is calibrated, 3 combined.
        name: as observations call it.

    Example:
        >>> ObscoreArchive(ArchiveClient(), "https://irsa.ipac.caltech.edu/SIA", {"wise_allwise": "wise"}).protocol
        'sia2'
    """

    client: ArchiveClient
    server: str
    collections: Mapping[str, str]
    protocol: str = "sia2"
    calibration: Annotated[int, Range(0, 4)] = 2
    name: str = "obscore"

    def __post_init__(self) -> None:
        if self.protocol not in ("sia2", "tap"):
            raise UserError("protocol sia2 or tap", repr(self.protocol), "look at what the archive says of itself")

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """Images around a target; collections and times are asked for in the query, filters compared here.

        Args:
            target: the centre.
            asked: radius, missions, filters, times.

        Raises:
            ArchiveError: no answer, an error, or a table that was cut short.
        """
        wanted = {
            name: canonical(mission)
            for name, mission in self.collections.items()
            if not asked.missions or canonical(mission) in asked.missions
        }
        ask = self._by_sia if self.protocol == "sia2" else self._by_tap
        rows = [(row, mission) for name, mission in wanted.items() for row in ask(name, target, asked)]
        found = readable_rows(self.name, rows, self._observation)
        return list({one.id: one for one in found if asked.wants(one)}.values())

    def products(self, observation: Observation) -> list[Product]:
        """The image; where the archive gives a list of links (DataLink), what it calls the data set itself.

        Args:
            observation: of :meth:`search`.

        Raises:
            ArchiveError: no answer to the question for links.
        """
        if observation.key != "datalink":
            mirrors = (observation.key,) if observation.key else ()
            return [Product(observation.id, _file_of(observation.url), observation.url, mirrors=mirrors)]
        links = [row for row in self._table(observation.url, {}) if _text(row, "semantics") == "#this"]

        def product(row: Mapping[str, Any]) -> Product | None:
            url, size = _text(row, "access_url"), finite(row.get("content_length"))
            fits = "fits" in _text(row, "content_type").lower() and url
            return Product(observation.id, _file_of(url), url, int(size) if size else None) if fits else None

        return readable_rows(self.name, links, product)

    def _by_sia(self, collection: str, target: Target, asked: Search) -> list[dict[str, Any]]:
        query: dict[str, str | float | int] = {
            "POS": f"CIRCLE {target.ra} {target.dec} {asked.radius}",
            "COLLECTION": collection,
            "DPTYPE": "image",
            "MAXREC": MOST,
        }
        if asked.first is not None or asked.last is not None:
            first, last = ("-Inf" if asked.first is None else asked.first, "+Inf" if asked.last is None else asked.last)
            query["TIME"] = f"{first} {last}"
        return self._table(self.server, query)

    def _by_tap(self, collection: str, target: Target, asked: Search) -> list[dict[str, Any]]:
        named = collection.replace("'", "''")
        where = [
            "dataproduct_type='image'",
            f"obs_collection='{named}'",
            f"1=INTERSECTS(s_region, CIRCLE('ICRS', {target.ra}, {target.dec}, {asked.radius}))",
        ]
        where += [f"t_max>={asked.first}"] if asked.first is not None else []
        where += [f"t_min<={asked.last}"] if asked.last is not None else []
        adql = f"SELECT TOP {MOST} * FROM ivoa.obscore WHERE {' AND '.join(where)}"
        query: dict[str, str | float | int] = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": adql, "MAXREC": MOST}
        return self._table(f"{self.server.rstrip('/')}/sync", query)

    def _table(self, url: str, query: Mapping[str, str | float | int]) -> list[dict[str, Any]]:
        """Rows of a VOTable."""
        from astropy.io.votable import parse
        from pyvo.dal import DALResults
        from pyvo.dal.exceptions import DALAccessError, DALOverflowWarning

        content = self.client.get(url, query or None).content
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", DALOverflowWarning)
                table = DALResults(parse(io.BytesIO(content), verify="ignore"), url=url).to_table()
        except DALOverflowWarning as error:
            got = f"one that was cut short after {MOST} rows or fewer"
            raise ArchiveError(f"a whole table of {self.name}", got, "ask for a smaller radius") from error
        except (DALAccessError, ValueError, TypeError, KeyError, AttributeError, IndexError, OSError) as error:
            got = shortened(f"{type(error).__name__}: {error}", 160)
            raise ArchiveError(f"a table of {self.name} (VOTable)", got, "try again later") from error
        return [{str(name).lower(): row[name] for name in table.colnames} for row in table]

    def _observation(self, item: tuple[Mapping[str, Any], str]) -> Observation | None:
        row, mission = item
        url, kind = _text(row, "access_url"), _text(row, "access_format").lower()
        level, part = finite(row.get("calib_level")), _text(row, "dataproduct_subtype")
        linked = "datalink" in kind
        if not url or not (linked or "fits" in kind) or part not in ("", "science"):
            return None
        if level is not None and level < self.calibration:
            return None
        size, exposure = finite(row.get("access_estsize")), finite(row.get("t_exptime"))
        ra, dec = finite(row["s_ra"]), finite(row["s_dec"])
        if ra is None or dec is None:
            raise ValueError("no place")
        name = _text(row, "obs_publisher_did") or f"{_text(row, 'obs_id')}/{_file_of(url)}"
        return Observation(
            archive=self.name,
            mission=mission,
            filter=_band(row),
            id=name,
            ra=ra,
            dec=dec,
            start=finite(row.get("t_min")),
            end=finite(row.get("t_max")),
            exposure=exposure if exposure is not None and exposure > 0 else None,
            footprint=_text(row, "s_region"),
            instrument=_text(row, "instrument_name"),
            bytes=int(size * 1000) if size else None,  # an estimate, in kB
            url=url,
            key="datalink" if linked else _bucket(row),
        )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or np.ma.is_masked(value) else str(value).strip()


def _bucket(row: Mapping[str, Any]) -> str:
    """``s3://bucket/key`` where the archive names a copy in a cloud, as IRSA does; empty else."""
    try:
        said = json.loads(_text(row, "cloud_access") or "{}")["aws"]
        return f"s3://{said['bucket_name']}/{said['key']}"
    except (ValueError, KeyError, TypeError):
        return ""


def _band(row: Mapping[str, Any]) -> str:
    """The name of the filter; where the archive names none its wavelengths (m), which those of one filter share."""
    named = next((text for name in BANDS if (text := _text(row, name))), "")
    edges = [finite(row.get(name)) for name in ("em_min", "em_max")]
    if not named and None in edges:
        raise ValueError("neither a filter nor wavelengths")
    return named or "-".join(f"{edge:.4g}" for edge in edges)


def _file_of(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2] or "image.fits"
