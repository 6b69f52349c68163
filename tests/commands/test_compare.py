"""Runs side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from astrid_ml.commands.compare import CompareCommand
from astrid_ml.errors import UserError


def run_folder(folder: Path, noise: float, flip: bool = False, drop: int = 0, score: str = "score") -> Path:
    random = np.random.default_rng(0)
    label = (random.random(800) < 0.2).astype(float)
    values = 1 / (1 + np.exp(-(2 * label - 1 + np.random.default_rng(int(noise * 10)).normal(0, noise, 800))))
    table = pd.DataFrame({"id": np.arange(800).astype(str), "group_id": (np.arange(800) // 2).astype(str)})
    table["label"], table[score] = 1 - label if flip else label, values
    (folder / "predictions").mkdir(parents=True)
    table.iloc[drop:].to_parquet(folder / "predictions" / "test.parquet")
    return folder


def test_the_better_run_is_told_from_the_worse(tmp_path: Path) -> None:
    good, bad = run_folder(tmp_path / "good", 0.8), run_folder(tmp_path / "bad", 2.0, drop=10)
    out = tmp_path / "out"
    summary = CompareCommand([str(good), str(bad)], str(out), 200).run()
    table = pd.read_parquet(out / "compare.parquet")
    truth = pd.read_parquet(bad / "predictions" / "test.parquet")
    assert summary["samples"] == 790
    assert table["aucpr"].iloc[1] == pytest.approx(average_precision_score(truth["label"], truth["score"]), abs=1e-9)
    assert table["difference"].iloc[1] == pytest.approx(table["aucpr"].iloc[1] - table["aucpr"].iloc[0], abs=1e-9)
    assert table["low"].iloc[1] < table["difference"].iloc[1] < table["high"].iloc[1] < 0
    assert pd.isna(table["difference"].iloc[0])
    assert (out / "compare.png").stat().st_size > 5000
    assert sorted(path.name for path in out.iterdir()) == ["compare.json", "compare.parquet", "compare.png"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", 1.0)
    others = {
        "differ": run_folder(tmp_path / "flipped", 1.0, flip=True),
        "no score": run_folder(tmp_path / "levels", 1.0, score="p_supernova"),
        "none in common": run_folder(tmp_path / "empty", 1.0, drop=800),
        "without predictions": tmp_path,
    }
    for message, other in others.items():
        with pytest.raises(UserError, match=message):
            CompareCommand([str(one), str(other)], str(tmp_path / "out")).run()
    with pytest.raises(UserError, match="at least two"):
        CompareCommand([str(one)], str(tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()
