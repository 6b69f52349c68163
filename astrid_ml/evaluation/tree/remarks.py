"""What a tree's headline must be seen beside: a guess, the classes' frequencies, and a model that names one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.evaluation.tree.calibration import absent_nodes
from astrid_ml.evaluation.tree.views import scores_of
from astrid_ml.taxonomy import Taxonomy
from astrid_ml.types import Floats, Ints

DRAWS = 200  # of random calls


def guesses(y: Ints, k: int) -> dict[str, float | None]:
    """What knowing nothing gives: ``macro_aucpr_guess`` and ``macro_f1_guess``.

    Both are expected values in a sample of this size, and means over the classes, as the metrics are. The average
    precision is that of a random ranking, which lies above the class's share where objects are few. The F1 is the best
    of three ways not to look: the most frequent class always, classes at random with equal chance, or by their shares.

    Args:
        y: (n,) true classes.
        k: how many classes there are.

    Example:
        >>> {name: round(value, 3) for name, value in guesses(np.array([0, 0, 0, 1]), 2).items()}
        {'macro_aucpr_guess': 0.681, 'macro_f1_guess': 0.458}
    """
    if not len(y):
        return {"macro_aucpr_guess": None, "macro_f1_guess": None}
    counts = np.bincount(y, minlength=k)
    there = counts[(counts > 0) & (counts < len(y))]
    areas = [random_precision(int(count), len(y)) for count in there]
    most = float(counts.max()) / len(y)
    ways = [2 * most / (1 + most) / int((counts > 0).sum())]
    ways += [_random_f1(counts, chances) for chances in (np.full(k, 1 / k), counts / len(y))]
    return {"macro_aucpr_guess": float(np.mean(areas)) if areas else None, "macro_f1_guess": max(ways)}


def random_precision(positives: int, n: int) -> float:
    """The expected average precision of a random ranking: above the share of positives, by their own first places.

    Args:
        positives: of n, at least 1.
        n: objects, at least 2.

    Example:
        >>> random_precision(1, 2), round(random_precision(500, 1000), 3)
        (0.75, 0.503)
    """
    first = float((1 / np.arange(1, n + 1)).sum())
    return (positives - 1) / (n - 1) + first / n * (n - positives) / (n - 1)


def _random_f1(counts: Ints, chances: Floats) -> float:
    """Expected macro-F1 of classes called by chance, from 200 draws.

    Args:
        counts: (k,) objects of each class.
        chances: (k,) of being called.
    """
    random = np.random.default_rng(0)
    called = np.stack([random.multinomial(count, chances, size=DRAWS) for count in counts], axis=1)
    there = counts > 0
    total = called.sum(axis=1) + counts
    right = np.diagonal(called, axis1=1, axis2=2)
    return float((2 * right[:, there] / np.maximum(total[:, there], 1)).mean())


def remarks(
    p: Floats,
    y: Ints,
    names: Sequence[str],
    row: Mapping[str, float | None],
    interval: tuple[float, float] | None,
    metric: str,
) -> list[str]:
    """Sentences on the headline's level and window.

    Args:
        p: (n, k) probabilities.
        y: (n,) true classes.
        names: of the k classes.
        row: the level's metrics there, with ``days``, those of the prior and of a guess.
        interval: of the headline.
        metric: which of them the headline is: ``macro_f1`` or ``macro_aucpr``.
    """
    said = []
    day, called = float(row["days"] or 0.0), np.unique(p.argmax(axis=1))
    if len(called) == 1:
        said.append(
            f"At {day:g} days this model calls each of the {len(y):,} objects {names[int(called[0])]}: "
            "the classes are not told apart."
        )
    nll, prior = row.get("nll"), row.get("nll_prior")
    if nll is not None and prior is not None and nll >= prior:
        said.append(
            f"At {day:g} days the log-loss ({nll:.3f}) is not better than that of the classes' frequencies alone "
            f"({prior:.3f}): the probabilities say no more than these."
        )
    value, guess = row.get(metric), row.get(f"{metric}_guess")
    if value is not None and guess is not None:
        low = value if interval is None else interval[0]
        if low <= guess:
            ends = "" if interval is None else f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})"
            said.append(
                f"The headline {value:.3f}{ends} is not shown to be better than a guess, which gives {guess:.3f}."
            )
    return said


def of_absent(tree: Taxonomy, known: pd.DataFrame, nodes: Ints) -> list[str]:
    """What must be said of tested objects whose class training did not have.

    Args:
        tree: the taxonomy.
        known: predictions with ``score_<node>`` and ``group_id``.
        nodes: (n,) their true nodes.
    """
    lost = absent_nodes(scores_of(known, tree))
    of = known["group_id"].groupby(np.array(tree.nodes, dtype=object)[nodes]).nunique()
    counts = {name: int(of[name]) for name in sorted(of.index) if lost[tree.position[str(name)]]}
    if not counts:
        return []
    words = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    share = f"{sum(counts.values()):,} of {known['group_id'].nunique():,} tested objects"
    return [
        f"Training had no object of {words}: {share} are of a class that this model cannot name. "
        "Log-losses and Brier scores are of the others."
    ]


def flatten(result: EvaluationResult, row: Mapping[Any, Any], least: int) -> None:
    """Put the metrics of a level and window into a result, each undefined one with the reason.

    Args:
        result: of the evaluation.
        row: ``level``, ``days`` and the metrics.
        least: objects below which ``ece_excess`` is not measured.
    """
    for name, value in row.items():
        if name in ("level", "days"):
            continue
        key = f"{row['level']}/{name}/{row['days']:g}d"
        missing = value is None or (isinstance(value, float) and np.isnan(value))
        result.metrics[key] = None if missing else float(value)
        if missing:
            small = f"fewer than {least} objects" if name == "ece_excess" else "fewer than two classes"
            result.why[key] = small
