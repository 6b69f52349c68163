"""Rows of a known or told layout as epochs: fluxes of zero point 27.5, times in MJD (UTC), filters by their survey.

A negative difference is a negative flux; an upper limit is flux 0 with an error of limit / 5, and no detection. What a
layout needs and a file lacks is told by the column's name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.bands import WAVELENGTHS, short_name
from astrid_ml.preprocessing.lightcurves.curves.fluxes import DETECTED, fluxes_of_magnitudes, numbers_of
from astrid_ml.preprocessing.lightcurves.curves.ingest import BY_GIVEN, NO_FLUX, Account
from astrid_ml.preprocessing.lightcurves.curves.missing import OTHER_FEATURES, static_columns
from astrid_ml.preprocessing.lightcurves.curves.source import Wavelengths
from astrid_ml.preprocessing.lightcurves.curves.systems import offsets_to_ab, system_in
from astrid_ml.preprocessing.lightcurves.curves.variability import variability_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.documents import PACKET
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import (
    error_factor,
    folded,
    ids_of,
    unit_in,
    zero_point_of,
)
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows
from astrid_ml.preprocessing.lightcurves.readers.layouts.times import days_of
from astrid_ml.preprocessing.lightcurves.readers.values.angles import degrees_of
from astrid_ml.preprocessing.lightcurves.readers.values.marks import limits_in, signs_in, yes_in
from astrid_ml.preprocessing.lightcurves.readers.values.plain import plain_numbers, without_empty, words_of
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Floats, Mask

_ABOUT = ("label", *OTHER_FEATURES)
WORST = 9.0  # mag: catalogues write errors of 9.99 and more where nothing was measured
NO_ZERO_POINT = (-9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)
NO_ZERO = "the zero point of the fluxes"


def epochs_of(
    rows: Rows, layout: TableLayout, file: str, account: Account, zero_point: float | None = None
) -> pd.DataFrame:
    """Epochs in FLUXCAL of some rows, with what they say of their objects (``ra, dec``, a label, static columns).

    Args:
        rows: as they stand in the file.
        layout: of its columns.
        file: names the object where no column does.
        account: counts rows that are left out: marked as no good, of an unknown sign or filter.
        zero_point: AB, of fluxes whose own is not told.

    Raises:
        ValueError: a column is absent.
        UserError: a value that is no number, or fluxes without a zero point.
    """
    roles = layout.roles(rows.names)
    rows = _without_bad(rows, layout, account)
    index = rows.table.index
    bands = _bands(rows, layout, roles)
    time = rows.column(roles["time"])
    days = days_of(time, _numbers(rows, roles["time"], lenient=layout.time == "any"), layout, rows.about, account)
    flux, error, measured = _fluxes(rows, layout, roles, bands, _Light(account, zero_point))
    names = pd.Series(_names(rows, roles.get("object"), file), index=index, dtype=object)
    columns = {"object_id": names, "mjd": days, "band": pd.Series(bands, index=index, dtype=object)}
    flags = np.where(_detected(rows, layout, roles, measured), DETECTED, 0)
    out = pd.DataFrame({**columns, "flux": flux, "flux_err": error, "phot_flag": flags}, index=index)
    for role in ("ra", "dec"):
        out[role] = _angles(rows, roles[role], role, account) if role in roles else np.nan
    for role in _ABOUT:
        if role in roles:
            said = rows.column(roles[role])
            out[role] = said.to_numpy(dtype=object) if role == "label" else _numbers(rows, roles[role], lenient=True)
    # A limit beside a flux of the same epoch says less than the flux; of fluxes the newest packet's counts.
    out["rank"] = np.where(measured, 0 if layout.detections else 1, 2)
    if PACKET in rows.table:
        out["processed"] = pd.to_numeric(rows.table[PACKET], errors="coerce")
    account.counts["rows_of_unknown_filter"] += int(out["band"].isna().sum())
    if not layout.detections and "detected" not in roles:
        account.counts["rows_without_flag_of_detection"] += len(out)
    return out[out["band"].notna()]


def _angles(rows: Rows, name: str, axis: str, account: Account) -> Floats:
    values = rows.column(name)
    if name not in rows.table and len(values):  # said once for all rows
        values = values.iloc[:1]
    out, lost = degrees_of(values, name, _unit(rows, name), axis)
    account.counts["rows_position_that_is_no_angle"] += lost
    return np.full(len(rows.table), out[0]) if len(out) < len(rows.table) else out


def _names(rows: Rows, name: str | None, file: str) -> npt.NDArray[np.object_]:
    if name is None:
        return np.full(len(rows.table), file, dtype=object)
    codes, each = pd.factorize(rows.column(name))  # each name is made once
    values = ids_of(pd.Series(each), name)
    numbers = values.str.fullmatch(r"\d+").fillna(False)
    known = [*values.to_numpy(dtype=object, na_value=""), "" if numbers.all() else file]
    return np.array(known, dtype=object)[codes]


def _without_bad(rows: Rows, layout: TableLayout, account: Account) -> Rows:
    table = rows.table
    there = {folded(str(name)): str(name) for name in table.columns}
    bad: Mask = np.zeros(len(table), dtype=bool)
    for name, words in _there(layout.left_out, there):
        bad |= words_of(table[name]).isin([word.lower() for word in words]).to_numpy(dtype=bool, na_value=False)
    for name, least in _there(layout.left_out_from, there):
        bad |= np.asarray(_numbers(rows, name) >= least)
    for name, bits in _there(layout.left_out_bits, there):
        bad |= (np.nan_to_num(_numbers(rows, name)).astype(np.int64) & bits) != 0
    for name in (there[folded(one)] for one in layout.left_out_with if folded(one) in there):
        bad |= without_empty(table[name]).notna().to_numpy()
    for name, words in _there(layout.kept, there):
        bad |= ~words_of(table[name]).isin([word.lower() for word in words]).to_numpy(dtype=bool, na_value=False)
    account.counts["rows_that_the_service_calls_bad"] += int(bad.sum())
    return Rows(table[~bad], rows.about, rows.units, rows.place)


def _there(marks: Any, there: dict[str, str]) -> list[tuple[str, Any]]:
    return [(there[folded(name)], mark) for name, mark in marks.items() if folded(name) in there]


def _bands(rows: Rows, layout: TableLayout, roles: dict[str, str]) -> npt.NDArray[np.object_]:
    """Each row's filter, None where it is unknown; each name is looked up once."""
    if "filter" not in roles:
        return np.full(len(rows.table), layout.band, dtype=object)
    codes, values = pd.factorize(rows.column(roles["filter"]))
    known = [band_of(value, layout) for value in values]
    return np.array([*known, None], dtype=object)[codes]


