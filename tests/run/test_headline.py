"""The line that a run ends with: the value, its interval and what it must be seen beside."""

from __future__ import annotations

from dataclasses import replace

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.run.told.headline import headline


def test_a_binary_runs_line() -> None:
    result = EvaluationResult(
        {"aucpr": 0.97125, "prevalence": 0.1, "baseline_column_aucpr": 0.2, "baseline_trees_aucpr": 0.9},
        intervals={"aucpr": (0.9641, 0.9772)},
        texts={"baseline_column_name": "fwhm, low is real"},
    )
    expected = (
        "held-out AUCPR 0.9712 (95 % interval 0.9641 to 0.9772), prevalence 0.1000, "
        "one column (fwhm, low is real) 0.2000, boosted trees 0.9000"
    )
    assert headline(result, "held-out") == expected
    beaten = replace(result, verdict="The network is not shown to beat boosted trees.")
    assert headline(beaten, "held-out") == f"The network is not shown to beat boosted trees.\n{expected}"


def test_another_headline_keeps_its_name_and_says_no_more_than_it_knows() -> None:
    result = EvaluationResult({"leaf/macro_f1/64d": 0.5, "prevalence": None}, headline="leaf/macro_f1/64d")
    assert headline(result, "val") == "val leaf/macro_f1/64d 0.5000"
    few = EvaluationResult({"aucpr_mean": 0.25, "n": 1200.0, "groups": 2.0}, headline="aucpr_mean")
    assert headline(few, "test") == "test AUCPR_MEAN 0.2500 of 1,200 samples in 2 groups (no interval: too few groups)"


def test_an_undefined_headline_says_why() -> None:
    result = EvaluationResult({"aucpr": None}, why={"aucpr": "there is no positive sample"})
    assert headline(result, "held-out") == "held-out aucpr: undefined (there is no positive sample)"
    assert headline(EvaluationResult({}), "held-out") == "held-out aucpr: undefined (no samples)"
