"""The head of the light-curve networks: its clock, its static features, and one answer a question."""

from __future__ import annotations

import pytest
import torch

from astrid_ml.models.lightcurves.head import QueryHead

WIDTH, NODES = 5, 4


@pytest.fixture
def head() -> QueryHead:
    torch.manual_seed(0)
    return QueryHead(WIDTH, n_static=3, n_nodes=NODES, latent=16, dropout=0.1).eval()


def test_the_clock_stands_still_before_a_day_and_after_4096(head: QueryHead) -> None:
    elapsed = torch.tensor([[-3.0, 0.0, 1.0, 30.0, 4096.0, 1e6]])
    states, seen = torch.ones(1, 6, WIDTH), torch.full((1, 6), 8)
    out = head(states, torch.zeros(1, 3), elapsed, seen)[0]
    assert torch.equal(out[0], out[2])
    assert torch.equal(out[1], out[2])
    assert torch.equal(out[4], out[5])
    assert len(out.unique(dim=0)) == 3


def test_the_number_of_epochs_counts_beside_the_days(head: QueryHead) -> None:
    out = head(torch.ones(1, 2, WIDTH), torch.zeros(1, 3), torch.full((1, 2), 30.0), torch.tensor([[1, 64]]))
    assert not torch.allclose(out[0, 0], out[0, 1], atol=1e-3)


def test_each_question_and_each_object_is_answered_alone(head: QueryHead) -> None:
    torch.manual_seed(1)
    states, static = torch.randn(2, 3, WIDTH), torch.randn(2, 3)
    elapsed, seen = torch.rand(2, 3) * 100, torch.tensor([[1, 2, 3], [4, 5, 6]])
    together = head(states, static, elapsed, seen)
    assert together.shape == (2, 3, NODES)
    for b in range(2):
        for q in range(3):
            at = (slice(b, b + 1), slice(q, q + 1))
            assert torch.allclose(head(states[at], static[b : b + 1], elapsed[at], seen[at]), together[at], atol=1e-6)
    swapped = head(states, static.flip(0), elapsed, seen)
    assert not torch.allclose(swapped, together, atol=1e-3)


def test_without_static_columns_nothing_of_them_is_read() -> None:
    head = QueryHead(WIDTH, n_static=0, n_nodes=NODES, latent=16, dropout=0.0)
    assert head.static is None
    arguments = (torch.ones(2, 1, WIDTH), torch.full((2, 1), 5.0), torch.ones(2, 1))
    one, two = (head(arguments[0], static, *arguments[1:]) for static in (torch.zeros(2, 0), torch.ones(2, 0)))
    assert torch.equal(one, two)
    assert one.shape == (2, 1, NODES)


def test_half_precision_states_give_logits_of_their_kind(head: QueryHead) -> None:
    half = head.to(torch.bfloat16)
    out = half(torch.ones(1, 1, WIDTH, dtype=torch.bfloat16), torch.zeros(1, 3, dtype=torch.bfloat16),
               torch.ones(1, 1), torch.ones(1, 1))  # fmt: skip
    assert out.dtype == torch.bfloat16
    assert torch.isfinite(out).all()
