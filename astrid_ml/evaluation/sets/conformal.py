"""Prediction sets: which classes a score does not rule out, with a coverage that held-out samples confirm.

Split conformal prediction by class and mission (Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random
World, 4.5): of the samples of a class that are like those of the validation fold, at least ``coverage`` have their
class in the set, whatever their share. Samples of one object are no independent evidence, so each object counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.types import Count, Floats, Level

COLUMN = "prediction_set"
REAL, BOGUS, BOTH, NEITHER = "real", "bogus", "real or bogus", "neither"
CLASSES = ((1, REAL), (0, BOGUS))
IntervalOf = Callable[[Floats], tuple[float, float] | None]
ALL = ""  # the key of samples whose mission nobody tells


@dataclass(frozen=True)
class PredictionSets:
    """How sets are made.

    Args:
        coverage: share of the samples of each class whose set holds it.
        least: objects of a class and mission on validation from which sets are given; below, all are null.
    """

    coverage: Level = 0.9
    least: Count = 30

    def fit(self, known: pd.DataFrame) -> dict[str, Any]:
        """Limits of the score for each mission: a real one lies at or above the first, a bogus at or below the second.

        Args:
            known: of the validation fold, with ``score``, ``label``, ``group_id`` and perhaps ``mission``.

        Returns:
            Plain containers, kept in the checkpoint: coverage, and mission -> limits (null: too few objects) and
            objects of each class.
        """
        by_mission: dict[str, Any] = {}
        missions = _missions(known)
        for mission in sorted(missions.unique()):
            here = known[missions == mission]
            limits: dict[str, float | None] = {}
            objects: dict[str, int] = {}
            for value, name in CLASSES:
                own = here[here["label"].astype(int) == value]
                sign = -1.0 if value else 1.0  # a real one is strange where its score is low
                strange = sign * own["score"].to_numpy(dtype=float)
                limit, objects[name] = limit_of(strange, own["group_id"], self.coverage, self.least)
                limits[name] = None if limit is None else sign * limit
            by_mission[mission] = {"limits": limits, "objects": objects}
        return {"coverage": self.coverage, "missions": by_mission}


def limit_of(strange: Floats, groups: pd.Series, coverage: float, least: int) -> tuple[float | None, int]:
    """The strangeness that a share of new objects do not exceed, and how many objects tell it.

    Args:
        strange: (n,) of known samples of one class.
        groups: (n,) their objects.
        coverage: the share.
        least: objects from which there is a limit; below, None.
    """
    sizes = groups.groupby(groups).transform("size").to_numpy(dtype=float)
    objects = int(groups.nunique())
    wanted = coverage * (objects + 1)
    if objects < least or wanted > objects:
        return None, objects
    order = np.argsort(strange, kind="stable")
    reached = np.cumsum(1 / sizes[order])
    place = int(np.searchsorted(reached, wanted - 1e-9 * objects))
    return float(strange[order][min(place, len(order) - 1)]), objects


def with_sets(predictions: pd.DataFrame, fitted: dict[str, Any] | None) -> pd.Series:
    """The set of each sample in words; null where the checkpoint knows too little of its mission.

    Args:
        predictions: with ``score`` and perhaps ``mission``.
        fitted: of :meth:`PredictionSets.fit`; None where the checkpoint has none.
    """
    out = pd.Series(pd.NA, index=predictions.index, dtype="string", name=COLUMN)
    missions, score = _missions(predictions), predictions["score"].to_numpy(dtype=float)
    for mission, told in ((fitted or {}).get("missions") or {}).items():
        real, bogus = told["limits"][REAL], told["limits"][BOGUS]
        here = (missions == mission).to_numpy() & np.isfinite(score)
        if real is None or bogus is None or not here.any():
            continue
        may_be = (score[here] >= real, score[here] <= bogus)
        out[here] = np.select([may_be[0] & may_be[1], may_be[0], may_be[1]], [BOTH, REAL, BOGUS], NEITHER)
    return out


def _missions(table: pd.DataFrame) -> pd.Series:
    if "mission" not in table:
        return pd.Series(ALL, index=table.index)
    return table["mission"].astype("string").fillna(ALL)


@dataclass
class Measured:
    """What held-out samples say of their sets.

    Args:
        metrics: coverage of each class, shares of single, full and empty sets, and of samples that have one.
        why: the reason for each metric that is None.
        intervals: of the coverages.
        tables: a row for each class.
        remarks: what a reader must know of them.
    """

    metrics: dict[str, float | None] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def measured(known: pd.DataFrame, interval_of: IntervalOf) -> Measured:
    """Coverage with its interval, and always beside it what the sets are: single, full, empty, none given.

    Args:
        known: labelled predictions.
        interval_of: of the mean of independent values, (n,).
    """
    out = Measured()
    if COLUMN not in known or not len(known):
        return out
    if known[COLUMN].isna().all():
        out.metrics["set_given"] = 0.0
        return out
    sets, truth = known[COLUMN], known["label"].astype(int)
    given = sets.notna().to_numpy(dtype=bool)
    out.metrics["set_given"] = float(given.mean())
    rows = []
    for value, name in CLASSES:
        of_class = given & (truth == value).to_numpy()
        held = sets.isin([name, BOTH]).to_numpy(dtype=bool)[of_class]
        by_object = pd.Series(held.astype(float)).groupby(known["group_id"][of_class].to_numpy()).mean().to_numpy()
        coverage = float(by_object.mean()) if len(by_object) else None
        interval = interval_of(by_object) if len(by_object) else None
        metric = f"set_coverage_{name}"
        out.metrics[metric] = coverage
        if coverage is None:
            out.why[metric] = f"no {name} sample with a set"
        if interval is not None:
            out.intervals[metric] = interval
        low, high = interval or (None, None)
        shares = {column: _share(sets[of_class].isin(kinds)) for column, kinds in _KINDS.items()}
        row = {"class": name, "samples": int(of_class.sum()), "coverage": coverage, "low": low, "high": high}
        rows.append(row | shares)
    for column, kinds in _KINDS.items():
        out.metrics[f"set_{column}"] = _share(sets[given].isin(kinds))
    out.tables["prediction sets"] = pd.DataFrame(rows)
    return out


_KINDS = {"single": (REAL, BOGUS), "full": (BOTH,), "empty": (NEITHER,)}


def _share(which: pd.Series) -> float | None:
    return float(which.mean()) if len(which) else None
