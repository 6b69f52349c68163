"""Another prevalence: probabilities and thresholds against closed forms, in fits, joined models and checkpoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from astrid_ml.api import merged
from astrid_ml.contracts.scoring import member_column
from astrid_ml.errors import UserError
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.calibration import Temperature, log_losses, observed_over_predicted
from astrid_ml.evaluation.judge import BinaryJudge
from astrid_ml.evaluation.prior import ASSUMED, Prior, in_words, moved, thinned
from astrid_ml.evaluation.thresholds import Fixed, MaxF1, MaxFNR, MaxFPR, MinPurity
from astrid_ml.metrics.binary import steps
from astrid_ml.run.prediction.assumed import with_prevalence
from astrid_ml.typed_values import share_of
from astrid_ml.types import Floats

APART = 3.0  # sigma between the classes


def sky(n: int, share: float, seed: int) -> pd.DataFrame:
    """Scores that are the exact posterior of two Gaussian classes at a share of one half."""
    random = np.random.default_rng(seed)
    label = random.random(n) < share
    x = random.normal(np.where(label, APART, 0.0))
    score = expit(APART * (x - APART / 2))
    groups = np.arange(n).astype(str)
    return pd.DataFrame({"id": groups, "group_id": groups, "label": label.astype(float), "score": score, "x": x})


def posterior(x: Any, share: float) -> Floats:
    real, bogus = share * norm.pdf(x, APART), (1 - share) * norm.pdf(x)
    out: Floats = real / (real + bogus)
    return out


def judge(rule: Any = None, prevalence: float | str | None = None) -> BinaryJudge:
    evaluation = BinaryEvaluation(Bootstrap(200))
    return BinaryJudge(Temperature(), rule or MaxF1(), evaluation, prevalence)


@pytest.mark.parametrize(("given", "share"), [("1/300", 1 / 300), ("0.01", 0.01), (0.25, 0.25), (" 1 / 8 ", 0.125)])
def test_a_share_is_read_from_what_people_write(given: Any, share: float) -> None:
    assert share_of(given) == pytest.approx(share, rel=1e-15)


@pytest.mark.parametrize("given", ["", "1/0", "rare", "0", "1", "-0.1", "3/2", "1/2/3", "nan", True, 0, 7])
def test_what_is_no_share_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match="for instance prevalence=1/300"):
        judge(prevalence=given)


def test_probabilities_move_as_bayes_says_and_back() -> None:
    x = np.linspace(-3, 6, 200)
    for share in (0.5, 0.1, 1 / 300, 1e-5):
        assert moved(posterior(x, 0.3), 0.3, share) == pytest.approx(posterior(x, share), rel=2e-4, abs=1e-9)
    assert in_words(1 / 300) == "1 in 300" and in_words(0.3) == "30 %"
    assert in_words(0.999) == "all but 1 in 1,000"


def test_a_rare_sky_gets_the_number_of_real_ones_that_it_was_promised() -> None:
    validation, test = sky(20_000, 0.3, 1), sky(60_000, 1 / 128, 2)
    plain, rare = judge(), judge(prevalence="1/128")
    before = plain.apply(test, plain.fit(validation))
    after = rare.apply(test, rare.fit(validation))
    assert "assumed_prevalence" not in before and (after[ASSUMED] == 1 / 128).all()
    labels = test["label"].to_numpy().astype(bool)
    assert labels.sum() > 300
    ratio, ends = observed_over_predicted(before["probability"].to_numpy(), labels, test["group_id"], 0.95)
    assert ratio < 0.5
    ratio, ends = observed_over_predicted(after["probability"].to_numpy(), labels, test["group_id"], 0.95)
    assert ends is not None and 0.8 < ends[0] < 1 < ends[1] < 1.2
    assert after["probability"].to_numpy() == pytest.approx(posterior(test["x"], 1 / 128), rel=0.25, abs=1e-8)


def test_a_sample_of_another_share_tells_the_same_by_weights_with_its_interval() -> None:
    validation, test = sky(20_000, 0.3, 1), sky(40_000, 0.2, 3)
    rare = judge(prevalence=1 / 128)
    result = rare.evaluate(rare.apply(test, rare.fit(validation)))
    low, high = result.intervals["observed_over_predicted"]
    assert low < 1 < high < 1.5
    real, bogus = 1 - norm.cdf(3 - APART), 1 - norm.cdf(3)  # where both densities are known
    precision, share = result.metrics["precision_at_prevalence"], 1 / 128
    assert precision is not None
    chosen = rare.apply(test, rare.fit(validation))["decision"].to_numpy(dtype=bool)
    labels = test["label"].to_numpy().astype(bool)
    real, bogus = chosen[labels].mean(), chosen[~labels].mean()
    assert precision == pytest.approx(share * real / (share * real + (1 - share) * bogus))
    assert "1 in 128 is real" in result.remarks[0] and "the same mixture" in result.remarks[0]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6])
@pytest.mark.parametrize("assumed", [1 / 128, 0.3])
def test_calibration_is_judged_at_the_share_of_the_labels(share: float, assumed: float) -> None:
    """Scores are sharper than they may be: calibration helps, whatever shares it was fitted, asked and judged at."""
    test = sky(30_000, share, 4).pipe(sharper)
    rare = judge(prevalence=assumed)
    result = rare.evaluate(rare.apply(test, rare.fit(sharper(sky(20_000, 0.2, 5)))))
    labels = test["label"].to_numpy().astype(bool)
    best = log_losses(posterior(test["x"], float(labels.mean())), labels).mean()
    assert result.metrics["nll"] == pytest.approx(best, rel=0.02)
    assert (result.metrics["nll_change"] or 0.0) < 0 and result.alarms == []
    assert result.metrics["ece"] == pytest.approx(0.0, abs=0.01)
    assert "judged at the share of real ones of this sample" in result.remarks[0]


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_labels_of_one_class_are_judged_as_calibration_was_fitted(label: float) -> None:
    """Case: with real samples alone the prior was taken for harm that calibration does."""
    test = sky(4000, 0.2, 6).pipe(sharper)
    test = test[test["label"] == label].reset_index(drop=True)
    fit = sharper(sky(20_000, 0.2, 5))
    plain, rare = (judge(prevalence=share) for share in (None, 1 / 128))
    found = [one.evaluate(one.apply(test, one.fit(fit))) for one in (plain, rare)]
    assert found[1].metrics["nll_change"] == pytest.approx(found[0].metrics["nll_change"], rel=1e-6)


def test_what_calibration_does_depends_on_no_assumed_share() -> None:
    """Case: probabilities of a sky of one in a million were cut off before they were moved back."""
    test, fit = sky(20_000, 0.1, 7).pipe(sharper), sharper(sky(20_000, 0.2, 5))
    found = [one.evaluate(one.apply(test, one.fit(fit))) for one in (judge(prevalence=s) for s in (0.1, 1e-6))]
    for name in ("nll", "brier", "ece", "nll_uncalibrated"):
        assert found[1].metrics[name] == pytest.approx(found[0].metrics[name], rel=1e-3)


def sharper(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of half the temperature, at the share that they are said to hold for."""
    return table.assign(score=expit(2 * APART * (table["x"] - APART / 2)))


