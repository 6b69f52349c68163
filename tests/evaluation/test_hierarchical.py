"""Metrics of a tree against scikit-learn, calibration against a known distortion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score

from astrid_ml.errors import UserError
from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.calibration import apply_nodes, fit_nodes, unchanged
from astrid_ml.evaluation.tree.compare import compare_trees, figure_pair
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.evaluation.tree.metrics import (
    confusion_matrix,
    excess_ece,
    macro_average_precision,
    macro_f1,
    macro_f1_draws,
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
    assert result.why["leaf/ece_excess/64d"] == "fewer than 5000 objects"
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
    assert ((applied["entropy"] >= 0) & (applied["entropy"] <= 1)).all()
    result = judge.evaluate(applied)
    assert result.metrics["level1/n/64d"] == 500
    assert result.metrics["leaf/n/64d"] == 250
    for draw in result.figures.values():
        draw().canvas.draw()


def test_each_class_stands_against_the_rest() -> None:
    tree = load_taxonomy("supernnova")
    p, nodes = drawn(600, 7, tree)
    judge = HierarchicalJudge("supernnova", calibrate=False, bootstrap=Bootstrap(50))
    scored = table(p, nodes, tree)
    result = judge.evaluate(judge.apply(scored, judge.fit(scored)))
    ranked = result.tables["one_vs_rest_at_64_days"].set_index(["level", "class"])
    column = tree.position["Ia"]
    expected = average_precision_score(nodes == column, p[:, column])
    assert ranked.loc[("level1", "Ia"), "aucpr"] == pytest.approx(expected)
    assert result.metrics["level1/aucpr_Ia/64d"] == pytest.approx(expected)
    low, high = result.intervals["level1/aucpr_Ia/64d"]
    assert low < expected < high
    leaf = ranked.loc["leaf"]
    macro = result.metrics["leaf/macro_aucpr/64d"]
    assert macro == pytest.approx(float(np.mean(leaf["aucpr"])))
    shares = result.tables["normalised_confusion_leaf_64_days"].drop(columns="truth").to_numpy()
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-3)


def test_fast_draws_equal_counting_anew() -> None:
    random = np.random.default_rng(0)
    y, called, groups = (random.integers(0, k, 400) for k in (5, 5, 90))
    groups = pd.factorize(groups)[0].astype(np.int64)
    boot = Bootstrap(30)
    expected = [macro_f1(confusion_matrix(y, called, 5, weights)) for weights in boot.draws(groups)]
    assert macro_f1_draws(y, called, 5, groups, boot) == pytest.approx(np.array(expected))


def test_a_sharper_model_is_better_by_a_paired_interval_and_an_equal_one_is_not() -> None:
    tree = load_taxonomy("bts")
    p, nodes = drawn(1500, 8, tree)
    judge = HierarchicalJudge("bts", calibrate=False, sets=None)
    none = judge.fit(pd.DataFrame())
    good = judge.apply(table(p, nodes, tree).assign(id=lambda t: t["group_id"]), none)
    blurred = tree.probabilities(np.ones_like(p))
    for group in tree.sibling_groups:
        own = p[:, list(group)] / p[:, [int(tree.parent[group[0]])]]
        random = np.random.default_rng(1).dirichlet(np.ones(len(group)), len(p))
        blurred[:, list(group)] = 0.5 * own + 0.5 * random
    bad = judge.apply(table(tree.probabilities(blurred), nodes, tree).assign(id=lambda t: t["group_id"]), none)
    compared = compare_trees(tree, good, bad, Bootstrap(100)).set_index("metric")
    assert (compared["low"] > 0).all()
    assert (compared["low"] < compared["difference"]).all()
    same = compare_trees(tree, good, good.sample(frac=1, random_state=0), Bootstrap(50))
    assert (same[["difference", "low", "high"]] == 0).all(axis=None)
    figure_pair(compared.reset_index()).canvas.draw()
    with pytest.raises(UserError, match="same objects"):
        compare_trees(tree, good, bad.iloc[1:], Bootstrap(10))


def test_a_calibrated_model_is_left_as_it_is() -> None:
    tree = load_taxonomy("elasticc2")
    p, nodes = drawn(1500, 11, tree)
    days = np.tile([1.0, 64.0, 1024.0], 500)
    fitted = fit_nodes(tree, p, nodes, days, np.repeat(np.arange(500), 3))
    kept = [np.array_equal(np.asarray(values), unchanged(len(values[0]) - 1)) for values in fitted.values()]
    assert np.mean(kept) >= 0.7  # one standard error lets few through
    assert np.abs(np.log(apply_nodes(tree, p, days, fitted) / np.maximum(p, 1e-300))).mean() < 0.1


def test_windows_of_one_object_are_no_further_evidence() -> None:
    """Rows repeated at the same days leave the parameters where they were."""
    tree = load_taxonomy("supernnova")
    p, nodes = drawn(400, 12, tree)
    sharp = tree.probabilities(
        np.concatenate([np.ones((400, 1)), np.zeros((400, len(tree.nodes) - 1))], axis=1) + _sharpened(p, tree)
    )
    days, who = np.full(400, 64.0), np.arange(400)
    once = fit_nodes(tree, sharp, nodes, days, who)
    thrice = fit_nodes(tree, *(np.repeat(x, 3, axis=0) for x in (sharp, nodes, days, who)))
    for name, values in once.items():
        assert np.allclose(values, thrice[name], atol=2e-3), name
    assert not np.array_equal(np.asarray(once["SN"]), unchanged(2))


def _sharpened(p: np.ndarray, tree: Taxonomy) -> np.ndarray:
    """Conditional probabilities to the third power; the root's column is 0."""
    out = np.zeros_like(p)
    for group in tree.sibling_groups:
        own = (p[:, list(group)] / np.maximum(p[:, [int(tree.parent[group[0]])]], 1e-300)) ** 3
        out[:, list(group)] = own / own.sum(axis=1, keepdims=True)
    return out
