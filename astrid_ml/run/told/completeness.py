"""How many of all known sources a run finds: what detection missed, no classifier can score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.stats import wilson

END_TO_END = "end_to_end_completeness"
OF = " of "  # between what is counted and the mission: "truth of ztf"
BY_MISSION = "completeness by mission"


def found_in_data(counts: Mapping[str, Any]) -> dict[str, float]:
    """Share of the known sources that detection found at all.

    Args:
        counts: of the dataset.
    """
    known, matched = counts.get("truth", 0), counts.get("truth_matched", 0)
    return {"data/completeness": matched / known, "data/known_sources": float(known)} if known else {}


def put_end_to_end(result: EvaluationResult, counts: Mapping[str, Any]) -> None:
    """Of all known sources the share that is detected and called real, beside the other metrics of a fold.

    Detection is counted over the whole dataset, the classifier over the fold's real samples: the product holds if
    what is detected is alike in both. Its interval adds the relative ones of both factors in squares.

    Args:
        result: gets the metric and, where several missions were counted, a table of it by mission.
        counts: of the dataset.
    """
    known, matched, recall = counts.get("truth", 0), counts.get("truth_matched", 0), result.metrics.get("recall")
    if not known or recall is None:
        return
    share, ends = _share(matched, known, recall, result.intervals.get("recall"))
    result.metrics[END_TO_END] = share
    if ends is not None:
        result.intervals[END_TO_END] = ends
    table = _by_mission(result.tables.get("breakdown/mission"), counts)
    if len(table) > 1:
        result.tables[BY_MISSION] = table


def _share(
    matched: float, known: float, recall: float, ends: tuple[float, float] | None
) -> tuple[float, tuple[float, float] | None]:
    """Detected and called real, with its interval."""
    detected = matched / known
    if ends is None:
        return detected * recall, None
    own = wilson(np.array([detected]), np.array([float(known)]))
    low, high = (
        math.hypot(detected * (end - recall), recall * (float(other[0]) - detected))
        for end, other in zip(ends, own, strict=True)
    )
    return detected * recall, (max(0.0, detected * recall - low), min(1.0, detected * recall + high))


def _by_mission(recalls: pd.DataFrame | None, counts: Mapping[str, Any]) -> pd.DataFrame:
    """A row a mission whose known sources were counted and whose real samples the fold holds."""
    rows = []
    for row in () if recalls is None else recalls.to_dict("records"):
        known, matched = (counts.get(f"{name}{OF}{row['value']}", 0) for name in ("truth", "truth_matched"))
        recall = row.get("recall")
        if not known or recall is None or pd.isna(recall):
            continue
        low, high = (float(row.get(f"recall_{end}", np.nan)) for end in ("low", "high"))
        share, both = _share(matched, known, recall, (low, high) if math.isfinite(low) else None)
        low, high = both or (np.nan, np.nan)
        rows.append(
            {
                "mission": row["value"], "known sources": known, "detected": matched / known,
                "real ones tested": row["positives"], "recall": recall,
                "detected and called real": share, "low": low, "high": high,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
