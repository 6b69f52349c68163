"""Labels that a table keeps as a column of 0 and 1 for each class: ``star``, ``galaxy``, ``bogus``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.types import Array

BETWEEN = ","  # the names of the columns, in the one that is made of them
JUDGED = ("real", "bogus", "artifact", "artefact")  # classes one of which tells that the columns are labels
CLASSES = (*JUDGED, "star", "galaxy", "agn", "qso", "quasar", "sn", "supernova", "transient", "variable", "asteroid",
           "dipole", "ghost", "spike", "satellite", "cosmic_ray", "unsure", "other")  # fmt: skip
OF_LABELS = re.compile(r"^(?:is|label|class|y)_", re.IGNORECASE)  # before the name of a class
ONE = ("label", "labels", "class", "target")  # columns that say it alone


def with_one_hot(rows: pd.DataFrame, given: Mapping[str, str], file: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows with a column of the names of classes, where columns of 0 and 1 hold them; and what is said of columns then.

    They are guessed where several columns are called as classes are, real, bogus or artefact among them, no other
    column is called as a label, and each row has exactly one 1.

    Args:
        rows: of a table.
        given: role -> column; of the label several with commas between.
        file: for the messages.

    Raises:
        UserError: of columns that were named one is not there, or holds something else than 0 and 1, or a row has two.

    Example:
        >>> table = pd.DataFrame({"is_star": [1, 0, 0], "is_bogus": [0, 1, 1]})
        >>> made, said = with_one_hot(table, {}, "t.csv")
        >>> said, made[said["label"]].tolist()
        ({'label': 'is_star,is_bogus'}, ['star', 'bogus', 'bogus'])
    """
    said = given.get("label")
    if said is not None and (BETWEEN not in said or said in rows):
        return rows, dict(given)
    names = [name.strip() for name in said.split(BETWEEN)] if said is not None else _guessed(rows)
    if not names:
        return rows, dict(given)
    if said is not None:
        _check(rows, names, file)
    ones = _ones(rows, names)
    classes: Array = np.array([OF_LABELS.sub("", name) for name in names])
    column = said or BETWEEN.join(names)
    values = pd.Series(classes[ones.argmax(axis=1)], index=rows.index, dtype="string")
    none = np.flatnonzero(~ones.any(axis=1))
    values.iloc[none] = pd.NA
    return rows.assign(**{column: values}), {**given, "label": column}


def columns_said(columns: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Role -> column, as the user says it; of several columns of a label their names with commas between.

    Raises:
        UserError: several columns for another role.

    Example:
        >>> columns_said({"id": "candid", "label": ["star", "bogus"]})
        {'id': 'candid', 'label': 'star,bogus'}
    """
    several = [role for role, column in columns.items() if not isinstance(column, str) and role != "label"]
    if several:
        role, named = several[0], list(columns[several[0]])
        fix = f"name one: preprocessing.columns.{role}={named[0] if named else 'COLUMN'}"
        raise UserError("one column for each role but the label", f"{role}={named}", fix)
    return {role: said if isinstance(said, str) else BETWEEN.join(map(str, said)) for role, said in columns.items()}


def _guessed(rows: pd.DataFrame) -> list[str]:
    words = {str(name): OF_LABELS.sub("", str(name)).lower() for name in rows.columns}
    names = [name for name, word in words.items() if word in CLASSES and _is_binary(rows[name])]
    if len(names) < 2 or not any(words[name] in JUDGED for name in names) or {name.lower() for name in words} & {*ONE}:
        return []
    return names if len(rows) and bool((_ones(rows, names).sum(axis=1) == 1).all()) else []


def _is_binary(values: pd.Series) -> bool:
    return bool(pd.to_numeric(values, errors="coerce").isin([0, 1]).all())


def _ones(rows: pd.DataFrame, names: Sequence[str]) -> Array:
    """Where a row has a 1, (n, columns)."""
    return np.column_stack([pd.to_numeric(rows[name], errors="coerce").eq(1).fillna(False) for name in names]).astype(
        bool
    )


def _check(rows: pd.DataFrame, names: Sequence[str], file: str) -> None:
    absent = [name for name in names if name not in rows]
    if absent:
        raise UserError(f"columns of {file} for the label", ", ".join(absent), "name columns that it has")
    known = [name for name in names if not _is_binary(rows[name].dropna())]
    twice = int((_ones(rows, names).sum(axis=1) > 1).sum())
    if known or twice:
        got = f"{known[0]} of {file} with other values" if known else f"{twice} rows of {file} with more than one 1"
        fix = "name the columns of which a row has one 1: preprocessing.columns.label=[A,B]"
        raise UserError("0 and 1 in the columns of the label, one 1 a row", got, fix)
