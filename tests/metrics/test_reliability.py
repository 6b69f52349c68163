"""Calibration errors in bins of equal size and of equal promise: which sees what is wrong of the rarer class."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy.special import expit, logit

import astrid_ml.metrics.reliability
from astrid_ml.metrics.reliability import (
    PROMISED,
    calibration_error_intervals,
    excess_calibration_error,
    expected_calibration_error,
    places_of,
    promised_wrongly,
    rare_calibration_error,
)
from astrid_ml.types import Floats, Mask

SHARE, APART = 0.01, 3.2


def test_the_examples_run() -> None:
    result = doctest.testmod(astrid_ml.metrics.reliability)
    assert result.attempted > 0 and result.failed == 0


def rare(seed: int, n: int, slope: float, offset: float) -> tuple[Floats, Mask]:
    """One real in a hundred, told by a normal score; the true log-odds are stretched by ``slope`` and moved."""
    random = np.random.default_rng(seed)
    y = random.random(n) < SHARE
    odds = APART * (random.normal(size=n) + APART * y) - APART**2 / 2 + logit(SHARE)
    return expit(slope * odds + offset), y


def test_what_is_wrong_of_one_real_in_a_hundred_is_seen_where_the_usual_error_is_blind() -> None:
    """The offset keeps the sum of what is promised (0.99 to 1.01 of the real ones)."""
    n, groups, seen = 20_000, np.arange(20_000), np.zeros(2)
    for seed in range(6):
        p, y = rare(seed, n, 1.6, 0.9974)
        usual = excess_calibration_error(p, y) + calibration_error_intervals(p, y, groups, 0.95)["ece_excess"][0]
        ends = rare_calibration_error(p, y, groups)["ece_rare_excess"][1]
        assert ends is not None
        seen += usual > 0, ends[0] > 0
    assert seen[0] <= 3 and seen[1] == 6


def test_of_right_probabilities_nothing_is_claimed_and_the_truth_is_held() -> None:
    truth, held = 0.028, np.zeros(2)  # of endless samples: what a bin's width hides
    for seed in range(20):
        p, y = rare(seed, 4000, 1.0, 0.0)
        found = rare_calibration_error(p, y, np.arange(4000))
        (value, ends), (excess, around) = found["ece_rare"], found["ece_rare_excess"]
        assert ends is not None and around is not None
        assert 0 <= ends[0] <= value <= ends[1] and around[0] < excess < around[1]
        held += ends[0] <= truth <= ends[1], around[0] <= 0 <= around[1]
    assert held.min() >= 18


@pytest.mark.parametrize(("offset", "n"), [(1.5, 2088), (-1.5, 4000), (0.5, 4000)])
def test_the_interval_of_what_the_note_cites_holds_the_truth_of_a_planted_shift(offset: float, n: int) -> None:
    p, _ = rare(10**6, 400_000, 1.0, offset)
    wrong = np.bincount(places_of(p, rare=True), weights=expit(logit(p) - offset) - p)
    truth, held, means = float(np.abs(wrong).sum()) / len(p) / SHARE, 0, list[float]()
    for seed in range(40):
        p, y = rare(seed, n, 1.0, offset)
        value, ends = rare_calibration_error(p, y, np.arange(n))["ece_rare"]
        assert ends is not None
        held += ends[0] <= truth <= ends[1]
        means.append(value)
    assert held >= 37
    assert np.mean(means) == pytest.approx(truth, rel=0.2, abs=0.1)  # it is not below it, as what is less chance is


@pytest.mark.parametrize("probability", [0.5, 0.7, 0.97])
def test_one_group_of_alike_rows_shows_nothing(probability: float) -> None:
    """Fifty stamps of one bogus source, all called so: one draw of chance, however many rows."""
    p, y = rare(4, 4000, 1.0, 0.0)
    p, y = np.r_[p, np.full(50, probability)], np.r_[y, np.zeros(50, dtype=bool)]
    groups = np.r_[np.arange(4000), np.full(50, 4000)]
    for several, shown in ((groups, False), (np.arange(4050), True)):
        ends = rare_calibration_error(p, y, several)["ece_rare_excess"][1]
        assert ends is not None and (ends[0] > 0) == shown


def test_chance_draws_stamps_of_one_object_together_and_those_of_a_field_apart() -> None:
    random, found = np.random.default_rng(3), list[tuple[float, float]]()
    p, sources = np.full(600, 0.5), np.arange(600) // 20
    for _ in range(20):
        labels = random.random(30)[sources] < 0.5
        found.append((excess_calibration_error(p, labels, sources), excess_calibration_error(p, labels)))
    alike, alone = np.mean(found, axis=0)
    assert abs(alike) < 0.03 and alone > 0.1
    mixed = random.random(600) < 0.5
    assert excess_calibration_error(p, mixed, sources) == pytest.approx(excess_calibration_error(p, mixed), abs=0.01)


def test_what_is_promised_wrongly_adds_up_and_lacks_at_most_all() -> None:
    for offset in (-3.0, 1.5):
        p, y = rare(2, 4000, 1.0, offset)
        for probability, labels in ((p, y), (1 - p, ~y)):
            too_many, too_few = promised_wrongly(probability, labels)
            assert too_many + too_few == pytest.approx(rare_calibration_error(p, y, np.arange(4000))["ece_rare"][0])
            assert 0 <= too_few <= 1 and (too_many > too_few) == (offset > 0)


def test_bins_of_equal_promise_hold_enough_of_the_rarer_class_whichever_it_is() -> None:
    p, _ = rare(1, 20_000, 1.0, 0.0)
    for probability in (p, 1 - p):
        promise = np.bincount(places_of(probability, rare=True), weights=p)
        assert len(promise) == 15 and promise.min() > PROMISED and promise.max() < 1.5 * promise.min()
    assert places_of(np.full(50, 0.001), rare=True).tolist() == [0] * 50


def test_it_is_the_error_for_one_of_the_rarer_class() -> None:
    y = np.arange(1000) < 10
    wrong = np.where(y, 0.5, 0.01 / 990)  # half of each real one is promised
    found = rare_calibration_error(wrong, y, np.arange(1000))["ece_rare"][0]
    assert (
        found
        == pytest.approx(0.5, abs=2e-3)
        == pytest.approx(expected_calibration_error(wrong, y, rare=True) / 0.01, abs=2e-3)
    )
    assert rare_calibration_error(wrong, np.zeros(1000, dtype=bool), np.arange(1000)) == {}
