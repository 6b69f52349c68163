"""What a candidate shows where nothing changed: known artefacts of a frame, and the one that a candidate lies on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from astrid_ml.errors import UserError
from astrid_ml.tables import read_table
from astrid_ml.types import Ints, Mask

NOISE = "noise"  # no known artefact is near


def artefact_table(path: str) -> pd.DataFrame:
    """Known artefacts of a science frame: ``x, y`` and ``radius`` (px), ``kind``.

    Rows of one artefact, such as points along a trail, may have one name in a column ``instance``.

    Raises:
        UserError: an unreadable table, a column or a value that is missing.
    """
    read = read_table(path, {"x": "number", "y": "number", "radius": "number", "kind": "text"}, {"instance": "text"})
    if read.dropped:
        row, reason = min(read.dropped)
        got = f"{path}: {len(read.dropped)} rows that cannot be used; row {row}: {reason}"
        raise UserError("artefacts with a place, a radius and a kind", got, "complete the table, or take the rows out")
    return read.rows


def artefact_of(candidates: pd.DataFrame, artefacts: pd.DataFrame) -> pd.Series:
    """The kind of the artefact that each candidate lies on, of several the one that it is deepest in.

    Args:
        candidates: ``x, y`` (px) and ``label``, 1 where it is a known change.
        artefacts: of :func:`artefact_table`.

    Returns:
        text; null for known changes, ``noise`` where none is within its radius.
    """
    which, row = _deepest(candidates, artefacts)
    out = pd.Series(pd.array([NOISE] * len(candidates), dtype="string"), index=candidates.index)
    out.iloc[which] = artefacts["kind"].astype(str).to_numpy()[row]
    out[_changes(candidates)] = pd.NA
    return out


def groups_by_artefact(candidates: pd.DataFrame, artefacts: pd.DataFrame) -> pd.Series:
    """``group_id`` in which all candidates of one artefact are one group: that of the first of them.

    A trail is found dozens of times, and a network that knows one of these knows all. Where no table names the
    artefacts one by one, groups stay as they are.

    Args:
        candidates: ``x, y`` (px), ``label`` and ``group_id`` of one exposure.
        artefacts: of :func:`artefact_table`.
    """
    groups = candidates["group_id"].copy()
    if "instance" not in artefacts or not len(candidates):
        return groups
    which, row = _deepest(candidates, artefacts)
    named = pd.Series(pd.array([pd.NA] * len(candidates), dtype="string"), index=candidates.index)
    named.iloc[which] = artefacts["instance"].astype("string").to_numpy()[row]
    named[_changes(candidates)] = pd.NA
    known = named.notna()
    groups[known] = groups[known].groupby(named[known]).transform("first")
    return groups


def _changes(candidates: pd.DataFrame) -> Mask:
    return (candidates["label"] == 1).fillna(False).to_numpy(dtype=bool)


def _deepest(candidates: pd.DataFrame, artefacts: pd.DataFrame) -> tuple[Ints, Ints]:
    """Places of the candidates that lie on an artefact, and the row of the one that each is deepest in."""
    none: Ints = np.zeros(0, dtype=np.int64)
    if not len(candidates) or not len(artefacts):
        return none, none
    radius = artefacts["radius"].to_numpy(dtype=np.float64)
    here = cKDTree(candidates[["x", "y"]].to_numpy(dtype=np.float64))
    there = cKDTree(artefacts[["x", "y"]].to_numpy(dtype=np.float64))
    near = here.sparse_distance_matrix(there, float(radius.max()), output_type="ndarray")
    near = near[near["v"] <= radius[near["j"]]]
    order = np.lexsort((near["j"], near["v"] / radius[near["j"]], near["i"]))
    which, first = np.unique(near["i"][order], return_index=True)
    return which, near["j"][order][first]
