"""What another survey would not have told of an object: its host, its redshift, its place, bands, nights.

A network that always saw hosts behind transients calls whatever has none a star. Training therefore leaves out such
blocks at random, each for an object as a whole, so that their absence says nothing of its class.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.select.augment import (
    DAYS,
    DETECTED,
    ERROR,
    FLUX,
    WAVELENGTH,
    around,
    start_of,
)
from astrid_ml.preprocessing.lightcurves.select.sky_flags import ENGINEERED_FEATURES
from astrid_ml.types import Floats, Floats32, Ints, Mask, Share

PLACE = ("RA", "DEC", "MWEBV", "MWEBV_ERR", *ENGINEERED_FEATURES)
REDSHIFT = ("REDSHIFT_", "HOSTGAL_PHOTOZ", "HOSTGAL_SPECZ")  # beginnings of columns
DRAWS = 9  # numbers that an object takes
SPARSEST = 6  # a cadence is cut down to one night of so many at most


@dataclass(frozen=True)
class Presence:
    """How often training leaves out a block of what is known of an object; 0 never does.

    Args:
        host: all columns of the host.
        redshift: all redshifts, of the object and of its host.
        survey: position, dust and fields: what tells the survey's footprint.
        bands: about half of the bands.
        cadence: all nights but one of two to six.

    Example:
        >>> never = Presence(host=0, redshift=0, survey=0, bands=0, cadence=0)
        >>> never.changes, Presence().changes
        (False, True)
    """

    host: Share = 0.3
    redshift: Share = 0.3
    survey: Share = 0.2
    bands: Share = 0.2
    cadence: Share = 0.2

    @property
    def changes(self) -> bool:
        """Whether any block is left out at all."""
        return max(self.host, self.redshift, self.survey, self.bands, self.cadence) > 0

    def columns(self, index: pd.DataFrame, drawn: Floats, redshifts: Collection[str] = ()) -> pd.DataFrame:
        """The static columns with the blocks as NaN that these objects lose.

        Args:
            index: n rows.
            drawn: (n, DRAWS) numbers in [0, 1).
            redshifts: columns that hold redshifts, beside those that SNANA names.
        """
        names = [str(name) for name in index]
        of_redshift = [name for name in names if name in redshifts or name.startswith(REDSHIFT)]
        blocks = (
            (drawn[:, 0] < self.host, [name for name in names if name.startswith("HOSTGAL")]),
            (drawn[:, 1] < self.redshift, of_redshift),
            (drawn[:, 2] < self.survey, [name for name in names if name in PLACE]),
        )
        index = index.copy()
        for lost, block in blocks:
            for name in block if lost.any() else []:
                index[name] = np.where(lost, np.nan, index[name].to_numpy(dtype=np.float64, na_value=np.nan))
        return index

    def epochs(self, values: Floats32, offsets: Ints, drawn: Floats, tail: bool = False) -> tuple[Floats32, Ints]:
        """The epochs that are left, and their offsets; an object that would lose its last detection keeps all.

        Time zero is the first detection that is left, and one epoch before it stays.

        Args:
            values: (N, 5), the columns of ``epochs``.
            offsets: (n + 1,).
            drawn: (n, DRAWS) numbers in [0, 1).
            tail: what follows the last detection stays.
        """
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        left = self._bands_left(values, drawn[owner]) & self._nights_left(values, drawn[owner])
        found = (values[:, DETECTED] > 0) & left
        changed = np.bincount(owner[~left], minlength=len(offsets) - 1) > 0
        changed &= np.bincount(owner[found], minlength=len(offsets) - 1) > 0
        if not changed.any():
            return values, offsets
        rows = np.flatnonzero(left | ~changed[owner])
        ends = np.searchsorted(rows, offsets).astype(np.int64)
        out, owner = values[rows].copy(), owner[rows]
        seen = out[:, DETECTED] > 0
        out[:, DAYS] -= np.where(changed, start_of(out, seen, ends), 0.0)[owner]
        kept = np.flatnonzero(~changed[owner] | around(out, seen, ends, tail))
        return out[kept], np.searchsorted(kept, ends).astype(np.int64)

    def _bands_left(self, values: Floats32, drawn: Floats) -> Mask:
        """A coin for each band of an object: pairwise independent, and the same in whatever batch it stands."""
        coin = (drawn[:, 5] + np.round(values[:, WAVELENGTH] * 1000) * drawn[:, 6]) % 1.0
        out: Mask = (drawn[:, 3] >= self.bands) | (coin < 0.5)
        return out

    def _nights_left(self, values: Floats32, drawn: Floats) -> Mask:
        apart = 2 + np.floor(drawn[:, 7] * (SPARSEST - 1))
        phase = np.floor(drawn[:, 8] * apart)
        out: Mask = (drawn[:, 4] >= self.cadence) | ((np.floor(values[:, DAYS]) + phase) % apart == 0)
        return out


def facts_of_curves(values: Floats32, offsets: Ints, index: pd.DataFrame) -> pd.DataFrame:
    """What decides whether curves are like those of training: kind of flux, bands, cadence, whether a host is known.

    Args:
        values: (N, 5), the columns of ``epochs``.
        offsets: (n + 1,).
        index: n rows.

    Returns:
        n rows: ``flux_kind``, ``bands`` (wavelengths in nm, joined by +), ``cadence`` (median days between nights, NaN
        of a single one) and ``host`` (``known`` or ``none``; null where the data have no such columns); and the numbers
        by which a set of curves is compared: ``per_night``, ``before`` (points before time zero), ``detected_share``,
        ``depth`` (of five median errors), ``brightest``, ``median_snr``.
    """
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    nights = pd.DataFrame({"owner": owner, "night": np.floor(values[:, DAYS])}).drop_duplicates()
    gaps = nights.assign(gap=nights.groupby("owner")["night"].diff()).groupby("owner")["gap"].median()
    waves = pd.DataFrame({"owner": owner, "wave": np.round(values[:, WAVELENGTH] * 1000).astype(int)})
    waves = waves.drop_duplicates().sort_values(["owner", "wave"])
    bands = waves["wave"].astype(str).groupby(waves["owner"]).agg("+".join)
    out = pd.DataFrame({"bands": bands, "cadence": gaps}).reindex(range(len(offsets) - 1))
    out = out.join(_numbers_of_curves(values, owner, nights.groupby("owner").size()))
    if "flux_kind" in index:
        out["flux_kind"] = index["flux_kind"].to_numpy()
    hosts = [name for name in index if str(name).startswith("HOSTGAL")]
    if hosts:
        out["host"] = np.where(index[hosts].notna().any(axis=1), "known", "none")
    return out


def _numbers_of_curves(values: Floats32, owner: Ints, nights: pd.Series) -> pd.DataFrame:
    """The numbers of :func:`facts_of_curves` of each object that has epochs; magnitudes are AB, of FLUXCAL."""
    flux, error = values[:, FLUX].astype(np.float64), values[:, ERROR].astype(np.float64)
    epochs = pd.DataFrame({"owner": owner, "flux": flux, "error": error, "snr": flux / error})
    epochs["before"], epochs["detected"] = values[:, DAYS] < 0, values[:, DETECTED] > 0
    of_each = epochs.groupby("owner")
    found = pd.DataFrame({"per_night": of_each.size() / nights, "before": of_each["before"].sum()})
    found["detected_share"] = of_each["detected"].mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        found["depth"] = 27.5 - 2.5 * np.log10(5 * of_each["error"].median())
        found["brightest"] = 27.5 - 2.5 * np.log10(of_each["flux"].max())
    found["median_snr"] = of_each["snr"].median()
    return found
