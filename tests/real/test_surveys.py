"""How real packets hold their sky and their sign: what docs/surveys.md says is measured here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from astrid_ml.checkpoint.load import load_model
from astrid_ml.cli.main import run
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.channels import Channels
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.stamps import sky_level
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Array, Floats32

pytestmark = pytest.mark.real_data

# stamps; median of science; of the template, with its 5th and 95th percentile: in units of a stamp's noise
LEVELS = {
    "ztf": (154, 10.7, 66.1, 27.8, 135.3),
    "rubin": (25, 0.2, 0.4, -0.1, 0.9),
    "gattini": (17, 0.2, 0.3, -0.3, 0.6),
    "winter": (11, 0.1, 0.2, 0.0, 0.8),
}


def _packets(folder: Path) -> SampleSource:
    pipeline, writer = AlertsPipeline(), MemoryUnitWriter(AlertsPipeline().describe())
    for unit in pipeline.plan([folder]):
        pipeline.process(unit, writer, 0)
    assert not writer.drops
    return writer.source()


def _stamps(source: SampleSource) -> Array:
    return source.gather("stamps", np.arange(len(source.index)))


@pytest.mark.parametrize("mission", LEVELS)
def test_sky_and_sign_of_real_stamps(real_data: Path, mission: str) -> None:
    source = _packets(real_data / mission)
    stamps = _stamps(source)
    science, template = sky_level(stamps[:, 0]), sky_level(stamps[:, 1])
    found = (len(stamps), np.median(science), np.median(template), *np.percentile(template, (5, 95)))
    assert found == pytest.approx(LEVELS[mission], abs=0.06)
    stamp = survey_named(mission).stamp
    assert stamp is not None and stamp.sky == ("kept" if np.median(template) > 3 else "subtracted")
    middle = stamps.shape[-1] // 2
    box = stamps[:, 2, middle - 2 : middle + 3, middle - 2 : middle + 3].astype(float).reshape(len(stamps), -1)
    level = np.nanmedian(np.where(np.abs(stamps[:, 2]) < 1e37, stamps[:, 2], np.nan).reshape(len(stamps), -1), axis=1)
    positive = np.nansum(box - level[:, None], axis=1) > 0
    if mission == "ztf":
        assert positive.all() and (source.index["sign"] < 0).sum() == 60
    assert positive.mean() > 0.85


def test_without_its_pedestal_the_network_of_ztf_scores_otherwise(real_data: Path, tmp_path: Path) -> None:
    words = [f"input={real_data / 'braai' / 'd6_m7.weights.h5'}", "variant=d6_m7", f"ckpt_path={tmp_path / 'c.ckpt'}"]
    assert run(["import-weights", *words]) == 0
    model = load_model(tmp_path / "c.ckpt")
    assert model.record.channels.sky == "included"
    source = _packets(real_data / "ztf")
    valid = torch.tensor(source.index[["stamp_h", "stamp_w"]].to_numpy())

    def score(stamps: Floats32) -> Array:
        with torch.no_grad():
            network = model.tasks[0].network
            return np.asarray(network(Channels().apply(torch.from_numpy(stamps), valid)).squeeze().sigmoid())

    drb, stamps = source.index["drb"].to_numpy(dtype=float), _stamps(source)
    assert np.abs(score(stamps) - drb).max() < 1e-6
    level = np.nanmedian(np.where(np.abs(stamps) < 1e37, stamps, np.nan).reshape(*stamps.shape[:2], -1), axis=2)
    level[:, 2] = 0
    low, without = drb < 0.5, score((stamps - level[:, :, None, None]).astype(np.float32))
    rescored = (low.sum(), np.median(without[low]), np.median(drb[low]), (without[low] > 0.5).sum())
    assert rescored == pytest.approx((25, 0.82, 0.21, 19), abs=0.006)
