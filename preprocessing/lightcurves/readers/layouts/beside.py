"""Tables beside those of light curves: of visits with their times, of objects with their truth and redshifts."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import pandas as pd

from astrid_ml.preprocessing.lightcurves.curves.ingest import Account
from astrid_ml.preprocessing.lightcurves.curves.missing import static_columns
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable
from astrid_ml.preprocessing.lightcurves.curves.variability import variability_of
from astrid_ml.preprocessing.lightcurves.readers.layouts.layout import TableLayout
from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, folded, ids_of, unit_in, words
from astrid_ml.preprocessing.lightcurves.readers.layouts.rows import Rows, form_of, look_at, rows_in
from astrid_ml.preprocessing.lightcurves.readers.values.angles import degrees_of
from astrid_ml.preprocessing.lightcurves.readers.values.plain import plain_numbers
from astrid_ml.types import Floats

VISITS, TRUTH = "visits", "truth"
MOST_FILES = 200  # of a folder that are looked at
_NAMED = re.compile(r"truth|meta|label|class|catalog|objects?\b", re.IGNORECASE)
_STATIC = ("ra", "dec", "REDSHIFT_HELIO", "HOSTGAL_SPECZ", "HOSTGAL_PHOTOZ", "HOSTGAL_PHOTOZ_ERR", "MWEBV")
_MEASURED = ("flux", "mag")


def visits_beside(path: Path, layout: TableLayout, names: list[str]) -> Path | None:
    """The table in a file's folder that has its visits and their times; None where it needs none, or there is none."""
    if not needs_visits(layout, names):
        return None
    key = _key(layout, names)
    for other in _tables(path.parent):
        looked = look_at(other) if other != path else ()
        if looked and key and key in map(folded, looked[0].names) and _time(layout, looked[0].names):
            return other
    return None


def needs_visits(layout: TableLayout, names: list[str]) -> bool:
    """Whether a layout's times stand in another table."""
    return "join" in layout.columns and _time(layout, names) is None and _key(layout, names) is not None


def _key(layout: TableLayout, names: list[str]) -> str | None:
    there = set(map(folded, names))
    return next((folded(name) for name in layout.columns.get("join", ()) if folded(name) in there), None)


def _time(layout: TableLayout, names: list[str]) -> str | None:
    there = {folded(name): name for name in names}
    return next((there[folded(name)] for name in layout.columns["time"] if folded(name) in there), None)


@lru_cache(maxsize=8)
def _listed(folder: Path, _: int) -> tuple[Path, ...]:
    found = (path for path in sorted(folder.iterdir()) if path.is_file() and form_of(path) == "table")
    return tuple(path for path, _ in zip(found, range(MOST_FILES), strict=False))


def _tables(folder: Path) -> tuple[Path, ...]:
    return _listed(folder, folder.stat().st_mtime_ns)


def with_times(rows: Rows, layout: TableLayout, visits: pd.DataFrame | None, account: Account) -> Rows:
    """Rows with the times of their visits.

    Raises:
        ValueError: the table of visits is not there, or lacks their column.
    """
    if not needs_visits(layout, rows.names):
        return rows
    key = _key(layout, rows.names)
    own = next(name for name in map(str, rows.table) if folded(name) == key)
    if visits is None:
        wanted = ", ".join(layout.columns["time"])
        raise ValueError(f"{layout.name} without a time, and no table of visits beside it ({own} with {wanted})")
    time = _time(layout, list(map(str, visits)))
    other = next((name for name in map(str, visits) if folded(name) == key), None)
    if time is None or other is None:
        raise ValueError(f"a table of visits without {own}, or without a time")
    days = visits.drop_duplicates(other).set_index(other)[time]
    found = rows.table[own].map(days)
    account.counts["rows_without_a_visit"] += int(found.isna().sum())
    return Rows(rows.table.assign(**{time: found})[found.notna()], rows.about, rows.units, rows.place)


def truth_beside(path: Path) -> Path | None:
    """A table of objects in a file's folder or above: with names, a class or a redshift, and no fluxes."""
    for folder in dict.fromkeys((path.parent, path.parent.parent)):
        for other in _tables(folder):
            if other != path and _NAMED.search(other.stem) and is_truth(other):
                return other
    return None


def is_truth(path: Path) -> bool:
    """Whether a table has a row an object with a class or a redshift."""
    looked = look_at(path)
    if len(looked) != 1:
        return False
    names = {bare(name) for name in looked[0].names}
    said = {role: bool(names & set(words()[role])) for role in ("object", "label", "REDSHIFT_HELIO", *_MEASURED)}
    return said["object"] and (said["label"] or said["REDSHIFT_HELIO"]) and not any(said[role] for role in _MEASURED)


def read_truth(path: Path) -> pd.DataFrame:
    """A table of objects by their names: ``label`` and static columns, of those that it has."""
    table = pd.concat([rows.table for rows in rows_in(path)], ignore_index=True)
    there = {bare(str(name)): str(name) for name in table}
    found = {
        role: next((there[word] for word in words()[role] if word in there), None)
        for role in ("object", "label", *_STATIC)
    }
    key = found["object"]
    out = pd.DataFrame({"object_id": ids_of(table[key], str(key)).astype(object)})
    if found["label"] is not None:
        label = table[found["label"]]
        whole = pd.api.types.is_float_dtype(label) and bool((label.dropna() % 1 == 0).all())
        out["label"] = (label.astype("Int64") if whole else label).astype("string").astype(object)
    names = {"ra": "RA", "dec": "DEC"}
    numbers = {names.get(role, role): _numbers(table[found[role]], role) for role in _STATIC if found[role]}
    out = pd.concat([out, static_columns(pd.DataFrame(numbers, index=table.index))], axis=1)
    return out.drop_duplicates("object_id").set_index("object_id")


def _numbers(values: pd.Series, role: str) -> Floats:
    if role in ("ra", "dec"):
        return degrees_of(values, str(values.name), unit_in(str(values.name)), role)[0]
    return plain_numbers(values)


def with_truth(table: CurveTable, truth: pd.DataFrame | None, account: Account) -> CurveTable:
    """Objects with what a table says of them, where they say nothing themselves; those that it lacks are counted."""
    from dataclasses import replace

    if truth is None or not len(table):
        return table
    objects = table.objects.copy()
    known = truth.reindex(objects["object_id"].astype(str))
    account.counts["objects_that_the_table_of_objects_lacks"] += int((~known.index.isin(truth.index)).sum())
    for name in known:
        said = known[name].to_numpy(dtype=object)
        if name not in objects:
            objects[name] = said if name == "label" else said.astype(float)
        else:
            objects[name] = objects[name].where(objects[name].notna(), pd.Series(said, index=objects.index))
            objects[name] = objects[name] if name == "label" else objects[name].astype(float)
    if "label" in known:
        objects["label"] = objects["label"].astype(object).where(objects["label"].notna(), None)
        objects["variability"] = variability_of(objects["label"])
    return replace(table, objects=objects)
