"""Judging needs at most a kilobyte a sample beside the columns that it gets and gives."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.binary import BinaryEvaluation
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.calibration import Temperature
from astrid_ml.evaluation.judge import BinaryJudge, Judge
from astrid_ml.evaluation.thresholds import MaxF1
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.taxonomy import load_taxonomy

MOST = 1000  # bytes a sample


def binary(n: int) -> tuple[Judge, pd.DataFrame]:
    random = np.random.default_rng(0)
    label = (random.uniform(size=n) < 0.3).astype(np.int8)
    logit = random.normal(size=n) + 2 * label - 1
    table = pd.DataFrame(
        {"id": np.arange(n).astype(str), "group_id": (np.arange(n) // 3).astype(str), "mission": "ztf"}
    )
    table = table.assign(filter="g", snr=random.normal(size=n), score=1 / (1 + np.exp(-logit)), logit=logit)
    judge = BinaryJudge(Temperature(), MaxF1(), BinaryEvaluation(Bootstrap(20)))
    return judge, table.assign(label=pd.array(label, dtype="Int8"))


def tree(n: int) -> tuple[Judge, pd.DataFrame]:
    classes = load_taxonomy("supernnova")
    random = np.random.default_rng(0)
    conditional = np.ones((n, len(classes.nodes)))
    for group in classes.sibling_groups:
        conditional[:, list(group)] = random.dirichlet(np.ones(len(group)), n)
    table = pd.DataFrame(classes.probabilities(conditional), columns=[f"score_{name}" for name in classes.nodes])
    leaves = classes.level_nodes(classes.n_levels)
    names = [classes.nodes[leaves[number]] for number in random.integers(len(leaves), size=n)]
    table = table.assign(label=names, days=64.0, group_id=(np.arange(n) // 3).astype(str))
    return HierarchicalJudge("supernnova", bootstrap=Bootstrap(20)), table


def peak(work: Callable[[], Any]) -> tuple[int, Any]:
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    out = work()
    return tracemalloc.get_traced_memory()[1] - before, out


@pytest.mark.parametrize("kind", [binary, tree])
def test_memory_of_judging_by_sample(kind: Callable[[int], tuple[Judge, pd.DataFrame]]) -> None:
    n = 20_000
    judge, table = kind(n)
    judge.evaluate(judge.apply(table[:500], judge.fit(table[:500])))  # what is imported and drawn once
    tracemalloc.start()
    try:
        fitting, fitted = peak(lambda: judge.fit(table))
        applying, applied = peak(lambda: judge.apply(table, fitted))
        judging, _ = peak(lambda: judge.evaluate(applied))
    finally:
        tracemalloc.stop()
    assert fitting < MOST * n
    assert applying < MOST * n
    assert judging < MOST * n
    assert min(fitting, applying, judging) > 8 * n  # the measure sees arrays
