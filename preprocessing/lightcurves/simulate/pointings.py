"""A survey's real log of pointings as a cadence: when each place of the sky was seen, in which band, how deep."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.found import found
from astrid_ml.preprocessing.lightcurves.simulate.cadence import Visits, unseen
from astrid_ml.preprocessing.lightcurves.simulate.surveys import SurveyCadence
from astrid_ml.reasons import shortened
from astrid_ml.sky import unit_vectors
from astrid_ml.tables import read_table
from astrid_ml.types import Floats, Ints

# What logs call these columns, the first that is there counts: Rubin's OpSim, ZTF, DES, ATLAS, Pan-STARRS.
NAMES = {
    "mjd": ("mjd", "observationStartMJD", "expMidptMJD", "mjd_obs", "expMJD", "jd", "obsjd"),
    "band": ("band", "filter", "filt", "filtercode"),
    "depth": ("depth", "fiveSigmaDepth", "maglimit", "diffmaglim", "mag5sig", "m5"),
    "ra": ("ra", "fieldRA", "RA", "s_ra"),
    "dec": ("dec", "fieldDec", "fieldDEC", "DEC", "decl", "s_dec"),
}
DATES = 2_400_000.5  # JD of MJD 0
SQLITE = b"SQLite format 3"


@dataclass(frozen=True)
class PointingLog:
    """Visits of a survey.

    Args:
        mjd: (N,) ascending.
        band: (N,) place among the survey's bands.
        depth: (N,) five-sigma depths, AB magnitudes; NaN where the log does not say.
        ra, dec: (N,) degrees; None of a log without positions, which is one of a single place.
    """

    mjd: Floats
    band: Ints
    depth: Floats
    ra: Floats | None
    dec: Floats | None

    @classmethod
    def read(cls, path: Path, cadence: SurveyCadence) -> PointingLog:
        """A table (CSV, ECSV, VOTable, FITS, parquet) or OpSim's database; visits in other bands are left out.

        Args:
            path: the file.
            cadence: of the survey, which knows the bands.

        Raises:
            UserError: no such file, no times or bands in it, or none of the survey's bands.

        Example:
            >>> import tempfile
            >>> from astrid_ml.preprocessing.lightcurves.simulate.surveys import cadence_named
            >>> path = Path(tempfile.mkdtemp()) / "log.csv"
            >>> _ = path.write_text("jd,filter\\n2460000.75,zr\\n2460001.75,zg\\n")
            >>> log = PointingLog.read(path, cadence_named("ztf"))
            >>> log.mjd.tolist(), log.band.tolist(), log.ra is None
            ([60000.25, 60001.25], [1, 0], True)
        """
        table = rows_of(path)
        names = {role: next((name for name in words if name in table), None) for role, words in NAMES.items()}
        absent = [f"{role} ({', '.join(NAMES[role])})" for role in ("mjd", "band") if names[role] is None]
        if absent:
            got = f"{path} with {', '.join(map(str, table.columns[:12]))}"
            raise UserError(f"a log of pointings with {' and '.join(absent)}", got, "rename its columns")
        band = codes_of(table[names["band"]], cadence)
        columns = {
            role: np.full(len(table), np.nan)
            if name is None
            else pd.to_numeric(table[name], errors="coerce").to_numpy()
            for role, name in names.items()
            if role != "band"
        }
        mjd = np.where(columns["mjd"] > DATES, columns["mjd"] - DATES, columns["mjd"]).astype(np.float64)
        placed = names["ra"] is not None and names["dec"] is not None
        good = (band >= 0) & np.isfinite(mjd)
        good &= (np.isfinite(columns["ra"]) & np.isfinite(columns["dec"])) if placed else True
        if not good.any():
            got = f"{', '.join(sorted(set(table[names['band']].astype(str)))[:8])} in {path}"
            fix = "choose the survey whose log it is, or give a YAML file with these bands"
            raise UserError(f"visits in the bands of simulate.surveys: {', '.join(cadence.bands)}", got, fix)
        order = np.flatnonzero(good)[np.argsort(mjd[good], kind="stable")]
        where = (columns["ra"][order], columns["dec"][order]) if placed else (None, None)
        return cls(mjd[order], band[order], columns["depth"][order].astype(np.float64), *where)

    def visits(
        self, n: int, radius: float, random: np.random.Generator, cadence: SurveyCadence
    ) -> tuple[Visits, pd.DataFrame]:
        """The visits of n places inside random pointings, and their ``RA`` and ``DEC`` (no columns without positions).

        Args:
            n: objects.
            radius: of the field of view, degrees.
            random: of places, and of depths that the log does not say.
            cadence: of the survey.
        """
        if self.ra is None or self.dec is None:
            chosen, place = [np.arange(len(self.mjd))] * n, pd.DataFrame(index=range(n))
        else:
            chosen, place = self._near(n, radius, random)
        width = max(len(rows) for rows in chosen)
        at = np.zeros((n, width), dtype=np.int64)
        there = np.arange(width) < np.array([len(rows) for rows in chosen])[:, None]
        at[there] = np.concatenate(chosen)
        mjd, band = np.where(there, self.mjd[at], self.mjd[-1] + 1.0), self.band[at]
        usual = cadence.depth[band] + random.normal(0, cadence.scatter, band.shape)
        depth = np.where(np.isfinite(self.depth[at]), self.depth[at], usual)
        return unseen(mjd, band, there, np.full(n, self.mjd[0]), depth), place

    def _near(self, n: int, radius: float, random: np.random.Generator) -> tuple[list[Ints], pd.DataFrame]:
        from scipy.spatial import cKDTree

        assert self.ra is not None and self.dec is not None
        centre = random.integers(0, len(self.mjd), n)
        away, angle = radius * np.sqrt(random.random(n)), random.uniform(0, 2 * np.pi, n)
        dec = np.clip(self.dec[centre] + away * np.sin(angle), -90.0, 90.0)
        ra = (self.ra[centre] + away * np.cos(angle) / np.maximum(np.cos(np.radians(dec)), 1e-6)) % 360
        tree = cKDTree(unit_vectors(np.stack([self.ra, self.dec], axis=1)))
        # A hair more than the field: the place was drawn on a plane, and must see the pointing that it was drawn in.
        chord = 2 * np.sin(np.radians(radius * 1.01) / 2)
        near = tree.query_ball_point(unit_vectors(np.stack([ra, dec], axis=1)), chord)
        chosen = [np.unique([*rows, one]).astype(np.int64) for rows, one in zip(near, centre, strict=True)]
        return chosen, pd.DataFrame({"RA": ra, "DEC": dec})

    @property
    def span(self) -> float:
        """Days from the first visit to the last."""
        return float(self.mjd[-1] - self.mjd[0])


def rows_of(path: Path) -> pd.DataFrame:
    """All rows of a log.

    Raises:
        UserError: no such file, or one that is no table.
    """
    if not path.is_file():
        raise UserError("simulate.pointings: a log of pointings", found(path), "check the path")
    with path.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            return read_table(path, {}).rows
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            return pd.read_sql_query("SELECT * FROM observations", base)
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        got = shortened(f"{path}: {error}", 300)
        raise UserError(
            "a database with the table observations, as OpSim writes", got, "give a table as CSV"
        ) from error


def codes_of(names: pd.Series, cadence: SurveyCadence) -> Ints:
    """Place of each visit's band among the survey's, (N,); -1 for others. ``zg``, ``ztfg`` and ``LSST_g`` are ``g``."""
    known = {name: place for place, name in enumerate(cadence.bands)}
    texts = names.astype(str).str.strip()
    code = {text: known.get(text, known.get(text[-1:], known.get(text[-1:].swapcase(), -1))) for text in texts.unique()}
    return texts.map(code).to_numpy(dtype=np.int64)
