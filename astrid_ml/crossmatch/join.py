"""What a catalogue says, beside the rows that it was matched to; nothing where there is no match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.crossmatch.catalogue import SkyCatalogue
from astrid_ml.crossmatch.match import SkyPairs
from astrid_ml.described.columns import ColumnMeaning
from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest
from astrid_ml.types import Mask

MEASURED = ("matched", "match_n", "match_distance", "match_sigma")  # of the match, not of the catalogue
Meanings = dict[str, ColumnMeaning]


def columns_beside(
    n: int, catalogue: SkyCatalogue, pairs: SkyPairs, wanted: Sequence[str] | None = None
) -> tuple[pd.DataFrame, Meanings]:
    """The best match of each of n rows.

    Args:
        n: rows.
        catalogue: that was matched.
        pairs: of the rows with it.
        wanted: its columns; None takes all.

    Returns:
        a table of n rows, and what its columns mean: ``NAME_matched``; ``NAME_match_n``, rows of the catalogue within
        the radius; ``NAME_match_distance`` in arcsec; ``NAME_match_sigma`` where errors were asked for; and its own
        columns as ``NAME_<column>``. What has no match is null, never 0.

    Raises:
        UserError: a column that the catalogue does not have.
    """
    best, count = pairs.nearest(n)
    there: Mask = best >= 0
    taken = catalogue.taken(pairs.second[best[there]], _wanted(catalogue, wanted))
    measured = {"match_distance": pairs.distance} | ({} if pairs.sigma is None else {"match_sigma": pairs.sigma})
    out: dict[str, Any] = {"matched": there, "match_n": count}
    for name, values in measured.items():
        out[name] = np.full(n, np.nan)
        out[name][there] = values[best[there]]
    places = np.flatnonzero(there)
    for name in taken.columns:
        out[str(name)] = _spread(taken[name], places, n)
    table = pd.DataFrame({f"{catalogue.name}_{name}": values for name, values in out.items()})
    return table, _meanings(catalogue, list(out))


def joined_pairs(
    rows: pd.DataFrame, catalogue: SkyCatalogue, pairs: SkyPairs, wanted: Sequence[str] | None = None
) -> tuple[pd.DataFrame, Meanings]:
    """All pairs: the columns of the rows, then those of the catalogue, a row each; see :func:`columns_beside`."""
    taken = catalogue.taken(pairs.second, _wanted(catalogue, wanted))
    measured: dict[str, Any] = {"match_distance": pairs.distance}
    if pairs.sigma is not None:
        measured["match_sigma"] = pairs.sigma
    beside = pd.concat([pd.DataFrame(measured), taken.reset_index(drop=True)], axis=1)
    meanings = _meanings(catalogue, list(map(str, beside.columns)))
    beside.columns = pd.Index([f"{catalogue.name}_{name}" for name in beside.columns])
    left = rows.iloc[pairs.first].reset_index(drop=True)
    both = [str(name) for name in beside if name in left]
    if both:
        raise UserError("columns that the input does not have", ", ".join(both[:5]), "rename the catalogue's file")
    return pd.concat([left, beside], axis=1), meanings


def _wanted(catalogue: SkyCatalogue, wanted: Sequence[str] | None) -> list[str]:
    wanted = catalogue.columns if wanted is None else wanted
    for name in wanted:
        if name in MEASURED:
            fix = f"name the columns that you want without it: columns.{catalogue.name}=[...]"
            raise UserError(f"columns of {catalogue.name} without {', '.join(MEASURED)}", name, fix)
        if name not in catalogue.columns:
            fix = nearest(name, catalogue.columns) or f"choose columns.{catalogue.name} among these"
            shown = ", ".join(catalogue.columns[:20])
            raise UserError(f"columns of {catalogue.name}: {shown}", name, fix)
    return list(wanted)


def _spread(values: pd.Series[Any], places: Any, n: int) -> Any:
    """Values at their places among n, null elsewhere; whole numbers stay whole."""
    kind = values.dtype
    if pd.api.types.is_bool_dtype(kind):
        kind = pd.BooleanDtype()
    elif pd.api.types.is_integer_dtype(kind) and not pd.api.types.is_extension_array_dtype(kind):
        kind = pd.api.types.pandas_dtype(str(kind).replace("int", "Int").replace("uI", "UI"))
    elif pd.api.types.is_object_dtype(kind):
        kind = pd.StringDtype()
        values = values.astype("string")
    return values.astype(kind).set_axis(places).reindex(np.arange(n)).array


def _meanings(catalogue: SkyCatalogue, names: Sequence[str]) -> Meanings:
    own = {
        "matched": ColumnMeaning("", f"Whether {catalogue.name} has a row within the radius", "meta.code"),
        "match_n": ColumnMeaning("", f"Rows of {catalogue.name} within the radius", "meta.number"),
        "match_distance": ColumnMeaning("arcsec", f"Distance to the row of {catalogue.name}", "pos.angDistance"),
        "match_sigma": ColumnMeaning(
            "", f"Distance to the row of {catalogue.name} over the errors of both", "stat.value"
        ),
    }
    return {f"{catalogue.name}_{name}": own.get(name) or _other(catalogue, name) for name in names}


def _other(catalogue: SkyCatalogue, name: str) -> ColumnMeaning:
    """What the catalogue says; a position of it is not the position of the row."""
    given = catalogue.meanings.get(name, ColumnMeaning())
    text = given.description.encode("ascii", "replace").decode("ascii")
    return ColumnMeaning(given.unit, text, given.ucd.replace(";meta.main", ""))
