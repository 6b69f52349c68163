"""Intervals of AUCPR, ROC AUC, shares and losses: what they hold, and how often they hold the truth."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t
from sklearn.metrics import average_precision_score

import astrid_ml.evaluation.intervals
from astrid_ml.evaluation.intervals import (
    area_interval,
    decision_intervals,
    missed_interval,
    moved_precision_interval,
    roc_interval,
)
from astrid_ml.metrics.binary import UndefinedError
from astrid_ml.metrics.means import loss_interval, mean_interval
from astrid_ml.metrics.shares import effective, proportion_interval

# Of two normal distributions, by numerical integration in benchmarks/coverage.py: the shift that gives the AUCPR.
CASES = [(1000, 100, 3.3830, 0.95), (2000, 20, 3.8535, 0.90)]


def drawn(seed: int, n: int, positives: int, shift: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random, labels = np.random.default_rng(seed), np.arange(n) < positives
    return random.normal(size=n) + shift * labels, labels, np.arange(n)


@pytest.mark.parametrize(("n", "positives", "shift", "truth"), CASES)
def test_the_interval_holds_the_truth(n: int, positives: int, shift: float, truth: float) -> None:
    """A fixed sample of what benchmarks/coverage.py measures: 400 draws, which scatter by 1.1 %."""
    ends = np.array([area_interval(*drawn(seed, n, positives, shift)) for seed in range(400)])
    below, above = float(np.mean(truth < ends[:, 0])), float(np.mean(truth > ends[:, 1]))
    assert 0.92 <= 1 - below - above <= 0.98
    assert below <= 0.05
    assert above <= 0.05


def clusters(seed: int, groups: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Objects with 1 to 5 stamps of one class that share most of their score."""
    random = np.random.default_rng(seed)
    size = random.integers(1, 6, groups)
    codes = np.repeat(np.arange(groups), size)
    labels = np.repeat(random.random(groups) < 0.1, size)
    shared = np.repeat(random.normal(0, 0.8, groups), size)
    return 3.3 * labels + shared + random.normal(0, 0.6, len(codes)), labels, codes


def test_clusters_stand_or_fall_together() -> None:
    big = clusters(99, 200_000)
    truth = average_precision_score(big[1], big[0])
    ends = np.array([area_interval(*clusters(seed)) for seed in range(300)])
    covered = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.91 <= covered <= 0.98
    scores, labels, codes = clusters(1)
    alone = area_interval(scores, labels, np.arange(len(scores)))
    together = area_interval(scores, labels, codes)
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] > 1.2 * (alone[1] - alone[0])


def test_copies_of_a_sample_in_its_group_know_no_more() -> None:
    scores, labels, codes = drawn(3, 400, 40, 2.0)
    once = area_interval(scores, labels, codes)
    many = area_interval(np.repeat(scores, 7), np.repeat(labels, 7), np.repeat(codes, 7))
    assert many == pytest.approx(once, abs=1e-9)


def test_a_perfect_ranking_of_few_is_not_certain() -> None:
    labels = np.arange(300) < 20
    interval = area_interval(labels.astype(float), labels, np.arange(300))
    assert interval is not None
    assert interval[0] == pytest.approx(0.025 ** (1 / 20), abs=1e-6)  # as 20 of 20 of a proportion
    assert interval[1] == 1.0


def test_a_perfect_ranking_of_few_bogus_is_not_certain() -> None:
    labels = np.arange(300) >= 5
    interval = area_interval(labels.astype(float), labels, np.arange(300))
    assert interval is not None
    assert interval[0] == pytest.approx(0.025 ** (1 / 5), abs=1e-6)


def test_the_value_lies_between_its_ends_also_for_a_ranking_that_is_worse_than_a_guess() -> None:
    for seed in range(20):
        scores, labels, codes = drawn(seed, 100, 10 + seed, -1.0 + seed / 5)
        low, high = area_interval(scores, labels, codes) or (1.0, 0.0)
        assert 0 <= low <= average_precision_score(labels, scores) <= high <= 1


def test_rarer_in_the_sky_has_an_interval_of_its_own() -> None:
    scores, labels, codes = drawn(5, 2000, 200, 2.5)
    own, rare = area_interval(scores, labels, codes), area_interval(scores, labels, codes, prevalence=0.01)
    assert own is not None
    assert rare is not None
    assert rare[1] < own[0]


def test_one_group_of_a_class_has_no_interval() -> None:
    assert area_interval([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], ["a", "a", "b", "c"]) is None
    assert roc_interval([0.9, 0.8, 0.2], [1, 1, 0], ["a", "b", "c"]) is None
    with pytest.raises(UndefinedError, match="no negative"):
        area_interval([0.9, 0.8], [1, 1], ["a", "b"])


def test_a_wider_level_is_wider() -> None:
    sample = drawn(7, 500, 60, 2.0)
    (a, b), (c, d) = (area_interval(*sample, level=level) or (0, 0) for level in (0.68, 0.95))
    assert c < a < b < d


def test_effective_number_of_groups() -> None:
    assert effective(np.repeat(np.arange(5), 3)) == pytest.approx(5)
    assert 1 < effective(np.repeat([0, 1], [9, 1])) < 1.3


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.evaluation.intervals)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("share", "groups", "most", "alike"), [(0.98, 30, 1, 0.0), (0.9, 40, 5, 0.5), (0.6, 25, 6, 0.2)]
)
def test_a_share_is_held_also_near_one_and_by_groups(share: float, groups: int, most: int, alike: float) -> None:
    """Groups of 1 to ``most`` samples whose own shares scatter by a beta distribution of that correlation."""
    random, missed = np.random.default_rng(3), 0
    for _ in range(400):
        sizes = random.integers(1, most + 1, groups)
        own = np.full(groups, share)
        if alike:
            own = random.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, groups)
        codes = np.repeat(np.arange(groups), sizes)
        ends = proportion_interval(random.random(len(codes)) < own[codes], codes)
        assert ends is not None
        missed += not ends[0] <= share <= ends[1]
    assert missed <= 32  # 20 expected, two and a half standard deviations above


