"""Which row of a table is whose stamp: by ids that the container has too, under whatever name, else by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.alerts.fields.names import EXACT
from astrid_ml.preprocessing.triplets.columns import COUNTED, columns_of
from astrid_ml.types import Ints

PARTLY = 0.1  # of the stamps: where more of their values are ids of the table, but not all, it is of other stamps


@dataclass(frozen=True)
class Files:
    """What is joined, for messages.

    Args:
        container: name of the file of stamps.
        table: name of the table.
    """

    container: str
    table: str


@dataclass(frozen=True)
class Join:
    """The rows of a table that belong to stamps.

    Args:
        order: row of the table for each stamp, (n,).
        own: column of the container whose values are ids of the table.
        given: column of the table that has them.
    """

    order: Ints
    own: str
    given: str


def exact_texts(values: pd.Series) -> pd.Series | None:
    """Ids as texts, null where there is none; None of what holds no ids: fractions, numbers too long for a float.

    Example:
        >>> exact_texts(pd.Series([12.0, 7.0])).tolist(), exact_texts(pd.Series([0.5])), exact_texts(pd.Series([1e18]))
        (['12', '7'], None, None)
    """
    if pd.api.types.is_float_dtype(values):
        known = values.dropna()
        exact = bool((known % 1 == 0).all() and (known.abs() < EXACT).all())
        return values.astype("Int64").astype("string") if exact and len(known) else None
    if pd.api.types.is_integer_dtype(values):
        return values.astype("string")
    if not all(isinstance(value, str) for value in values.dropna()):
        return None
    texts = values.astype("string").str.strip()
    return texts.mask(texts == "")


def by_ids(inner: pd.DataFrame, rows: pd.DataFrame, roles: Mapping[str, str], files: Files) -> Join | None:
    """The rows by a column of the container all of whose values stand in one of the table; None where there is none.

    A column that is called as ids are goes first, whatever it repeats; of others the values must be distinct.

    Args:
        inner: columns of the container.
        rows: of the table.
        roles: role -> column of the table.
        files: their names.

    Raises:
        UserError: ids that agree in part or not at all, that some stamps lack, or that stand several times in another
            order; two columns that give different rows.
    """
    named = _named(inner, roles, files)
    ids = exact_texts(rows[roles["id"]]) if "id" in roles else None
    others = {name: texts for name, texts in _distinct(inner).items() if name not in named}
    given = {} if ids is None else {roles["id"]: ids}
    given |= {name: texts for name, texts in _distinct(rows).items() if name not in given and not counts_rows(texts)}
    found: dict[str, Join] = {}
    for own, texts in (named | others).items():
        column = next((name for name, theirs in given.items() if bool(texts.isin(theirs).all())), None)
        if column is not None:
            found[own] = Join(_order_of(given[column], texts, files), own, column)
    first = next(iter(found.values()), None)
    if first is not None:
        other = next((join for join in found.values() if not np.array_equal(join.order, first.order)), None)
        if other is not None and first.own not in named:
            got = f"{first.own} and {other.own} of {files.container}, which say different rows of {files.table}"
            raise UserError("one column of ids in the container", got, "take one of them out of its file")
        return first
    if ids is not None:
        _refuse_other_ids(
            named or {name: texts for name, texts in others.items() if not counts_rows(texts)}, ids, files
        )
        for texts in named.values():
            _order_of(ids, texts, files)
    return None


def _refuse_other_ids(own: Mapping[str, pd.Series], ids: pd.Series, files: Files) -> None:
    """Refuse ids of the container some of which, but not all, stand in the table."""
    for name, texts in own.items():
        here = int(texts.isin(ids.dropna()).sum())
        if here > PARTLY * len(texts):
            got = f"{files.table} without {len(texts) - here} of {len(texts)} ids ({name}) of {files.container}"
            raise UserError(_need(files), got, "give the table of these stamps: preprocessing.table=FILE")


def _named(inner: pd.DataFrame, roles: Mapping[str, str], files: Files) -> dict[str, pd.Series]:
    """The column of the container that is called as the table's ids, or as ids are, as text; where the table has ids.

    Raises:
        UserError: some stamps have ids and others have none: rows of the table cannot be told apart by them.
    """
    if "id" not in roles:
        return {}
    column = roles["id"] if roles["id"] in inner else columns_of(inner, {}, files.container).get("id")
    if column is None or inner[column].isna().all():
        return {}
    lacks = int(inner[column].isna().sum() + (inner[column].astype("string") == "").sum())
    if lacks:
        got = f"{files.container}, in which {lacks} of {len(inner)} stamps have no {column}"
        raise UserError("an id for each stamp, or for none", got, f"complete {column}, or take it out of the file")
    texts = exact_texts(inner[column])
    return {} if texts is None else {column: texts}


def _distinct(table: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns whose values could be ids, as texts: no two alike."""
    texts = {str(name): exact_texts(table[name]) for name in table.columns if table[name].dtype.kind != "b"}
    return {
        name: values for name, values in texts.items() if values is not None and not values.dropna().duplicated().any()
    }