def band_of(value: Any, layout: TableLayout) -> str | None:
    """The filter that a value of a table means; None for one that the layout's survey does not have.

    Args:
        value: a name or a number.
        layout: of the table; of one without a survey names stay as they are, and numbers mean nothing.
    """
    if value is None or pd.isna(value):
        return None
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    said = str(int(value)) if number and float(value).is_integer() else str(value).strip()
    word = layout.bands.get(said, said)
    if layout.survey is not None:
        return survey_named(layout.survey).band_of(int(word) if word.isdigit() else word)
    return None if word.isdigit() or word.lower() in ("", "nan", "none") else short_name(word)


class _Light:
    """What fluxes are made with: an account, and the user's zero point."""

    def __init__(self, account: Account, zero_point: float | None) -> None:
        self.account, self.zero_point = account, zero_point

    def factor(self, rows: Rows, layout: TableLayout, roles: dict[str, str], bands: npt.NDArray[np.object_]) -> Floats:
        """From the table's fluxes to those of zero point 27.5, row by row."""
        zero = self._zero(rows, layout, roles, bands)
        system = _offsets(rows, layout, roles, bands, self.account) if "system" in roles else 0.0
        out: Floats = 10 ** (-0.4 * (zero + system - 27.5))
        return out

    def _zero(self, rows: Rows, layout: TableLayout, roles: dict[str, str], bands: npt.NDArray[np.object_]) -> Floats:
        if "zero_point" in roles:
            within = _numbers(rows, roles["zero_point"])
            none = np.isin(within, NO_ZERO_POINT) | ((within == 0) & bool((within > 1).any()))  # 0 alone is maggies'
            self.account.counts["rows_zero_point_that_stands_for_none"] += int(none.sum())
            within = np.where(none, np.nan, within)
            if layout.survey is None and self.zero_point is not None:
                _refuse_other(within, self.zero_point, roles["zero_point"])
            return within
        if layout.zero_points:
            return np.array([layout.zero_points.get(band, np.nan) for band in bands], dtype=np.float64)
        flux = roles["flux"]
        _refuse_normalised(rows, layout, flux)
        told = [layout.zero_point, zero_point_of(rows.units.get(flux, "") or unit_in(flux), flux)]
        zero = next((value for value in told if value is not None), None)
        if zero is None and self.zero_point is not None:
            self.account.counts[BY_GIVEN] = 1
            zero = self.zero_point
        if zero is None:
            shown = ", ".join(rows.names[:12])
            fix = "zero_point=31.4 for nJy, 23.9 for uJy; or zero_point in a map of the columns"
            raise UserError(NO_ZERO, f"the column {flux} of no known unit, among {shown}", fix)
        return np.full(len(rows.table), zero)