def test_all_of_a_few_is_no_certainty() -> None:
    """Clopper and Pearson's closed form: 1 - n-th root."""
    low, high = proportion_interval(np.ones(27, bool), np.arange(27)) or (0, 0)
    assert low == pytest.approx(0.025 ** (1 / 27)) and high == 1
    one = proportion_interval(np.ones(27, bool), np.zeros(27)) or (1, 1)
    assert one[0] == pytest.approx(0.025)  # one group is one sample
    assert proportion_interval([], []) is None


def test_decisions_agree_with_the_shares_they_are() -> None:
    random = np.random.default_rng(0)
    labels, chosen = random.random(300) < 0.3, random.random(300) < 0.4
    groups = pd.Series(np.arange(300))
    found = decision_intervals(chosen, labels, groups, 0.95)
    assert found["recall"] == proportion_interval(chosen[labels], groups[labels])
    assert found["fnr"] == pytest.approx((1 - found["recall"][1], 1 - found["recall"][0]))
    tp, either = (chosen & labels).sum(), (chosen | labels).sum()
    low, high = found["f1"]
    assert low < 2 * tp / (tp + either) < high
    assert "precision" not in decision_intervals(np.zeros(300, bool), labels, groups, 0.95)


def test_the_missed_share_at_a_rate_is_held() -> None:
    """Scores of two Gaussians: the rate is known in closed form."""
    random, missed = np.random.default_rng(5), 0
    truth = float(norm.cdf(norm.isf(0.01) - 3))
    for _ in range(150):
        labels = np.arange(1300) < 100
        scores = random.normal(3.0 * labels, 1)
        ends = missed_interval(scores, labels, pd.Series(np.arange(1300)), 0.01)
        assert ends is not None
        missed += not ends[0] <= truth <= ends[1]
    assert missed <= 14


def test_a_precision_elsewhere_is_held_with_its_closed_form() -> None:
    random, missed = np.random.default_rng(6), 0
    true, false, share = float(norm.sf(2 - 3)), float(norm.sf(2)), 0.01
    truth = share * true / (share * true + (1 - share) * false)
    for _ in range(300):
        labels = np.arange(1000) < 60
        chosen = random.normal(3.0 * labels, 1) > 2
        ends = moved_precision_interval(chosen, labels, pd.Series(np.arange(1000)), share, 0.95)
        assert ends is not None
        missed += not ends[0] <= truth <= ends[1]
    assert missed <= 25


def test_a_mean_loss_has_the_interval_of_its_groups() -> None:
    values = np.arange(6.0)
    low, high = mean_interval(values, np.arange(6)) or (0, 0)
    reach = float(t.isf(0.025, 5)) * values.std(ddof=1) / np.sqrt(6)
    assert (low, high) == pytest.approx((2.5 - reach, 2.5 + reach))
    assert mean_interval(values, np.zeros(6)) is None


def test_the_interval_of_a_loss_is_never_below_zero_and_knows_of_one_more_bad_case() -> None:
    """Case: log-loss -.0013 to .0250; of many losses alike it is the symmetric one."""
    rare = np.r_[np.full(1990, 1e-3), np.full(10, 2.0)]
    low, high = loss_interval(rare, np.arange(2000)) or (0, 0)
    symmetric = mean_interval(rare, np.arange(2000)) or (0, 0)
    assert 0 < symmetric[0] < low < rare.mean() and high > symmetric[1]
    many = np.random.default_rng(0).exponential(1.0, 40_000)
    assert loss_interval(many, np.arange(40_000)) == pytest.approx(mean_interval(many, np.arange(40_000)), rel=2e-3)
    assert loss_interval(rare, np.zeros(2000)) is None and loss_interval(np.zeros(9), np.arange(9)) is None


def test_the_interval_of_a_rare_loss_holds_the_truth_more_often_than_the_symmetric_one() -> None:
    random, held = np.random.default_rng(1), np.zeros(2)
    for _ in range(400):
        losses = np.where(random.random(2000) < 0.008, random.exponential(0.8, 2000), random.exponential(2e-3, 2000))
        for which, kind in enumerate((loss_interval, mean_interval)):
            low, high = kind(losses, np.arange(2000)) or (0, 0)
            held[which] += low <= 0.008 * 0.8 + 0.992 * 2e-3 <= high
    assert held[0] > 0.92 * 400 and held[0] > held[1]


@pytest.mark.parametrize(("positives", "spread"), [(100, 1.0), (100, 2.0), (200, 2.0)])
def test_a_roc_auc_near_one_is_held(positives: int, spread: float) -> None:
    """Case: the logit alone held .99 in 82 to 91 % of draws, the truth below its lower end."""
    n, shift, missed = 10 * positives, float(norm.ppf(0.99)) * np.sqrt(1 + spread**2), np.zeros(2)
    for seed in range(300):
        random, labels = np.random.default_rng(seed), np.arange(n) < positives
        ends = roc_interval(random.normal(size=n) * np.where(labels, spread, 1) + shift * labels, labels, np.arange(n))
        assert ends is not None
        missed += ends[0] > 0.99, ends[1] < 0.99
    assert missed.sum() <= 24 and missed[0] <= 18
