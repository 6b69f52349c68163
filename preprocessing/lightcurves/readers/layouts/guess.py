"""What the columns of a table that nobody described may mean: by their names, their units and their first values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, unit_in, words, zero_point_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import SAMPLE, Rows
from astrid_ml.preprocessing.lightcurves.readers.layouts.times import place_in, scale_in, zero_in
from astrid_ml.preprocessing.lightcurves.readers.values.marks import are_marks, signs_in
from astrid_ml.preprocessing.lightcurves.readers.values.wide import FilterColumn, filter_columns
from astrid_ml.preprocessing.surveys.registry import packaged

GUESSED = "a guessed layout"
_STATIC = ("REDSHIFT_HELIO", "HOSTGAL_SPECZ", "HOSTGAL_PHOTOZ", "HOSTGAL_PHOTOZ_ERR", "MWEBV")
_ONCE = ("ra", "dec", "label", *_STATIC)
_OF_ROWS = ("object", "filter", "system", "detected", "forced")
_OF_MAGNITUDES = ("is_limit", "limit", "sign")
_BEHIND = ("err", "error", "unc", "uncertainty", "sigma", "sig", "uncert", "std", "rms", "e")
_BEFORE = ("e", "d", "err", "error", "sigma", "sig", "unc", "delta")
_WEAK = ("id", "key", "identifier", "source")
_DATE = r"\s*\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}\s*"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d*)?)?\s*(Z|UTC?|AM|PM)?"
_PREDICTED = ("f:", "d:", "v:")  # of Fink: what classifiers say is no truth


@dataclass(frozen=True)
class Guess:
    """What some rows may be.

    Args:
        layout: by which they would be read; what it lacks is lacking in it.
        lacks: what a light curve needs and nothing tells, in words.
        unused: columns that no part of it uses.
    """

    layout: TableLayout
    lacks: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def meant(self) -> bool:
        """Whether so much is there that the table is meant as light curves."""
        return not self.lacks or bool({"flux", "mag"} & set(self.layout.columns) and "time" in self.layout.columns)


def guesses(rows: Rows) -> tuple[Guess, ...]:
    """What rows of a table may be: one layout, or one for each filter where a row has them side by side.

    Args:
        rows: some of them.
    """
    found = guess(rows)
    if not found.lacks:
        return (found,)
    each = [
        guess(rows, column) for column in filter_columns({str(name): bare(str(name)) for name in rows.table}, words())
    ]
    whole = tuple(one for one in each if not one.lacks)
    used = {name for one in whole for names in one.layout.columns.values() for name in names}
    more = tuple(replace(one, unused=tuple(name for name in one.unused if name not in used)) for one in whole)
    return more or (found,)


def guess(rows: Rows, column: FilterColumn | None = None) -> Guess:
    """What rows of a table may be; the first of them are looked at.

    Args:
        rows: some of them.
        column: what is measured, in a table with a column a filter.
    """
    rows = replace(rows, table=rows.table.head(SAMPLE))
    left = {bare(name): str(name) for name in reversed(list(rows.table.columns))}
    columns: dict[str, str] = {}
    lacks: list[str] = []
    time = _time(left, rows)
    if time:
        columns["time"] = left.pop(bare(time["column"]))
    light = _light(left, rows) if column is None else {column.role: column.value, f"{column.role}_err": column.error}
    columns |= light
    for role in light.values():
        left.pop(bare(role), None)
    marks = next((name for name in left.values() if light and are_marks(rows.table[name])), None)
    if marks is not None:
        columns["is_limit"] = left.pop(bare(marks))
    unused = set(left.values())
    there = {bare(str(name)) for name in rows.table}
    left |= {bare(name): name for name in rows.about if bare(name) not in there}
    for role in (*_OF_ROWS, *(_OF_MAGNITUDES if "mag" in light else ()), *_ONCE):
        known = role in columns or (role == "filter" and column is not None)
        name = None if known else _first(left, words()[role])
        if name is not None and not (role == "label" and name.startswith(_PREDICTED)) and not _counts(rows, role, name):
            columns[role] = left.pop(bare(name))
    survey = _survey(rows, columns)
    lacks += _lacking(rows, columns, survey, column is not None)
    lacks += _lists(rows, columns)
    if "time" in columns:
        lacks += _hours(rows, columns["time"], [name for name in unused if name not in columns.values()])
    given = {key: value for key, value in (time or {}).items() if key != "column"}
    kind = _kind(columns.get("flux", ""))
    layout = TableLayout(
        GUESSED,
        ("table", "json", "text", "avro"),
        {role: (name,) for role, name in columns.items()},
        survey=survey,
        band=None if column is None else column.band,
        flux_kind="difference" if "sign" in columns else kind,
        zero_point=_zero_point(rows, columns),
        system=None,
        detections="mag" in columns,
        **given,
    )
    return Guess(layout, tuple(lacks), tuple(name for name in left.values() if name in unused))


def _counts(rows: Rows, role: str, name: str) -> bool:
    """Whether a column that may name objects numbers the rows instead, or one that may hold signs holds none."""
    if role == "sign":
        return not bool(np.isfinite(signs_in(rows.column(name))).any())
    if role != "object" or bare(name) not in _WEAK or name not in rows.table or len(rows.table) < 3:
        return False
    return bool(rows.table[name].is_unique)


def _first(left: dict[str, str], names: Iterable[str]) -> str | None:
    return next((left[bare(name)] for name in names if bare(name) in left), None)


def _time(left: dict[str, str], rows: Rows) -> dict[str, Any] | None:
    """The column of time and what it means; None where there is none."""
    for name in left.values():  # a zero that the name or the unit says goes first: BJD - 2457000
        unit = rows.units.get(name, "") or unit_in(name)
        zero = zero_in(f"{name} {unit}")
        if zero is not None:
            place = place_in(f"{name} {unit}".replace("(", " "))
            place = "barycentre" if zero in (2_457_000.0, 2_454_833.0) else place
            scale = scale_in(f"{name} {unit}") or ("tdb" if place == "barycentre" else "utc")
            return {"column": name, "time": "days", "time_zero": zero, "time_of": place, "time_scale": scale}
    for entry in words()["time"]:
        found = _first(left, entry["names"])
        if found is not None:
            told = scale_in(f"{found} {rows.units.get(found, '')}")
            said = {key: value for key, value in entry.items() if key != "names"}
            return {"column": found, **said, **({} if told is None else {"time_scale": told})}
    return None


def _light(left: dict[str, str], rows: Rows) -> dict[str, str]:
    """Columns of flux or magnitude and error: fluxes whose zero point is told, else magnitudes, else fluxes."""
    zero = _first(left, words()["zero_point"])
    found = {role: [left[word] for word in map(bare, words()[role]) if word in left] for role in ("flux", "mag")}
    errors = {role: [(name, _error_of(name, role, left)) for name in names] for role, names in found.items()}
    whole = {role: [(name, error) for name, error in pairs if error is not None] for role, pairs in errors.items()}
    told = [pair for pair in whole["flux"] if zero or _unit_zero(rows, pair[0]) is not None]
    chosen = told[:1] or whole["mag"][:1] or whole["flux"][:1] or errors["mag"][:1] or errors["flux"][:1]
    if not chosen:
        return {}
    name, error = chosen[0]
    role = "flux" if name in found["flux"] else "mag"
    out = {role: name} | ({} if error is None else {f"{role}_err": error})
    system = _first(left, words()["system"])
    if role == "flux" and zero is not None and _unit_zero(rows, name) is None:
        out["zero_point"] = zero
    if system is not None:
        out["system"] = system
    return out


def _error_of(name: str, role: str, left: dict[str, str]) -> str | None:
    """The column of errors of another one."""
    word = bare(name)
    spelt = [*(word + end for end in _BEHIND), *(start + word for start in _BEFORE)]
    own = next((left[other] for other in spelt if other in left and left[other] != name), None)
    return own or _first(left, [*words()[f"{role}_err"], *words()["error"]])


def _unit_zero(rows: Rows, name: str) -> float | None:
    return zero_point_of(rows.units.get(name, "") or unit_in(name), name)


def _zero_point(rows: Rows, columns: dict[str, str]) -> float | None:
    return _unit_zero(rows, columns["flux"]) if "flux" in columns and "zero_point" not in columns else None


def _kind(flux: str) -> Any:
    word = bare(flux)
    return "difference" if "diff" in word else "total" if "tot" in word else None


def _survey(rows: Rows, columns: dict[str, str]) -> str | None:
    """The survey whose form the objects' names have; only where filters are numbers, which mean nothing else."""
    if "filter" not in columns or not _are_numbers(rows.column(columns["filter"])):
        return None
    if bare(columns["filter"]) == "fid":
        return "ztf"
    if "object" not in columns:
        return None
    names = rows.column(columns["object"]).dropna().astype("string")
    for mission, survey in packaged().items():
        forms = survey.recognise.object_ids
        if forms and len(names) and any(names.str.fullmatch(form).all() for form in forms):
            return mission
    return None


