"""The audit and the breakdown on real packets of several surveys: the missions differ, and that is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from astrid_ml.audit import Audit
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.labels import ScoreThresholdLabel
from astrid_ml.splits.options import GroupSplit

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def dataset(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    raw = [real_data / name for name in ("ztf", "gattini", "winter", "rubin")]
    store = tmp_path_factory.mktemp("store")
    outcome = prepare_dataset(AlertsPipeline(), raw, store, name="all", labeller=ScoreThresholdLabel(), progress=False)
    return PreparedDataset(outcome.path)


def test_real_packets_leak_nothing_and_their_confounding_is_shown(dataset: PreparedDataset) -> None:
    plan = GroupSplit().plan(dataset.index)
    result = Audit(mode="warn").run(dataset, plan)
    assert result.ok, [finding.message for finding in result.findings]
    assert {"ids", "groups", "positions", "duplicate stamps"} <= set(result.checked)
    assert {"mission", "source"} <= set(result.confounding["columns"])
    assert result.confounding["roc_auc"] > 0.7
    assert result.confounding["alarm"]


def test_the_breakdown_has_each_mission_with_its_counts(dataset: PreparedDataset) -> None:
    # Stamps of any score serve here: the peak S/N, squeezed into (0, 1), on the proxy's labels.
    table = dataset.index.assign(score=1 / (1 + np.exp(-dataset.index["peak_snr"].astype(float).fillna(0) / 50)))
    result = BinaryEvaluation(Bootstrap(replicates=100)).evaluate(table)
    missions = result.tables["breakdown/mission"].set_index("value")
    assert missions.loc["ztf", "n"] == 154
    assert missions.loc["gattini", "n"] == 17
    assert "winter" not in missions.index  # it has no drb, so no label
