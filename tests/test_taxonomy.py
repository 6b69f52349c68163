"""Trees of classes: the shipped ones, and broken ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from astrid_ml.errors import UserError
from astrid_ml.taxonomy import Taxonomy, known_taxonomies, load_taxonomy


def test_elasticc2_is_the_published_tree() -> None:
    tree = load_taxonomy("elasticc2")  # 32 classes, and ELAsTiCC 1's name of SNe Ia
    assert (len(tree.nodes), len(tree.leaves), sum(len(names) for names in tree.labels.values())) == (26, 19, 33)
    assert tree.nodes[:8] == ("Alert", "Transient", "Variable", "SN", "Fast", "Long", "Periodic", "AGN")
    assert tree.depth[tree.position["AGN"]] == 2
    assert tree.node_of_label["uLens-Single-GenLens"] == "uLens"
    assert [len(tree.level_nodes(level)) for level in (1, 2, 3)] == [2, 5, 19]


def test_every_shipped_tree_is_valid_and_levels_partition_its_leaves() -> None:
    assert {"elasticc2", "elasticc_challenge", "bts", "plasticc", "supernnova"} <= set(known_taxonomies())
    for name in known_taxonomies():
        tree = load_taxonomy(name)
        leaves = tree.encode(list(tree.leaves))
        for level in range(1, tree.n_levels + 1):
            assert set(tree.at_level(leaves, level)) == set(tree.level_nodes(level))


def test_objects_labelled_at_inner_nodes_know_their_levels_only() -> None:
    tree = load_taxonomy("elasticc_challenge")
    nodes = tree.encode(["2220", "2222", "unheard of", None])
    assert [tree.nodes[n] if n >= 0 else None for n in nodes] == ["SN-like", "Ia", None, None]
    assert tree.at_level(nodes, 4).tolist() == [-1, tree.position["Ia"], -1, -1]
    assert tree.at_level(nodes, 2).tolist() == [tree.position["Non-Recurring"]] * 2 + [-1, -1]


def test_probabilities_are_consistent_and_walked_down() -> None:
    tree = load_taxonomy("elasticc2")
    random = np.random.default_rng(0)
    conditional = np.ones((50, 26))
    for group in tree.sibling_groups:
        conditional[:, list(group)] = random.dirichlet(np.ones(len(group)), 50)
    p = tree.probabilities(conditional)
    for group in tree.sibling_groups:
        assert np.allclose(p[:, list(group)].sum(axis=1), p[:, tree.parent[group[0]]], atol=1e-12)
    assert np.allclose(p[:, tree.level_nodes(3)].sum(axis=1), 1)
    ends = tree.deepest_confident(p, 0.0)
    assert all(tree.nodes[node] in tree.leaves for node in ends)
    assert (tree.deepest_confident(p, 1.01) == 0).all()
    sure = tree.deepest_confident(p, 0.6)
    assert (p[np.arange(50), sure] >= 0.6).all()


@pytest.mark.parametrize(
    ("children", "labels", "words"),
    [
        ({"A": ["B", "C"], "B": ["D", "A"]}, {}, "cycle"),
        ({"A": ["B", "C"], "D": ["E", "F"], "E": ["D", "G"]}, {}, "out of reach"),
        ({"A": ["B", "C"], "B": ["D", "E"], "C": ["D", "F"]}, {}, "two parents"),
        ({"A": ["B", "C"]}, {"X": ["x"]}, "unknown node"),
        ({"A": ["B", "C"]}, {"B": ["x"], "C": ["x"]}, "two nodes"),
    ],
)
def test_broken_trees_are_refused(children: dict[str, list[str]], labels: dict[str, list[str]], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Taxonomy("t", "A", children, labels)


def test_a_tree_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nroot: A\nchildren: {A: [B, C]}\nlabels: {B: [1, 2]}\n")
    assert load_taxonomy(str(path)).encode([1, "2", "C"]).tolist() == [1, 1, 2]
    path.write_text("name: mine\nroot: A\nchildren: {A: [B, C]}\nlabels: {B: Ia}\n")
    assert load_taxonomy(str(path)).encode(["Ia", "I", "a"]).tolist() == [1, -1, -1]  # a text alone is one label
    path.write_text("- a\n")
    with pytest.raises(UserError, match="root"):
        load_taxonomy(str(path))
    with pytest.raises(UserError, match="elasticc2"):
        load_taxonomy("nothing")


def test_a_tree_without_a_child_is_a_file_that_was_cut(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nroot: all\nchildren: {}\nlabels: {}\n")
    with pytest.raises(UserError, match="two classes or more"):
        load_taxonomy(str(tmp_path / "mine.yaml"))
