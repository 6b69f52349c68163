"""How well truth and detections agree, over a whole dataset."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.metrics import ranking
from astrid_ml.preprocessing.roman.job.match import Match
from astrid_ml.types import Floats

_LOG = logging.getLogger(__name__)


def matching_account(index: pd.DataFrame, folder: Path, match: Match) -> dict[str, Any]:
    """Median offset of the matches and completeness by filter; a warning where the offset is too large.

    Args:
        index: of the dataset; nothing is said of one without matched positions.
        folder: holds ``truth.parquet`` where there was truth.
        match: says which offset is too large.
    """
    if "match_dx" not in index:
        return {}
    matched = index[(index["label"] == 1).fillna(False).to_numpy(dtype=bool)]
    out: dict[str, Any] = {"matched": len(matched)}
    if len(matched):
        dx, dy = float(matched["match_dx"].median()), float(matched["match_dy"].median())
        distance = np.hypot(matched["match_dx"].to_numpy(), matched["match_dy"].to_numpy())
        out["median_offset_px"] = [round(dx, 4), round(dy, 4)]
        out["match_distance_px"] = {"median": _percentile(distance, 50), "p95": _percentile(distance, 95)}
        if math.hypot(dx, dy) > match.max_offset:
            text = (
                f"detections lie ({dx:.2f}, {dy:.2f}) px from their truth in the median, more than "
                f"{match.max_offset:g} px: a pixel origin or a WCS is wrong"
            )
            out["warnings"] = [text]
            _LOG.warning(text)
    file = folder / "truth.parquet"
    if file.is_file():
        out["completeness"] = completeness(pd.read_parquet(file))
    return out


def completeness(truth: pd.DataFrame) -> dict[str, dict[str, float | int]]:
    """Share of the truth within the limit that was detected, by filter and of injections and natural ones apart."""
    eligible = truth[truth["eligible"].astype(bool)]
    out: dict[str, dict[str, float | int]] = {}
    keys = [
        eligible["filter"].astype("string").fillna("unknown"),
        np.where(eligible["injected"], "injected", "natural"),
    ]
    for (band, kind), part in eligible.groupby(keys):
        found = int(part["sample"].notna().sum())
        out[f"{band} {kind}"] = {
            "truth": len(part),
            "detected": found,
            "share": round(float(ranking.completeness(found, len(part))), 4),
        }
    return out


def _percentile(values: Floats, share: float) -> float:
    return round(float(np.percentile(values, share)), 4)
