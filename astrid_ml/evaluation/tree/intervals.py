"""The interval of a macro-averaged AUCPR, from what each group does to the mean over the classes.

Resampled objects repeat: a class of five is ranked too well in a replicate, and percentiles lie above the truth
(``tests/evaluation/tree/test_intervals.py`` counts how often). The influences of
:mod:`astrid_ml.metrics.influence` have no such bias.
"""

from __future__ import annotations

import numpy as np

from astrid_ml.evaluation.intervals import EDGE, UNSEEN, Interval, effective
from astrid_ml.metrics.influence import area_influence
from astrid_ml.types import Floats, Ints, Mask

LEAST = 5  # groups below which no interval is given


def macro_area_interval(p: Floats, truth: Ints, groups: Ints, level: float = 0.95) -> Interval | None:
    """The interval of :func:`astrid_ml.evaluation.tree.metrics.macro_average_precision`.

    A class in one group alone does not tell how far others of it would lie: what an object of the other classes does
    stands for it.

    Args:
        p: (n, k) probabilities.
        truth: (n,) classes 0 .. k-1.
        groups: (n,) codes 0 .. G-1.
        level: of the interval.

    Returns:
        Its ends; None with fewer than two classes, fewer than five groups, or no class in two.

    Example:
        >>> p, truth = np.eye(2)[[0, 0, 0, 1, 1, 0]], np.array([0, 0, 0, 1, 1, 1])
        >>> low, high = macro_area_interval(p, truth, np.arange(6))
        >>> 0 < low < (3 / 4 + 5 / 6) / 2 < high < 1
        True
    """
    from scipy.special import expit, logit
    from scipy.stats import norm

    classes = np.unique(truth)
    if len(classes) < 2 or len(np.unique(groups)) < LEAST:
        return None
    moved = np.zeros(int(groups.max()) + 1)
    centres, values = [], []
    of_one, alone, unseen = [], 0, 0.0
    for k in classes:
        own = truth == k
        found, guess, real = area_influence(np.clip(p[:, k], 0, 1), own), float(own.mean()), effective(groups[own])
        mine = _leave_out(found.moves, own, groups)
        if real < 2 - EDGE:
            mine[groups[own]], alone = 0.0, alone + 1
        else:
            of_one.append(float((mine[np.unique(groups[own])] ** 2).sum()) * real)
        moved += mine
        unseen += UNSEEN * ((found.value - guess) / real) ** 2
        share = UNSEEN / real
        centres.append((found.value + share * guess) / (1 + share))
        values.append(found.value)
    if not of_one:
        return None
    spread = np.sqrt(float((moved**2).sum()) + alone * float(np.mean(of_one)) + unseen) / len(classes)
    centre, value = float(np.clip(np.mean(centres), EDGE, 1 - EDGE)), float(np.mean(values))
    reach = norm.ppf((1 + level) / 2) * spread
    width = reach / (centre * (1 - centre))
    low, high = (float(end) for end in expit(logit(centre) + np.array([-width, width])))
    # Near 1 the logit stretches a spread that it was not made for: no end lies further than that of a plain interval.
    low, high = max(low, centre - reach), min(high, centre + reach)
    return min(low, value), min(max(high, value), 1.0)


def _leave_out(moves: Floats, own: Mask, groups: Ints) -> Floats:
    """What leaving out each group does, (G,): a large one takes its class's mean with it."""
    out: Floats = np.zeros(int(groups.max()) + 1)
    for mask in (own, ~own):
        share = np.bincount(groups[mask], minlength=len(out)) / mask.sum()
        part = np.bincount(groups[mask], weights=moves[mask], minlength=len(out))
        out += part / np.where(share < 1, 1 - share, 1.0)
    return out
