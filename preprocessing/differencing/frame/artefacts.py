"""What a candidate shows where nothing changed: known artefacts of a frame, and the one that a candidate lies on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from astrid_ml.errors import UserError
from astrid_ml.tables import read_table

NOISE = "noise"  # no known artefact is near


def artefact_table(path: str) -> pd.DataFrame:
    """Known artefacts of a science frame: ``x, y`` and ``radius`` (px), ``kind``.

    Raises:
        UserError: an unreadable table, a column or a value that is missing.
    """
    read = read_table(path, {"x": "number", "y": "number", "radius": "number", "kind": "text"})
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
    out = pd.Series(pd.array([NOISE] * len(candidates), dtype="string"), index=candidates.index)
    if len(candidates) and len(artefacts):
        radius = artefacts["radius"].to_numpy(dtype=np.float64)
        here = cKDTree(candidates[["x", "y"]].to_numpy(dtype=np.float64))
        there = cKDTree(artefacts[["x", "y"]].to_numpy(dtype=np.float64))
        near = here.sparse_distance_matrix(there, float(radius.max()), output_type="ndarray")
        near = near[near["v"] <= radius[near["j"]]]
        depth = near["v"] / radius[near["j"]]
        order = np.lexsort((near["j"], depth, near["i"]))
        which, first = np.unique(near["i"][order], return_index=True)
        out.iloc[which] = artefacts["kind"].astype(str).to_numpy()[near["j"][order][first]]
    out[(candidates["label"] == 1).fillna(False).to_numpy(dtype=bool)] = pd.NA
    return out
