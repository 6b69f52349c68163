"""Light-curve files to prepared samples: ragged epochs and static columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.contracts.by_part import without_repeats
from astrid_ml.contracts.check import given
from astrid_ml.contracts.pipeline import Drop, Unit, UnitWriter
from astrid_ml.fingerprint import places_of, relative
from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.layouts.maps import ColumnMaps, maps_of
from astrid_ml.preprocessing.lightcurves.readers.recognise import find_curves, source_of, why_unread
from astrid_ml.preprocessing.lightcurves.select.extinction import ExtinctionCorrection
from astrid_ml.preprocessing.lightcurves.select.selection import Selection
from astrid_ml.preprocessing.lightcurves.select.sky_flags import sky_flags
from astrid_ml.types import Floats, Floats32, InUnits, Mask, Micrometres, ZeroPoint

UNREAD = "unread"  # kind of the unit of files that nobody reads
# Columns of the ragged kind ``epochs``.
FEATURES = ("days", "flux", "flux_err", "detected", "wavelength")
# Beside the static features: text, truth and times that an index may hold, never an input of a network.
_TEXTS = ("id", "group_id", "label", "survey", "flux_kind", "mission")
_COUNTED = ("mjd", "n_epochs", "n_detections", "ra", "dec")
_KEPT = ("part", "variability", "PEAKMJD", "SIM_TYPE_NAME", "SIM_MODEL_NAME")


@dataclass(frozen=True)
class LightcurvesPipeline:
    """Read, select epochs, correct for dust; one sample an object.

    Args:
        selection: which epochs are used and when an object begins.
        extinction: correction for the Galaxy's dust, or None.
        wavelengths: micrometres of bands by name, over the built-in ones.
        zero_point: of fluxes in files that do not tell it (31.4 for nJy).
        columns: a file of YAML, or its keys and values, that says what the columns of tables mean.
    """

    domain: ClassVar[str] = "lightcurves"
    version: ClassVar[int] = 5  # names of objects by folders, marks, signs, filters and offsets that were not known

    selection: Selection = field(default_factory=Selection)
    extinction: ExtinctionCorrection | None = None
    wavelengths: Annotated[dict[str, Micrometres], InUnits("um")] = field(default_factory=dict)
    zero_point: Annotated[ZeroPoint, InUnits("mag")] | None = None
    columns: str | dict[str, Any] | None = None

    @cached_property
    def maps(self) -> ColumnMaps:
        """The user's maps of columns."""
        return maps_of(self.columns)

    def column_names(self) -> tuple[str, ...]:
        """Those of every survey."""
        flags = sky_flags(np.zeros(1), np.zeros(1))
        return (*_TEXTS, *_COUNTED, *OTHER_FEATURES, *flags, *_KEPT)

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """One unit a source; a HEAD without PHOT is incomplete. Files that nobody reads are a unit that drops them."""
        found = find_curves(raw, self.maps)
        roots = [path if path.is_dir() else path.parent for path in raw]
        units = []
        for source in found.sources:
            root = next((root for root in roots if source.path.is_relative_to(root)), source.path.parent)
            size = sum(path.stat().st_size for path in source.inputs)
            name = str(source.path.relative_to(root))
            units.append(Unit(name, source.inputs, missing=source.lacks, bytes_needed=size))
        if found.unread:
            paths = tuple(found.unread)
            units.append(Unit(f"{relative(paths[0], raw)} unread", paths, {"kind": UNREAD}))
        return units

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Read one source and write its objects; each object that is left out is named with the reason."""
        if unit.parameters.get("kind") == UNREAD:
            for path, place in places_of(unit.id, unit.inputs).items():
                writer.drop(path.name, why_unread(path, maps=self.maps), place)
            return
        source = source_of(unit.inputs, self.maps)
        account = Account()
        for table in source.read(account, self.wavelengths, self.zero_point):
            self.selection.agree(account.bits, source.path.name)
            self._write(table, writer, partial(source.place_of, name=unit.id))
        for drop in account.dropped:
            writer.drop(drop["object_id"], drop["reason"], source.place_of(drop.get("file"), unit.id))
        for lost in (*account.failed, *account.unread):
            writer.drop(lost["file"], lost["reason"], source.place_of(lost["file"], unit.id))
        for repaired in account.repaired:
            writer.count(f"repaired: {repaired['reason']}")
        for name, number in account.counts.items():
            writer.count(name, number)

    def _write(self, table: CurveTable, writer: UnitWriter, place_of: Callable[[str | None], str]) -> None:
        known, dark = np.isfinite(table.wavelengths)[table.band], _unknown(table)
        table = table.keep_epochs(known)
        table, start, detected = given(self, "selection", self.selection.apply(table), "apply")
        if self.extinction is not None:
            table = given(self, "extinction", self.extinction.apply(table), "apply")
        names = table.objects["object_id"].to_numpy()
        reasons = np.where(table.lengths == 0, dark, NO_TRIGGER[self.selection.rule])
        usable = (table.lengths > 0) & np.isfinite(start)
        files = table.objects["file"].to_list() if "file" in table.objects else [None] * len(table)
        for number in np.flatnonzero(~usable):
            writer.drop(str(names[number]), str(reasons[number]), place_of(files[number]))
        rows = np.flatnonzero(usable)
        if not len(rows):
            return
        epochs = epochs_of(table, start, detected)
        pieces = [epochs[table.offsets[row] : table.offsets[row + 1]] for row in rows]
        writer.add_ragged(records_of(table, start, detected).iloc[rows].reset_index(drop=True), {"epochs": pieces})

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """An object that several files hold counts once, in the file that comes first."""
        return self.finalise_part(index, index["id"].duplicated().to_numpy())

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """The same for some of its rows."""
        return without_repeats(part, repeated, "object_id in another file as well; the first is kept")

    def describe(self) -> dict[str, Any]:
        """The columns of ``epochs`` and the rule that set time zero."""
        return {
            "features": list(FEATURES),
            "units": {"days": "d", "flux": "FLUXCAL (zero point 27.5)", "wavelength": "um"},
            "time_zero": self.selection.rule,
            "arrays": {
                "epochs": {
                    "axes": "epoch, feature",
                    "channels": list(FEATURES),
                    "unit": "days: d; flux, flux_err: FLUXCAL (zero point 27.5); detected: 0 or 1; wavelength: um",
                    "normalised": "none",
                    "missing": "none: an epoch without flux or error is not there",
                }
            },
            "label": "The survey's name of the class; null where nobody knows",
            "rai": {
                "data_collection": "Light curves of a survey or a simulation, object by object.",
                "data_preprocessing_protocol": f"Days count from the {self.selection.rule} rule's time zero.",
                "data_limitations": "Objects without a detection by that rule are left out.",
                "data_use_cases": "Training and testing of classifiers of transients and variables.",
            },
        }


def _unknown(table: CurveTable) -> npt.NDArray[np.object_]:
    """Of each object why it has no epoch where none is in a band of known wavelength, (N,)."""
    lost = [name for name, wave in zip(table.bands, table.wavelengths, strict=True) if not np.isfinite(wave)]
    out = np.full(len(table), "no epoch in a band of known wavelength", dtype=object)
    for name in lost:
        own = np.unique(table.owner[table.band == table.bands.index(name)])
        out[own] = [f"{said}{', ' if '(' in said else ' ('}{name}" for said in out[own]]
    return np.array(
        [f"{said}): say preprocessing.wavelengths.NAME=MICROMETRES" if "(" in said else said for said in out]
    )


NO_TRIGGER = {
    "flags": "no detection in PHOTFLAG: a survey without flags needs preprocessing.selection.rule=snr or first_epoch",
    "snr": "no epoch above the S/N threshold",
    "first_epoch": "no epoch",
}


def epochs_of(table: CurveTable, start: Floats, detected: Mask) -> Floats32:
    """(N, 5) float32: days since time zero, flux, error, detected (0 or 1), wavelength."""
    out = np.empty((len(table.mjd), len(FEATURES)), dtype=np.float32)
    out[:, 0] = table.mjd - np.repeat(start, table.lengths)
    for place, column in enumerate((table.flux, table.flux_err, detected, table.wavelengths[table.band]), start=1):
        out[:, place] = column
    return out


def records_of(table: CurveTable, start: Floats, detected: Mask) -> pd.DataFrame:
    """The index's rows; every static feature and the five flags of the position, NaN where the survey has none."""
    objects = table.objects
    found = np.bincount(table.owner[detected], minlength=len(table))
    names = objects["object_id"].astype(str)
    columns: dict[str, Any] = {"id": names, "group_id": names, "mjd": start, "n_epochs": table.lengths}
    columns["n_detections"] = found
    for name in ("label", "survey", "flux_kind"):
        columns[name] = objects[name].astype(object) if name in objects else None
    columns["mission"] = columns["survey"]
    for name, source in (("ra", "RA"), ("dec", "DEC")):
        columns[name] = objects.get(source, np.nan)
    for name in OTHER_FEATURES:
        columns[name] = objects[name].astype(np.float64) if name in objects else np.full(len(objects), np.nan)
    columns.update(sky_flags(np.asarray(columns["RA"], dtype=float), np.asarray(columns["DEC"], dtype=float)))
    columns.update({name: objects[name] for name in _KEPT if name in objects})
    return pd.DataFrame(columns, index=objects.index)
