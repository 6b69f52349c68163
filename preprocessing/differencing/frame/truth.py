"""Known sources of a frame, and the one-to-one matching of candidates to them, nearest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.tables import UserTable, read_table
from astrid_ml.types import Floats, Ints

AGREE = 2.0  # px by which a table's pixels and its sky positions may differ: they begin at 0 or 1, and are rounded


def match(x: Floats, y: Floats, truth_x: Floats, truth_y: Floats, radius: float) -> tuple[Ints, Floats]:
    """Pair candidates with truth within ``radius`` (units of the coordinates); each is used once, nearest first.

    Equal distances go by the candidate's, then the truth's order.

    Returns:
        for each candidate the index of its truth, -1 where it has none, and the distance (NaN there).
    """
    index = np.full(len(x), -1, dtype=np.int64)
    distance = np.full(len(x), np.nan)
    if len(x) == 0 or len(truth_x) == 0:
        return index, distance
    tree = cKDTree(np.column_stack([x, y]))
    near = tree.sparse_distance_matrix(
        cKDTree(np.column_stack([truth_x, truth_y])), radius, p=2.0, output_type="ndarray"
    )
    taken = np.zeros(len(truth_x), dtype=bool)
    for k in np.lexsort((near["j"], near["i"], near["v"])):
        i, j = int(near["i"][k]), int(near["j"][k])
        if index[i] < 0 and not taken[j]:
            index[i], distance[i], taken[j] = j, float(near["v"][k]), True
    return index, distance


def read_truth(path: str, science: Image) -> pd.DataFrame:
    """Known positions of a frame: the table with ``x, y`` in px, from x and y or from ra and dec.

    Raises:
        UserError: see :func:`truth_table` and :func:`placed`.
    """
    return placed(truth_table(path), science)


def truth_table(path: str) -> pd.DataFrame:
    """Known positions as they stand in a table: before any frame is read, so that a wrong table costs no work.

    Raises:
        UserError: an unreadable table, neither pair of columns, a row without its position or its flux (where there
            is such a column).
    """
    numbers = {"x": "number", "y": "number", "ra": "deg", "dec": "deg", "flux": "number"}
    read = read_table(path, {}, optional=numbers)
    table = read.rows
    pair = _pair(table)
    if not pair:
        raise UserError("the columns x, y or ra, dec", f"{path} with {', '.join(map(str, table.columns))}", "add them")
    _refuse_gaps(path, read, [*pair, *(["flux"] if "flux" in table else [])])
    return table


def _pair(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns that say where a source is; empty where there are none."""
    return next((pair for pair in (("x", "y"), ("ra", "dec")) if set(pair) <= set(table.columns)), ())


def placed(table: pd.DataFrame, science: Image) -> pd.DataFrame:
    """Known positions with ``x, y`` in px of a frame; of those in ra and dec, the ones that lie on it.

    Where a table has both and they agree for some of its rows, the others are of other frames: the sky decides.

    Raises:
        UserError: sky positions without a WCS.
    """
    both = {"x", "y", "ra", "dec"} <= set(table.columns)
    if _pair(table) == ("x", "y") and not (both and science.wcs is not None):
        return table
    if science.wcs is None:
        raise UserError("a WCS for positions in ra, dec", f"none in {science.name}", "give x, y")
    x, y = science.wcs.all_world2pix(table["ra"].to_numpy(), table["dec"].to_numpy(), 0, quiet=True)
    if both:
        apart = np.hypot(x - table["x"], y - table["y"]).to_numpy()
        agree = ~(apart > AGREE)  # what has no sky position stays where it is
        if agree.all() or not agree.any():  # a header that is off by more than that says nothing of any row
            return table
        x, y = np.where(agree, table["x"], x), np.where(agree, table["y"], y)
    h, w = science.shape
    inside = (x > -0.5) & (y > -0.5) & (x < w - 0.5) & (y < h - 0.5)
    kept: pd.DataFrame = table.assign(x=x, y=y)[inside].reset_index(drop=True)
    return kept


def _refuse_gaps(path: str, read: UserTable, names: Sequence[str]) -> None:
    """A source that is left out makes a false bogus of its candidate; one without a flux has no sign."""
    wrong = list(read.dropped)
    if not wrong:  # then rows and their numbers agree
        empty = read.rows[list(names)].isna()
        wrong = [(row + 1, f"{name} is empty") for name in names for row in np.flatnonzero(empty[name]).tolist()]
    if wrong:
        row, reason = min(wrong)
        got = f"{path}: {len(wrong)} rows that cannot be used; row {row}: {reason}"
        raise UserError("known positions with a number in every row", got, "complete the table, or take the rows out")


def label_candidates(
    table: pd.DataFrame, truth: pd.DataFrame | None, radius: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Match candidates to the truth, positive to sources that grew and negative to those that faded.

    Args:
        table: candidates with x, y, sign.
        truth: x, y and optionally flux (its sign says which), object_id, injected, kind, mag, snr_opt; None: unknown.
        radius: px.

    Returns:
        the table with ``label`` (1 where matched, else null), ``match_id``, ``match_distance`` (px), ``truth_given``,
        ``injected``, ``truth_kind``, ``truth_mag``, ``truth_snr``, the object's ``group_id`` where named; and counts.
    """
    out = table.copy()
    out["label"] = pd.array([pd.NA] * len(out), dtype="Int8")
    out["match_id"] = pd.array([pd.NA] * len(out), dtype="string")
    out["truth_kind"] = pd.array([pd.NA] * len(out), dtype="string")
    out["truth_given"], out["injected"] = truth is not None, False
    for name in ("match_distance", "truth_mag", "truth_snr"):
        out[name] = np.nan
    if truth is None:
        return out, {}
    matched = 0
    grew = truth["flux"].to_numpy() >= 0 if "flux" in truth else np.ones(len(truth), dtype=bool)
    for sign in (1, -1):
        rows = np.flatnonzero(out["sign"].to_numpy() == sign)
        known = np.flatnonzero(grew == (sign > 0))
        at, there = out[["x", "y"]].to_numpy()[rows], truth[["x", "y"]].to_numpy(dtype=float)[known]
        index, distance = match(at[:, 0], at[:, 1], there[:, 0], there[:, 1], radius)
        hit, which = rows[index >= 0], known[index[index >= 0]]
        matched += len(hit)
        _copy(out, truth, hit, which, distance[index >= 0])
    return out, {"truth": len(truth), "truth_matched": matched}


def _copy(out: pd.DataFrame, truth: pd.DataFrame, hit: Ints, which: Ints, distance: Floats) -> None:
    labels = out.index[hit]
    out.loc[labels, "label"] = 1
    out.loc[labels, "match_distance"] = distance
    names = truth["object_id"].astype(str) if "object_id" in truth else pd.Series([str(i) for i in range(len(truth))])
    out.loc[labels, "match_id"] = names.to_numpy()[which]
    if "object_id" in truth:
        out.loc[labels, "group_id"] = names.to_numpy()[which]
    out.loc[labels, "injected"] = truth["injected"].to_numpy(dtype=bool)[which] if "injected" in truth else False
    for column, source in (("truth_mag", "mag"), ("truth_snr", "snr_opt"), ("truth_kind", "kind")):
        if source in truth:
            out.loc[labels, column] = truth[source].to_numpy()[which]
