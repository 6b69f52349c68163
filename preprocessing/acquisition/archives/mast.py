"""MAST, through astroquery: Swift, GALEX, PS1, HST, JWST, TESS."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np

from astrid_ml.missions import canonical
from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.needs import astroquery_module
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.download import fetch
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.types import Range

# Mission -> its images, best first: calibrated, on a sky grid, without the catalogues and weights beside them.
IMAGES: Mapping[str, tuple[str, ...]] = {
    "swift": ("*_sk.img.gz", "*_sk.img", "*_sk.fits*"),
    "galex": ("*-nd-int.fits.gz", "*-fd-int.fits.gz"),
    "ps1": ("*.unconv.fits", "*.wrp.*.fits"),
    "hst": ("*_drc.fits", "*_drz.fits"),
    "jwst": ("*_i2d.fits",),
    "tess": ("*_ffic.fits",),
}
COLLECTIONS: Mapping[str, tuple[str, ...]] = {"hst": ("HST", "HLA"), "ps1": ("PS1",), "swift": ("SWIFT",)}
ANY = ("*.fits", "*.fits.gz", "*.img.gz", "*.img")


@dataclass(frozen=True)
class MastArchive:
    """The Mikulski archive.

    Args:
        client: how it is asked.
        server: its address.
        images: mission -> names of files that are its images, best first; another mission's are any FITS files.
        calibration: least level: 2 is calibrated, 3 combined.
        name: as observations call it.
    """

    client: ArchiveClient
    server: str = "https://mast.stsci.edu"
    images: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(IMAGES))
    calibration: Annotated[int, Range(-1, 4)] = 2
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
        if asked.missions:
            criteria["obs_collection"] = [
                name for mission in asked.missions for name in COLLECTIONS.get(mission, (mission.upper(),))
            ]
        if asked.filters:
            criteria["filters"] = list(asked.filters)
        if asked.first is not None or asked.last is not None:
            criteria["t_min"] = [asked.first or 0.0, asked.last or 99999.0]
        table = self._asked(self.observations.query_criteria, **criteria)
        found = [self._observation(row) for row in table if _number(row, "calib_level", -1) >= self.calibration]
        return list({one.id: one for one in found if asked.wants(one)}.values())

    def products(self, observation: Observation) -> list[Product]:
        """Images of an observation, by the mission's names of files.

        Args:
            observation: of :meth:`search`.

        Raises:
            ArchiveError: MAST does not answer, or with an error.
        """
        table = self._asked(self.observations.get_product_list, observation.key)
        patterns = tuple(self.images.get(observation.mission, ANY))
        ranked = []
        for row in table:
            name = str(row["productFilename"])
            place = next((n for n, pattern in enumerate(patterns) if fnmatch.fnmatch(name.lower(), pattern)), None)
            if place is not None and str(row["productType"]) == "SCIENCE":
                address = f"{self.server}/api/v0.1/Download/file?uri={quote(str(row['dataURI']), safe=':/')}"
                size = _number(row, "size", np.nan)
                ranked.append((place, name, Product(observation.id, name, address, int(size) if size > 0 else None)))
        return [product for _, _, product in sorted(ranked, key=lambda one: one[:2])]

    def fetch(self, product: Product, path: Path) -> None:
        """Bring a file.

        Args:
            product: of :meth:`products`.
            path: where it goes.
        """
        fetch(self.client, product.url, path, product.bytes, product.checksum)

    def _asked(self, method: Any, *values: Any, **criteria: Any) -> Any:
        from astroquery.exceptions import NoResultsWarning, RemoteServiceError
        from requests import RequestException

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoResultsWarning)
                return method(*values, **criteria)
        except (RemoteServiceError, RequestException, TimeoutError, KeyError, ValueError) as error:
            got = f"{type(error).__name__}: {error}"[:160]
            raise ArchiveError("a table of MAST", got, "try again later, or check missions and filters") from error

    def _observation(self, row: Any) -> Observation:
        start, end = (_number(row, name, np.nan) for name in ("t_min", "t_max"))
        exposure = _number(row, "t_exptime", np.nan)
        mission = str(row["obs_collection"])
        return Observation(
            archive=self.name,
            mission=canonical("hst" if mission == "HLA" else mission),
            filter=str(row["filters"]),
            id=f"{mission}/{row['obs_id']}",
            ra=float(row["s_ra"]),
            dec=float(row["s_dec"]),
            start=start if np.isfinite(start) else None,
            end=end if np.isfinite(end) else None,
            exposure=exposure if np.isfinite(exposure) and exposure > 0 else None,
            footprint=str(row["s_region"]),
            instrument=str(row["instrument_name"]),
            key=str(row["obsid"]),
        )


def _number(row: Any, name: str, absent: float) -> float:
    value = row[name]
    return absent if value is None or np.ma.is_masked(value) else float(value)
