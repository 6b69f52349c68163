"""Classes that training did not have: probability 0 in scores, calibration and sets, named, and counted apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from astrid_ml.evaluation.bootstrap import Bootstrap
from astrid_ml.evaluation.tree.applied import answers
from astrid_ml.evaluation.tree.calibration import absent_nodes, joined_nodes
from astrid_ml.evaluation.tree.hierarchical import HierarchicalJudge
from astrid_ml.models.tasks.hierarchy import HierarchyTask
from astrid_ml.taxonomy import load_taxonomy
from astrid_ml.types import Floats, Ints

TREE = load_taxonomy("elasticc2")
LOST = TREE.position["KN"]


class Flat(torch.nn.Module):
    """Answers 0 to everything."""

    def __init__(self) -> None:
        super().__init__()
        self.p = torch.nn.Parameter(torch.zeros(1))

    def forward(self, *given: object) -> torch.Tensor:
        return torch.zeros(1, 1, len(TREE.nodes)) + self.p


def task_of(labels: list[str], weighted: bool = True) -> HierarchyTask:
    task = HierarchyTask(Flat(), "elasticc2", weighted=weighted)
    task.loss.set_counts(torch.tensor([TREE.position[label] for label in labels]))
    return task


def batch() -> dict[str, torch.Tensor]:
    names = ("values", "lengths", "static", "elapsed")
    return {**{name: torch.zeros(1) for name in names}, "queries": torch.ones(1, 1)}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("lost", [["KN"], ["KN", "SNIax", "Cepheid"], ["KN", "Dwarf Novae", "M-dwarf Flare", "uLens"]])
def test_a_class_without_a_training_object_has_no_probability(lost: list[str], weighted: bool) -> None:
    lost = [name for name in lost if name in TREE.position]
    task = task_of([name for name in TREE.leaves if name not in lost], weighted)
    p = task.node_probabilities(batch())[0].detach().numpy()
    assert all(p[TREE.position[name]] == 0 for name in lost)
    for group in TREE.sibling_groups:
        assert p[list(group)].sum() == pytest.approx(p[TREE.parent[group[0]]], abs=1e-12)
    known = [TREE.position[name] for name in TREE.leaves if name not in lost]
    assert (p[known] > 0).all()
    # No worse than the prior: a flat network that knows the counts is the prior, but for the shares of its parents.
    assert -np.log(p[known]).mean() < np.log(len(TREE.leaves)) + 1.0


def test_a_whole_family_without_a_training_object_is_out_and_nothing_is_nan() -> None:
    family = next(group for group in TREE.sibling_groups if TREE.parent[group[0]] != 0)
    gone = {TREE.nodes[k] for k in range(len(TREE.nodes)) if any(TREE.ancestors[k, child] for child in family)}
    task = task_of([name for name in TREE.leaves if name not in gone])
    p = task.node_probabilities(batch())[0].detach()
    assert torch.isfinite(p).all()
    assert float(p[list(family)].sum()) == 0 == float(p[TREE.parent[family[0]]])


def test_training_with_absent_classes_has_finite_losses_and_is_chosen_by_the_others() -> None:
    task = task_of([name for name in TREE.leaves if name != "KN"])
    nodes = torch.tensor([TREE.position["KN"], TREE.position["RR Lyrae"]])
    loss = task.loss(torch.zeros(2, len(TREE.nodes), requires_grad=True), nodes)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    data = {**batch(), "y": torch.tensor([LOST])}
    task.update_metrics(data)
    task.update_metrics({**batch(), "y": torch.tensor([TREE.position["RR Lyrae"]])})
    task.update_metrics({**batch(), "y": torch.tensor([TREE.position["Cepheid"]])})
    assert np.isfinite(float(task.compute_metrics()["val/leaf/macro_aucpr"]))


def drawn(n: int, seed: int, of_lost: int = 0) -> tuple[Floats, Ints]:
    """Consistent probabilities of a model that does not know KN, and true leaves; the first ``of_lost`` are KN."""
    random = np.random.default_rng(seed)
    conditional = np.ones((n, len(TREE.nodes)))
    for group in TREE.sibling_groups:
        shares = random.dirichlet(np.full(len(group), 0.7), n)
        if LOST in group:
            shares[:, list(group).index(LOST)] = 0
            shares /= shares.sum(axis=1, keepdims=True)
        conditional[:, list(group)] = shares
    p = TREE.probabilities(conditional)
    leaves = TREE.level_nodes(TREE.n_levels)
    edges = np.cumsum(p[:, leaves], axis=1)
    nodes = leaves[(random.random((n, 1)) > edges).sum(axis=1).clip(max=len(leaves) - 1)]
    nodes[:of_lost] = LOST
    return p, nodes


def table_of(p: Floats, nodes: Ints) -> pd.DataFrame:
    out = pd.DataFrame({f"score_{name}": p[:, k] for k, name in enumerate(TREE.nodes)})
    return out.assign(label=[TREE.nodes[k] for k in nodes], days=64.0, group_id=np.arange(len(p)).astype(str))


@pytest.mark.parametrize("calibrate", [True, False])
def test_calibration_and_sets_leave_it_out_and_the_checkpoint_names_it(calibrate: bool) -> None:
    judge = HierarchicalJudge("elasticc2", calibrate=calibrate, bootstrap=Bootstrap(20))
    # Validation may have objects of a class that training did not have.
    fitted = judge.fit(table_of(*drawn(3000, 1, of_lost=40)))
    assert fitted["absent"] == ["KN"]
    applied = judge.apply(table_of(*drawn(1000, 2)), fitted)
    assert (applied["p_KN"] == 0).all()
    assert not applied["prediction_set"].str.contains("KN").any()
    leaves = applied[[f"p_{name}" for name in TREE.leaves]].to_numpy()
    assert leaves.sum(axis=1) == pytest.approx(np.ones(1000))
    assert not (applied["top_class"] == "KN").any() and not (applied["runner_up"] == "KN").any()
    result = judge.evaluate(applied)
    assert result.metrics["leaf/nll_uncalibrated/64d"] < result.metrics["leaf/nll_prior/64d"]  # type: ignore[operator]


def test_objects_of_it_are_counted_apart_and_said() -> None:
    judge = HierarchicalJudge("elasticc2", calibrate=False, bootstrap=Bootstrap(20))
    without, with_some = (table_of(*drawn(2000, 3, of_lost=number)) for number in (0, 100))
    results = [judge.evaluate(judge.apply(table, judge.fit(table))) for table in (without, with_some)]
    assert not any("Training had no object" in said for said in results[0].remarks)
    assert any("no object of KN (100): 100 of 2,000 tested objects" in said for said in results[1].remarks)
    nll = [result.metrics["leaf/nll/64d"] for result in results]
    assert nll[1] == pytest.approx(nll[0], abs=0.05)  # not 0.8 more: 5 % at the edge of 16


def test_of_members_only_what_none_knows_is_out() -> None:
    p, _ = drawn(50, 4)
    other = p.copy()
    share = 0.25 * other[:, TREE.parent[LOST]]
    siblings = next(list(group) for group in TREE.sibling_groups if LOST in group)
    other[:, siblings] *= 0.75
    other[:, LOST] = share
    both, neither = joined_nodes(TREE, [p, other]), joined_nodes(TREE, [p, p])
    assert (both[:, LOST] > 0).all() and (neither[:, LOST] == 0).all()
    assert absent_nodes(neither)[LOST] and not absent_nodes(both).any()
    np.testing.assert_allclose(neither, p, atol=1e-9)


def test_entropy_counts_the_classes_that_can_be() -> None:
    p = np.zeros((3, len(TREE.nodes)))
    p[:, 0] = 1
    known = [TREE.position[name] for name in TREE.leaves if name != "KN"]
    p[0, known] = 1 / len(known)
    p[1, known[0]] = 1.0
    p[2, known[:2]] = 0.7, 0.3
    found = answers(p, TREE, 0.5)
    assert found["entropy"][:2] == pytest.approx([1.0, 0.0])
    assert found["top_class"][2] == TREE.nodes[known[0]] and found["runner_up"][2] == TREE.nodes[known[1]]
    assert (found["probability_top"][2], found["probability_runner_up"][2]) == (0.7, 0.3)
