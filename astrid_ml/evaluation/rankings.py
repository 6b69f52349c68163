"""How well a network ranks, and whether another one ranks better: what a judge must tell of it, and real and bogus."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap, PairedDifference, paired
from astrid_ml.evaluation.intervals import area_interval
from astrid_ml.metrics.binary import UndefinedError
from astrid_ml.metrics.influence import area_influence
from astrid_ml.types import Floats, Mask


@dataclass(frozen=True)
class Ranking:
    """The worth of a ranking.

    Args:
        name: AUCPR, macro-AUCPR or the like.
        value: in [0, 1]; None where it is undefined.
        low: end of the interval; None where it has none.
        high: the other end.
        samples: how many were ranked.
        share: of the positives for which it holds; None for several classes.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    samples: int = 0
    share: float | None = None


@runtime_checkable
class ComparesRankings(Protocol):
    """A judge that can compare networks of its task."""

    def ranking(self, predictions: pd.DataFrame, share: float | None = None) -> Ranking:
        """The worth of a ranking with its interval.

        Args:
            predictions: judged, with ``id``, ``group_id`` and ``label``.
            share: of the positives for which it is wanted; None for their own. Of two classes alone.
        """

    def ranking_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> PairedDifference | None:
        """First less second on the same samples, with a paired interval; None where too little defines it.

        Args:
            first: predictions of one network.
            second: predictions of the other; the same samples in any order.
        """


def unpaired(first: Ranking, second: Ranking) -> PairedDifference | None:
    """First less second where they were measured on groups that have nothing in common.

    The ends are those of two independent intervals, squared and added (MOVER: Zou and Donner 2008, Statistics in
    Medicine 27, 1693), so that intervals that are wider on one side stay so.

    Returns:
        None where one of them is undefined or has no interval.

    Example:
        >>> found = unpaired(Ranking("AUCPR", 0.9, 0.86, 0.93), Ranking("AUCPR", 0.8, 0.77, 0.83))
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.1, 0.05, 0.142)
    """
    a, b = first, second
    if None in (a.value, a.low, a.high, b.value, b.low, b.high):
        return None
    assert a.value is not None and a.low is not None and a.high is not None
    assert b.value is not None and b.low is not None and b.high is not None
    value = a.value - b.value
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    high = value + math.hypot(a.high - a.value, b.value - b.low)
    return PairedDifference(value, low, high)


def binary_ranking(
    predictions: pd.DataFrame, positive: int = 1, share: float | None = None, level: float = 0.95
) -> Ranking:
    """AUCPR of labelled predictions, (n,) rows with ``label``, ``group_id``, ``score``.

    Args:
        predictions: a sample each.
        positive: the class whose ranking counts, 1 or 0.
        share: of that class for which it is wanted; None for its own.
        level: of the interval.

    Example:
        >>> table = pd.DataFrame({"label": [1, 0], "group_id": ["a", "b"], "score": [0.9, 0.1]})
        >>> binary_ranking(table).value
        1.0
    """
    scores, labels, groups = _known(predictions, positive)
    own = float(labels.mean()) if len(labels) else None
    try:
        value = area_influence(scores, labels, share).value
    except UndefinedError:
        return Ranking("AUCPR", None, samples=len(labels), share=own)
    low, high = area_interval(scores, labels, groups, level, share) or (None, None)
    return Ranking("AUCPR", value, low, high, len(labels), own if share is None else share)


def binary_difference(
    first: pd.DataFrame, second: pd.DataFrame, positive: int, bootstrap: Bootstrap
) -> PairedDifference | None:
    """First less second in AUCPR, on the same samples.

    Raises:
        UserError: they are not the same samples.
    """
    one, two = same_samples(first, second, ["id"])
    scores, labels, groups = _known(one, positive)
    others, _, _ = _known(two, positive)
    if labels.all() or not labels.any():
        return None
    return paired(scores, others, labels, groups, bootstrap)


def same_samples(first: pd.DataFrame, second: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both in one order.

    Args:
        first: one table.
        second: the other.
        keys: columns that name a row.

    Raises:
        UserError: one has rows that the other has not.
    """
    one, two = (table.sort_values(keys, kind="stable").reset_index(drop=True) for table in (first, second))
    if len(one) != len(two) or not bool((one[keys] == two[keys]).all(axis=None)):
        got = f"{len(one)} and {len(two)} rows that differ"
        raise UserError("predictions of the same samples", got, "use one dataset and one split")
    return one, two


def ranked(known: pd.DataFrame) -> Floats:
    """What samples are ranked by, (n,), in [0, 1]: the score; over several networks what they have in common.

    The scores of two networks share no scale. Their probabilities do where all are calibrated; else a sample's rank
    among those of its own network stands for it.

    Args:
        known: predictions with ``score``, perhaps ``round`` (of which network) and ``probability``.

    Example:
        >>> table = pd.DataFrame({"score": [0.1, 0.2, 0.8, 0.9], "round": [0, 0, 1, 1]})
        >>> ranked(table).tolist()
        [0.5, 1.0, 0.5, 1.0]
    """
    scores: Floats = known["score"].to_numpy(dtype=np.float64)
    if not of_several_networks(known):
        return scores
    if not _calibrated(known):
        within: Floats = known.groupby("round")["score"].rank(pct=True).to_numpy(dtype=np.float64)
        return within
    both = np.stack([known["probability"].to_numpy(dtype=np.float64), scores], axis=1)
    _, place = np.unique(both, axis=0, return_inverse=True)
    return np.asarray(place.reshape(-1) / max(int(place.max(initial=0)), 1), dtype=np.float64)


def of_several_networks(known: pd.DataFrame) -> bool:
    """Whether predictions are those of several networks."""
    return "round" in known and known["round"].nunique() > 1


def no_common_scale(known: pd.DataFrame) -> str:
    """What to say where samples are compared by their ranks; empty elsewhere."""
    if not of_several_networks(known) or _calibrated(known):
        return ""
    return (
        f"The scores of {known['round'].nunique()} networks have no common scale, and no calibration gives them one: "
        "samples are compared by their rank among those of their own network."
    )


def _calibrated(known: pd.DataFrame) -> bool:
    return "probability" in known and bool(known["probability"].notna().all())


def _known(predictions: pd.DataFrame, positive: int) -> tuple[Floats, Mask, pd.Series]:
    known = predictions[predictions["label"].notna()]
    scores, labels = ranked(known), known["label"].astype(int).to_numpy() == 1
    return (scores, labels, known["group_id"]) if positive else (1 - scores, ~labels, known["group_id"])
