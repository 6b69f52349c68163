"""Networks on ragged curves: packed equals padded, and an object's answer does not depend on its batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.lightcurves.network import CurveGRU, CurveTransformer, pack, pad

LENGTHS = torch.tensor([3, 1, 7, 5])


def test_packing_equals_torchs_own() -> None:
    values = torch.randn(16, 2)
    packed, place = pack(values, LENGTHS)
    padded, inside = pad(values, LENGTHS)
    expected = nn.utils.rnn.pack_padded_sequence(padded, LENGTHS, batch_first=True, enforce_sorted=False)
    assert torch.equal(packed.data, expected.data)
    assert torch.equal(packed.batch_sizes, expected.batch_sizes)
    assert expected.unsorted_indices is not None
    assert torch.equal(place, expected.unsorted_indices)
    assert inside.sum(dim=1).tolist() == LENGTHS.tolist()
    assert (padded[1, 1:] == 0).all()
    assert pad(values, LENGTHS, 500)[0].shape == (4, 500, 2)


@pytest.mark.parametrize("n_static", [0, 4])
@pytest.mark.parametrize("kind", [CurveGRU, CurveTransformer])
def test_an_objects_answer_does_not_depend_on_its_batch(
    kind: type[CurveGRU] | type[CurveTransformer], n_static: int
) -> None:
    torch.manual_seed(0)
    network = kind(7, n_static, 26).eval()
    values, static = torch.randn(16, 7), torch.randn(4, n_static)
    together = network(values, LENGTHS, static)
    assert together.shape == (4, 26)
    start = 0
    for number, length in enumerate(LENGTHS.tolist()):
        alone = network(values[start : start + length], LENGTHS[number : number + 1], static[number : number + 1])
        assert torch.allclose(alone[0], together[number], atol=1e-5)
        start += length
    together.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
