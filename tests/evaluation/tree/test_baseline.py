"""Trees beside a hierarchical judge: fitted on training alone, called at each window, compared on the same objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from astrid_ml.contracts.told import ComparesQuestions, MeasuresQuestions
from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.result import EvaluationResult
from astrid_ml.evaluation.tree.baseline import COLUMN, TreeBaseline, called, put_baseline, words
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.run.prediction.baselines import fit_baselines, with_baselines
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Floats32, Ints

TREE = load_taxonomy("bts")
LEAVES = list(TREE.leaves)[:3]
DAYS = (4.0, 64.0)


class Measured:
    """Three classes that one number tells apart at the later window, and hardly at the first."""

    def __init__(self) -> None:
        self.asked: list[Ints] = []

    def measured_questions(self, source: MemorySource, rows: Ints) -> Floats32:
        self.asked.append(rows)
        random = np.random.default_rng(1)
        noise = random.normal(size=(len(source.index), 2, 2))
        value = np.arange(len(source.index)) % 3
        noise[:, 0, 0] = 0.2 * value + noise[:, 0, 0]
        noise[:, 1, 0] = 9 * value + noise[:, 1, 0]
        noise[::7, :, 1] = np.nan
        return noise[rows].astype(np.float32)


@pytest.fixture
def source() -> MemorySource:
    labels = [LEAVES[number % 3] for number in range(240)]
    names = [f"o{number}" for number in range(240)]
    index = pd.DataFrame({"id": names, "group_id": names, "label": labels, "array": "s", "row": range(240)})
    return MemorySource(index, {"s": {}}, {})


def test_trees_are_fitted_on_training_and_called_at_each_window(source: MemorySource) -> None:
    judge, data = HierarchicalJudge("bts", baseline=TreeBaseline(trees=20)), Measured()
    assert isinstance(judge, ComparesQuestions) and isinstance(data, MeasuresQuestions)
    fitted = fit_baselines(judge, data, source, np.arange(120), np.arange(120, 180))
    assert fitted is not None and np.concatenate(data.asked).max() < 180
    rows = np.repeat(np.arange(180, 240), 2)
    table = pd.DataFrame({"index_row": rows[::-1], "days": np.tile(DAYS, 60)})
    found = with_baselines(table, fitted, data, source)
    truth = source.index["label"].to_numpy()[found["index_row"]]
    hit = (found[COLUMN] == truth).to_numpy()
    assert hit[found["days"] == 64].mean() > 0.9 > hit[found["days"] == 4].mean()
    again = fit_baselines(judge, data, source, np.arange(120), np.arange(120, 180))
    pd.testing.assert_frame_equal(with_baselines(table, again, data, source), found)
    assert fit_baselines(HierarchicalJudge("bts", baseline=None), data, source, rows, rows) is None
    one = np.arange(0, 120, 3)  # a single class
    assert fit_baselines(judge, data, source, one, one) is None


def test_macro_f1_and_its_difference_are_those_of_scikit_learn() -> None:
    random, rows = np.random.default_rng(0), []
    for number in range(90):
        for day in DAYS:
            row: dict[str, Any] = {"group_id": f"o{number}", "label": LEAVES[number % 3], "days": day}
            row[COLUMN] = LEAVES[number % 3] if random.random() < 0.6 else LEAVES[(number + 1) % 3]
            own = random.dirichlet(np.ones(len(TREE.leaves)))
            rows.append({**row, **{f"p_{name}": p for name, p in zip(TREE.leaves, own, strict=True)}})
    known = pd.DataFrame(rows)
    result = EvaluationResult(metrics={}, headline="leaf/macro_f1/64d")
    nodes = TREE.encode(list(known["label"]))
    put_baseline(result, TREE, known, nodes, 64.0, Bootstrap(200))
    at = known[known["days"] == 64]
    called_own = at[[f"p_{name}" for name in TREE.leaves]].to_numpy().argmax(axis=1)
    names = np.array(TREE.leaves)[called_own]
    theirs = f1_score(at["label"], at[COLUMN], labels=LEAVES, average="macro")
    assert result.metrics["leaf/baseline_macro_f1/64d"] == pytest.approx(theirs)
    mine = f1_score(at["label"], names, labels=LEAVES, average="macro")
    assert result.metrics["leaf/macro_f1_minus_baseline/64d"] == pytest.approx(mine - theirs)
    low, high = result.intervals["leaf/macro_f1_minus_baseline/64d"]
    assert low < mine - theirs < high < 0
    assert "behind them" in result.remarks[0]
    assert "leaf/macro_f1_minus_baseline/4d" not in result.metrics and "leaf/baseline_macro_f1/4d" in result.metrics
    other = EvaluationResult(metrics={}, headline="leaf/macro_f1/64d")
    put_baseline(other, TREE, known.drop(columns=COLUMN), nodes, 64.0, Bootstrap(200))
    assert other.metrics == {} and other.remarks == []


def test_what_the_comparison_says() -> None:
    assert "ahead of them" in words(64, 0.4, 0.1, (0.05, 0.15))
    assert "not to be told from them" in words(64, 0.4, 0.01, (-0.05, 0.07))


def test_called_needs_what_was_written() -> None:
    x = np.random.default_rng(0).normal(size=(60, 2, 3)).astype(np.float32)
    nodes = np.array([TREE.position[LEAVES[number % 2]] for number in range(60)])
    x[:, :, 0] += 5 * (np.arange(60) % 2)[:, None]
    fitted = TreeBaseline(trees=40, questions=1).fit(TREE, [(x, nodes, np.ones(60, dtype=bool))])
    assert fitted is not None and fitted["leaves"] == sorted(LEAVES[:2], key=lambda name: TREE.position[name])
    assert (called(fitted, x)[:, 1] == [LEAVES[number % 2] for number in range(60)]).mean() > 0.9
    with pytest.raises(UserError, match="2 leaves on 2 columns"):
        called(fitted, x[:, :, :2])
    with pytest.raises(UserError, match="2 leaves on 3 columns"):
        called({**fitted, "leaves": fitted["leaves"][:1]}, x)
