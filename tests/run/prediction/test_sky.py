"""Stamps with another sky than the checkpoint's are named with their median, in units of their noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.checkpoint.record import ChannelRecord, Record
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.preprocessing.alerts.pipeline import AlertsPipeline
from astrid_ml.preprocessing.stamps import sky_level
from astrid_ml.run.prediction.sky import against_sky, sky_of


def _source(level: float) -> Any:
    stamps = np.random.default_rng(1).normal(0, 2, (4, 3, 21, 21)).astype(np.float32)
    stamps[:, :2] += 2 * level
    writer = MemoryUnitWriter(AlertsPipeline().describe())
    writer.add(pd.DataFrame({"id": list("abcd"), "group_id": list("abcd"), "label": 1}), {"stamps": stamps})
    return writer.source()


def _record(sky: str | None, normalisation: str) -> Record:
    names = ["science", "reference", "difference"]
    return Record("alerts", {"channels": {"normalisation": normalisation}}, ChannelRecord(names, sky))


@pytest.mark.parametrize(
    ("sky", "normalisation", "level", "named"),
    [
        ("included", "row_l2", 0.0, 4),
        ("included", "row_l2", 10.0, 0),
        ("subtracted", "stamp_l2", 10.0, 4),
        ("subtracted", "none", 0.0, 0),
        (None, "row_l2", 0.0, 0),
        ("included", "sigma", 0.0, 0),  # each stamp's median is taken away in any case
    ],
)
def test_what_contradicts_a_checkpoint(sky: str | None, normalisation: str, level: float, named: int) -> None:
    found = against_sky(_record(sky, normalisation), _source(level))
    assert len(found) == named
    assert all(abs(each["median_sigma"] - level) < 1 and each["id"] in "abcd" for each in found)


def test_the_sky_of_a_checkpoint_is_that_of_all_its_missions() -> None:
    stated = AlertsPipeline().describe()["sky"]
    assert stated["ztf"] == "included" and stated["rubin"] == stated["winter"] == "subtracted"
    assert sky_of(stated, pd.DataFrame({"mission": ["ztf", "ztf", None]})) == "included"
    assert sky_of(stated, pd.DataFrame({"mission": ["ztf", "rubin"]})) is None
    assert sky_of(stated, pd.DataFrame({"mission": ["decam"]})) is None and sky_of(stated, pd.DataFrame()) is None
    assert sky_of("subtracted", pd.DataFrame()) == "subtracted" and sky_of(None, pd.DataFrame()) is None


def test_the_level_is_in_units_of_the_noise() -> None:
    stamps = np.random.default_rng(2).normal(60, 3, (3, 63, 63))
    stamps[1] = np.nan
    stamps[2] = 5.0
    level = sky_level(stamps)
    assert level[0] == pytest.approx(20, rel=0.05) and np.isnan(level[1:]).all()
