"""Each figure that a tracker gets shows its own fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.tracking.figures import tracker_figures


def result_of(value: float) -> EvaluationResult:
    curve = pd.DataFrame({"threshold": [0.9, 0.1], "recall": [0.0, value], "precision": [1.0, value]})
    bins = pd.DataFrame({"predicted": [value, 0.9], "observed": [0.3, value]})
    tables = {"pr_curve": curve, "reliability": bins, "breakdown/mission": curve}
    return EvaluationResult({"prevalence": value / 2}, tables=tables, figures={"tree": Figure})


def drawn(figure: Figure) -> list[list[list[float]]]:
    return [np.asarray(line.get_xydata()).tolist() for line in figure.axes[0].lines]


def test_each_fold_has_its_own_curves_whatever_is_drawn_first() -> None:
    figures = tracker_figures({"val": result_of(0.4), "test": result_of(0.8)})
    names = ["precision-recall", "reliability", "tree"]
    assert list(figures) == [f"{fold} {name}" for fold in ("val", "test") for name in names]
    for fold, value in (("test", 0.8), ("val", 0.4)):
        curve, level = drawn(figures[f"{fold} precision-recall"]())
        assert curve == [[0.0, 1.0], [value, value]]
        assert level == [[0.0, value / 2], [1.0, value / 2]]
        diagonal, points = drawn(figures[f"{fold} reliability"]())
        assert diagonal == [[0.0, 0.0], [1.0, 1.0]]
        assert points == [[value, 0.3], [0.9, value]]


def test_what_an_evaluation_lacks_is_not_drawn() -> None:
    curve = pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.5]})
    figures = tracker_figures({"test": EvaluationResult({}, tables={"pr_curve": curve})})
    assert list(figures) == ["test precision-recall"]
    assert len(drawn(figures["test precision-recall"]())) == 1