def _refuse_normalised(rows: Rows, layout: TableLayout, name: str) -> None:
    said = _unit(rows, name)
    if not layout.flux_units or any(part in said.lower() for part in layout.flux_units):
        return
    numbers = _numbers(rows, name)
    middle = float(np.median(known)) if len(known := numbers[np.isfinite(numbers)]) else 0.0
    if said or 0.5 < middle < 2.0:
        got = f"the column {name} in {said or 'no unit'}, about {middle:.3g}: it was divided by its middle"
        raise UserError(
            f"{layout.name} in {layout.flux_units[0]}s a second", got, "give the fluxes as the mission does"
        )


def _refuse_other(within: Floats, given: float, name: str) -> None:
    known = within[np.isfinite(within)]
    if np.abs(known - given).max(initial=0.0) > 1e-6:
        raise ValueError(f"its column {name} says {known[0]:g}, and zero_point={given:g} was given")


def _offsets(
    rows: Rows,
    layout: TableLayout,
    roles: dict[str, str],
    bands: npt.NDArray[np.object_],
    account: Account,
) -> Floats:
    """What is added to magnitudes to be AB, NaN where it is not known."""
    said = words_of(rows.column(roles["system"])) if "system" in roles else None
    usual: str | None = layout.system
    if usual is None and "mag" in roles:
        usual = system_in(_unit(rows, roles["mag"]))
    return offsets_to_ab(said, usual, bands, layout.offsets, account, "flux" not in roles)


def _unit(rows: Rows, name: str) -> str:
    return rows.units.get(name, "") or unit_in(name)


def _errors(rows: Rows, roles: dict[str, str], role: str, lenient: bool = False) -> Floats:
    """Errors in the unit of what they are of."""
    name, of = roles[f"{role}_err"], roles[role]
    factor = error_factor(name, rows.units.get(name, ""), of, rows.units.get(of, ""))
    out: Floats = _numbers(rows, name, lenient) * factor
    return out


def _fluxes(
    rows: Rows, layout: TableLayout, roles: dict[str, str], bands: npt.NDArray[np.object_], light: _Light
) -> tuple[Floats, Floats, Mask]:
    """Flux and error (zero point 27.5), NaN where nothing was measured; and which rows are no limits."""
    if "flux" in roles:
        flux, error = _numbers(rows, roles["flux"]), _errors(rows, roles, "flux")
        factor = light.factor(rows, layout, roles, bands)
        flux = np.where(np.isin(flux, NO_FLUX), np.nan, flux) * factor
        measured = np.isfinite(flux) & ~_marked_limits(rows, roles)
        if "is_limit" in roles:  # a flux below a mark is the limit itself; one above tells nothing
            mark = words_of(rows.column(roles["is_limit"])).to_numpy(dtype=object, na_value="")
            error = np.where(mark == "<", flux / layout.limit_sigma, error * factor)
            return np.select([mark == "<", mark == ">"], [0.0 * flux, np.nan], flux), error, measured
        return flux, error * factor, measured
    return _of_magnitudes(rows, layout, roles, bands, light.account)


