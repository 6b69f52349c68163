"""Judging foreseen fluxes: weights by epochs, windows apart, intervals over objects, and what is not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.fluxes.hidden import HiddenFluxJudge


def predictions(n: int = 200, error: float = 0.5) -> pd.DataFrame:
    """Objects of asinh fluxes of spread 1, foreseen to ``error``, a few epochs each at two windows."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(n):
        for day in (4.0, 64.0):
            hidden = int(random.integers(1, 9))
            flux, off = random.normal(2, 1, hidden), random.normal(0, error * (2 if day == 4 else 1), hidden)
            rows.append(
                {
                    "group_id": f"g{number}",
                    "days": day,
                    "hidden": hidden,
                    "nll": float(np.mean(off**2)),
                    "off_square": float(np.mean(off**2)),
                    "flux_mean": float(np.mean(flux)),
                    "flux_square": float(np.mean(flux**2)),
                }
            )
    return pd.DataFrame(rows)


def test_what_is_explained_at_each_window_with_an_interval_over_objects() -> None:
    result = HiddenFluxJudge(Bootstrap(replicates=200)).evaluate(predictions())
    assert result.metrics["hidden/explained/64d"] == pytest.approx(0.75, abs=0.05)
    assert result.metrics["hidden/explained/4d"] == pytest.approx(0.0, abs=0.15)
    assert result.metrics["n"] == 200
    for name in ("hidden/explained/64d", "hidden/nll/all", "hidden/explained/all"):
        low, high = result.intervals[name]
        assert low < float(result.metrics[name] or np.nan) < high
    assert result.headline in result.metrics


def test_epochs_count_alike_whatever_object_they_are_of() -> None:
    table = predictions(2).iloc[:2].assign(days=4.0, hidden=[1.0, 3.0], nll=[1.0, 5.0])
    assert HiddenFluxJudge().evaluate(table).metrics["hidden/nll/4d"] == 4.0


@pytest.mark.parametrize("table", [predictions(3).iloc[:0], predictions(3).assign(hidden=0.0, nll=np.nan)])
def test_where_nothing_was_hidden_the_metric_says_so(table: pd.DataFrame) -> None:
    result = HiddenFluxJudge().evaluate(table)
    assert result.metrics["hidden/explained/all"] is None and result.metrics["n"] == 0
    assert result.why["hidden/explained/all"] == "nothing was hidden"
