"""What a survey's cadence is: bands, depths, nights; each in a YAML file of ``cadences/``, or in the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.preprocessing.surveys.describe import content, made
from astrid_ml.preprocessing.surveys.registry import packaged
from astrid_ml.types import Filled, Floats, InUnits, Micrometres, NonNegative, Positive, Share

FOLDER = Path(__file__).parent / "cadences"


@dataclass(frozen=True)
class BandCadence:
    """One band of a survey.

    Args:
        depth: five-sigma depth of a visit, AB magnitudes.
        share: of the visits.
        wavelength: micrometres; None takes that of the mission's band of this name.
    """

    depth: Annotated[float, InUnits("mag")]
    share: Share
    wavelength: Annotated[Micrometres, InUnits("um")] | None = None


@dataclass(frozen=True)
class SurveyCadence:
    """How a survey looks at a place of the sky.

    Args:
        survey: as the files call it.
        bands: name -> depth and share.
        gap: mean days between nights of visits, of an exponential.
        shortest: days that are added to each.
        season: days a year in which a place is seen.
        together: visits of a night: ``neighbours`` two in bands at most one apart, ``same`` two in one band,
            ``all`` one in each band, ``one`` a single one.
        mission: whose bands these are, as ``preprocessing/surveys`` calls it; None where each has its wavelength.
        flux_kind: ``difference``, or ``total`` with the source's steady light.
        scatter: magnitudes, of the depth from visit to visit.
        saturation: AB magnitude.
    """

    survey: Annotated[str, Filled()]
    bands: Mapping[str, BandCadence]
    gap: Annotated[Positive, InUnits("d")]
    shortest: Annotated[NonNegative, InUnits("d")] = 0.9
    season: Annotated[Positive, InUnits("d")] = 215.0
    together: Literal["neighbours", "same", "all", "one"] = "neighbours"
    mission: str | None = None
    flux_kind: Literal["difference", "total"] = "difference"
    scatter: Annotated[NonNegative, InUnits("mag")] = 0.25
    saturation: Annotated[float, InUnits("mag")] = 16.0

    def __post_init__(self) -> None:
        if not self.bands or abs(float(self.share.sum()) - 1) > 0.01:
            got = f"{self.share.sum():.3g} over {', '.join(self.bands) or 'no band'}"
            raise UserError(f"shares of the bands of {self.survey} that add up to 1", got, "correct its YAML file")
        lost = [name for name, wave in zip(self.bands, self.wavelengths, strict=True) if not np.isfinite(wave)]
        if lost:
            got = f"none of {', '.join(lost)}"
            raise UserError(f"wavelengths of the bands of {self.survey}", got, "give wavelength: (micrometres) there")

    @cached_property
    def share(self) -> Floats:
        """(n_bands,)."""
        return np.array([band.share for band in self.bands.values()], dtype=np.float64)

    @cached_property
    def depth(self) -> Floats:
        """(n_bands,) AB magnitudes."""
        return np.array([band.depth for band in self.bands.values()], dtype=np.float64)

    @cached_property
    def wavelengths(self) -> Floats:
        """(n_bands,) micrometres; NaN where nobody knows."""
        known: dict[str, float | None] = {}
        if self.mission is not None and self.mission not in packaged():
            fix = nearest(self.mission, packaged()) or "leave it out and give wavelength: for each band"
            raise UserError(f"the mission of {self.survey} among {', '.join(packaged())}", self.mission, fix)
        for name, band in packaged()[self.mission].bands.items() if self.mission is not None else ():
            known |= dict.fromkeys((name, *band.aliases), band.wavelength)
        given = [band.wavelength or known.get(name) for name, band in self.bands.items()]
        return np.array([np.nan if wave is None else wave for wave in given], dtype=np.float64)


def known_cadences() -> list[str]:
    """Names of those that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def cadence_named(name: str) -> SurveyCadence:
    """A shipped cadence by its name, or the user's own YAML file.

    Raises:
        UserError: no such name or file, or one that is no cadence.

    Example:
        >>> ztf = cadence_named("ztf")
        >>> ztf.survey, list(ztf.bands), float(ztf.depth[1])
        ('ZTF', ['g', 'r', 'i'], 20.6)
    """
    known = known_cadences()
    path = FOLDER / f"{name}.yaml" if name in known else Path(name)
    if name not in known and path.suffix not in (".yaml", ".yml"):
        fix = nearest(name, known) or "choose among them, or give a YAML file"
        raise UserError(f"simulate.surveys of {', '.join(known)}, or a YAML file", name, fix)
    return made(SurveyCadence, content(path), path.name)