def _are_numbers(values: pd.Series) -> bool:
    known = values.dropna()
    return bool(len(known)) and bool(pd.to_numeric(known, errors="coerce").notna().all())


def _lacking(rows: Rows, columns: dict[str, str], survey: str | None, band: bool) -> list[str]:
    out = []
    if "time" not in columns:
        out.append("a column of the time (mjd, jd, hjd, bjd, time, date)")
    if not {"flux", "mag"} & set(columns):
        out.append("a column of the flux or magnitude (flux, mag)")
    elif not {"flux_err", "mag_err"} & set(columns):
        name = columns.get("flux", columns.get("mag"))
        out.append(f"a column of the error of {name} ({name}_err)")
    if band:
        return out
    if "filter" not in columns:
        out.append("a column of the filter (band, filter), or band: NAME of all rows in a map")
    elif survey is None and _are_numbers(rows.column(columns["filter"])):
        out.append(f"the survey whose filters the numbers in {columns['filter']} are")
    return out


def _lists(rows: Rows, columns: dict[str, str]) -> list[str]:
    """A column whose cells hold lists as texts."""
    for name in (name for role, name in columns.items() if role in ("time", "flux", "mag") and name in rows.table):
        said = rows.table[name].dropna()
        if len(said) and not pd.api.types.is_numeric_dtype(said):
            texts = said.astype("string").str.strip()
            if (texts.str.startswith("[") & texts.str.endswith("]")).all():
                return [
                    f"a row an epoch: the cells of {name} hold lists as texts (write them as parquet, or a row each)"
                ]
    return []


def _hours(rows: Rows, time: str, others: Sequence[str]) -> list[str]:
    """A column with the time of day beside one of days alone: without it a time is up to a day wrong."""
    days = rows.column(time).dropna()
    numbers = pd.to_numeric(days, errors="coerce")
    whole = (numbers % 1 == 0) if numbers.notna().all() else days.astype("string").str.fullmatch(_DATE)
    if not len(days) or not bool(whole.all()):
        return []
    for name in others:
        said = rows.table[name].dropna()
        clock = len(said) and bool(said.astype("string").str.strip().str.fullmatch(_CLOCK).all())
        if clock or (bare(name) in words()["hours"] and _are_numbers(said)):
            return [f"one column of the time: {time} tells days alone, and {name} with the time of day is not used"]
    return []


def shown(names: Sequence[str], most: int = 15) -> str:
    """Names of columns for a message."""
    words_of = ", ".join(map(str, names[:most])) or "none"
    return f"{words_of} and {len(names) - most} more" if len(names) > most else words_of
