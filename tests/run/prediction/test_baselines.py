"""Baselines of a run: from its folds to the checkpoint, and to the samples that are judged."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.evaluation.baselines.fit import COLUMN, TREES, Baselines
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.run.prediction.baselines import fit_baselines, with_baselines


class Data:
    """Measures what lies in the array."""

    def measured(self, source: Any, rows: Any) -> pd.DataFrame:
        return pd.DataFrame({"peak": source.gather("stamps", rows)[:, 0]})


def source(n: int = 300) -> MemorySource:
    random = np.random.default_rng(0)
    label = (np.arange(n) % 3 == 0).astype(float)
    label[::10] = np.nan
    index = pd.DataFrame(
        {"id": np.arange(n).astype(str), "label": label, "fwhm": random.normal(3 - np.nan_to_num(label))}
    )
    index["array"], index["row"] = "s", np.arange(n)
    return MemorySource(index, {"s": {"stamps": random.normal(2 * np.nan_to_num(label))[:, None]}}, {})


def test_fitted_on_labelled_rows_of_train_and_val_and_applied_to_any() -> None:
    judge = SimpleNamespace(baselines=Baselines(trees=5), rarer=1)
    data, samples = Data(), source()
    fitted = fit_baselines(judge, data, samples, np.arange(150), np.arange(150, 200))
    assert fitted is not None
    assert fitted["column"]["name"] == "fwhm"
    assert fitted["trees"]["names"] == ["fwhm", "peak"]
    rows = np.arange(299, 200, -1)
    table = samples.index.iloc[rows].reset_index(drop=True).assign(index_row=rows)
    found = with_baselines(table, fitted, data, samples)
    assert found[[COLUMN, TREES]].notna().all().all()
    np.testing.assert_allclose(found[COLUMN], -table["fwhm"])
    changed = source()
    changed.index.loc[200:, "label"] = 1.0  # what the test fold holds changes nothing
    again = fit_baselines(judge, data, changed, np.arange(150), np.arange(150, 200))
    np.testing.assert_array_equal(with_baselines(table, again, data, samples)[TREES], found[TREES])


def test_none_without_a_judge_that_compares() -> None:
    samples = source()
    rows = np.arange(20)
    assert fit_baselines(object(), Data(), samples, rows, rows) is None
    assert fit_baselines(SimpleNamespace(baselines=None, rarer=1), Data(), samples, rows, rows) is None
    table = samples.index.assign(index_row=np.arange(300))
    assert with_baselines(table, None, Data(), samples) is table
