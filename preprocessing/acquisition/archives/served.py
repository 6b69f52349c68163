"""An archive of few questions: of a group's own images, or a simulated one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from astrid_ml.missions import canonical
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.rows import readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target

FIELDS = {one.name for one in fields(Observation)} - {"archive"}


@dataclass(frozen=True)
class ServedArchive:
    """An archive that answers ``/observations`` and ``/products`` with JSON.

    ``/observations?ra=&dec=&radius=`` (degrees), with ``mission=`` and ``filter=`` (names with commas between them)
    and ``first=``, ``last=`` (MJD) where they are asked for, gives ``{"observations": [...]}``, each with the fields of
    :class:`Observation` but for ``archive``, ``url`` and ``key``; others are passed over. ``/products?id=`` gives
    ``{"products": [...]}`` with name, path below the server, bytes, checksum and mirrors, the best first.

    Args:
        client: how it is asked.
        server: its address.
        name: as observations call it.

    Example:
        >>> ServedArchive(ArchiveClient(hosts={"archive.example.org": 2.0}), "https://archive.example.org").name
        'served'
    """

    client: ArchiveClient
    server: str
    name: str = "served"

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """Observations around a target.

        Args:
            target: the centre.
            asked: radius, missions, filters and times, all of them asked for in the query.

        Raises:
            ArchiveError: no answer, or one that is no table of observations.
        """
        query: dict[str, str | float | int] = {"ra": target.ra, "dec": target.dec, "radius": asked.radius}
        if asked.missions:
            query["mission"] = ",".join(asked.missions)
        if asked.filters:
            query["filter"] = ",".join(asked.filters)
        query |= {name: day for name in ("first", "last") if (day := getattr(asked, name)) is not None}
        rows = self._asked("observations", query)
        known = readable_rows(self.name, rows, self._observation)
        return [one for one in known if asked.wants(one)]

    def products(self, observation: Observation) -> list[Product]:
        """Files of an observation.

        Args:
            observation: of :meth:`search`.

        Raises:
            ArchiveError: no answer, or one that names no file.
        """
        rows = self._asked("products", {"id": observation.id})
        try:
            return [
                Product(
                    observation.id,
                    str(row["name"]),
                    f"{self.server}{row['path']}",
                    None if row.get("bytes") is None else int(row["bytes"]),
                    str(row.get("checksum") or ""),
                    mirrors=tuple(row.get("mirrors") or ()),
                )
                for row in rows
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveError("files with name and path", repr(error), "look at its answer") from error

    def _observation(self, row: Mapping[str, Any]) -> Observation:
        # null says nothing, and further fields are the archive's own
        said = {name: value for name, value in row.items() if value is not None and name in FIELDS}
        one = Observation(archive=self.name, **said)
        return replace(one, mission=canonical(one.mission))

    def _asked(self, what: str, query: Mapping[str, str | float | int]) -> list[dict[str, Any]]:
        response = self.client.get(f"{self.server}/{what}", query)
        try:
            rows = response.json()[what]
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(f"JSON with {what}", repr(response.text[:60]), "look at its answer") from error
        if not isinstance(rows, list):
            raise ArchiveError(f"a list of {what}", repr(rows)[:60], "look at its answer")
        return rows
