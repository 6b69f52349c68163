"""One object of LSST: its light curve, its 37 static features and five flags, a figure, and its shorter versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.exchange import read_exchange
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES, TIME_SERIES_FEATURES
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.select.augment import DETECTED, ERROR, FLUX, Augmentation, augment
from astrid_ml.preprocessing.lightcurves.select.selection import WINDOWS, Flags, Selection
from astrid_ml.preprocessing.lightcurves.select.sky_flags import ENGINEERED_FEATURES, sky_flags
from astrid_ml.types import Floats, Floats32, Mask
from astrid_ml.walk import walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class LSSTSource:
    """One object. All versions of it share the static features.

    Args:
        object_id: the survey's name.
        label: the survey's class, or None.
        mjd: (N,) days, ascending.
        band: (N,) names.
        phot_flag: (N,) the survey's bits.
        flux: (N,) FLUXCAL, zero point 27.5.
        flux_err: (N,).
        wavelength: (N,) micrometres, NaN where the band is not known.
        static: the 37 static features and the five flags by name; NaN where missing.
        start: MJD of time zero (trigger, or first detection); NaN where there is none.
        selection: whose bits and rule say what a detection is.
    """

    time_series_features: ClassVar[tuple[str, ...]] = TIME_SERIES_FEATURES
    other_features: ClassVar[tuple[str, ...]] = OTHER_FEATURES
    engineered_features: ClassVar[tuple[str, ...]] = ENGINEERED_FEATURES

    object_id: str
    label: str | None
    mjd: Floats
    band: npt.NDArray[np.str_]
    phot_flag: npt.NDArray[np.int32]
    flux: Floats32
    flux_err: Floats32
    wavelength: Floats32
    static: Mapping[str, float]
    start: float
    selection: Selection

    def __len__(self) -> int:
        return len(self.mjd)

    @property
    def time_series(self) -> pd.DataFrame:
        """The epochs with the columns ``time_series_features``."""
        columns = (self.mjd, self.band, self.phot_flag, self.flux, self.flux_err)
        return pd.DataFrame(dict(zip(self.time_series_features, columns, strict=True)))

    @property
    def detected(self) -> Mask:
        """Which epochs are detections, (N,)."""
        if self.selection.rule == "flags":
            found: Mask = (self.phot_flag & self.selection.flags.detect) != 0
            return found
        if self.selection.rule == "snr":
            return np.abs(self.flux) >= self.selection.snr * self.flux_err
        return np.ones(len(self), dtype=bool)

    def within(self, days: float) -> LSSTSource:
        """The epochs with t - time zero <= ``days``, those before time zero included.

        Raises:
            UserError: the object has no time zero.
        """
        if not np.isfinite(self.start):
            raise UserError(
                f"a trigger or detection in {self.object_id}",
                f"none by the rule {self.selection.rule}",
                "another selection: Selection(rule='snr'), or rule='first_epoch'",
            )
        return self._prefix(int(np.count_nonzero(self.mjd - self.start <= days)))

    def get_augmented_sources(
        self,
        days: Sequence[float] = WINDOWS,
        random_lengths: int = 0,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> list[LSSTSource]:
        """Versions of this object as a stream of alerts would show them, shortest first.

        Args:
            days: windows after time zero; one that adds no epoch to the one before is left out.
            random_lengths: so many further versions that end at a random epoch.
            augmentation: dims or blurs the object before it is cut; None leaves it as it is.
            seed: of the random lengths and the augmentation.

        Raises:
            UserError: the object has no time zero, or the augmentation has a redshift.
        """
        rng = np.random.default_rng(seed)
        whole = self if augmentation is None else self._augmented(augmentation, rng)
        windows = [whole.within(day) for day in sorted(days)]
        longer = [k == 0 or len(window) > len(windows[k - 1]) for k, window in enumerate(windows)]
        cut = np.maximum(1, np.ceil(rng.uniform(size=random_lengths) * len(whole)).astype(int))
        further = [whole._prefix(int(end)) for end in cut]
        return sorted([*(w for w, new in zip(windows, longer, strict=True) if new), *further], key=len)

    def plot_flux_curve(self, path: Path | None = None, axes: Axes | None = None) -> Figure:
        """Draw all bands with errors: detections filled, non-detections open, the trigger as a line.

        Args:
            path: where to save a PNG, or None.
            axes: draw into these instead of a new figure.
        """
        from astrid_ml.preprocessing.lightcurves.select.figure import draw

        return draw(self, path, axes)

    def _prefix(self, end: int) -> LSSTSource:
        columns = ("mjd", "band", "phot_flag", "flux", "flux_err", "wavelength")
        return replace(self, **{name: getattr(self, name)[:end] for name in columns})

    def _augmented(self, options: Augmentation, rng: np.random.Generator) -> LSSTSource:
        """A fainter or noisier object with detections and a time zero of its own.

        A redshift would move epochs out of their bands and the host out of its magnitudes.
        """
        if options.redshift:
            fix = "astrid_ml.preprocessing.lightcurves.select.augment.augment, which works on wavelengths"
            raise UserError("an augmentation without redshift", f"redshift={options.redshift}", fix)
        days = self.mjd - self.start
        columns = (days, self.flux, self.flux_err, self.detected, self.wavelength)
        made = augment(np.stack(columns, axis=1).astype(np.float32), np.array([0, len(self)]), rng, options)
        rows, flags, found = made.rows, self.selection.flags, made.values[:, DETECTED] > 0
        flag = self.phot_flag[rows] & ~(flags.detect | flags.trigger) | np.where(found, flags.detect, 0)
        first = int(np.argmax(found)) if found.any() else 0
        flag[first] |= flags.trigger
        return replace(
            self,
            mjd=self.mjd[rows],
            band=self.band[rows],
            wavelength=self.wavelength[rows],
            phot_flag=flag.astype(np.int32),
            flux=made.values[:, FLUX],
            flux_err=made.values[:, ERROR],
            start=float(self.mjd[rows][first]),
        )


def sources_of(table: CurveTable, selection: Selection | None = None) -> Iterator[LSSTSource]:
    """The objects of a table, preprocessed by ``selection`` (ELAsTiCC's by default)."""
    rule = selection or Selection(Flags())
    kept, start, _ = rule.apply(table)
    objects = kept.objects
    static = {
        name: objects[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if name in objects
        else np.full(len(kept), np.nan)
        for name in OTHER_FEATURES
    }
    static |= sky_flags(static["RA"], static["DEC"])
    bands = np.array(kept.bands)
    for i in range(len(kept)):
        part = slice(kept.offsets[i], kept.offsets[i + 1])
        code = kept.band[part]
        label: Any = objects["label"].iloc[i] if "label" in objects else None
        yield LSSTSource(
            str(objects["object_id"].iloc[i]),
            None if pd.isna(label) else str(label),
            kept.mjd[part],
            bands[code],
            kept.phot_flag[part],
            kept.flux[part],
            kept.flux_err[part],
            kept.wavelengths[code],
            {name: float(values[i]) for name, values in static.items()},
            float(start[i]),
            rule,
        )


def read_sources(path: Path, selection: Selection | None = None) -> Iterator[LSSTSource]:
    """The objects of a parquet file (or of a folder of them) that ``astrid convert`` wrote."""
    for file in walk(path, lambda file: file.suffix == ".parquet"):
        for table in read_exchange(file):
            yield from sources_of(table, selection)


# The name that this object has in the published pipeline.
LSST_Source = LSSTSource
