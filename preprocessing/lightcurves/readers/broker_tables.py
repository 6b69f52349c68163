"""Light curves as brokers and services hand them on: ALeRCE, Fink, Lasair, ANTARES, forced photometry.

What their columns mean stands in ``layouts/*.yaml``. A negative difference is a negative flux; an upper limit is flux 0
with an error of limit / 5. What a layout needs and a file lacks is told by the column's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.bands import WAVELENGTHS
from astrid_ml.preprocessing.lightcurves.curves.ingest import JD_ZERO, NO_FLUX, Account, assemble, without_unknown_zero
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.readers.broker_rows import layout_of_file, rows_of_file
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout, layouts
from astrid_ml.preprocessing.lightcurves.readers.long_tables import (
    DETECTED,
    LIMIT_SIGMA,
    fluxes_of_magnitudes,
    numbers_of,
)
from astrid_ml.preprocessing.lightcurves.readers.source import CurveReader, CurveSource, Wavelengths
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.printable import printable
from astrid_ml.types import Floats, Mask

_POSITIVE, _NEGATIVE = ("t", "1", "1.0", "true"), ("f", "0", "0.0", "-1", "-1.0", "false")
_EMPTY = ("", "null", "None", "nan", "NaN")


def epochs_of(rows: pd.DataFrame, layout: TableLayout, file: str, account: Account) -> pd.DataFrame:
    """Epochs in FLUXCAL of the rows of a file, with ``ra`` and ``dec`` where they have them.

    Args:
        rows: as they stand in the file.
        layout: of its columns.
        file: names the object where no column does.
        account: counts rows that are left out: marked as no good, of an unknown sign or filter.

    Raises:
        ValueError: a column is absent.
        UserError: a value that is no number.
    """
    roles = layout.roles([str(name) for name in rows.columns])
    rows = _without_bad(rows, layout, account)
    days = _numbers(rows, roles["time"]) - (JD_ZERO if layout.time == "jd" else 0.0)
    flux, error, measured = _fluxes(rows, layout, roles, account)
    survey = survey_named(layout.survey)
    bands = [survey.band_of(_said(value, layout)) for value in rows[roles["filter"]]]
    names = rows[roles["object"]].astype("string") if "object" in roles else pd.Series(file, index=rows.index)
    columns = {"object_id": names.fillna(file).astype(object), "mjd": days, "band": bands}
    columns |= {"flux": flux, "flux_err": error}
    flags = np.where(measured, DETECTED, 0) if layout.detections else 0
    out = pd.DataFrame({**columns, "phot_flag": flags}, index=rows.index)
    for role in ("ra", "dec"):
        out[role] = _numbers(rows, roles[role]) if role in roles else np.nan
    account.counts["rows_of_unknown_filter"] += int(out["band"].isna().sum())
    if not layout.detections:
        account.counts["rows_without_flag_of_detection"] += len(out)
    return out[out["band"].notna()]


def _without_bad(rows: pd.DataFrame, layout: TableLayout, account: Account) -> pd.DataFrame:
    bad: Mask = np.zeros(len(rows), dtype=bool)
    for name, words in layout.left_out.items():
        if name in rows:
            bad |= rows[name].astype("string").isin(words).to_numpy(dtype=bool, na_value=False)
    for name, least in layout.left_out_from.items():
        if name in rows:
            bad |= np.asarray(_numbers(rows, name) >= least)
    account.counts["rows_that_the_service_calls_bad"] += int(bad.sum())
    return rows[~bad]


def _fluxes(
    rows: pd.DataFrame, layout: TableLayout, roles: dict[str, str], account: Account
) -> tuple[Floats, Floats, Mask]:
    """Flux and error (zero point 27.5), NaN where nothing was measured; and which rows are no limits."""
    if "flux" in roles:
        flux, error = _numbers(rows, roles["flux"]), _numbers(rows, roles["flux_err"])
        zero = _numbers(rows, roles["zero_point"]) if "zero_point" in roles else np.full(len(rows), layout.zero_point)
        factor = 10 ** (-0.4 * (zero.astype(np.float64) - 27.5))
        return np.where(np.isin(flux, NO_FLUX), np.nan, flux) * factor, error * factor, np.ones(len(rows), dtype=bool)
    nothing = np.full(len(rows), np.nan)
    magnitude = _numbers(rows, roles["mag"]) if "mag" in roles else nothing
    flux, error = fluxes_of_magnitudes(magnitude, _numbers(rows, roles["mag_err"]) if "mag" in roles else nothing)
    if "sign" in roles:
        sign = _signs(rows[roles["sign"]])
        account.counts["rows_of_unknown_sign"] += int((np.isnan(sign) & np.isfinite(flux)).sum())
        flux = flux * sign
    if "limit" in roles:  # a magnitude of unknown sign, or a number that marks none, is no limit
        limit, _ = fluxes_of_magnitudes(_numbers(rows, roles["limit"]), nothing)
        told = np.isfinite(magnitude)
        flux, error = np.where(told, flux, 0.0 * limit), np.where(told, error, limit / LIMIT_SIGMA)
    return flux, error, np.isfinite(magnitude)


def _signs(values: pd.Series) -> Floats:
    words = values.astype("string").str.strip().str.lower()
    return np.select([words.isin(_POSITIVE), words.isin(_NEGATIVE)], [1.0, -1.0], np.nan).astype(np.float64)


def _said(value: Any, layout: TableLayout) -> str | int | None:
    """A filter's name or number, as the survey has it."""
    if value is None or pd.isna(value):
        return None
    if isinstance(value, int | float | np.number):
        return int(value) if float(value).is_integer() else None
    return layout.bands.get(str(value).strip(), str(value))


