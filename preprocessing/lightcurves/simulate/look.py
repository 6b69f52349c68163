"""Objects of one class as one survey sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.hosts import distance_modulus, extragalactic, galactic
from astrid_ml.preprocessing.lightcurves.curves.missing import static_columns
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits, detect, draw_visits
from astrid_ml.preprocessing.lightcurves.simulate.pointings import PointingLog
from astrid_ml.preprocessing.lightcurves.simulate.surveys import SurveyCadence
from astrid_ml.preprocessing.lightcurves.simulate.templates import (
    OTHERS,
    TRANSIENTS,
    Transient,
    galactic_flux,
    steady_flux,
    transient_flux,
)
from astrid_ml.types import Floats

KINDS: dict[str, Transient | None] = {kind.label: kind for kind in TRANSIENTS} | dict.fromkeys(OTHERS)
_HOST_BANDS = "ugrizY"
_HOST_WAVES = np.array([0.3671, 0.4827, 0.6223, 0.7546, 0.8691, 0.9712])  # micrometres, Rubin's
NEAR = (0.02, 0.3)  # share of the host's light under the transient, the least and the most
MARGIN = 0.5  # magnitudes below the depth at which the brightest of a class are not looked for any more


class SimulationSettings(Protocol):
    """What :class:`SurveyLook` needs of the simulation's settings."""

    @property
    def templates(self) -> int: ...
    @property
    def seasons(self) -> int: ...
    @property
    def field_radius(self) -> float: ...
    @property
    def hostless(self) -> float: ...
    @property
    def chance_host(self) -> float: ...


@dataclass(frozen=True)
class SurveyLook:
    """A survey at work.

    Args:
        settings: of the simulation.
        cadence: of the survey.
        log: of its real pointings; None draws nights.
    """

    settings: SimulationSettings
    cadence: SurveyCadence
    log: PointingLog | None = None

    def batch(
        self, label: str, n: int, library: dict[str, Floats], random: np.random.Generator
    ) -> tuple[Visits, pd.DataFrame]:
        """n objects of a class, detected or not, and their header columns."""
        visits, place, span = self._visits(n, random)
        kind = KINDS[label]
        pick = random.integers(0, self.settings.templates, n)
        shape = {name: values[pick, None] for name, values in library.items()}
        begin = visits.first[:, None] + random.uniform(0, span, (n, 1))
        t, wave = visits.mjd - begin, self.cadence.wavelengths[visits.band]
        if kind is not None:
            farthest = min(kind.redshift, self.farthest(kind))
            head, z, magnitude = extragalactic(n, farthest, kind.peak, random, self.settings.hostless)
            flux = transient_flux(kind, shape, z[:, None], t, wave)
        else:
            head, magnitude = galactic(label, n, random, self.settings.chance_host, self.settings.hostless)
            shape["phase"] = random.uniform(0, 1, (n, 1))
            flux = galactic_flux(label, shape, t, wave, random)
        head = head.assign(**{str(name): place[name] for name in place.columns})
        head["PEAKMJD"], head["SIM_TEMPLATE_INDEX"] = begin[:, 0], pick
        scale = 10 ** (-0.4 * (magnitude - 27.5))[:, None]
        steady = None
        if self.cadence.flux_kind == "total":
            steady = steady_flux(label, wave) * scale if kind is None else self._host_light(head, visits, random)
        return detect(visits, flux * scale, head["MWEBV"].to_numpy(), random, self.cadence, steady), head

    def _visits(self, n: int, random: np.random.Generator) -> tuple[Visits, pd.DataFrame, float]:
        """Visits, places where the log has some, and the days in which objects may begin."""
        if self.log is None:
            drawn = draw_visits(n, self.settings.seasons, random, self.cadence)
            return drawn, pd.DataFrame(index=range(n)), 365.25 * self.settings.seasons
        visits, place = self.log.visits(n, self.settings.field_radius, random, self.cadence)
        return visits, place, self.log.span

    def _host_light(self, head: pd.DataFrame, visits: Visits, random: np.random.Generator) -> Floats:
        """FLUXCAL of the galaxy under each transient, (n, E); hosts that nobody knows are too faint to matter."""
        nearest = np.abs(self.cadence.wavelengths[:, None] - _HOST_WAVES).argmin(axis=1)
        magnitudes = head[[f"HOSTGAL_MAG_{_HOST_BANDS[k]}" for k in nearest]].to_numpy(dtype=np.float64)
        light = np.where(magnitudes > 0, 10 ** (-0.4 * (magnitudes - 27.5)), 0.0)
        share = random.uniform(*NEAR, (len(head), 1))
        out: Floats = share * np.take_along_axis(light, visits.band, axis=1)
        return out

    def farthest(self, kind: Transient) -> float:
        """The redshift beyond which the brightest of a class stay below the survey's depth."""
        z = np.geomspace(1e-4, 10, 2000)
        reach = float(self.cadence.depth.max()) + MARGIN - (kind.peak[0] - 2 * kind.peak[1])
        return float(np.interp(reach, distance_modulus(z), z))


def draw_library(kind: Transient | None, size: int, random: np.random.Generator) -> dict[str, Floats]:
    """Template parameters, each (size,): factors on the class's values, or uniform numbers for the other classes."""
    if kind is None:
        return {name: random.uniform(0, 1, size) for name in "abcd"}
    return {
        "rise": np.exp(random.normal(0, kind.rise[1], size)),
        "fall": np.exp(random.normal(0, kind.fall[1], size)),
        "heat": np.exp(random.normal(0, 0.08, size)),
        "bump": np.clip(random.normal(1, 0.3, size), 0, None),
    }


def curve_table(visits: Visits, head: pd.DataFrame, cadence: SurveyCadence, label: str, part: str) -> CurveTable:
    """Simulated curves as a table: what is missing in the header is NaN."""
    there = visits.there
    objects = pd.DataFrame(
        {"object_id": head["SNID"].astype(str), "label": label, "survey": cadence.survey, "part": part,
         "flux_kind": cadence.flux_kind, "PEAKMJD": head["PEAKMJD"]}
    )  # fmt: skip
    return CurveTable(
        pd.concat([objects, static_columns(head)], axis=1),
        np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64),
        visits.mjd[there],
        visits.flux[there],
        visits.flux_err[there],
        visits.flag[there],
        visits.band[there].astype(np.int16),
        tuple(cadence.bands),
        cadence.wavelengths.astype(np.float32),
    )