def counts_rows(texts: pd.Series) -> bool:
    """Whether values are the numbers of rows, from 0 or 1, in any order: those of two tables agree by chance."""
    numbers = np.sort(pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    plain = np.arange(len(numbers))
    return np.array_equal(numbers, plain) or np.array_equal(numbers, plain + 1)


def _need(files: Files) -> str:
    return f"a table with a row for each id of {files.container}"


def _order_of(given: pd.Series, own: pd.Series, files: Files) -> Ints:
    """The row of the table for each stamp, by their ids.

    Raises:
        UserError: the table lacks ids of the stamps, or has them several times in another order.
    """
    ids = given.astype("string").fillna("")
    if len(ids) == len(own) and bool((ids.to_numpy() == own.to_numpy()).all()):
        return np.arange(len(ids), dtype=np.int64)
    absent = own[~own.isin(ids)]
    if len(absent):
        got = f"{files.table} without {len(absent)} of {len(own)} ids, for instance {absent.iloc[0]}"
        raise UserError(_need(files), got, "give the table of these stamps: preprocessing.table=FILE")
    repeated = ids[ids.isin(own) & ids.duplicated(keep=False)]
    if len(repeated) or own.duplicated().any():
        got = f"ids that stand several times, in another order than in {files.table}"
        raise UserError(_need(files), got, "give each stamp an id of its own, or bring both into one order")
    places = pd.Series(np.arange(len(ids), dtype=np.int64), index=ids.to_numpy())
    return np.asarray(places[own.to_numpy()].to_numpy(), dtype=np.int64)


def by_number(rows: pd.DataFrame, column: str | None, table: str) -> Ints:
    """The row of the table for each stamp: as they stand, or by a column that numbers the stamps.

    Raises:
        UserError: the column holds other numbers; or nobody named one, and what pandas wrote of the table's index says
            that the rows were shuffled: before the stamps were, or together with them, which no file tells.
    """
    numbers = np.arange(len(rows), dtype=np.int64)
    if column is not None:
        values = pd.to_numeric(rows[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        start = 1 if np.array_equal(np.sort(values), numbers + 1) else 0
        if not np.array_equal(np.sort(values), numbers + start):
            got = f"{column} of {table} with other numbers"
            raise UserError(f"preprocessing.columns.row= with each of 0 to {len(rows) - 1} once", got, "name another")
        return np.argsort(values).astype(np.int64)
    for name in (name for name in COUNTED if name in rows):
        values = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if np.array_equal(np.sort(values), numbers) and not np.array_equal(values, numbers):
            got = f"{table}, whose column {name or 'without a name'} numbers its rows in another order"
            own = f"preprocessing.columns.row='{name}' where it numbers the stamps; else take it out of the table"
            raise UserError("a table in the order of the stamps", got, own)
    return numbers


def refuse_other_labels(inner: pd.DataFrame, rows: pd.DataFrame, column: str | None, files: Files) -> None:
    """Refuse a container and a table that label the same stamps in two ways: nobody knows which is right."""
    if column is None or column not in inner:
        return
    one, other = (table[column].astype("string").str.removesuffix(".0") for table in (inner, rows))
    differ = int(((one != other) & one.notna() & other.notna()).sum())
    if differ:
        got = f"{column} of {files.container} and of {files.table} differ for {differ} of {len(rows)} stamps"
        raise UserError("one label for each stamp", got, "take the wrong column out of its file")
