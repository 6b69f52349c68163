"""Drift is measured in the training's own spread."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.pipeline.writer import MemoryUnitWriter
from astrid_ml.types import Array, Ints
from astrid_ml.validity.drift import QUANTILES, drift_table, input_statistics


def source_of(stamps: Array | None = None, **columns: Array) -> SampleSource:
    writer = MemoryUnitWriter()
    n = len(next(iter(columns.values())))
    records = pd.DataFrame({"id": np.arange(n).astype(str), "group_id": "g", **columns})
    writer.add(records, {"other": np.zeros((n, 1))} if stamps is None else {"stamps": stamps})
    return writer.source()


def test_quantiles_of_a_column_are_those_of_its_finite_values_in_the_chosen_rows() -> None:
    values = np.append(np.arange(101.0), [np.nan, np.nan, 1e9])
    found = input_statistics(source_of(snr=values, ra=values, flag=np.full(104, np.nan)), np.arange(103))
    assert found == {"snr": [5.0, 25.0, 50.0, 75.0, 95.0]}


def test_noise_of_each_channel_is_its_gaussians() -> None:
    random = np.random.default_rng(0)
    stamps = random.normal(size=(200, 2, 41, 41)).astype(np.float32) * np.array([1.0, 30.0]).reshape(1, 2, 1, 1)
    stamps[:, :, 20, 20] = 1e5  # a star is no noise
    stamps[:, 0, :3] = np.nan
    found = input_statistics(source_of(stamps, snr=np.ones(200)), np.arange(200))
    assert found["channel 0 noise"][2] == pytest.approx(1.0, rel=0.03)
    assert found["channel 1 noise"][2] == pytest.approx(30.0, rel=0.03)


@pytest.mark.parametrize("n", [1, 49, 50, 51, 99, 100, 149, 1000])
def test_no_more_stamps_are_read_than_asked_for(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(np.random.default_rng(1).normal(size=(n, 1, 5, 5)), snr=np.ones(n))
    asked: list[int] = []
    groups = type(source).groups

    def counted(self: SampleSource, kind: str, rows: Ints) -> list[tuple[Ints, Array]]:
        asked.append(len(rows))
        return groups(self, kind, rows)

    monkeypatch.setattr(type(source), "groups", counted)
    assert "channel 0 noise" in input_statistics(source, np.arange(n), most=50)
    assert min(n, 25) <= asked[0] <= 50


def test_a_shift_by_one_interquartile_range_is_one() -> None:
    grid = norm.ppf((np.arange(2001) + 0.5) / 2001)
    before = input_statistics(source_of(snr=grid, fwhm=3 + 2 * grid, flat=np.ones(2001)), np.arange(2001))
    width = 2 * norm.ppf(0.75)
    here = source_of(snr=grid - 0.5 * width, fwhm=3 + 2 * (grid + width), flat=np.full(2001, 2.0))
    table = drift_table(before, here, np.arange(2001))
    assert table is not None
    assert table["input"].tolist() == ["flat", "fwhm", "snr"]
    assert table["shift (IQR)"].tolist() == [np.inf, pytest.approx(1.0, abs=2e-3), pytest.approx(-0.5, abs=2e-3)]
    assert table["training"].tolist() == pytest.approx([1.0, 3.0, 0.0], abs=1e-9)
    assert len(QUANTILES) == len(before["snr"])


def test_what_only_one_side_knows_is_not_compared() -> None:
    before = input_statistics(source_of(snr=np.arange(50.0)), np.arange(50))
    table = drift_table(before, source_of(fwhm=np.arange(50.0)), np.arange(50))
    assert table is not None
    assert table.empty
    assert drift_table({}, source_of(snr=np.arange(50.0)), np.arange(50)) is None
    assert drift_table(None, source_of(snr=np.arange(50.0)), np.arange(50)) is None
