"""Where an object of a list is between its rows, how fast it is, and when it stands at a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.sky import separation, unit_vectors
from astrid_ml.types import Array, Floats, Ints

NEIGHBOURS = 1.0  # days between rows of which a rate or a place between them is told
SAME_NIGHT = 0.1  # days in which a moving object stays near the place that a table says
Span = tuple[float, float]  # first, last MJD
HALF = 0.5  # cosine: of a gnomonic plane no more than 60 degrees are used


@dataclass(frozen=True)
class Track:
    """The places of one object, in the order of time.

    Args:
        mjd: (n,) ascending.
        vectors: (n, 3) unit vectors.
        order: (n,) rows of the list, in the order of time.

    Example:
        >>> track = Track.of(np.array([60000.0, 60000.5]), np.array([[10.0, 0.0], [10.01, 0.0]]))
        >>> track.rates().round(3).tolist(), len(track.there((10.005, 0.0), 3.6, (60000.25, 60000.25)))
        ([72.0, 72.0], 1)
    """

    mjd: Floats
    vectors: Floats
    order: Ints

    @classmethod
    def of(cls, mjd: Floats, places: Array) -> Track:
        """Of times and places in any order.

        Args:
            mjd: (n,).
            places: ra, dec in degrees, (n, 2).
        """
        order = np.argsort(mjd, kind="stable")
        return cls(mjd[order], unit_vectors(places)[order], order)

    def rates(self) -> Floats:
        """(n,) arcsec a day, by the neighbours within a day: the faster of both; NaN without any."""
        steps = np.diff(self.mjd)
        speed = np.full(len(steps) + 2, np.nan)
        near = (steps > 0) & (steps <= NEIGHBOURS)
        speed[1:-1][near] = separation(self.vectors[:-1][near], self.vectors[1:][near]) / steps[near]
        return np.asarray(np.fmax(speed[:-1], speed[1:]))

    def there(self, place: tuple[float, float], clear: float, known: tuple[float, float]) -> tuple[Span, ...]:
        """When it is near a place: in the time that is known, and wherever the straight line between rows passes it.

        Args:
            place: ra, dec, degrees.
            clear: arcsec.
            known: MJD from and to which it is there by its rate.

        Returns:
            (first, last) MJD, ascending, apart from each other.
        """
        spans = [known, *self._passing(unit_vectors(np.array([place]))[0], np.radians(clear / 3600))]
        out: list[tuple[float, float]] = []
        for first, last in sorted(spans):
            if out and first <= out[-1][1]:
                out[-1] = (out[-1][0], max(out[-1][1], last))
            else:
                out.append((first, last))
        return tuple(out)

    def _passing(self, place: Floats, clear: float) -> list[tuple[float, float]]:
        """Times of the steps that come within ``clear`` radians."""
        cosine = self.vectors @ place
        chord = np.linalg.norm(self.vectors - place, axis=1)
        steps = np.linalg.norm(np.diff(self.vectors, axis=0), axis=1)
        # A step passes nearer than its ends by no more than its own length; far ones are looked at no further.
        near = (np.minimum(chord[:-1], chord[1:]) <= 1.05 * steps + clear) & (
            np.minimum(cosine[:-1], cosine[1:]) > HALF
        )
        out = []
        for k in np.flatnonzero(near).tolist():
            begin, end = (self.vectors[n] / cosine[n] - place for n in (k, k + 1))  # gnomonic: its path is straight
            line = end - begin
            a, b, c = float(line @ line), float(begin @ line), float(begin @ begin) - clear**2
            root = b * b - a * c
            if a == 0:
                span = (0.0, 1.0) if c <= 0 else (1.0, 0.0)
            else:
                half = float(np.sqrt(max(root, 0.0)))
                span = (max(0.0, (-b - half) / a), min(1.0, (-b + half) / a)) if root >= 0 else (1.0, 0.0)
            if span[0] <= span[1]:
                begun, lasts = float(self.mjd[k]), float(self.mjd[k + 1] - self.mjd[k])
                out.append((begun + span[0] * lasts, begun + span[1] * lasts))
        return out


def places_at(tracks: pd.DataFrame, mjd: float) -> pd.DataFrame:
    """Where objects are at a time: between two rows at most a day apart, else at one of the same tenth of a day.

    Args:
        tracks: object, mjd, ra, dec (deg) of rows of lists.
        mjd: of an image.

    Returns:
        ra, dec, kind (``moving``), mjd.

    Example:
        >>> rows = [("Ceres", 60000.0, 10.0, 0.0), ("Ceres", 60000.5, 11.0, 0.0), ("Vesta", 60000.0, 50.0, 0.0)]
        >>> at = places_at(pd.DataFrame(rows, columns=["object", "mjd", "ra", "dec"]), 60000.25)
        >>> at[["ra", "kind"]].round(6).to_numpy().tolist()
        [[10.5, 'moving']]
    """
    near = tracks[(tracks["mjd"] - mjd).abs() <= NEIGHBOURS].sort_values("mjd", kind="stable")
    found = []
    for _, rows in near.groupby("object", sort=True):
        times, vectors = rows["mjd"].to_numpy(dtype=float), unit_vectors(rows[["ra", "dec"]].to_numpy(dtype=float))
        after = int(np.searchsorted(times, mjd))
        closest = int(np.abs(times - mjd).argmin())
        if 0 < after < len(times) and times[after] - times[after - 1] <= NEIGHBOURS:
            share = (mjd - times[after - 1]) / (times[after] - times[after - 1])
            found.append((1 - share) * vectors[after - 1] + share * vectors[after])
        elif abs(times[closest] - mjd) <= SAME_NIGHT:
            found.append(vectors[closest])
    x, y, z = np.array(found, dtype=float).reshape(-1, 3).T
    ra, dec = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return pd.DataFrame(
        {"ra": ra, "dec": dec, "kind": pd.Series("moving", index=range(len(ra)), dtype=object), "mjd": mjd}
    )
