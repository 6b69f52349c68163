"""Cut-outs of Pan-STARRS1: single epochs (warps) and their sum (stacks), by the image server of MAST."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.rows import names_among, readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.types import Count

PIXEL = 0.25  # arcsec
LARGEST = 6000  # pixels of a side that the server cuts out
COLUMNS = ("ra", "dec", "filter", "mjd", "type", "filename", "shortname")
MISSION, FILTERS = "ps1", "grizy"
SURVEY = (54984.0, 56748.0)  # 2009-06-02 to 2014-03-31: a stack sums nights of all of it, and says none of its own


@dataclass(frozen=True)
class PanstarrsArchive:
    """The image server of Pan-STARRS1 (https://outerspace.stsci.edu/display/PANSTARRS/PS1+Image+Cutout+Service).

    A whole skycell is 6,240 pixels wide; only the surroundings of the target are asked for.

    Args:
        client: how it is asked.
        server: its address.
        kind: warp, single epochs with their dates; or stack, whose epochs are spread over the survey.
        pixels: side of a cut-out.
        name: as observations call it.
    """

    client: ArchiveClient
    server: str = "https://ps1images.stsci.edu"
    kind: str = "warp"
    pixels: Count = 1200
    name: str = "panstarrs"

    def __post_init__(self) -> None:
        if self.kind not in ("warp", "stack"):
            raise UserError("kind warp or stack", repr(self.kind), "warps are single epochs")
        if not 64 <= self.pixels <= LARGEST:
            raise UserError(f"cut-outs of 64 to {LARGEST} pixels", str(self.pixels), "1200 are 5 arcmin")

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """Epochs at a target.

        Args:
            target: centre of the cut-outs.
            asked: filters are asked for in the query; times are compared here.

        Raises:
            ArchiveError: the server does not answer, or with no table.
        """
        filters = "".join(names_among(asked.filters, FILTERS) if asked.filters else FILTERS)
        if (asked.missions and MISSION not in asked.missions) or not filters:
            return []
        parameters: dict[str, str | float] = {"ra": target.ra, "dec": target.dec, "filters": filters, "type": self.kind}
        text = self.client.get(f"{self.server}/cgi-bin/ps1filenames.py", parameters).text
        try:
            table = pd.read_csv(io.StringIO(text), sep=r"\s+")
        except ValueError as error:
            raise _no_table(text) from error
        if not set(COLUMNS) <= set(table.columns):
            raise _no_table(text)
        found = readable_rows(self.name, table.to_dict("records"), lambda row: self._observation(row, target))
        return [one for one in found if asked.wants(one)]

    def _observation(self, row: Mapping[Any, Any], target: Target) -> Observation:
        cut = f"red={quote(str(row['filename']))}&format=fits&ra={target.ra}&dec={target.dec}&size={self.pixels}"
        epoch = float(row["mjd"])
        start, end = SURVEY if self.kind == "stack" else (epoch, epoch) if epoch > 0 else (None, None)
        return Observation(
            archive=self.name,
            mission=MISSION,
            filter=str(row["filter"]),
            id=str(row["shortname"]),
            ra=target.ra,
            dec=target.dec,
            start=start,
            end=end,
            footprint=f"CIRCLE ICRS {target.ra} {target.dec} {self.pixels * PIXEL / 7200}",
            instrument="GPC1",
            url=f"{self.server}/cgi-bin/fitscut.cgi?{cut}",
        )

    def products(self, observation: Observation) -> list[Product]:
        """The cut-out; its size is known when it comes.

        Args:
            observation: of :meth:`search`.
        """
        name = observation.id if observation.id.endswith((".fits", ".fits.gz")) else f"{observation.id}.fits"
        return [Product(observation.id, name, observation.url)]


def _no_table(text: str) -> ArchiveError:
    wanted: Sequence[str] = COLUMNS
    return ArchiveError(f"a table with {', '.join(wanted)}", repr(text[:60]), "try again later")
