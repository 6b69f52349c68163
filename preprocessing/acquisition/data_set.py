"""A named data set: its targets, archives, pairs and labels, as one configuration says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.files import whole_folder
from astrid_ml.missions import is_known
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.acquisition.archives.alerce import Broker
from astrid_ml.preprocessing.acquisition.archives.archive import Archive, Product, Search
from astrid_ml.preprocessing.acquisition.archives.served import ServedArchive
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.control.pair import ControlPair
from astrid_ml.preprocessing.acquisition.pairs.choose import ChoosePairs
from astrid_ml.preprocessing.acquisition.simulate.command import CATALOGUE, KNOWN, OBSERVATIONS, SimulateArchive
from astrid_ml.preprocessing.acquisition.simulate.server import ArchiveServer, refuse_unknown_faults
from astrid_ml.preprocessing.acquisition.targets.catalogue import TargetList, read_targets
from astrid_ml.preprocessing.acquisition.targets.fields import FIELDS, targets_of_fields
from astrid_ml.preprocessing.acquisition.targets.moving import MovingList
from astrid_ml.preprocessing.acquisition.targets.selection import SelectTargets, one_each
from astrid_ml.preprocessing.acquisition.triplets.label import LabelTriplets
from astrid_ml.types import Count, Existing, NonNegative, Seed, Whole

PLAYED = "played:"  # in records, for the address of a simulated archive

STILL = 9999
# First and last year of images; the last of those that still observe is open.
LIFETIMES: Mapping[str, tuple[int, int]] = {
    "swift": (2005, STILL),
    "galex": (2003, 2013),
    "ps1": (2009, 2014),
    "hst": (1990, STILL),
    "jwst": (2022, STILL),
    "tess": (2018, STILL),
    "ztf": (2018, STILL),
    "sdss": (1998, 2009),
    "dss": (1950, 2000),
    "2mass": (1997, 2001),
    "wise": (2010, 2011),
    "ptf": (2009, 2017),
}


@dataclass(frozen=True)
class PlayedArchive:
    """A simulated archive that a data set brings with it.

    Args:
        simulate: what it holds.
        seed: of it.
        faults: of the server: slow, truncated, 429, 500, wrong_length, wrong_checksum, dies, html; each file has one.
        delay: seconds before each answer.
    """

    simulate: SimulateArchive
    seed: Seed = 1
    faults: tuple[str, ...] | list[str] = ()
    delay: NonNegative = 0.0

    def __post_init__(self) -> None:
        refuse_unknown_faults(self.faults)

    def made(self, folder: Path) -> Path:
        """The archive's folder, simulated once.

        Args:
            folder: where it lies, or will.
        """
        if not (folder / OBSERVATIONS).is_file():
            with whole_folder(folder, OBSERVATIONS) as work:
                self.simulate.run(work, self.seed)
        return folder


@dataclass(frozen=True)
class Acquisition:
    """A data set of images of transients, before any of it is there.

    Args:
        archives: name -> what makes that archive of a client (``_partial_: true`` in configuration).
        catalogue: file of targets; of any origin that :func:`read_targets` reads.
        columns: role -> column of the catalogue, where it has an unusual name.
        fields: named fields beside it or in its stead (COSMOS, GOODS-N, M101): any two epochs make a pair.
        moving: a list of places of moving objects at times beside it or in its stead.
        select: rows of the catalogue.
        search: what archives are asked for around a target.
        count_all: ask for images of all missions and filters too, to count what the search spares; tables alone.
        pairs: the rules of pairs.
        control: the limits of quality within which a pair is trusted.
        labels: of triplets.
        client: how archives are asked.
        at_once: targets asked for, and files brought, at the same time.
        budget: bytes of files in all; None: as much as fits.
        keep_free: bytes that must stay free on the disk.
        play: a simulated archive that is served on this machine, with its own catalogue.
        brokers: name -> what makes that broker of alerts of a client; their packets need no subtraction.
    """

    archives: Mapping[str, Callable[..., Archive]] = field(default_factory=dict)
    catalogue: Existing | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] | list[str] = ()
    moving: MovingList = field(default_factory=MovingList)
    select: SelectTargets = field(default_factory=SelectTargets)
    search: Search = field(default_factory=Search)
    count_all: bool = False
    pairs: ChoosePairs = field(default_factory=ChoosePairs)
    control: ControlPair = field(default_factory=ControlPair)
    labels: LabelTriplets = field(default_factory=LabelTriplets)
    client: ArchiveClient = field(default_factory=ArchiveClient)
    at_once: Count = 8
    budget: Whole | None = None
    keep_free: Whole = 1 << 30
    play: PlayedArchive | None = None
    brokers: Mapping[str, Callable[..., Broker]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.archives and not self.brokers and self.play is None:
            fix = "choose acquisition=demo, or add an archive as conf/acquisition/_mast.yaml does"
            raise UserError("at least one archive in acquisition.archives", "none", fix)
        unknown = [name for name in self.search.missions if not is_known(name) and name not in LIFETIMES]
        if unknown:
            fix = nearest(unknown[0], LIFETIMES) or "choose among them"
            raise UserError(f"acquisition.search.missions among {', '.join(LIFETIMES)}", ", ".join(unknown), fix)
        strange = [name for name in self.fields if name not in FIELDS]
        if strange:
            fix = nearest(strange[0], FIELDS) or "choose among them"
            raise UserError(f"acquisition.fields among {', '.join(FIELDS)}", ", ".join(strange), fix)
        self._refuse_years()

    def _refuse_years(self) -> None:
        """A mission that observed in none of the years in which its supernovae shone gives no pair."""
        if self.select.years is None:
            return
        first, last = self.select.years
        for name in self.search.missions:
            begun, ended = LIFETIMES.get(name, (0, STILL))
            if last < begun - 1 or first > ended:
                until = "on" if ended == STILL else f"to {ended}"
                got = f"acquisition.select.years=[{first},{last}] and {name}, which observed from {begun} {until}"
                raise UserError("years in which each mission observed", got, "take out the mission, or other years")

    def targets(self, folder: Path) -> TargetList:
        """Targets that are looked for.

        Args:
            folder: of the output, in which the catalogue of a simulated archive lies.

        Raises:
            UserError: no catalogue, none that can be read, or nothing is left of it.
        """
        path = self.catalogue
        if path is None and self.play is not None:
            path = str(folder / "archive" / CATALOGUE)
        if path is None and not self.fields and self.moving.table is None:
            fix = "add acquisition.catalogue=FILE: sncat_compiled.txt, an export of TNS or any table of transients"
            raise UserError("a catalogue of targets, named fields or a list of moving objects", "none", fix)
        parts = [targets_of_fields(self.fields)] if self.fields else []
        if path is not None:
            parts.append(one_each(self.select(read_targets(path, {**self.columns}))))
        if self.moving.table is not None:
            parts.append(self.moving.read())
        return reduce(TargetList.joined, parts).told_apart()

    def _brokers(self, client: ArchiveClient) -> Mapping[str, Broker]:
        return {name: make(client) for name, make in self.brokers.items()}

    @contextmanager
    def opened(self, folder: Path) -> Iterator[OpenedArchives]:
        """The archives, ready to be asked; a simulated one is served until the block ends.

        Args:
            folder: of the output.
        """
        if self.play is None:
            client = self.client
            archives = {name: make(client) for name, make in self.archives.items()}
            yield OpenedArchives(self, client, archives, brokers=self._brokers(client))
            return
        place = self.play.made(folder / "archive")
        with ArchiveServer(place, self.play.faults, self.play.delay) as server:
            client = replace(self.client, hosts={**self.client.hosts, server.host: 1000.0})
            archives = {name: make(client) for name, make in self.archives.items()}
            labels = self.labels
            if labels.known is None:
                labels = replace(labels, known=str(place / KNOWN))
            served = {"served": ServedArchive(client, server.url)}
            yield OpenedArchives(
                replace(self, labels=labels), client, archives | served, server.url, self._brokers(client)
            )


@dataclass(frozen=True)
class OpenedArchives:
    """A data set whose archives can be asked.

    Args:
        data_set: what is wanted.
        client: how.
        archives: by the names that observations hold.
        base: address of a simulated archive, which has another port each time; empty without.
        brokers: of alerts, by their names.
    """

    data_set: Acquisition
    client: ArchiveClient
    archives: Mapping[str, Archive]
    base: str = ""
    brokers: Mapping[str, Broker] = field(default_factory=dict)

    def kept(self, product: Product) -> dict[str, Any]:
        """A file as records keep it, whatever port its archive has today."""
        said = asdict(product)
        if self.base and product.url.startswith(self.base):
            said["url"] = PLAYED + product.url.removeprefix(self.base)
        return said

    def product(self, said: Mapping[str, Any]) -> Product:
        """The file that a record names."""
        url = str(said["url"])
        if url.startswith(PLAYED):
            url = self.base + url.removeprefix(PLAYED)
        return Product(**{**said, "url": url})
