"""Names on a page: known ones in words and in order, unknown ones as they are, none lost and none twice."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.report.names import ELSEWHERE, METRICS, column, fold, measure, metric, ordered, short, the_level, window


def test_an_unknown_name_is_its_own() -> None:
    assert [metric("roc_auc"), metric("leaf/odd")] == ["ROC AUC", "leaf/odd"]
    assert [column("snr"), column("host_distance")] == ["|S/N|", "host distance"]
    assert [fold("test"), fold("val"), fold("train")] == ["held out", "validation", "train"]
    assert [short("aucpr"), short("leaf/macro_f1/64d")] == ["AUCPR", "macro-F1 of the leaves at 64 days"]


def test_metrics_of_trees_and_of_classes_are_words() -> None:
    assert metric("level2/nll_prior/1.5d") == "negative log-likelihood of the frequencies among level 2 at 1.5 days"
    assert metric("leaf/aucpr_SNIb/c/64d") == "AUCPR of SNIb/c among the leaves at 64 days"
    assert metric("leaf/n/64d") == "objects of the leaves at 64 days"
    assert metric("cosmic_ray/recall") == "recall of cosmic ray"
    assert metric("fusion/cosmic_ray/aucpr") == "AUCPR of cosmic ray, fusion"
    assert metric("likelihood/aucpr_mean") == "mean AUCPR over classes, likelihood"
    assert metric("aucpr/ztf") == "aucpr/ztf"
    assert [window("leaf/macro_f1/64d"), window("aucpr"), window("leaf/odd")] == ["/64d", "", ""]
    assert {the_level(name) for name in ("leaf", "level1")} == {"the leaves", "level 1"}
    assert {measure(name) for name in ("macro_f1", "set_full", "nll", "brier_uncalibrated", "odd_one")} == {
        "macro-F1", "share of prediction sets of all classes", "negative log-likelihood",
        "Brier score of the raw score", "odd one",
    }  # fmt: skip


def test_known_metrics_come_first_in_the_tables_order_and_counts_stand_elsewhere() -> None:
    found = ["odd", "recall", "tp", "aucpr", "even", "fn"]
    assert ordered(found) == ["aucpr", "recall", "odd", "even"]
    assert ordered([*reversed(METRICS), *ELSEWHERE]) == list(METRICS)


def test_every_metric_of_a_binary_evaluation_has_words() -> None:
    label = np.arange(60) % 3 == 0
    table = pd.DataFrame({"label": label.astype(int), "score": np.linspace(0, 1, 60), "threshold": 0.5})
    table["decision"], table["group_id"] = (table["score"] >= 0.5).astype(int), np.arange(60).astype(str)
    found = BinaryEvaluation(Bootstrap(replicates=5)).evaluate(table).metrics
    plain = {name for name in found if "/" not in name}
    assert plain <= {*METRICS, *ELSEWHERE}
    assert "aucpr" in plain
