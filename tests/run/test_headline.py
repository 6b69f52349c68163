"""The line that a run ends with: the value, its interval and what it must be seen beside."""

from __future__ import annotations

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.run.headline import headline


def test_a_binary_runs_line() -> None:
    result = EvaluationResult(
        {"aucpr": 0.97125, "prevalence": 0.1, "baseline_aucpr": 0.2}, intervals={"aucpr": (0.9641, 0.9772)}
    )
    expected = "held-out AUCPR 0.9712 (95 % interval 0.9641 to 0.9772), prevalence 0.1000, trivial baseline 0.2000"
    assert headline(result, "held-out") == expected


def test_another_headline_keeps_its_name_and_says_no_more_than_it_knows() -> None:
    result = EvaluationResult({"leaf/macro_f1/64d": 0.5, "prevalence": None}, headline="leaf/macro_f1/64d")
    assert headline(result, "val") == "val leaf/macro_f1/64d 0.5000"


def test_an_undefined_headline_says_why() -> None:
    result = EvaluationResult({"aucpr": None}, why={"aucpr": "there is no positive sample"})
    assert headline(result, "held-out") == "held-out aucpr: undefined (there is no positive sample)"
    assert headline(EvaluationResult({}), "held-out") == "held-out aucpr: undefined (no samples)"
