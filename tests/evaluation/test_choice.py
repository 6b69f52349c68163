"""A calibration is taken only where a cross-validation shows that it is better than the raw score."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

import astrid_ml.evaluation.choice
import astrid_ml.evaluation.effect
from astrid_ml.evaluation import calibration as cal
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.choice import Chosen, parts_of
from astrid_ml.evaluation.effect import effect_of
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.thresholds import MaxF1


def drawn(seed: int, n: int, scale: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right where scale is 1 and shift 0, and labels drawn from them."""
    random = np.random.default_rng(seed)
    z = random.normal(-1, 2, n)
    return expit(scale * z + shift), random.random(n) < expit(z)


@pytest.mark.parametrize("seed", range(5))
def test_right_scores_are_left_alone(seed: int) -> None:
    scores, labels = drawn(seed, 1500)
    fitted = Chosen().fit(scores, labels)
    assert fitted["kind"] == "none"
    assert fitted["measured"] is True
    words = fitted["chosen"]["words"]
    assert words.endswith("the score itself is the probability")
    assert "only where it is better by more than one standard error" in words
    losses = fitted["chosen"]["log_loss"]
    least = min(losses, key=lambda name: losses[name])
    if least != "none":
        gain, error = (
            float(text.rstrip(")")) for text in words.split(f"({least}: ")[1].split(";")[0].split(", standard error ")
        )
        assert gain == pytest.approx(losses["none"] - losses[least], abs=1e-4) and gain <= error
    p = cal.calibrated(scores, json.loads(json.dumps(fitted)))
    assert p is not None
    np.testing.assert_allclose(p, scores)


def test_scores_that_are_too_sure_are_cooled() -> None:
    fitted = Chosen().fit(*drawn(1, 3000, scale=2.5, shift=1.0))
    assert fitted["kind"] == "temperature"
    assert fitted["parameters"]["temperature"] == pytest.approx(2.5, rel=0.1)
    losses = fitted["chosen"]["log_loss"]
    assert set(losses) == {"none", "temperature", "beta", "isotonic"}
    assert f"temperature: {losses['none'] - losses['temperature']:.4f}, standard error" in fitted["chosen"]["words"]


def test_scores_that_are_wrong_at_one_end_need_more_than_a_temperature() -> None:
    random = np.random.default_rng(2)
    true = random.random(8000)
    scores = np.where(true > 0.5, 0.5 + (true - 0.5) ** 3 * 4, true)  # the upper half is much too modest
    fitted = Chosen().fit(scores, random.random(8000) < true)
    assert fitted["kind"] in ("beta", "isotonic")


def test_a_small_fold_is_not_calibrated_and_says_so() -> None:
    scores, labels = drawn(3, 400, scale=3.0)
    labels[np.flatnonzero(labels)[9:]] = False
    fitted = Chosen().fit(scores, labels)
    assert (fitted["kind"], fitted["parameters"]) == ("none", {})
    assert "9 groups of the rarer class" in fitted["chosen"]["words"]
    assert cal.calibrated(scores, fitted) is None


@pytest.mark.parametrize(("real", "kinds"), [(29, 2), (30, 4)])
def test_of_few_groups_no_kind_bends_each_end_by_itself(real: int, kinds: int) -> None:
    scores, labels = drawn(3, 600, scale=3.0)
    labels[np.flatnonzero(labels)[real:]] = False
    assert len(Chosen().fit(scores, labels)["chosen"]["log_loss"]) == kinds


