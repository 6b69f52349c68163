"""How far probabilities are from the shares that are observed, in bins, and what chance adds to that."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from astrid_ml.metrics.shares import Interval, effective
from astrid_ml.types import Floats, Ints, Mask

PROMISED = 5.0  # of the rarer class, in each bin of equal promise


def places_of(probability: Floats, bins: int = 15, rare: bool = False) -> Ints:
    """The bin of each sample, (n,), from the least to the most probable: bins of equal size, or of equal promise.

    Where one in a hundred is real, fifteen bins of equal size put nearly all that the model calls probable in the last
    one, in which errors of both signs cancel. With ``rare`` each bin holds as many of the rarer class as any other by
    what the probabilities promise, and at least ``PROMISED`` of them. No label moves a bin's edge.

    Args:
        probability: (n,).
        bins: at most so many.
        rare: bins of equal promise.

    Example:
        >>> p = np.array([0.01] * 500 + [0.1] * 100 + [0.5] * 20)
        >>> np.bincount(places_of(p, 3)).tolist(), np.bincount(places_of(p, 3, rare=True)).tolist()
        ([207, 207, 206], [533, 70, 17])
    """
    order = np.argsort(probability, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    if not rare:
        for number, part in enumerate(np.array_split(order, min(bins, max(len(order), 1)))):
            place[part] = number
        return place
    promise = probability if probability.mean() <= 0.5 else 1 - probability
    before = np.cumsum(promise[order]) - promise[order] / 2
    total = float(promise.sum())
    several = max(1, min(bins, int(total / PROMISED)))
    numbers = np.minimum(before / max(total, 1e-300) * several, several - 1).astype(np.int64)
    place[order] = np.unique(numbers, return_inverse=True)[1]  # bins that nothing falls into have no number
    return place


def reliability(probability: Any, labels: Any, bins: int = 15, rare: bool = False) -> pd.DataFrame:
    """Bins of :func:`places_of`: ``n, predicted, observed``, from the least to the most probable."""
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    place = places_of(p, bins, rare)
    size = np.bincount(place)
    predicted, observed = (np.bincount(place, weights=values) / size for values in (p, y))
    return pd.DataFrame({"n": size, "predicted": predicted, "observed": observed})


def expected_calibration_error(probability: Any, labels: Any, bins: int = 15, rare: bool = False) -> float:
    """Mean |observed - predicted| over bins, weighted by their size; above 0 by chance alone."""
    table = reliability(probability, labels, bins, rare)
    return float((table["n"] * (table["observed"] - table["predicted"]).abs()).sum() / table["n"].sum())


def excess_calibration_error(
    probability: Any,
    labels: Any,
    groups: Any = None,
    bins: int = 15,
    draws: int = 50,
    seed: int = 0,
    rare: bool = False,
) -> float:
    """The calibration error minus what perfect predictions of this size would show (labels drawn from them).

    It tells whether an error is there, not how large it is: chance adds in quadrature, so that of an error that is
    there too much is taken away. A group whose labels are alike is drawn as one, as an object's stamps are real or
    bogus together; the samples of another group one by one.

    Args:
        probability: (n,).
        labels: (n,).
        groups: (n,); None where each sample stands alone.
        bins: at most so many.
        draws: of labels.
        seed: of the draws.
        rare: bins of equal promise, see :func:`places_of`.

    Example:
        >>> p, one = np.full(50, 0.5), np.zeros(50)
        >>> round(excess_calibration_error(p, one), 1), excess_calibration_error(p, one, one, rare=True)
        (0.3, 0.0)
    """
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    place, random = places_of(p, bins, rare), np.random.default_rng(seed)
    codes, alone = _drawn_as(y, groups)

    def error(of: Floats) -> float:
        return float(np.abs(np.bincount(place, weights=of - p)).sum()) / len(p)

    def drawn() -> Mask:
        mark = random.random(len(p))
        return (mark if codes is None else np.where(alone, mark, random.random(int(codes.max()) + 1)[codes])) < p

    return error(y) - float(np.mean([error(drawn().astype(np.float64)) for _ in range(draws)]))


def _drawn_as(labels: Floats, groups: Any) -> tuple[Ints | None, Mask]:
    """The group of each sample, None where none has two, and which are drawn alone: of groups of both labels."""
    alone = np.ones(len(labels), dtype=bool)
    if groups is None:
        return None, alone
    codes = pd.factorize(np.asarray(groups))[0].astype(np.int64)
    size = np.bincount(codes)
    if not len(codes) or size.max() < 2:
        return None, alone
    positive = np.bincount(codes, weights=labels)
    return codes, ((positive > 0) & (positive < size))[codes]


def calibration_error_intervals(
    probability: Floats, labels: Mask, groups: Any, level: float, bins: int = 15, rare: bool = False
) -> dict[str, tuple[float, float]]:
    """Intervals of the expected calibration error and of its excess.

    Both have the spread of the bins' errors, which the absolute values can only narrow. What is found of endless
    samples' error is too large by chance, in each bin by what a normal deviate's absolute value is: the lower end of
    ``ece`` leaves room for it, so that 0 is inside where nothing is shown. ``tests/evaluation/test_error_intervals.py``
    counts how often they hold the truth.

    Args:
        probability: (n,).
        labels: (n,).
        groups: (n,) which stand or fall together.
        level: of the intervals.
        bins: at most so many.
        rare: bins of equal promise, see :func:`places_of`.

    Returns:
        ``ece`` and ``ece_excess`` -> ends less the value found; empty with fewer than two groups.
    """
    from scipy.stats import norm

    found = _errors_of(probability, labels, groups, bins, rare)
    if found is None:
        return {}
    each = np.sqrt(np.diag(found.spread))
    true = np.maximum(np.abs(found.error) / each - 1, 0)  # what a bin's error may be in truth, in its own spreads
    chance = float((each * (2 * norm.pdf(true) - 2 * true * norm.sf(true))).sum())
    reach = found.quantile(level) * float(np.sqrt(np.abs(found.spread).sum()))
    return {"ece": (-chance - reach, reach), "ece_excess": (-reach, reach)}


class _BinErrors(NamedTuple):
    """Of b bins and g groups, as shares of all samples.

    Args:
        error: (b,) observed less promised.
        by_group: (g, b) what each group adds to it, less what is expected of so many.
        spread: (b, b) covariances.
        codes: (n,) the group of each sample.
    """

    error: Floats
    by_group: Floats
    spread: Floats
    codes: Ints

    def quantile(self, level: float) -> float:
        """Of Student, with as many degrees of freedom as groups but one."""
        from scipy.stats import t

        return float(t.ppf((1 + level) / 2, len(self.by_group) - 1))


def _errors_of(probability: Floats, labels: Mask, groups: Any, bins: int, rare: bool) -> _BinErrors | None:
    """The errors of the bins and how they spread; None with fewer than two groups."""
    codes, n = pd.factorize(np.asarray(groups))[0].astype(np.int64), len(probability)
    count = int(codes.max()) + 1 if n else 0
    if count < 2:
        return None
    place = places_of(probability, bins, rare)
    size = np.bincount(place).astype(np.float64)
    off = (labels - probability) / n
    error: Floats = np.bincount(place, weights=off).astype(np.float64)
    cells = np.bincount(codes * len(size) + place, weights=off - (error / size)[place], minlength=count * len(size))
    by_group: Floats = cells.reshape(count, -1).astype(np.float64)
    spread = count / (count - 1) * by_group.T @ by_group
    # A bin without a real one, or of nothing else, does not show how its share would differ: it has the spread of as
    # many groups as it is worth, less the one that every spread costs. One group alone shows nothing.
    alike = np.array([effective(codes[place == number]) for number in range(len(size))])
    rate = (np.bincount(place, weights=labels) / size * alike + 0.5) / (alike + 1)
    least = (size / n) ** 2 * rate * (1 - rate) / np.maximum(alike - 1, 0.5)
    several = np.bincount(codes * len(size) + place, minlength=count * len(size)).reshape(count, -1).astype(np.float64)
    unit = several / np.linalg.norm(several, axis=0)
    floor = unit.T @ unit * np.sqrt(np.outer(least, least))  # a group that fills several bins errs in all of them
    spread = np.where(np.abs(spread) < floor, floor, spread)
    return _BinErrors(error, by_group, spread, codes)


def moved_ends(name: str, value: float, low: float, high: float) -> tuple[float, float]:
    """The ends of an error; that of a mean of absolute values lies in [0, 1].

    Example:
        >>> moved_ends("ece", 0.02, -0.03, 0.01), moved_ends("ece_excess", 0.0, -0.5, 0.5)
        ((0.0, 0.03), (-0.5, 0.5))
    """
    ends = value + low, value + high
    return ends if name == "ece_excess" else (max(ends[0], 0.0), min(ends[1], 1.0))


def rare_calibration_error(
    probability: Floats, labels: Mask, groups: Any, level: float = 0.95
) -> dict[str, tuple[float, Interval | None]]:
    """The calibration error for one of the rarer class, in bins of equal promise, and whether it exceeds chance.

    ``ece_rare`` says how large the error is, ``ece_rare_excess`` whether one is shown. The sum of
    |observed - promised| over the bins, over how many of the rarer class there are: 0.3 means that three too many or
    too few are promised somewhere for each ten, see :func:`promised_wrongly`. The usual error divides by all samples:
    of one real in a hundred it is small whatever the model says of them.

    Args:
        probability: (n,).
        labels: (n,).
        groups: (n,) which stand or fall together.
        level: of the intervals.

    Returns:
        ``ece_rare`` and ``ece_rare_excess`` -> value and interval; empty where a class is absent.
    """
    share = min(float(labels.mean()), 1 - float(labels.mean())) if len(labels) else 0.0
    if share == 0:
        return {}
    values = {
        "ece": expected_calibration_error(probability, labels, rare=True),
        "ece_excess": excess_calibration_error(probability, labels, groups, rare=True),
    }
    ends = calibration_error_intervals(probability, labels, groups, level, rare=True)
    out: dict[str, tuple[float, Interval | None]] = {}
    for name, value in values.items():
        interval = None
        if name in ends:
            low, high = ends[name]
            if name == "ece":
                more = high * (_wider_by_share(probability, labels, groups, value / share) - 1)
                low, high = max(low - more, -value), high + more
            interval = (value + low) / share, (value + high) / share
        out[name.replace("ece", "ece_rare")] = value / share, interval
    return out


def _wider_by_share(probability: Floats, labels: Mask, groups: Any, value: float) -> float:
    """How many times as wide an error's interval is where it is divided by the sample's own share of a class."""
    found = _errors_of(probability, labels, groups, 15, True)
    if found is None:
        return 1.0
    count = len(found.by_group)
    of_error = found.by_group @ np.sign(found.error)
    rarer = labels if labels.mean() <= 0.5 else ~labels
    of_share = np.bincount(found.codes, weights=rarer - rarer.mean(), minlength=count) / len(labels)
    alone = float(np.abs(found.spread).sum())
    joint = value**2 * float((of_share**2).sum()) - 2 * value * float((of_error * of_share).sum())
    return float(np.sqrt(max(1.0, 1 + count / (count - 1) * joint / alone)))


def promised_wrongly(probability: Floats, labels: Mask) -> tuple[float, float]:
    """What ``ece_rare`` is made of: how many of the rarer class are promised too many in some bins, too few in others.

    Both for one of that class; the second is at most 1, since no bin lacks more than it holds.

    Args:
        probability: (n,).
        labels: (n,), of both classes.

    Example:
        >>> p = np.array([0.8] * 20 + [0.01] * 300)
        >>> too_many, too_few = promised_wrongly(p, np.arange(320) % 32 == 0)
        >>> round(too_many, 2), round(too_few, 2)
        (1.28, 0.38)
    """
    table = reliability(probability, labels, rare=True)
    promised = table["n"] * (table["predicted"] - table["observed"])
    promised = promised if labels.mean() <= 0.5 else -promised
    rarer = min(int(labels.sum()), int((~labels).sum()))
    return float(promised.clip(lower=0).sum()) / rarer, float((-promised).clip(lower=0).sum()) / rarer
