"""Which detection is which truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.roman.job.columns import same
from astrid_ml.types import Floats, Ints, InUnits, NonNegative, Positive


@dataclass(frozen=True)
class Match:
    """Detections to truth by distance in pixels.

    Args:
        radius: px.
        policy: ``one_to_one`` takes pairs nearest first, each detection and each truth once; ``many_to_one`` gives
            each truth, in the order of the files, its nearest detection, so that several may share one and the last
            names it.
        max_offset: px; a median offset of a job's matches beyond it is warned of.
    """

    radius: Annotated[Positive, InUnits("px")] = 4.0
    policy: str = "one_to_one"
    max_offset: Annotated[NonNegative, InUnits("px")] = 0.3

    def __post_init__(self) -> None:
        if self.policy not in ("one_to_one", "many_to_one") or self.radius <= 0:
            got = f"{self.policy} within {self.radius}"
            raise UserError(
                "match.policy of one_to_one or many_to_one and match.radius above 0",
                got,
                "for instance preprocessing.match.policy=one_to_one",
            )

    def pairs(self, detections: Floats, truth: Floats) -> tuple[Ints, Ints]:
        """Matched rows (detection, truth) of two lists of positions (n, 2) and (m, 2)."""
        if not len(detections) or not len(truth):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        near = cKDTree(truth).sparse_distance_matrix(cKDTree(detections), self.radius, output_type="ndarray")
        distance, of_truth, of_detection = near["v"], near["i"].astype(np.int64), near["j"].astype(np.int64)
        order = np.lexsort((of_detection, of_truth, distance))
        of_truth, of_detection = of_truth[order], of_detection[order]
        return _nearest_first(of_detection, of_truth) if self.policy == "one_to_one" else _last(of_detection, of_truth)


def _nearest_first(of_detection: Ints, of_truth: Ints) -> tuple[Ints, Ints]:
    """Pairs sorted by distance, each side used once."""
    taken_detections: set[int] = set()
    taken_truth: set[int] = set()
    chosen: list[tuple[int, int]] = []
    for detection, truth in zip(of_detection.tolist(), of_truth.tolist(), strict=True):
        if detection not in taken_detections and truth not in taken_truth:
            taken_detections.add(detection)
            taken_truth.add(truth)
            chosen.append((detection, truth))
    out = np.array(chosen, dtype=np.int64).reshape(-1, 2)
    return out[:, 0], out[:, 1]


def _last(of_detection: Ints, of_truth: Ints) -> tuple[Ints, Ints]:
    """Each truth's nearest detection; of several truths of one detection the last in file order."""
    truth, first = np.unique(of_truth, return_index=True)
    detection = of_detection[first]
    owner = dict(zip(detection.tolist(), truth.tolist(), strict=True))
    return np.array(list(owner), dtype=np.int64), np.array(list(owner.values()), dtype=np.int64)


def label(
    detections: pd.DataFrame, truth: pd.DataFrame | None, match: Match, mag_limit: float
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Label detections of one sign by the truth of that sign.

    Args:
        detections: ``x``, ``y`` and a unique ``sample``.
        truth: on the detector; None where it is not known, then nothing is labelled.
        match: how.
        mag_limit: AB; a detection that only matches fainter truth is ambiguous: neither real nor bogus.

    Returns:
        The detections with ``label``, ``match_id``, ``truth_id``, ``injected``, ``mag_truth``, ``ambiguous``,
        ``match_dx``, ``match_dy`` (detection - truth, px), and the truth with ``eligible`` (within the limit) and
        ``sample`` (null where nothing was detected).
    """
    out = detections.assign(
        label=pd.Series([pd.NA] * len(detections), index=detections.index, dtype="Int8"),
        match_id=same(None, len(detections)),
        truth_id=same(None, len(detections)),
        injected=False,
        mag_truth=np.nan,
        ambiguous=False,
        match_dx=np.nan,
        match_dy=np.nan,
    ).reset_index(drop=True)
    if truth is None:
        return out, None
    truth = truth.assign(eligible=truth["mag_truth"] <= mag_limit).reset_index(drop=True)
    truth["sample"] = same(None, len(truth))
    places, known = out[["x", "y"]].to_numpy(np.float64), truth[["x", "y"]].to_numpy(np.float64)
    out["label"] = pd.Series(0, index=out.index, dtype="Int8")
    free = np.arange(len(out))
    for eligible in (True, False):
        rows = np.flatnonzero(truth["eligible"].to_numpy(dtype=bool) == eligible)
        chosen, of = match.pairs(places[free], known[rows])
        _fill(out, truth, free[chosen], rows[of], eligible)
        free = np.setdiff1d(free, free[chosen])
    return out, truth


def _fill(detections: pd.DataFrame, truth: pd.DataFrame, rows: Ints, of: Ints, eligible: bool) -> None:
    """Write matched pairs into both tables."""
    for name in ("match_id", "truth_id", "injected", "mag_truth"):
        detections.loc[rows, name] = truth[name].to_numpy()[of]
    detections.loc[rows, "match_dx"] = detections["x"].to_numpy()[rows] - truth["x"].to_numpy()[of]
    detections.loc[rows, "match_dy"] = detections["y"].to_numpy()[rows] - truth["y"].to_numpy()[of]
    if eligible:
        detections.loc[rows, "label"] = 1
    else:
        detections.loc[rows, "label"] = pd.NA
        detections.loc[rows, "ambiguous"] = True
    truth.loc[of, "sample"] = detections["sample"].to_numpy()[rows]
