"""SkyView: cut-outs of surveys of the whole sky, as references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from astrid_ml.preprocessing.acquisition.archives.archive import Observation, Product, Search
from astrid_ml.preprocessing.acquisition.archives.needs import astroquery_module
from astrid_ml.preprocessing.acquisition.client.client import ArchiveClient
from astrid_ml.preprocessing.acquisition.client.errors import ArchiveError
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.file_names import plain
from astrid_ml.reasons import shortened
from astrid_ml.types import Count


@dataclass(frozen=True)
class SkySurvey:
    """A survey as SkyView names it, and when its plates or frames were taken.

    Args:
        mission: canonical name.
        filter: of its frames.
        first, last: MJD of its first and last exposure: an image says no date of its own.
    """

    mission: str
    filter: str
    first: float
    last: float


# When they observed: DSS2 (POSS-II and SERC) 1974 to 1999, SDSS 1998-09 to 2009-11, GALEX 2003-05 to 2013-06 (FUV to
# 2009-05), 2MASS 1997-06 to 2001-02, WISE 2010-01 to 2011-02.
SURVEYS: Mapping[str, SkySurvey] = {
    "DSS2 Blue": SkySurvey("dss", "B", 42048.0, 51544.0),
    "DSS2 Red": SkySurvey("dss", "R", 42048.0, 51544.0),
    "DSS2 IR": SkySurvey("dss", "I", 42048.0, 51544.0),
    "SDSSg": SkySurvey("sdss", "g", 51075.0, 55153.0),
    "SDSSr": SkySurvey("sdss", "r", 51075.0, 55153.0),
    "SDSSi": SkySurvey("sdss", "i", 51075.0, 55153.0),
    "GALEX Near UV": SkySurvey("galex", "NUV", 52787.0, 56470.0),
    "GALEX Far UV": SkySurvey("galex", "FUV", 52787.0, 55000.0),
    "2MASS-J": SkySurvey("2mass", "J", 50600.0, 51955.0),
    "2MASS-H": SkySurvey("2mass", "H", 50600.0, 51955.0),
    "2MASS-K": SkySurvey("2mass", "Ks", 50600.0, 51955.0),
    "WISE 3.4": SkySurvey("wise", "W1", 55203.0, 55593.0),
    "WISE 4.6": SkySurvey("wise", "W2", 55203.0, 55593.0),
}


@dataclass(frozen=True)
class SkyviewArchive:
    """SkyView, through astroquery, whose requests go through our client.

    Args:
        client: how it is asked.
        page: address of its form.
        surveys: SkyView's name -> what it is.
        pixels: side of a cut-out.
        name: as observations call it.
    """

    client: ArchiveClient
    page: str = "https://skyview.gsfc.nasa.gov/current/cgi/basicform.pl"
    surveys: Mapping[str, SkySurvey] = field(default_factory=lambda: dict(SURVEYS))
    pixels: Count = 240
    name: str = "skyview"

    @cached_property
    def form(self) -> Any:
        """astroquery's class."""
        asked = astroquery_module("skyview").SkyViewClass()
        asked.URL = self.page
        self.client.guard(asked._session, keep=False)  # its answers name files that are gone after a while
        return asked

    def search(self, target: Target, asked: Search) -> list[Observation]:
        """One cut-out a survey that is wanted; SkyView answers with zeros where a survey has none.

        Args:
            target: its centre.
            asked: the radius is half of its side.
        """
        found = [
            Observation(
                archive=self.name,
                mission=survey.mission,
                filter=survey.filter,
                id=f"{title}/{target.name}",
                ra=target.ra,
                dec=target.dec,
                start=survey.first,
                end=survey.last,
                footprint=f"CIRCLE ICRS {target.ra} {target.dec} {asked.radius}",
                instrument=title,
                key=repr(asked.radius),
            )
            for title, survey in self.surveys.items()
        ]
        return [one for one in found if asked.wants(one)]

    def products(self, observation: Observation) -> list[Product]:
        """Have the cut-out made, and give its address.

        Args:
            observation: of :meth:`search`.

        Raises:
            ArchiveError: SkyView does not answer, or gives no FITS file.
        """
        from astropy import units
        from astropy.coordinates import SkyCoord
        from requests import RequestException

        place = SkyCoord(observation.ra, observation.dec, unit="deg")
        try:
            urls = self.form.get_image_list(
                position=place,
                survey=[observation.instrument],
                radius=float(observation.key) * units.deg,
                pixels=self.pixels,
                cache=False,
            )
        except (RequestException, ValueError, KeyError, AttributeError, TypeError) as error:
            got = shortened(f"{type(error).__name__}: {error}", 160)
            raise ArchiveError(f"an image of {observation.instrument} by SkyView", got, "try again later") from error
        if not urls:
            got = "a page without a link to FITS"
            raise ArchiveError(f"an image of {observation.instrument} by SkyView", got, "leave this survey out")
        return [Product(observation.id, f"{plain(observation.id)}.fits", str(urls[0]), lasts=False)]
