"""Figures of a tree show its numbers in the order in which the tree is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from astrid_ml.evaluation.tree.figures import (
    depth_first,
    draw_tree,
    edges_of_families,
    figure_over_days,
    figure_precision_recall,
    figure_tree_confusion,
)
from astrid_ml.taxonomy import Taxonomy, load_taxonomy

TREE = Taxonomy("toy", "all", {"all": ["SN", "star"], "SN": ["Ia", "CC"], "CC": ["II", "Ib"]})


def test_leaves_stand_as_the_tree_is_drawn_and_families_are_parted() -> None:
    order = depth_first(TREE)
    assert [TREE.nodes[node] for node in order] == ["Ia", "II", "Ib", "star"]
    assert edges_of_families(TREE, order) == [0.5, 2.5]


@pytest.mark.parametrize("name", ["elasticc2", "supernnova", "bts"])
def test_every_leaf_of_a_shipped_tree_stands_once(name: str) -> None:
    tree = load_taxonomy(name)
    assert sorted(tree.nodes[node] for node in depth_first(tree)) == sorted(tree.leaves)


def test_the_confusion_is_shared_out_over_each_true_class_in_the_trees_order() -> None:
    names = [TREE.nodes[node] for node in TREE.level_nodes(TREE.n_levels)]
    truth = {"Ia": {"Ia": 3, "Ib": 1}, "II": {"II": 5}, "Ib": {"star": 2, "Ib": 2}, "star": {}}
    counts = np.array([[truth[row].get(column, 0) for column in names] for row in names], dtype=float)
    left, axes = figure_tree_confusion(TREE, counts).axes[:2]
    expected = [[0.75, 0, 0.25, 0], [0, 1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 0]]
    assert np.asarray(axes.images[0].get_array()).tolist() == expected
    assert [text.get_text() for text in axes.get_xticklabels()] == ["Ia", "II", "Ib", "star"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Ia (4)", "II (5)", "Ib (4)", "star (0)"]
    assert sorted(text.get_text() for text in left.texts) == ["CC", "SN"]


def test_a_branch_ends_at_the_row_of_each_leaf() -> None:
    left = figure_tree_confusion(TREE, np.zeros((4, 4))).axes[0]
    left.clear()
    draw_tree(left, TREE, depth_first(TREE))
    ends = {tuple(np.asarray(line.get_xydata())[-1]) for line in left.lines}
    assert {(3.0, float(row)) for row in range(4)} <= ends


def test_metrics_over_days_are_a_line_a_level_with_a_band_and_no_point_at_infinity() -> None:
    rows = [("leaf", 4.0, 0.2), ("leaf", 64.0, 0.6), ("leaf", np.inf, 0.7), ("level1", 4.0, 0.5)]
    table = pd.DataFrame(rows, columns=["level", "days", "accuracy"])
    for name in ("macro_f1", "macro_aucpr"):
        table[name] = table["accuracy"] / 2
    table["accuracy_low"], table["accuracy_high"] = table["accuracy"] - 0.1, table["accuracy"] + 0.1
    panels = figure_over_days(table).axes
    assert [panel.get_title() for panel in panels] == ["accuracy", "macro-F1", "macro-AUCPR"]
    assert [line.get_label() for line in panels[0].lines] == ["leaf", "level1"]
    assert np.asarray(panels[1].lines[0].get_xydata()).tolist() == [[4.0, 0.1], [64.0, 0.3]]
    assert [len(panel.collections) for panel in panels] == [2, 0, 0]


def test_curves_of_precision_are_those_of_present_classes_by_parent() -> None:
    classes = [TREE.nodes[node] for node in TREE.level_nodes(TREE.n_levels)]
    truth = np.array([classes.index(name) for name in ["Ia", "II", "Ib", "Ib"]])
    p = np.eye(4)[truth]  # a perfect answer
    figure = figure_precision_recall(TREE, p, truth, most=1)
    shown = {panel.get_title(): [line.get_label() for line in panel.lines] for panel in figure.axes if panel.axison}
    assert shown == {"SN": ["Ia"], "CC": ["II"], "CC, further": ["Ib"]}
    assert all(np.asarray(line.get_ydata()).max() == 1.0 for panel in figure.axes for line in panel.lines)
