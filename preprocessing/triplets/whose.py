"""Whose survey somebody's stamps are of, and what contradicts its description: names, filters, signs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from astrid_ml.contracts.pipeline import UnitWriter
from astrid_ml.preprocessing.stamps import FADED, extremes_snr, faded_at_centre
from astrid_ml.preprocessing.surveys.registry import Surveys
from astrid_ml.preprocessing.surveys.survey import Survey
from astrid_ml.preprocessing.triplets.columns import UNKNOWN
from astrid_ml.types import Array, Floats32


def surveys_of_rows(
    records: pd.DataFrame, rows: pd.DataFrame, roles: Mapping[str, str], surveys: Surveys
) -> list[Survey | None]:
    """The survey of each row: the one that was named, that its column names, or that its object's name tells.

    Args:
        records: index columns of the rows.
        rows: of the table.
        roles: role -> column.
        surveys: among which they are looked for.
    """
    if surveys.chosen is not None:
        return [surveys.chosen] * len(records)
    if "mission" in roles:
        known = {str(name): surveys.names.get(str(name).strip().casefold()) for name in rows[roles["mission"]].unique()}
        return [known[str(name)] for name in rows[roles["mission"]]]
    return _by_names(records, surveys)


def _by_names(records: pd.DataFrame, surveys: Surveys) -> list[Survey | None]:
    out: list[Survey | None] = [None] * len(records)
    for survey in surveys.known.values():
        for form in survey.recognise.object_ids:
            for place in np.flatnonzero(records["group_id"].str.fullmatch(form).fillna(False).to_numpy(dtype=bool)):
                out[place] = survey
    return out


def upright(
    stamps: Floats32, records: pd.DataFrame, of_each: Sequence[Survey | None], done: bool, writer: UnitWriter
) -> Floats32:
    """Stamps whose difference is positive at the centre for faded sources too: turned where their survey sends them.

    Args:
        stamps: (n, 3, h, w).
        records: with ``normalised``, and ``sign`` where the table says it.
        of_each: the surveys.
        done: whether they were turned over before, as those of a table of ours are.
        writer: counts signs that contradict the survey's convention, or for which there is none.
    """
    sent: Array = np.array([(one.stamp.negative or "") if one and one.stamp else "" for one in of_each], dtype=object)
    sign = records["sign"] if "sign" in records else pd.Series(pd.NA, index=records.index, dtype="Int8")
    faded = (sign == -1).fillna(False).to_numpy(dtype=bool)
    turned = (
        np.full(len(stamps), not done)
        & faded
        & (sent == "negative")
        & (records["normalised"] != "minmax").to_numpy(dtype=bool)
    )
    if turned.any():
        stamps = stamps.copy()
        stamps[turned, 2] *= -1
    positive = (sent == "positive") | ((sent == "negative") & sign.notna().to_numpy(dtype=bool))
    counts = Counter({FADED: int((faded_at_centre(*extremes_snr(stamps[:, 2])) & positive).sum())})
    counts["negative_detections_of_unknown_convention"] = int((faded & (sent == "")).sum())
    asked = np.full(len(stamps), "sign" in records) | (sent == "negative")
    counts["detections_of_unknown_sign"] = int((sign.isna().to_numpy(dtype=bool) & asked).sum())
    for name, count in (+counts).items():
        writer.count(name, count)
    return stamps


def contradictions(
    records: pd.DataFrame, rows: pd.DataFrame, roles: Mapping[str, str], surveys: Surveys
) -> Counter[str]:
    """How many rows have a number for a filter that no survey of theirs explains, or another survey's object's name.

    Args:
        records: index columns of the rows, with ``mission`` and ``filter``.
        rows: of the table.
        roles: role -> column.
        surveys: whose names of objects are known.
    """
    found: Counter[str] = Counter()
    if "filter" in roles:
        said = rows[roles["filter"]].astype("string").str.strip()
        lost = records["filter"].isna() & said.notna() & ~said.isin(UNKNOWN).to_numpy(dtype=bool)
        found["filters_whose_number_nobody_explains"] = int(lost.sum())
    for named, mission in zip(_by_names(records, surveys), records["mission"], strict=True):
        if named is not None and pd.notna(mission) and mission != named.mission:
            found[f"objects_of_{mission}_whose_names_{named.mission}_gives"] += 1
    return +found