def _of_magnitudes(
    rows: Rows, layout: TableLayout, roles: dict[str, str], bands: npt.NDArray[np.object_], account: Account
) -> tuple[Floats, Floats, Mask]:
    nothing = np.full(len(rows.table), np.nan)
    limits = _marked_limits(rows, roles)
    said, said_error = nothing, nothing
    offset = _offsets(rows, layout, roles, bands, account)
    if "mag" in roles:
        marked = rows.column(roles["mag"]).astype("string").str.strip().str.lstrip("<>") if limits.any() else None
        said = _numbers(rows, roles["mag"]) if marked is None else plain_numbers(marked)
        said_error = _errors(rows, roles, "mag", lenient=bool(limits.any()))
    told = np.isfinite(said) & ~limits
    magnitude = np.where(told, said + offset, np.nan)
    worst = said_error > WORST
    flux, error = fluxes_of_magnitudes(np.where(worst, np.nan, magnitude), said_error)
    if "sign" in roles:
        sign = signs_in(rows.column(roles["sign"]))
        account.counts["rows_of_unknown_sign"] += int((np.isnan(sign) & np.isfinite(flux)).sum())
        flux = flux * sign
    # A magnitude of unknown sign or offset, or a number that marks none, is no limit.
    limit = np.where(limits, said, _numbers(rows, roles["limit"]) if "limit" in roles else nothing) + offset
    of_limit, _ = fluxes_of_magnitudes(limit, nothing)
    flux, error = np.where(told, flux, 0.0 * of_limit), np.where(told, error, of_limit / layout.limit_sigma)
    return flux, error, told & np.isfinite(flux)


def _marked_limits(rows: Rows, roles: dict[str, str]) -> Mask:
    """Rows that say of themselves that they are limits: by a column, or a magnitude of ``>20.5``."""
    out: Mask = np.zeros(len(rows.table), dtype=bool)
    if "is_limit" in roles:
        out |= limits_in(rows.column(roles["is_limit"]))
    for role in ("mag", "mag_mark"):
        if role in roles and not pd.api.types.is_numeric_dtype(rows.column(roles[role])):
            out |= (
                rows.column(roles[role])
                .astype("string")
                .str.strip()
                .str.match(r"[<>]")
                .to_numpy(dtype=bool, na_value=False)
            )
        elif role == "mag_mark" and role in roles:
            out |= _numbers(rows, roles[role]) > 50
    return out


def _detected(rows: Rows, layout: TableLayout, roles: dict[str, str], measured: Mask) -> Mask:
    if "detected" in roles:
        return yes_in(rows.column(roles["detected"]))
    forced = yes_in(rows.column(roles["forced"])) if "forced" in roles else np.zeros_like(measured)
    return measured & layout.detections & ~forced


def _numbers(rows: Rows, name: str, lenient: bool = False) -> Floats:
    """A column as numbers; of a lenient one NaN for what is none."""
    values = rows.column(name)
    if not pd.api.types.is_numeric_dtype(values):
        values = without_empty(values)
        if lenient:
            return plain_numbers(values)
    table = pd.DataFrame({name: values.to_numpy()}, index=rows.table.index)
    return numbers_of(table, name).to_numpy(dtype=np.float64, na_value=np.nan)


def objects_of(epochs: pd.DataFrame, layout: TableLayout) -> pd.DataFrame:
    """One row an object: at the median of its rows' positions, with what the first row that says something says."""
    by_object = epochs.groupby("object_id", sort=False)
    known = [name for name in ("ra", "dec") if epochs[name].notna().any()]
    sky = by_object[known].median() if known else pd.DataFrame(index=pd.Index(epochs["object_id"].unique()))
    sky = sky.reindex(columns=["ra", "dec"]).rename_axis("object_id").rename(columns={"ra": "RA", "dec": "DEC"})
    said = [name for name in _ABOUT if name in epochs and name not in ("RA", "DEC")]
    first = by_object[said].first() if said else pd.DataFrame(index=sky.index)
    objects = pd.concat([sky, first], axis=1).reset_index()
    if "label" not in objects:
        objects["label"] = None
    objects["label"] = [str(label).strip() or None if pd.notna(label) else None for label in objects["label"]]
    static = static_columns(objects)
    rest = objects[["object_id", "label"]].assign(survey=name_of(layout), flux_kind=layout.flux_kind)
    if rest["label"].notna().any():
        rest["variability"] = variability_of(rest["label"])
    return pd.concat([rest, static], axis=1)


def name_of(layout: TableLayout) -> str | None:
    """The survey as it is written of its objects; None where nobody says."""
    if layout.called is not None or layout.survey is None:
        return layout.called
    return survey_named(layout.survey).name.upper()


def wavelengths_for(layout: TableLayout, given: Wavelengths) -> Wavelengths:
    """The survey's own wavelengths of bands that are nobody else's; what was given goes first."""
    bands = survey_named(layout.survey).bands.items() if layout.survey else ()
    own = {name: band.wavelength for name, band in bands if band.wavelength is not None and name not in WAVELENGTHS}
    return {**own, **layout.wavelengths, **(given or {})}
