"""WHXE against its formula, computed plainly in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from astrid_ml.models.losses.hierarchy import WHXE, sibling_log_softmax
from astrid_ml.taxonomy import Taxonomy, load_taxonomy


def by_formula(tree: Taxonomy, logits: np.ndarray, nodes: list[int], train: list[int], alpha: float) -> float:
    """The sum written out object by object and node by node."""
    n = len(tree.nodes)
    count = [sum(bool(tree.ancestors[t, k]) for t in train) for k in range(n)]
    total = 0.0
    for row, node in zip(logits.astype(np.float64), nodes, strict=True):
        while node != 0:
            siblings = next(group for group in tree.sibling_groups if node in group)
            largest = max(row[s] for s in siblings)
            log_p = row[node] - largest - math.log(sum(math.exp(row[s] - largest) for s in siblings))
            weight = len(train) / (n * count[node]) if count[node] else 0.0
            total -= weight * math.exp(-alpha * tree.depth[node]) * log_p
            node = int(tree.parent[node])
    return total / len(nodes)


@pytest.mark.parametrize("taxonomy", ["elasticc2", "supernnova"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_equals_the_formula(taxonomy: str, dtype: torch.dtype, tolerance: float) -> None:
    tree = load_taxonomy(taxonomy)
    random = np.random.default_rng(3)
    nodes = random.integers(1, len(tree.nodes), 64)  # inner nodes among them
    train = random.integers(1, len(tree.nodes), 500)
    logits = random.normal(0, 3, (64, len(tree.nodes))).astype(np.float32)
    loss = WHXE(tree, alpha=0.5)
    loss.set_counts(torch.from_numpy(train))
    value = loss(torch.from_numpy(logits).to(dtype), torch.from_numpy(nodes))
    expected = by_formula(tree, logits, nodes.tolist(), train.tolist(), 0.5)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_finite_with_right_gradients_for_huge_logits(size: float) -> None:
    tree = load_taxonomy("elasticc2")
    loss = WHXE(tree, alpha=0.5)
    logits = torch.zeros(4, 26)
    logits[:, 8] = size
    logits.requires_grad_(True)
    nodes = torch.tensor([8, 9, 20, 7])
    value = loss(logits, nodes)
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    # d/dz of a log-softmax is p - y: for the object of class 8, times weight and decay, over the batch.
    p = 1.0 if size > 0 else 0.0
    assert float(logits.grad[0, 8]) == pytest.approx((p - 1) * math.exp(-1.5) / 4, abs=1e-6)


def test_gradients_equal_finite_differences() -> None:
    tree = load_taxonomy("supernnova")
    loss = WHXE(tree, alpha=0.3).double()
    logits = torch.randn(5, len(tree.nodes), dtype=torch.float64, requires_grad=True)
    nodes = torch.tensor([1, 2, 5, 9, 10])
    assert torch.autograd.gradcheck(lambda z: loss(z, nodes), (logits,))


def test_conditional_probabilities_sum_to_one() -> None:
    tree = load_taxonomy("bts")
    p = sibling_log_softmax(torch.randn(7, len(tree.nodes)) * 30, tree.sibling_groups).exp()
    for group in tree.sibling_groups:
        assert torch.allclose(p[:, list(group)].sum(dim=1), torch.ones(7), atol=1e-6)
    assert (p[:, 0] == 1).all()
