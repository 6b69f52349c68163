"""Columns that labels are made of: read, counted, and refused where they are none."""

from __future__ import annotations

import pandas as pd

from astrid_ml.contracts.by_part import TOLD_FROM
from astrid_ml.errors import UserError
from astrid_ml.nearest import nearest


def counts_of(index: pd.DataFrame) -> dict[str, int]:
    """How many samples have a label, and how many have none."""
    known = index["label"].notna()
    return {"labelled": int(known.sum()), "unlabelled": int((~known).sum())}


def refuse_codes(labels: pd.Series) -> None:
    """Refuse real and bogus as 1 and 2, or 1 and -1: which is which the numbers do not say.

    Raises:
        UserError: names the mapping that says it.
    """
    found = labels.dropna().unique()
    if len(found) > 2 or len(found) == 0:
        return
    words = sorted(str(value).removesuffix(".0") for value in found)
    if words in (["1", "2"], ["-1", "1"]):
        other = next(word for word in words if word != "1")
        fix = f"say which is real, for instance label=column label.column=label 'label.mapping={{{other}:0,1:1}}'"
        raise UserError("labels 0 (bogus) and 1 (real), or names of classes", f"{words[0]} and {words[1]}", fix)


def refuse_shared(index: pd.DataFrame, given: pd.Index) -> None:
    """Refuse labels for an id that different samples had: which of them is meant the table does not say.

    Args:
        index: of the samples, which have ids of their own by now.
        given: ids of the labels.

    Raises:
        UserError: says how the samples are called.
    """
    if TOLD_FROM not in index:
        return
    wanted = set(map(str, given)) - set(index["id"].astype(str))
    shared = index[index[TOLD_FROM].isin(wanted)]
    if len(shared):
        first = shared[TOLD_FROM].iloc[0]
        names = ", ".join(shared["id"].astype(str)[shared[TOLD_FROM] == first].iloc[:4])
        got = f"{shared[TOLD_FROM].nunique()} ids that different samples have: {first} is {names}"
        raise UserError("labels whose ids mean one sample each", got, "write these ids so, or leave the rows out")


def column_of(index: pd.DataFrame, name: str) -> pd.Series:
    """A column of the samples; refused by name where it is not there."""
    if name not in index:
        known = ", ".join(index.columns[:12])
        fix = nearest(name, index.columns) or "name one of them, label.column=NAME, or choose other labels, label=truth"
        raise UserError(f"samples with the column {name}, from which labels are made", known, fix)
    return index[name]


def numbers_of(values: pd.Series) -> pd.Series:
    """Values as float64; refused where they are words."""
    try:
        return pd.to_numeric(values).astype(float)
    except (ValueError, TypeError) as error:
        shown = ", ".join(values.dropna().astype(str).unique()[:5])
        raise UserError(
            f"numbers in the column {values.name}",
            shown,
            "choose another column, or map its values: label=column label.mapping={...}",
        ) from error