def test_where_the_bogus_end_there_is_a_reason_and_no_number() -> None:
    validation, test = sky(4000, 0.3, 1), sky(900, 0.3, 3)
    rare = judge(Fixed(0.5), 1e-4)
    result = rare.evaluate(rare.apply(test, rare.fit(validation)))
    for name in ("aucpr_at_prevalence", "precision_at_prevalence", "observed_over_predicted"):
        assert result.metrics[name] is None and "not measurable" in result.why[name]


@pytest.mark.parametrize("rule", [MaxF1(), MaxFNR(0.1), MaxFPR(0.02), MinPurity(0.8), Fixed(0.4)])
def test_a_checkpoint_moves_to_a_prevalence_as_if_it_had_been_trained_for_it(rule: Any) -> None:
    validation, test = sky(20_000, 0.3, 1), sky(20_000, 0.05, 2)
    own, rare = judge(rule), judge(rule, "1/100")
    kept, fresh = own.fit(validation), rare.fit(validation)
    assert own.settled(kept) is kept
    one, two = rare.apply(test, kept), rare.apply(test, fresh)
    assert one["probability"].equals(two["probability"])
    assert (one["decision"] == two["decision"]).mean() > 0.997  # the kept curve is thinned
    assert rare.apply(test, rare.settled(kept)).equals(one)
    back = judge(rule).apply(test, fresh)  # who gives none keeps the checkpoint's
    assert back["probability"].equals(two["probability"])


def test_a_rate_within_a_class_takes_the_same_samples_whatever_the_prevalence() -> None:
    validation = sky(5000, 0.3, 1)
    for rule in (MaxFNR(0.05), MaxFPR(0.01)):
        own, rare = judge(rule), judge(rule, 1e-3)
        same = own.apply(validation, own.fit(validation))["decision"]
        assert (rare.apply(validation, rare.fit(validation))["decision"] == same).mean() > 0.9995


