"""What an archive is to the choice of pairs: observations near a place, and the files of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol
from urllib.parse import quote

from astrid_ml.errors import UserError
from astrid_ml.missions import canonical
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.types import Positive, Range

REPORT = "tell the archive: such a row is left out"


@dataclass(frozen=True)
class Observation:
    """An image that an archive has, before it is downloaded.

    Args:
        archive: whose ``products`` gives its files.
        mission: its one name here.
        filter: as the archive writes it.
        id: of the archive, unique there.
        ra, dec: of its centre, degrees, ICRS.
        start, end: MJD, UTC; of a sum of exposures the first and the last; None where the archive says none.
        exposure: seconds; None where the archive says none.
        depth: limiting magnitude, as the archive says it; None where it says none.
        footprint: STC-S of its edge (``POLYGON ICRS ...``, ``CIRCLE ICRS ra dec radius``), degrees; empty if unknown.
        instrument: as the archive writes it.
        bytes: of its image, where the search says it; None else, and for 0 or less, which no image has.
        url: of the image itself, where the search says it; empty else.
        key: the archive's own number, by which products are asked for; empty where the id does.

    Raises:
        ArchiveError: a text that is none, a number that is none or not finite, a time or place that cannot be.

    Example:
        >>> Observation("mast", "swift", "UUU", "early", 149.0, 69.7, 56378.0, 56378.0, 300.0).filter
        'UUU'
    """

    archive: str
    mission: str
    filter: str
    id: str
    ra: float
    dec: float
    start: float | None = None
    end: float | None = None
    exposure: float | None = None
    depth: float | None = None
    footprint: str = ""
    instrument: str = ""
    bytes: int | None = None
    url: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        texts = [self.archive, self.mission, self.filter, self.id, self.footprint, self.instrument, self.url, self.key]
        numbers = [self.ra, self.dec, self.start, self.end, self.exposure, self.depth, self.bytes]
        wrong = [repr(one)[:40] for one in texts if not isinstance(one, str)]
        wrong += [repr(one)[:40] for one in numbers if one is not None and not _is_number(one)]
        if wrong or not self.id or None in (self.ra, self.dec):
            raise ArchiveError("texts and numbers of an observation", ", ".join(wrong) or "no id or place", REPORT)
        times = [one for one in (self.start, self.end) if one is not None]
        if any(not -400_000 < one < 400_000 for one in times) or times != sorted(times):
            raise ArchiveError("times of an exposure, MJD", f"{self.start} to {self.end}", REPORT)
        if not (-360 <= self.ra <= 360 and -90 <= self.dec <= 90):
            raise ArchiveError("a place on the sky", f"ra {self.ra}, dec {self.dec}", REPORT)
        object.__setattr__(self, "bytes", _size(self.bytes))


def _size(said: int | None) -> int | None:
    """Bytes of an image as an archive says them; None where it says none, or a number that stands for none."""
    return None if said is None or said <= 0 else int(said)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Product:
    """A file of an observation.

    Args:
        observation: its id.
        name: of the file.
        url: where it is fetched.
        bytes: that it has, as the archive says; None where it says none, and for 0 or less.
        checksum: ``md5:...`` or ``sha256:...``; empty where the archive gives none.
        lasts: whether the address does; one that was made on request is asked for again when it is needed.
        mirrors: further addresses of the same bytes, asked where the first one fails: https, or ``s3://bucket/key`` of
            a public bucket. Their hosts must be allowed as any other.

    Example:
        >>> Product("a", "a.fits", "https://x/a.fits", mirrors=("s3://stpubdata/hst/a.fits",)).addresses
        ('https://x/a.fits', 'https://stpubdata.s3.amazonaws.com/hst/a.fits')
    """

    observation: str
    name: str
    url: str
    bytes: int | None = None
    checksum: str = ""
    lasts: bool = True
    mirrors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "mirrors", tuple(map(str, self.mirrors)))
        object.__setattr__(self, "bytes", _size(self.bytes))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it may be fetched, the first one first."""
        return (self.url, *map(_by_https, self.mirrors))


def _by_https(address: str) -> str:
    """A public bucket answers by https as well: one client holds pace, bounds and allowed hosts for both."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return f"https://{bucket}.s3.amazonaws.com/{quote(key)}" if address.startswith("s3://") else address


Mjd = Annotated[float, Range(-400_000.0, 400_000.0)]


@dataclass(frozen=True)
class Search:
    """What is asked for around a target; an archive asks for no more than this already in its query.

    Args:
        radius: degrees around the target.
        missions: canonical names; empty asks for all that the archive has.
        filters: as the archive writes them; empty asks for all.
        first, last: MJD between which exposures may lie; None is open.

    Example:
        >>> one = Observation("mast", "swift", "UUU", "early", 149.0, 69.7, 56378.0, 56378.0, 300.0)
        >>> Search(missions=("Swift",)).wants(one), Search(missions=("swift",), filters=("UVW1",)).wants(one)
        (True, False)
    """

    radius: Positive = 0.1
    missions: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    first: Mjd | None = None
    last: Mjd | None = None

    def __post_init__(self) -> None:
        if not 0 < self.radius <= 10:
            raise UserError("a radius of 0 to 10 degrees", str(self.radius), "a tenth of a degree holds most images")
        if self.first is not None and self.last is not None and self.first > self.last:
            got = f"first={self.first:g} and last={self.last:g}"
            raise UserError("search.first before search.last, MJD", got, "exchange them, or leave one out")
        object.__setattr__(self, "missions", tuple(map(canonical, self.missions)))

    def wants(self, observation: Observation) -> bool:
        """Whether an observation is of what was asked for; of archives that cannot be asked so exactly."""
        return (
            (not self.missions or observation.mission in self.missions)
            and (not self.filters or observation.filter in self.filters)
            and (self.first is None or observation.end is None or observation.end >= self.first)
            and (self.last is None or observation.start is None or observation.start <= self.last)
        )


class Archive(Protocol):
    """An archive of images."""

    @property
    def name(self) -> str:
        """As observations and configuration call it."""

    def search(self, target: Target, asked: Search) -> Sequence[Observation]:
        """Observations around a target, each once; none is an answer.

        Raises:
            ArchiveError: the archive does not answer.
        """

    def products(self, observation: Observation) -> Sequence[Product]:
        """Image files of an observation, the best first.

        Raises:
            ArchiveError: the archive does not answer.
        """
