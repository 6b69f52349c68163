"""Robust statistics against closed forms and other libraries."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from astropy.stats import mad_std
from scipy.stats import binomtest, norm

import astrid_ml.files
import astrid_ml.identity
import astrid_ml.stats
import astrid_ml.tables
import astrid_ml.types
from astrid_ml.devices import cpu_has_bf16
from astrid_ml.progress import Progress, bar
from astrid_ml.stats import MAD_TO_SIGMA, clipped_std, robust_mean_std, robust_sigma, row_medians, wilson
from astrid_ml.types import Array, Range


def test_the_factor_is_the_gaussians() -> None:
    assert pytest.approx(1 / norm.ppf(0.75), abs=3e-6) == MAD_TO_SIGMA


def test_a_robust_sigma_is_that_of_astropy() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, (50, 40))
    assert robust_sigma(values) == pytest.approx(mad_std(values), rel=1e-5)
    assert robust_sigma(values, axis=1) == pytest.approx(mad_std(values, axis=1), rel=1e-5)
    values[0, :10] = np.nan
    assert robust_sigma(values[0]) == pytest.approx(mad_std(values[0], ignore_nan=True), rel=1e-5)
    assert robust_sigma(values[1], centre=0.0) == pytest.approx(1.4826 * np.median(np.abs(values[1])))


def test_outliers_do_not_move_a_clipped_deviation() -> None:
    values = np.random.default_rng(2).normal(5.0, 2.0, 20_000)
    values[:100] = 1e6
    assert clipped_std(values) == pytest.approx(2.0, rel=0.02)
    mean, std = robust_mean_std(torch.from_numpy(values))
    assert mean == pytest.approx(5.0, abs=0.05)
    assert std == pytest.approx(2.0, rel=0.02)
    assert np.isnan(robust_mean_std(torch.zeros(3))).all()


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 10), (999, 1000), (1, 1)])
def test_wilson_is_that_of_scipy(hits: int, n: int) -> None:
    low, high = wilson(np.array([hits / n]), np.array([n]), z=norm.ppf(0.975))
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert (low[0], high[0]) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high, abs=1e-9))


def test_wilson_of_nothing_is_unknown() -> None:
    low, high = wilson(np.array([0.0]), np.array([0.0]))
    assert np.isnan([low[0], high[0]]).all()


def test_ranges_say_what_they_hold() -> None:
    assert str(Range(0.0, 1.0, open_low=True)) == "(0, 1]"
    assert str(Range(low=2.0)) == "[2, inf]"
    assert 1e-9 in Range(0.0, None, open_low=True)
    assert 0.0 not in Range(0.0, None, open_low=True)
    assert 1.0 not in Range(None, 1.0, open_high=True)


@pytest.mark.parametrize(
    "module", [astrid_ml.files, astrid_ml.identity, astrid_ml.stats, astrid_ml.tables, astrid_ml.types]
)
def test_the_examples_of_the_ground_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0


def test_progress_says_each_tenth_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", 20, done=10, unit="file") as shown:
        for _ in range(10):
            shown.step()
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("reading: 12 of 20 files", "reading: 20 of 20 files", 5)
    assert list(bar([1, 2], "reading")) == [1, 2]


def test_the_processor_is_asked_without_an_error() -> None:
    assert cpu_has_bf16() in (True, False)


@pytest.mark.parametrize("columns", [1, 2, 5, 16, 3969])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_medians_of_rows_are_those_of_numpy_to_the_bit(columns: int, kind: type) -> None:
    random = np.random.default_rng(columns)
    values: Array = random.normal(size=(40, columns)).astype(kind)
    values[::3, : columns // 2] = np.nan
    values[1::7] = 2.0  # ties
    assert np.array_equal(row_medians(values), np.nanmedian(values.astype(np.float64), axis=1))