def test_a_purity_is_that_of_the_sky_and_what_cannot_be_shown_is_said() -> None:
    validation, test = sky(40_000, 0.3, 1), sky(400_000, 1 / 50, 2)
    rare = judge(MinPurity(0.8), "1/50")
    fitted = rare.fit(validation)
    chosen = rare.apply(test, fitted)["decision"].to_numpy(dtype=bool)
    assert float(test["label"].to_numpy()[chosen].mean()) == pytest.approx(0.8, abs=0.03)
    assert fitted["rule"] == "purity of at least 0.8 where 1 in 50 is real, on validation"
    rare = judge(MinPurity(0.99), "1/3000")
    fitted = rare.fit(sky(2000, 0.3, 1))
    assert "0.99 is not reached with 10 bogus above the threshold" in fitted["rule"]
    own = judge(MinPurity(0.99))
    decided = own.apply(validation, own.fit(validation))
    assert decided["label"][decided["decision"] == 1].mean() >= 0.99


def test_few_counts_stand_for_a_curve() -> None:
    table = sky(50_000, 0.2, 1)
    at = steps(table["score"], table["label"])
    few = thinned(at)
    assert len(few.threshold) < 1700 < len(at.threshold)
    assert (few.true[-1], few.false[-1]) == (at.true[-1], at.false[-1])
    assert np.isin(few.threshold, at.threshold).all()
    assert np.diff(few.true).max() < 0.02 * at.positives and np.diff(few.false).max() < 0.02 * at.negatives
    assert Prior.of([0.2, 0.4], [1, 1]).plain() == {}


def test_members_of_a_joined_model_move_together() -> None:
    folds, test = [sky(8000, share, seed) for seed, share in enumerate((0.2, 0.3, 0.4))], sky(5000, 0.3, 9)
    rare, own = judge(prevalence="1/50"), judge()
    table = test.assign(**{member_column("score", number): test["score"] for number in range(3)})
    members = [rare.fit(fold) for fold in folds]
    unseen = pd.concat([rare.apply(fold, fitted) for fold, fitted in zip(folds, members, strict=True)])
    trained = rare.fit_members(members, unseen)
    known = rare.apply(table, trained)
    assert known["probability"].to_numpy() == pytest.approx(posterior(test["x"], 1 / 50), rel=0.3)
    plain = [own.fit(fold) for fold in folds]
    unseen = pd.concat([own.apply(fold, fitted) for fold, fitted in zip(folds, plain, strict=True)])
    later = rare.apply(table, own.fit_members(plain, unseen))
    assert later["probability"].to_numpy() == pytest.approx(known["probability"].to_numpy(), rel=1e-9)
    assert (later["decision"] == known["decision"]).mean() > 0.99


def test_what_cannot_be_moved_is_refused() -> None:
    old = {"kind": "temperature", "parameters": {"temperature": 1.0, "offset": 0.0}, "calibrated": True}
    with pytest.raises(UserError, match="train again, or leave out prevalence="):
        judge(prevalence=0.01).apply(sky(10, 0.5, 1), old)
    with pytest.raises(UserError, match="both classes"):
        judge(Fixed(), 0.01).fit(sky(50, 0.5, 1).assign(label=1.0, score=0.4))

    class Own:
        def choose(self, scores: Any, labels: Any) -> tuple[float, str]:
            return 0.5, "own"

    assert judge(Own()).fit(sky(50, 0.5, 1))["rule"] == "own"
    with pytest.raises(UserError, match="Own, which has no choose_at"):
        judge(Own(), 0.1)
    tree = "astrid_ml.evaluation.tree.hierarchical.HierarchicalJudge"
    with pytest.raises(UserError, match="HierarchicalJudge judges"):
        with_prevalence({"evaluation": {"_target_": tree}}, "1/300")
    binary = {"evaluation": {"_target_": "astrid_ml.evaluation.judge.BinaryJudge"}}
    assert with_prevalence(binary, "1/300")["evaluation"]["prevalence"] == "1/300"
    assert merged(binary, {"evaluation": {"prevalence": 0.01}})["evaluation"]["prevalence"] == 0.01


@pytest.mark.real_data
def test_a_precision_ends_where_the_bogus_end() -> None:
    folder = Path(os.environ.get("ASTRID_SHARED", "../shared")) / "cases" / "honest" / "prevalence"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    small, large = (pd.read_csv(folder / name) for name in ("small_test.csv", "large_test.csv.gz"))
    for table, words in ((small, "1,078 bogus"), (large, "")):
        table = table.assign(id=np.arange(len(table)).astype(str), group_id=np.arange(len(table)).astype(str))
        rare = judge(MaxF1(), "1/1000")
        result = rare.evaluate(rare.apply(table, rare.fit(table)))
        assert words in result.why.get("aucpr_at_prevalence", "") if words else True
        if not words:
            assert "9,139 bogus: at least 10,000 are needed" in result.why["aucpr_at_prevalence"]
