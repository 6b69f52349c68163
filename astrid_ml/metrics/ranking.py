"""What a ranking is worth, from the weights of its ties: the one place where precision is summed over recall.

Samples of one score stand or fall together: they are a tie. A curve is two arrays over ties from the best score down,
``true`` and ``false`` of shape (..., k): the weight of positives and of negatives up to and with each tie. Leading
axes are replicates of a bootstrap, or nothing. A distinct score, a bin of a histogram and the claims of one
score are ties alike; positives that no list ever claimed stand only in the number of all ``positives``.

Average precision is the step-wise sum of Boyd et al. 2013 (ECML PKDD, LNCS 8190, 451) and scikit-learn, never the
trapezoid rule, which is too optimistic (Davis and Goadrich 2006, ICML, 233).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from astrid_ml.types import Floats, Ints

Numbers = Floats | float


def ranked(scores: Floats) -> tuple[Ints, Ints]:
    """The order from the best score down, and where in it each tie ends.

    Args:
        scores: (n,).

    Returns:
        Places (n,), equal scores in their given order; the last place of each of k ties, (k,).

    Example:
        >>> order, last = ranked(np.array([0.2, 0.9, 0.2]))
        >>> order.tolist(), last.tolist()
        ([1, 0, 2], [0, 2])
    """
    order = np.argsort(-scores, kind="stable")
    if not len(order):
        return order, order
    falling = scores[order]
    # Compared, not subtracted: infinite scores are a tie too.
    return order, np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(order) - 1)


def precision(true: Floats, false: Floats) -> Floats:
    """Share of positives up to each tie; 0 before anything is found.

    Args:
        true: cumulative weights, (..., k).
        false: cumulative weights, (..., k).

    Example:
        >>> precision(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 2.0])).tolist()
        [0.0, 1.0, 0.5]
    """
    found = np.add(true, false, dtype=np.float64)
    out: Floats = np.divide(true, found, out=np.zeros_like(found), where=found > 0)
    return out


def area(true: Floats, false: Floats, positives: Numbers | None = None) -> Floats:
    """Average precision: the sum over ties of (R_n - R_(n-1)) P_n.

    Args:
        true: cumulative weights, (..., k).
        false: cumulative weights, (..., k).
        positives: weight of all there was to find, found or not, (...); None: what was found is all there was.

    Returns:
        (...); NaN where there is no positive, and, unless ``positives`` are given, where there is no negative (it would
        be 1 whatever the scores).

    Example:
        >>> true, false = np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])
        >>> round(float(area(true, false)), 4), round(float(area(true, false, positives=4)), 4)
        (0.8333, 0.4167)
    """
    # Two arrays are reused: a million ties are summed a thousand times in a bootstrap.
    gained = precision(true, false)
    recalled = np.array(true, dtype=np.float64)
    recalled[..., 1:] -= true[..., :-1]
    gained *= recalled
    total = _end(true) if positives is None else np.asarray(positives, dtype=np.float64)
    defined = (total > 0) & (_end(false) > 0) if positives is None else total > 0
    return _share(gained.sum(axis=-1), total, defined)


def roc_area(true: Floats, false: Floats) -> Floats:
    """Area under the ROC curve by the trapezoid rule: a tie of a positive and a negative counts one half.

    Args:
        true: cumulative weights, (..., k).
        false: cumulative weights, (..., k).

    Returns:
        (...); NaN where a class is absent.

    Example:
        >>> float(roc_area(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0])))
        0.5
    """
    before = np.zeros_like(true, dtype=np.float64)
    before[..., 1:] = true[..., :-1]
    passed = np.array(false, dtype=np.float64)
    passed[..., 1:] -= false[..., :-1]
    pairs = _end(true) * _end(false)
    return _share((passed * (true + before) / 2).sum(axis=-1), pairs, pairs > 0)


def completeness(found: npt.ArrayLike, positives: npt.ArrayLike) -> Floats:
    """Share of what there was to find that was found; NaN where there was nothing.

    Args:
        found: weights, (...).
        positives: weights, (...).

    Example:
        >>> completeness([3, 0], [4, 0]).tolist()
        [0.75, nan]
    """
    total = np.asarray(positives, dtype=np.float64)
    return _share(np.asarray(found, dtype=np.float64), total, total > 0)


def completeness_at(true: Floats, false: Floats, allowed: Numbers, positives: Numbers | None = None) -> Floats:
    """The largest completeness at which no more than the allowed false positives are found.

    Args:
        true: cumulative weights, (..., k).
        false: cumulative weights, or rates, (..., k).
        allowed: false positives in the unit of ``false``, (...).
        positives: weight of all there was to find, found or not, (...); None: what was found is all there was.

    Returns:
        (...); 0 where the first tie already holds too many, NaN where there is no positive.

    Example:
        >>> float(completeness_at(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 5.0]), allowed=1, positives=4))
        0.5
    """
    within = false <= np.asarray(allowed, dtype=np.float64)[..., None]
    most = np.where(within, true, 0.0).max(axis=-1, initial=0.0)
    return completeness(most, _end(true) if positives is None else positives)


def _end(cumulative: Floats) -> Floats:
    """All the weight, (...)."""
    return np.asarray(cumulative[..., -1] if cumulative.shape[-1] else np.zeros(cumulative.shape[:-1]))


def _share(part: Floats, total: Floats, defined: npt.NDArray[np.bool_]) -> Floats:
    out: Floats = np.divide(part, total, out=np.full(np.shape(part), np.nan), where=defined)
    return out
