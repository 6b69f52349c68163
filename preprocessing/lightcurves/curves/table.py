"""A table of light curves: flat columns of epochs and offsets, one row an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.types import Floats, Floats32, Ints, Mask


@dataclass(frozen=True)
class CurveTable:
    """Light curves of n objects with N epochs in all.

    Args:
        objects: n rows: ``object_id`` (text), ``label`` (text or None), ``survey``, ``flux_kind`` (``difference`` or
            ``total``) and static columns; a missing value is NaN.
        offsets: (n + 1,) epochs of object i are ``offsets[i]:offsets[i + 1]``.
        mjd: (N,) float64, days, ascending within an object.
        flux: (N,) float32, FLUXCAL with zero point 27.5: mag = 27.5 - 2.5 log10(flux).
        flux_err: (N,) float32, one sigma.
        phot_flag: (N,) int32, the survey's bits.
        band: (N,) int16, position in ``bands``.
        bands: names.
        wavelengths: micrometres, one for each band.
    """

    objects: pd.DataFrame
    offsets: Ints
    mjd: Floats
    flux: Floats32
    flux_err: Floats32
    phot_flag: npt.NDArray[np.int32]
    band: npt.NDArray[np.int16]
    bands: tuple[str, ...]
    wavelengths: Floats32

    def __len__(self) -> int:
        return len(self.objects)

    @property
    def lengths(self) -> Ints:
        """Epochs of each object, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> Ints:
        """The object of each epoch, shape (N,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def keep_epochs(self, mask: Mask) -> CurveTable:
        """The epochs where ``mask`` (N,) is true; objects stay, perhaps without epochs."""
        if mask.all():
            return self
        rows = np.flatnonzero(mask)
        columns = {name: getattr(self, name)[rows] for name in EPOCH_COLUMNS}
        return replace(self, offsets=np.searchsorted(rows, self.offsets).astype(np.int64), **columns)

    def take(self, chosen: Ints) -> CurveTable:
        """Objects by position, in that order."""
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[chosen], lengths)
        columns = {name: getattr(self, name)[rows] for name in EPOCH_COLUMNS}
        return replace(self, objects=self.objects.iloc[chosen].reset_index(drop=True), offsets=offsets, **columns)

    def sorted_by_time(self) -> tuple[CurveTable, Mask]:
        """Epochs in ascending time, and which objects were out of order in the file.

        Those of one time stand by wavelength, then by flux: a curve is the same in whatever order its rows were.
        """
        if not len(self.mjd):
            return self, np.zeros(len(self), dtype=bool)
        owner, step = self.owner, np.diff(self.mjd)
        own = owner[1:] == owner[:-1]
        disordered = np.zeros(len(self), dtype=bool)
        disordered[owner[np.flatnonzero((step < 0) & own)]] = True
        place = np.empty(max(len(self.bands), 1), dtype=np.int64)
        place[np.lexsort((np.array(self.bands), self.wavelengths))] = np.arange(len(self.bands))
        tied = np.flatnonzero((step == 0) & own)
        apart = place[self.band[tied + 1]] - place[self.band[tied]]
        swapped = (apart < 0) | ((apart == 0) & (self.flux[tied + 1] < self.flux[tied]))
        if not disordered.any() and not swapped.any():
            return self, disordered
        order = np.lexsort((self.phot_flag, self.flux_err, self.flux, place[self.band], self.mjd, owner))
        return replace(self, **{name: getattr(self, name)[order] for name in EPOCH_COLUMNS}), disordered


EPOCH_COLUMNS = ("mjd", "flux", "flux_err", "phot_flag", "band")


def first_true(mask: Mask, offsets: Ints) -> Ints:
    """Row of the first true epoch of each object, shape (n,); -1 where there is none."""
    return _edge(np.flatnonzero(mask), offsets, last=False)


def last_true(mask: Mask, offsets: Ints) -> Ints:
    """Row of the last true epoch of each object, shape (n,); -1 where there is none."""
    return _edge(np.flatnonzero(mask), offsets, last=True)


def _edge(rows: Ints, offsets: Ints, last: bool) -> Ints:
    out = np.full(len(offsets) - 1, -1, dtype=np.int64)
    if not len(rows):
        return out
    place = np.searchsorted(rows, offsets[1:], side="left") - 1 if last else np.searchsorted(rows, offsets[:-1])
    found = rows[np.clip(place, 0, len(rows) - 1)]
    good = (place >= 0) & (place < len(rows)) & (found >= offsets[:-1]) & (found < offsets[1:])
    out[good] = found[good]
    return out


def concatenate(tables: Sequence[CurveTable]) -> CurveTable:
    """Several tables as one; their bands are merged by name."""
    if len(tables) == 1:
        return tables[0]
    names: dict[str, float] = {}
    for table in tables:
        for name, wavelength in zip(table.bands, table.wavelengths, strict=True):
            names.setdefault(name, float(wavelength))
    code = {name: number for number, name in enumerate(names)}
    bands = [np.array([code[name] for name in t.bands] or [0], dtype=np.int16)[t.band] for t in tables]
    shifts = np.cumsum([0, *(len(t.mjd) for t in tables)])
    offsets = [tables[0].offsets[:1], *(t.offsets[1:] + s for t, s in zip(tables, shifts, strict=False))]
    return CurveTable(
        pd.concat([t.objects for t in tables], ignore_index=True),
        np.concatenate(offsets),
        np.concatenate([t.mjd for t in tables]),
        np.concatenate([t.flux for t in tables]),
        np.concatenate([t.flux_err for t in tables]),
        np.concatenate([t.phot_flag for t in tables]),
        np.concatenate(bands),
        tuple(names),
        np.array(list(names.values()), dtype=np.float32),
    )
