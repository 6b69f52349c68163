"""MAST, through astroquery: Swift, GALEX, PS1, HST, JWST, TESS."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np

from astrid_ml.missions import canonical
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.needs import astroquery_module
from astrid_ml.preprocessing.acquisition.archives.rows import finite, names_among, readable_rows
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.reasons import shortened
from astrid_ml.types import Count, Range

# Mission -> its images, best first: calibrated, on a sky grid, without the catalogues and weights beside them.
IMAGES: Mapping[str, tuple[str, ...]] = {
    "swift": ("*_sk.img.gz", "*_sk.img", "*_sk.fits*"),
    "galex": ("*-nd-int.fits.gz", "*-fd-int.fits.gz"),
    "ps1": ("*.unconv.fits", "*.wrp.*.fits"),
    "hst": ("*_drc.fits", "*_drz.fits"),
    "jwst": ("*_i2d.fits",),
    "tess": ("*_ffic.fits",),
}
COLLECTIONS: Mapping[str, tuple[str, ...]] = {name: (name.upper(),) for name in IMAGES} | {"hst": ("HST", "HLA")}
NO_FILTER = ("detection", "", "none", "nan", "--", "n/a")  # HLA's DETECTION is the sum over all filters of a visit
FRAME_TIME = re.compile(r"tess\d{13}-")
DAY_ZERO = datetime(1858, 11, 17)
ANY = ("*.fits", "*.fits.gz", "*.img.gz", "*.img")


@dataclass(frozen=True)
class MastArchive:
    """The Mikulski archive.

    Args:
        client: how it is asked.
        server: its address.
        images: mission -> names of files that are its images, best first; another mission's are any FITS files.
        calibration: least level: 2 is calibrated, 3 combined.
        frames: of a sector of TESS, at most so many: there are more than a thousand.
        name: as observations call it.
    """

    client: ArchiveClient
    server: str = "https://mast.stsci.edu"
    images: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(IMAGES))
    calibration: Annotated[int, Range(-1, 4)] = 2
    frames: Count = 12
    name: str = "mast"

    @cached_property
    def observations(self) -> Any:
        """astroquery's class, whose requests go through our client."""
        mast = astroquery_module("mast")
        asked = mast.ObservationsClass()
        portal = asked._portal_api_connection
        self.client.guard(asked._session)
        for name in ("MAST_REQUEST_URL", "COLUMNS_CONFIG_URL", "MAST_DOWNLOAD_URL", "MAST_BUNDLE_URL"):
            path = str(getattr(portal, name)).removeprefix(mast.conf.server)
            setattr(portal, name, self.server + path)
        return asked

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """Images around a target: mission and filter are asked for in the query itself.

        Args:
            target: the centre.
            asked: radius, missions, filters, times.

        Raises:
            ArchiveError: MAST does not answer, or with an error.
        """
        from astropy import units
        from astropy.coordinates import SkyCoord

        criteria: dict[str, Any] = {
            "coordinates": SkyCoord(target.ra, target.dec, unit="deg"),
            "radius": asked.radius * units.deg,
            "dataproduct_type": "image",
        }
        missions = names_among(asked.missions, COLLECTIONS)
        if asked.missions and not missions:
            return []
        if missions:
            criteria["obs_collection"] = [name for mission in missions for name in COLLECTIONS[mission]]
        if asked.filters:
            criteria["filters"] = list(asked.filters)
        if asked.first is not None or asked.last is not None:
            criteria["t_min"] = [asked.first or 0.0, asked.last or 99999.0]
        table = self._asked(self.observations.query_criteria, **criteria)
        found = readable_rows(self.name, table, self._observation)
        found = [epoch for one in found for epoch in self._epochs(one)]
        return list({one.id: one for one in found if asked.wants(one)}.values())

    def _epochs(self, one: Observation) -> list[Observation]:
        """A sector of TESS is 27 days of frames: some of them, spread evenly, each with its own time.

        Their names say when they begin (``tess2018206192942-s0001-1-1-0120-s_ffic.fits``: year, day of the year, UTC).
        """
        if one.mission != "tess":
            return [one]
        named = {product.name: product for product in self.products(one) if FRAME_TIME.match(product.name)}
        frames = [named[name] for name in sorted(named)]
        if len(frames) > self.frames:
            frames = [frames[k] for k in np.linspace(0, len(frames) - 1, self.frames).round().astype(int)]

        def observation(product: Product) -> Observation:
            begun = datetime.strptime(product.name[4:17], "%Y%j%H%M%S")
            start = (begun - DAY_ZERO) / timedelta(days=1)
            end = start + (one.exposure or 0.0) / 86400
            name, size = f"{one.id}/{product.name}", product.bytes
            return replace(one, id=name, start=start, end=end, url=product.url, bytes=size)

        return readable_rows(self.name, frames, observation)

    def products(self, observation: Observation) -> list[Product]:
        """Images of an observation, by the mission's names of files.

        Args:
            observation: of :meth:`search`.

        Raises:
            ArchiveError: MAST does not answer, or with an error.
        """
        if observation.url:
            return [Product(observation.id, observation.url.rpartition("/")[2], observation.url, observation.bytes)]
        table = self._asked(self.observations.get_product_list, observation.key)
        patterns = tuple(self.images.get(observation.mission, ANY))
        ranked = []
        for row in table:
            name = str(row["productFilename"])
            place = next((n for n, pattern in enumerate(patterns) if fnmatch.fnmatch(name.lower(), pattern)), None)
            if place is not None and str(row["productType"]) == "SCIENCE":
                address = f"{self.server}/api/v0.1/Download/file?uri={quote(str(row['dataURI']), safe=':/')}"
                size = finite(row["size"])
                ranked.append((place, name, Product(observation.id, name, address, int(size) if size else None)))
        return [product for _, _, product in sorted(ranked, key=lambda one: one[:2])]

    def _asked(self, method: Any, *values: Any, **criteria: Any) -> Any:
        from astroquery.exceptions import NoResultsWarning, RemoteServiceError
        from requests import RequestException

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoResultsWarning)
                return method(*values, **criteria)
        except (RemoteServiceError, RequestException, TimeoutError, KeyError, ValueError) as error:
            got = shortened(f"{type(error).__name__}: {error}", 160)
            raise ArchiveError("a table of MAST", got, "try again later, or check missions and filters") from error

    def _observation(self, row: Any) -> Observation | None:
        """A row; None of those that are not calibrated so far, or sums over filters, which pair with nothing."""
        start, end, exposure = (finite(row[name]) for name in ("t_min", "t_max", "t_exptime"))
        level, mission, band = finite(row["calib_level"]), str(row["obs_collection"]), str(row["filters"])
        if (-1 if level is None else level) < self.calibration or band.casefold() in NO_FILTER:
            return None
        return Observation(
            archive=self.name,
            mission=canonical("hst" if mission == "HLA" else mission),
            filter=band,
            id=f"{mission}/{row['obs_id']}",
            ra=float(row["s_ra"]),
            dec=float(row["s_dec"]),
            start=start,
            end=end,
            exposure=exposure if exposure is not None and exposure > 0 else None,
            footprint=str(row["s_region"]),
            instrument=str(row["instrument_name"]),
            key=str(row["obsid"]),
        )
