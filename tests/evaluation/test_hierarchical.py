"""Metrics of a tree against scikit-learn, calibration against a known distortion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.hierarchical import (
    HierarchicalJudge,
    confusion_matrix,
    excess_ece,
    macro_average_precision,
    macro_f1,
    top_label_ece,
)
from astrid_ml.taxonomy import Taxonomy, load_taxonomy


def drawn(n: int, seed: int, tree: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    """Consistent probabilities and leaves drawn from them: perfectly calibrated."""
    random = np.random.default_rng(seed)
    conditional = np.ones((n, len(tree.nodes)))
    for group in tree.sibling_groups:
        conditional[:, list(group)] = random.dirichlet(np.full(len(group), 0.7), n)
    p = tree.probabilities(conditional)
    leaves = tree.level_nodes(tree.n_levels)
    edges = np.cumsum(p[:, leaves], axis=1)
    return p, leaves[(random.random((n, 1)) > edges).sum(axis=1).clip(max=len(leaves) - 1)]


def table(p: np.ndarray, nodes: np.ndarray, tree: Taxonomy, day: float = 64.0) -> pd.DataFrame:
    out = pd.DataFrame({f"score_{name}": p[:, k] for k, name in enumerate(tree.nodes)})
    return out.assign(label=[tree.nodes[k] for k in nodes], days=day, group_id=np.arange(len(p)).astype(str))


def test_metrics_equal_scikit_learn() -> None:
    tree = load_taxonomy("elasticc2")
    p, nodes = drawn(3000, 0, tree)
    leaves = tree.level_nodes(3)
    y, q = np.searchsorted(leaves, nodes), p[:, leaves]
    expected = np.mean([average_precision_score(y == k, q[:, k]) for k in range(19)])
    assert macro_average_precision(q, y) == pytest.approx(expected)
    called = q.argmax(axis=1)
    assert macro_f1(confusion_matrix(y, called, 19)) == pytest.approx(f1_score(y, called, average="macro"))


def test_calibrated_probabilities_have_no_excess_and_sharpened_ones_have() -> None:
    tree = load_taxonomy("supernnova")
    p, nodes = drawn(8000, 1, tree)
    leaves = tree.level_nodes(tree.n_levels)
    y, q = np.searchsorted(leaves, nodes), p[:, leaves]
    assert abs(excess_ece(q, y)) < 0.01
    sharp = q**3 / (q**3).sum(axis=1, keepdims=True)
    assert excess_ece(sharp, y) > 0.1
    assert top_label_ece(sharp, y) > excess_ece(sharp, y)


def test_calibration_undoes_a_distortion_that_changes_with_time() -> None:
    tree = load_taxonomy("elasticc2")
    parts = []
    for seed, day in ((2, 2.0), (3, 64.0), (4, 1024.0)):
        p, nodes = drawn(6000, seed, tree)
        conditional = np.ones_like(p)
        for group in tree.sibling_groups:
            own = p[:, list(group)] ** (1.5 + 0.1 * np.log2(day))
            own[:, 0] *= 4
            conditional[:, list(group)] = own / np.maximum(own.sum(axis=1, keepdims=True), 1e-300)
        parts.append(table(tree.probabilities(conditional), nodes, tree, day))
    bent = pd.concat(parts, ignore_index=True)
    judge = HierarchicalJudge("elasticc2", bootstrap=Bootstrap(20))
    validation, test = bent[bent.index % 2 == 0], bent[bent.index % 2 == 1].reset_index(drop=True)
    fitted = judge.fit(validation.reset_index(drop=True))
    applied = judge.apply(test, fitted)
    result = judge.evaluate(applied)
    for day in (2, 64, 1024):
        for level in ("level1", "level2", "leaf"):
            nll = [result.metrics[f"{level}/{name}/{day}d"] for name in ("nll", "nll_uncalibrated", "nll_prior")]
            assert nll[0] is not None
            assert nll[1] is not None
            assert nll[2] is not None
            assert nll[0] < min(nll[1], nll[2])
    for group in tree.sibling_groups:
        children = applied[[f"p_{tree.nodes[k]}" for k in group]].sum(axis=1)
        assert np.allclose(children, applied[f"p_{tree.nodes[tree.parent[group[0]]]}"], atol=1e-9)
    assert result.why["leaf/ece/64d"] == "fewer than 5000 objects"
    low, high = result.intervals["leaf/macro_f1/64d"]
    middle = result.metrics["leaf/macro_f1/64d"]
    assert middle is not None
    assert low < middle < high


def test_classes_stop_at_the_deepest_sure_node_and_inner_labels_count_where_they_are_known() -> None:
    tree = load_taxonomy("supernnova")
    p, nodes = drawn(500, 5, tree)
    nodes[:250] = tree.position["CC"]
    judge = HierarchicalJudge("supernnova", confidence=0.6, calibrate=False, bootstrap=Bootstrap(20))
    applied = judge.apply(table(p, nodes, tree), judge.fit(table(p, nodes, tree)))
    assert (applied.loc[applied["class"] != "SN", "probability"] >= 0.6).all()
    assert ((applied["anomaly"] >= 0) & (applied["anomaly"] <= 1)).all()
    result = judge.evaluate(applied)
    assert result.metrics["level1/n/64d"] == 500
    assert result.metrics["leaf/n/64d"] == 250
    for draw in result.figures.values():
        draw().canvas.draw()