def test_groups_count_not_samples() -> None:
    scores, labels = drawn(4, 300, scale=3.0)
    fitted = Chosen().fit_groups(scores, labels, np.arange(300) // 40)
    assert "groups of the rarer class" in fitted["chosen"]["words"]


def test_parts_hold_groups_whole_and_either_class() -> None:
    random = np.random.default_rng(5)
    codes = np.repeat(np.arange(100), 3)
    labels = np.repeat(random.random(100) < 0.2, 3)
    part = parts_of(labels, codes, 5)
    assert pd.Series(part).groupby(codes).nunique().max() == 1
    assert all(labels[part == number].any() and (~labels[part == number]).any() for number in range(5))


def test_beta_calibration_is_a_logistic_regression_on_both_logs() -> None:
    from sklearn.linear_model import LogisticRegression

    scores, labels = drawn(6, 3000, scale=1.7, shift=-0.5)
    ours = cal.Beta().fit(scores, labels)["parameters"]
    logs = np.stack([np.log(scores), -np.log1p(-scores)], axis=1)
    theirs = LogisticRegression(C=1e9, tol=1e-10, max_iter=5000).fit(logs, labels)
    p = cal.calibrated(scores, {"kind": "beta", "parameters": ours})
    assert p is not None
    assert log_loss(labels, p) == pytest.approx(log_loss(labels, theirs.predict_proba(logs)[:, 1]), abs=1e-6)
    odds = cal.calibrated_log_odds(scores, {"kind": "beta", "parameters": ours})
    assert odds is not None
    np.testing.assert_allclose(expit(odds), p, atol=1e-12)


def table(seed: int, n: int, scale: float) -> pd.DataFrame:
    scores, labels = drawn(seed, n, scale)
    return pd.DataFrame(
        {"id": np.arange(n).astype(str), "group_id": np.arange(n), "score": scores, "label": labels * 1.0}
    )


def test_a_calibration_that_harms_stands_first() -> None:
    judge = BinaryJudge(cal.Temperature(), MaxF1(), BinaryEvaluation(Bootstrap(100), ()))
    fitted = judge.fit(table(7, 2000, scale=0.4))  # validation unlike test
    result = judge.evaluate(judge.apply(table(8, 2000, scale=1.0), fitted))
    change, after, before = (result.metrics[name] or 0.0 for name in ("nll_change", "nll", "nll_uncalibrated"))
    assert change == pytest.approx(after - before)
    low, high = result.intervals["nll_change"]
    assert 0 < low < change < high
    assert "Calibration makes the held-out probabilities worse: negative log-likelihood" in result.alarms[0]
    assert "may be chance" not in result.alarms[0]


def test_a_calibration_that_helps_or_is_none_says_nothing() -> None:
    for calibration, scale in ((cal.Temperature(), 2.5), (Chosen(), 1.0)):
        judge = BinaryJudge(calibration, MaxF1(), BinaryEvaluation(Bootstrap(50), ()))
        result = judge.evaluate(judge.apply(table(9, 2000, scale), judge.fit(table(10, 2000, scale))))
        assert result.alarms == []
        assert (result.metrics["nll_change"] or 0.0) <= 0.0


def test_a_harm_that_may_be_chance_says_so() -> None:
    random = np.random.default_rng(0)
    before = random.random(50)
    after = before + random.normal(0.001, 0.2, 50)
    after += before.mean() - after.mean() + 1e-4
    assert "it may be chance" in effect_of("nll", before, after, np.arange(50), Bootstrap(200)).alarm


def test_one_group_has_no_interval() -> None:
    found = effect_of("nll", np.array([0.1, 0.2]), np.array([0.2, 0.4]), ["a", "a"], Bootstrap(200))
    assert found.interval is None and "too few groups" in found.alarm


def test_the_calibration_error_is_never_below_zero_and_its_excess_has_its_own_name() -> None:
    judge = BinaryJudge(cal.Temperature(), MaxF1(), BinaryEvaluation(Bootstrap(20), ()))
    result = judge.evaluate(judge.apply(table(11, 3000, 1.0), judge.fit(table(12, 3000, 1.0))))
    for suffix in ("", "_uncalibrated"):
        assert (result.metrics[f"ece{suffix}"] or -1.0) > 0
        assert (result.metrics[f"ece_excess{suffix}"] or 0.0) < (result.metrics[f"ece{suffix}"] or 0.0)


def rare(n: int, offset: float, sign: int = 1) -> pd.DataFrame:
    """Probabilities of one real in a hundred (of one bogus, where ``sign`` is -1) whose log-odds are moved."""
    random = np.random.default_rng(3)
    odds = random.normal(-6.5, 2.5, n)
    labels, p = random.random(n) < expit(odds), expit(odds + offset)
    p, labels = (p, labels) if sign > 0 else (1 - p, ~labels)
    own = {"label": labels * 1.0, "score": p, "probability": p}
    return pd.DataFrame({"id": np.arange(n).astype(str), "group_id": np.arange(n), **own})


def wrong_of_rarer(known: pd.DataFrame) -> str:
    said = BinaryEvaluation(Bootstrap(20), ()).evaluate(known).remarks
    return " ".join(line for line in said if "the rarer class, are wrong" in line)


@pytest.mark.parametrize(("sign", "words"), [(1, "real"), (-1, "bogus")])
def test_the_note_of_the_rarer_class_names_it_and_cites_the_error_itself(sign: int, words: str) -> None:
    known = rare(6000, 2.0, sign)
    said, result = wrong_of_rarer(known), BinaryEvaluation(Bootstrap(20), ()).evaluate(known)
    value, (low, high) = 10 * (result.metrics["ece_rare"] or 0.0), result.intervals["ece_rare"]
    assert said.startswith(f"Probabilities of the {words} ones, the rarer class, are wrong. For each ten {words} ones ")
    assert f"together {value:.1f} (95 % interval {10 * low:.1f} to {10 * high:.1f})" in said
    too_many, too_few = (float(said.split(after)[0].split()[-1]) for after in (" too many", " too few"))
    assert too_many > 10 > too_few and too_many + too_few == pytest.approx(value, abs=0.11)
    assert wrong_of_rarer(rare(6000, 0.0, sign)) == ""


def test_four_groups_of_the_rarer_class_give_no_note() -> None:
    known = rare(6000, 2.0)
    few = known[(known["label"] == 0) | (known["label"].cumsum() <= 4)]
    assert wrong_of_rarer(known) and not wrong_of_rarer(few)


def test_the_examples_run() -> None:
    for module in (astrid_ml.evaluation.choice, astrid_ml.evaluation.effect):
        assert doctest.testmod(module).failed == 0