def _numbers(rows: pd.DataFrame, name: str) -> Floats:
    if name in rows and not pd.api.types.is_numeric_dtype(rows[name]):
        rows = rows.assign(**{name: rows[name].mask(rows[name].astype("string").str.strip().isin(_EMPTY))})
    return numbers_of(rows, name).to_numpy(dtype=np.float64, na_value=np.nan)


def objects_of(epochs: pd.DataFrame, layout: TableLayout) -> pd.DataFrame:
    """One row an object, at the median of its rows' positions."""
    sky = epochs.groupby("object_id", sort=False)[["ra", "dec"]].median().reset_index()
    objects = sky.rename(columns={"ra": "RA", "dec": "DEC"})
    name = survey_named(layout.survey).name.upper()
    return objects.assign(label=None, survey=name, flux_kind=layout.flux_kind)


def wavelengths_for(layout: TableLayout, given: Wavelengths) -> Wavelengths:
    """The survey's own wavelengths of bands that are nobody else's; what was given goes first."""
    bands = survey_named(layout.survey).bands.items()
    own = {name: band.wavelength for name, band in bands if band.wavelength is not None and name not in WAVELENGTHS}
    return {**own, **(given or {})}


@dataclass(frozen=True)
class BrokerReader:
    """Tables and JSON of brokers, a row an epoch; those of a folder together."""

    kind: ClassVar[str] = "brokers"
    known_as: ClassVar[str] = "; ".join(layout.name for layout in layouts())
    grouped: ClassVar[bool] = True
    cut: ClassVar[bool] = True

    def recognise(self, path: Path) -> CurveSource | None:
        """By the columns of one of the layouts."""
        return CurveSource(self, path, {}, members=(path,)) if layout_of_file(path) is not None else None

    def read(
        self, source: CurveSource, account: Account, wavelengths: Wavelengths, zero_point: float | None
    ) -> Iterator[CurveTable]:
        by_name = {layout.name: layout for layout in layouts()}
        read: dict[str, list[pd.DataFrame]] = {}
        for path in source.members:
            layout = layout_of_file(path)
            try:
                if layout is None:
                    raise ValueError("no table of a broker any more")
                rows = epochs_of(rows_of_file(path, layout), layout, path.name.split(".", 1)[0], account)
                read.setdefault(layout.name, []).append(rows)
            except (ValueError, UserError) as error:
                why = f"{error.expected}: {error.got}" if isinstance(error, UserError) else str(error)
                account.drop(path.name, printable(why)[:200])
                account.read += 1
        for name, parts in read.items():
            epochs, layout = without_unknown_zero(pd.concat(parts, ignore_index=True), account), by_name[name]
            if len(epochs):
                yield assemble(objects_of(epochs, layout), epochs, account, wavelengths_for(layout, wavelengths))


READERS: tuple[CurveReader, ...] = (BrokerReader(),)
