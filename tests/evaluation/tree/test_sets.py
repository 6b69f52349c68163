"""Sets of a tree hold each node as often as they say, at each window, whatever the share of each class."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.evaluation.tree.sets import (
    BETWEEN,
    NEVER,
    NONE,
    NodeSets,
    column_of,
    measured_nodes,
    read_set,
    with_node_sets,
)
from astrid_ml.taxonomy import Taxonomy

TREE = Taxonomy("t", "object", {"object": ("sn", "star"), "sn": ("ia", "ii"), "star": ("rr", "eb")}, {})
LEAVES = [TREE.nodes.index(name) for name in ("ia", "ii", "rr", "eb")]
DAYS = (4.0, 64.0)


def drawn(objects: int, seed: int, shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)) -> tuple[pd.DataFrame, np.ndarray]:
    """Objects at both windows, surer at the later one; columns of scores and labels."""
    random = np.random.default_rng(seed)
    leaf = random.choice(4, objects, p=shares)
    parts = []
    for day in DAYS:
        logits = random.normal(size=(objects, 4)) + (0.8 + 0.02 * day) * np.eye(4)[leaf]
        leaves = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        p = np.ones((objects, len(TREE.nodes)))
        p[:, LEAVES] = leaves
        p[:, TREE.position["sn"]], p[:, TREE.position["star"]] = leaves[:, :2].sum(axis=1), leaves[:, 2:].sum(axis=1)
        part = pd.DataFrame({f"score_{name}": p[:, k] for k, name in enumerate(TREE.nodes)})
        part["label"] = [TREE.nodes[LEAVES[k]] for k in leaf]
        parts.append(part.assign(days=day, group_id=np.arange(objects).astype(str)))
    table = pd.concat(parts, ignore_index=True)
    return table, table[[f"score_{name}" for name in TREE.nodes]].to_numpy()


def fitted_on(objects: int, seed: int, **given: float) -> dict[str, object]:
    known, scores = drawn(objects, seed)
    plain: dict[str, object] = NodeSets(**given).fit(TREE, scores, TREE.encode(list(known["label"])), known)  # type: ignore[arg-type]
    out: dict[str, object] = json.loads(json.dumps(plain))
    return out


def test_each_node_at_each_window_is_covered_at_any_share() -> None:
    fitted = fitted_on(6000, 1)
    table, scores = drawn(12000, 2, (0.1, 0.1, 0.2, 0.6))
    table = pd.concat([table, with_node_sets(table, TREE, scores, fitted)], axis=1)
    for day in DAYS:
        found = measured_nodes(table, TREE, TREE.encode(list(table["label"])), day, lambda values: None)
        [rows] = found.tables.values()
        by_node = rows[rows["class"] != "all"]
        assert len(by_node) == 6
        assert (by_node["coverage"] - 0.9).abs().max() < 0.035
    early, late = (table.loc[table["days"] == day, "prediction_set"].str.count(BETWEEN).mean() for day in DAYS)
    assert late < early - 0.3


def test_a_node_of_few_objects_is_never_ruled_out_and_an_early_window_knows_nothing() -> None:
    fitted = fitted_on(150, 3)  # about 15 of the rarest
    table, scores = drawn(400, 4)
    sets = with_node_sets(table, TREE, scores, fitted)
    assert sets["prediction_set"].str.endswith(f"{NEVER}eb").all()
    sure = scores.copy()
    sure[:, TREE.position["eb"]] = 0.0  # one sample's score of 0 is no sign that training lacked the class
    alone = with_node_sets(table.iloc[:1], TREE, sure[:1], fitted)["prediction_set"].iloc[0]
    assert alone.endswith(f"{NEVER}eb")
    lacking = with_node_sets(table, TREE, scores, fitted, absent=["eb"])["prediction_set"]
    assert not lacking.str.contains("eb").any()
    assert fitted["windows"]["64"]["eb"] is None and fitted["windows"]["64"]["star"] is not None  # type: ignore[index]
    longer, between = (with_node_sets(table.assign(days=day), TREE, scores, fitted) for day in (np.inf, 40.0))
    late = with_node_sets(table.assign(days=64.0), TREE, scores, fitted)
    pd.testing.assert_frame_equal(longer, late)
    pd.testing.assert_frame_equal(between, late)  # the nearest window, by the logarithm of the days
    assert with_node_sets(table, TREE, scores, None).isna().all().all()
    assert with_node_sets(table, TREE, scores, fitted_on(20, 5)).isna().all().all()


def test_what_is_never_ruled_out_is_said_apart_from_the_coverage_of_the_others() -> None:
    fitted = fitted_on(150, 3)
    table, scores = drawn(4000, 4)
    table = pd.concat([table, with_node_sets(table, TREE, scores, fitted)], axis=1)
    found = measured_nodes(table, TREE, TREE.encode(list(table["label"])), 64.0, lambda values: None)
    rows = found.tables["prediction sets at 64 days"].set_index(["level", "class"])
    assert rows.loc[("leaf", "eb"), "never ruled out"] == 1 == rows.loc[("leaf", "eb"), "coverage"]
    assert rows.loc[("leaf", "all"), "never ruled out"] == pytest.approx(rows["objects"][("leaf", "eb")] / 4000)
    [said] = [words for words in found.remarks if "leaf" in words]
    others = rows.loc["leaf"].drop(["all", "eb"])
    expected = (others["coverage"] * others["objects"]).sum() / others["objects"].sum()
    assert "rule out no eb" in said and f"of the others {expected:.1%} are covered" in said


def test_names_with_or_in_them_are_read_whole() -> None:
    names = ["object", "Ib or Ic", "Ib", "II", "none of these"]
    whole = read_set(f"Ib or Ib or Ic or II{NEVER}none of these", names)
    assert whole == (frozenset(names[1:]), frozenset({"none of these"}))
    assert read_set(NONE, names) == (frozenset(), frozenset())
    assert read_set(f"{NONE}{NEVER}II, Ib", names) == (frozenset({"II", "Ib"}), frozenset({"II", "Ib"}))


def test_where_all_is_ruled_out_the_set_says_none() -> None:
    fitted = {"windows": {"4": dict.fromkeys(TREE.nodes[1:], 0.9)}}
    table, scores = drawn(50, 6)
    sets = with_node_sets(table, TREE, np.minimum(scores, 0.5), fitted)
    assert set(sets[column_of("leaf")]) == set(sets[column_of("level1")]) == {NONE}


@pytest.mark.parametrize("calibrate", [True, False])
def test_the_judge_keeps_the_limits_and_measures_them(calibrate: bool) -> None:
    judge = HierarchicalJudge("supernnova", calibrate=calibrate, bootstrap=Bootstrap(60))
    tree, random = judge.tree, np.random.default_rng(0)
    leaves = tree.level_nodes(tree.n_levels)
    truth = random.integers(0, len(leaves), 1600)
    shares = random.dirichlet(np.ones(len(leaves)), 1600) + 0.4 * np.eye(len(leaves))[truth]
    p = np.zeros((1600, len(tree.nodes)))
    p[:, leaves] = shares / shares.sum(axis=1, keepdims=True)
    for number in range(len(tree.nodes)):
        below = [leaf for leaf in leaves if tree.ancestors[leaf, number]]
        p[:, number] = p[:, below].sum(axis=1)
    table = pd.DataFrame({f"score_{name}": p[:, k] for k, name in enumerate(tree.nodes)})
    table = table.assign(label=[tree.nodes[leaves[k]] for k in truth], days=64.0, group_id=np.arange(1600).astype(str))
    fitted = judge.fit(table[:800])
    result = judge.evaluate(judge.apply(table[800:].reset_index(drop=True), fitted))
    coverage = float(result.metrics["leaf/set_coverage/64d"] or 0)
    low, high = result.intervals["leaf/set_coverage/64d"]
    assert coverage == pytest.approx(0.9, abs=0.04) and low < coverage < high
    assert 1 <= float(result.metrics["leaf/set_size/64d"] or 0) < len(leaves)
    assert "prediction sets at 64 days" in result.tables
    without = HierarchicalJudge("supernnova", calibrate=calibrate, sets=None)
    assert "sets" not in without.fit(table[:800])
