"""An archive of one's own, and a campaign that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.data_set import Acquisition, OpenedArchives
from astrid_ml.preprocessing.acquisition.stages.campaign import Campaign
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target, TargetList
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline


class OwnArchive:
    """An archive of one's own: two epochs of every place, of which it does not tell at once."""

    name = "own"

    def __init__(self, server: str = "", silent: int = 0) -> None:
        self.server, self.silent = server, silent

    def search(self, target: Target, asked: Search) -> Sequence[Observation]:
        if self.silent:
            self.silent -= 1
            raise ArchiveError("an answer", "silence", "ask again")
        day = target.discovered or 56000.0
        edge = f"CIRCLE ICRS {target.ra} {target.dec} 0.1"
        days = {"early": day - 300, "seen": day + 10}
        return [
            Observation("own", "ztf", "g", f"{target.name}-{name}", target.ra, target.dec, t, t, 30.0, footprint=edge)
            for name, t in days.items()
        ]

    def products(self, observation: Observation) -> Sequence[Product]:
        return [Product(observation.id, f"{observation.id}.fits", f"{self.server}/{observation.id}.fits")]


def targets(places: Sequence[tuple[float, float]] = ((10.0, 0.0), (50.0, 20.0))) -> TargetList:
    names = [f"SN{number}" for number in range(len(places))]
    rows = pd.DataFrame(places, columns=["ra", "dec"]).assign(name=names, discovered=56000.0, year=2012, type="Ia")
    return TargetList(rows.assign(host="", mag=float("nan"), redshift=float("nan")), len(rows))


def campaign(
    folder: Path, archive: OwnArchive, some: TargetList | None = None, client: ArchiveClient | None = None, **given: int
) -> Campaign:
    data_set = Acquisition({"own": lambda _: archive}, keep_free=0, **given)  # type: ignore[arg-type]
    asked = OpenedArchives(data_set, client or ArchiveClient(), {"own": archive})
    return Campaign(asked, folder, some or targets(), DifferencingPipeline())
