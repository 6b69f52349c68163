"""Known sources near a supernova: what changes there and is neither the supernova nor an artefact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.targets.tracks import SAME_NIGHT, places_at
from astrid_ml.preprocessing.differencing.epochs.forced import Epoch
from astrid_ml.sky import separation, unit_vectors
from astrid_ml.tables import read_table
from astrid_ml.types import Array, Floats


@dataclass(frozen=True)
class KnownSources:
    """Variables, moving objects and neighbours.

    Args:
        rows: ra, dec (degrees, ICRS), kind, mjd (of a moving object's place; NaN holds always).
        tracks: object, mjd, ra, dec of lists of moving objects; None without any.

    Example:
        >>> rows = pd.DataFrame({"ra": [10.0], "dec": [0.0], "kind": ["variable"], "mjd": [np.nan]})
        >>> [len(KnownSources(rows).around(ra, 0.5, 1.0).rows) for ra in (10.0, 20.0)]
        [1, 0]
    """

    rows: pd.DataFrame
    tracks: pd.DataFrame | None = None

    def around(self, ra: float, dec: float, radius: float) -> KnownSources:
        """Those within ``radius`` degrees of a place."""
        if not len(self.rows):
            return self
        places = unit_vectors(self.rows[["ra", "dec"]].to_numpy(dtype=float))
        near = separation(unit_vectors(np.array([[ra, dec]])), places) <= radius * 3600
        return KnownSources(self.rows[near].reset_index(drop=True))

    def kinds_at(self, epoch: Epoch, x: Floats, y: Floats, radius: float) -> Array:
        """The kind of the nearest known source of each position; empty where none is near.

        Args:
            epoch: the difference image.
            x, y: px.
            radius: px.
        """
        kinds: Array = np.full(len(x), "", dtype=object)
        extent = _extent(epoch)
        inside = self.around(*extent).rows
        if self.tracks is not None:
            moving = KnownSources(places_at(self.tracks, epoch.mjd)).around(*extent).rows
            inside = pd.concat([inside, moving], ignore_index=True)
        moved = (inside["mjd"] - epoch.mjd).abs() > SAME_NIGHT
        rows = inside[~moved.to_numpy(dtype=bool)]
        if not len(rows) or not len(x):
            return kinds
        sx, sy = epoch.wcs.all_world2pix(rows["ra"].to_numpy(), rows["dec"].to_numpy(), 0, quiet=True)
        there = np.isfinite(sx) & np.isfinite(sy)
        if not there.any():
            return kinds
        found = cKDTree(np.column_stack([sx[there], sy[there]])).query(np.column_stack([x, y]))
        distance, which = np.asarray(found[0]), np.asarray(found[1])
        near = distance <= radius
        kinds[near] = rows["kind"].to_numpy(dtype=object)[there][which[near]]
        return kinds


def _extent(epoch: Epoch) -> tuple[float, float, float]:
    """Centre and radius of a frame, degrees, with a margin: places far away have no pixel, or a wrong one."""
    h, w = epoch.result.diff.shape
    x, y = np.array([(w - 1) / 2, 0, w - 1, 0, w - 1]), np.array([(h - 1) / 2, 0, 0, h - 1, h - 1])
    places = np.column_stack(epoch.wcs.all_pix2world(x, y, 0))
    vectors = unit_vectors(places)
    radius = float(separation(vectors[:1], vectors[1:]).max()) / 3600
    return float(places[0, 0]), float(places[0, 1]), 1.1 * radius


def read_known(path: str | Path | None, others: pd.DataFrame) -> KnownSources:
    """A table of known sources, and the other targets of the catalogue beside it.

    Args:
        path: CSV, ECSV, VOTable, FITS or parquet with ra, dec and optionally kind, mjd; None: the targets alone.
        others: ra, dec of all targets; their kind is ``another target``.

    Raises:
        UserError: no such table, or a row without its position: the source would pass for bogus.
    """
    parts = [others[["ra", "dec"]].assign(kind="another target", mjd=np.nan)]
    if path is not None:
        read = read_table(Path(path), {"ra": "deg", "dec": "deg"}, optional={"mjd": "number", "kind": "text"})
        if read.dropped:
            row, reason = read.dropped[0]
            got = f"{path}, row {row}: {reason}"
            raise UserError("known sources with a position in every row", got, "complete the table, or take it out")
        rows = read.rows
        kind = rows["kind"].astype(object) if "kind" in rows else pd.Series("known source", index=rows.index)
        mjd = rows["mjd"].astype(float) if "mjd" in rows else pd.Series(np.nan, index=rows.index)
        parts.append(rows[["ra", "dec"]].astype(float).assign(kind=kind.fillna("known source"), mjd=mjd))
    return KnownSources(pd.concat(parts, ignore_index=True))
