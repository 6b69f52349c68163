"""What is said beside a tree's headline: a guess, one class for all, probabilities no better than frequencies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.evaluation.tree.remarks import flatten, guesses, remarks
from astrid_ml.run.told.headline import headline

NAMES = ["Ia", "II", "Ibc", "TDE"]
Y = np.array([0] * 230 + [1] * 60 + [2] * 29)


def test_a_guess_is_what_knowing_nothing_gives() -> None:
    found = guesses(Y, 4)
    random = np.random.default_rng(0)
    drawn = [np.mean([average_precision_score(k == Y, random.random(len(Y))) for k in range(3)]) for _ in range(200)]
    assert found["macro_aucpr_guess"] == pytest.approx(np.mean(drawn), abs=0.005)
    called = [random.choice(3, len(Y), p=np.bincount(Y) / len(Y)) for _ in range(200)]
    by_share = np.mean([f1_score(Y, one, average="macro") for one in called])
    assert found["macro_f1_guess"] == pytest.approx(by_share, abs=0.01)
    assert found["macro_f1_guess"] > f1_score(Y, np.zeros_like(Y), average="macro")
    assert guesses(np.zeros(0, np.int64), 4)["macro_f1_guess"] is None


def test_a_guess_among_many_small_classes_is_what_chance_reaches_there() -> None:
    """Case: of 19 classes of 90 objects a guess was said to be .011 and .053; chance reaches .048 and .097."""
    random = np.random.default_rng(1)
    y = random.integers(0, 19, 90)
    found = guesses(y, 19)
    ranked = [np.mean([average_precision_score(k == y, random.random(90)) for k in np.unique(y)]) for _ in range(100)]
    called = [f1_score(y, random.integers(0, 19, 90), average="macro", labels=np.unique(y)) for _ in range(200)]
    assert found["macro_aucpr_guess"] == pytest.approx(np.mean(ranked), abs=0.01)
    assert found["macro_f1_guess"] == pytest.approx(np.mean(called), abs=0.006)


def test_one_class_for_all_and_a_log_loss_worse_than_the_priors_are_said() -> None:
    """Case: a report headed 0.173 without a guess, though the network called all 319 objects Ia."""
    p = np.tile([0.9, 0.06, 0.03, 0.01], (len(Y), 1))
    row = {"days": 64.0, "nll": 1.580, "nll_prior": 1.575, "macro_aucpr": 0.173, **guesses(Y, 4)}
    said = remarks(p, Y, NAMES, row, (0.15, 0.21), "macro_aucpr")
    assert "calls each of the 319 objects Ia" in said[0]
    assert "(1.580) is not better than that of the classes' frequencies alone (1.575)" in said[1]
    assert "0.173 (95 % interval 0.150 to 0.210) is not shown to be better than a guess, which gives 0.345" in said[2]


def test_nothing_is_said_of_a_good_model() -> None:
    p = np.eye(4)[Y] * 0.9 + 0.025
    row = {"days": 64.0, "nll": 0.1, "nll_prior": 0.8, "macro_f1": 0.98, **guesses(Y, 4)}
    assert remarks(p, Y, NAMES, row, (0.95, 0.99), "macro_f1") == []


def test_the_guess_stands_in_the_line_of_the_console() -> None:
    result = EvaluationResult({}, headline="leaf/macro_f1/64d")
    flatten(result, {"level": "leaf", "days": 64.0, "macro_f1": 0.5, "ece": None, **guesses(Y, 4)}, 50)
    assert result.guess == result.metrics["leaf/macro_f1_guess/64d"]
    assert headline(result, "held-out").endswith(f", a guess {result.guess:.4f}")
    assert result.why["leaf/ece/64d"] == "fewer than two classes"
