"""Names on a page: known ones in words and in order, unknown ones as they are, none lost and none twice."""

from __future__ import annotations

import numpy as np
import pandas as pd

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.report.names import ELSEWHERE, METRICS, column, fold, metric, ordered, short


def test_an_unknown_name_is_its_own() -> None:
    assert [metric("roc_auc"), metric("leaf/odd")] == ["ROC AUC", "leaf/odd"]
    assert [column("snr"), column("host_distance")] == ["|S/N|", "host distance"]
    assert [fold("test"), fold("val"), fold("train")] == ["held out", "validation", "train"]
    assert [short("aucpr"), short("leaf/macro_f1/64d")] == ["AUCPR", "leaf/macro_f1/64d"]


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
