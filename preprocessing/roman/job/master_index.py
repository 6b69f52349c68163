"""``master_index.csv``: the reference's index, with exactly its columns, types and meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.files import whole

# Column -> type, in the order of the reference document's schema table.
SCHEMA = {
    "id": "float",
    "jid": "string",
    "x": "float",
    "y": "float",
    "sharpness": "float",
    "roundness1": "float",
    "roundness2": "float",
    "npix": "float",
    "peak": "float",
    "flux": "float",
    "mag": "float",
    "daofind_mag": "float",
    "flags": "float",
    "match_id": "string",
    "truth_id": "string",
    "injected": "bool",
    "label": "int",
    "image_filename": "string",
}
_PIECE = 200_000  # rows written at a time


def master_index(index: pd.DataFrame) -> pd.DataFrame:
    """The reference's columns of an index.

    It has no way to say negative, ambiguous or unlabelled: those rows are left out, never called bogus.
    """
    known = index["label"].notna() & ~index["ambiguous"].fillna(False).astype(bool)
    table = index[known & (index["sign"] > 0)]
    out = table.rename(columns={"image": "image_filename"}).assign(id=table["catalogue_id"])
    # As the public script writes it, 18_inj: digits alone would be read back as a number, 18.0.
    out["truth_id"] = out["match_id"].astype("string")
    types: dict[str, Any] = {"float": np.float64, "string": "string", "bool": bool, "int": np.int64}
    chosen: pd.DataFrame = out[list(SCHEMA)].astype({name: types[kind] for name, kind in SCHEMA.items()})
    return chosen


def write_master_index(index: pd.DataFrame, path: Path) -> int:
    """Write it whole, a piece at a time; returns the number of rows."""
    rows = 0
    with whole(path) as part:
        for start in range(0, max(len(index), 1), _PIECE):
            piece = master_index(index.iloc[start : start + _PIECE])
            piece.to_csv(part, index=False, mode="a" if start else "w", header=start == 0)
            rows += len(piece)
    return rows
