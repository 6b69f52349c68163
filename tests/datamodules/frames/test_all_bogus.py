"""The published failure of this domain: 97 % accuracy and no real one found. The report must not let it pass."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.build import build, plain
from astrid_ml.config import compose
from astrid_ml.datamodules.frame_channels import FrameChannels
from astrid_ml.datamodules.frames import FrameDataModule
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.models.braai.network import BraaiVGG6
from astrid_ml.models.fusion.network import FusionNetwork
from astrid_ml.models.tasks.binary import RealBogusTask
from astrid_ml.report.content import RunReport
from astrid_ml.report.write import write_report
from astrid_ml.run.told.pictures import notable
from astrid_ml.splits.options import SkySplit


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_network_that_calls_everything_bogus_is_called_out(frames: PreparedDataset, tmp_path: Path) -> None:
    data = FrameDataModule(FrameChannels(size=32), features=["mag", "sharpness"])
    data.attach(frames, SkySplit().plan(frames.index).rounds[0])
    network = FusionNetwork(BraaiVGG6(4, 32), n_features=4)
    with torch.no_grad():  # what 3 % of real ones teach a careless training: the prior and nothing else
        network.head.weight.zero_()
        network.head.bias.fill_(-3.4)
    table = RealBogusTask(network).predict_table(data, frames, data.rows["test"])
    assert table["score"].nunique() == 1
    predictions = pd.concat([frames.index.iloc[table["row"]].reset_index(drop=True), table], axis=1)
    predictions = predictions.loc[:, ~predictions.columns.duplicated()].assign(index_row=table["row"])
    judge = build(plain(compose("train", ["calibration=none", "threshold=fixed"]).evaluation))
    judged = judge.apply(predictions, {"kind": "none", "threshold": 0.5})
    result = judge.evaluate(judged)
    prevalence = float(np.mean(frames.index["label"].iloc[data.rows["test"]].astype(float)))
    assert result.metrics["prevalence"] == pytest.approx(prevalence)
    assert result.metrics["aucpr"] == pytest.approx(prevalence)
    assert result.metrics["recall"] == 0
    assert result.metrics["precision"] is None
    assert result.metrics["accuracy"] == pytest.approx(1 - prevalence)
    said = " ".join(result.remarks)
    assert "calls everything bogus" in said
    assert "the ranking holds no information" in said
    assert {"breakdown/filter", "breakdown/injected", "breakdown/mag_truth"} <= set(result.tables)
    pictures = notable(judge, judged, frames, data)
    write_report(
        tmp_path / "report.html", RunReport("all bogus", {"status": "done"}, {"test": result}, samples=pictures)
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "This model calls everything bogus: recall is 0." in page
    assert re.search(r"only repeats that \d+\.\d% are bogus", page)
    assert "true magnitude" in page
    assert page.count("data:image/png") >= 3
