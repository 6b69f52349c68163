"""Networks on ragged curves: packed equals padded, and an answer depends on its own past alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from astrid_ml.errors import UserError
from astrid_ml.models.lightcurves.encoding import N_FEATURES
from astrid_ml.models.lightcurves.network import CurveGRU, CurveTransformer
from astrid_ml.models.lightcurves.packing import pack, pad, places, scan
from astrid_ml.models.lightcurves.pooling import RunningPool
from astrid_ml.preprocessing.lightcurves.features.table import CurveFeatures

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


@pytest.mark.parametrize("layers", [1, 3])
def test_the_scan_is_torchs_gru(layers: int) -> None:
    torch.manual_seed(0)
    gru = nn.GRU(2, 6, num_layers=layers)
    values = torch.randn(16, 2, requires_grad=True)
    packed, _ = pack(values, LENGTHS)
    mine, theirs = scan(gru, packed), gru(packed)[0].data
    assert torch.allclose(mine, theirs, atol=1e-6)
    weight = torch.randn_like(mine)
    for parameter in (values, *gru.parameters()):
        ours, own = (torch.autograd.grad((x * weight).sum(), parameter, retain_graph=True)[0] for x in (mine, theirs))
        assert torch.allclose(ours, own, atol=1e-5)


@pytest.mark.parametrize("kind", [CurveGRU, CurveTransformer])
def test_the_last_layer_answers_by_what_it_sees_when_asked_last(kind: type[CurveGRU] | type[CurveTransformer]) -> None:
    torch.manual_seed(0)
    network = kind(("a",), "elasticc2").eval()
    values, table = torch.randn(16, N_FEATURES), torch.randn(4, 2)
    queries, elapsed = torch.tensor([[1, 3], [1, 1], [6, 4], [2, 5]]), torch.rand(4, 2) * 64
    known = network.embed_curves(values, LENGTHS, table, queries, elapsed)
    assert known.shape == (4, 192)
    answers = network(values, LENGTHS, table, queries, elapsed)
    last = answers[torch.arange(4), queries.argmax(dim=1)]
    assert torch.allclose(network.head.layers[-1](known), last, atol=1e-5)


@pytest.mark.parametrize("static", [(), ("a", "b")])
@pytest.mark.parametrize("kind", [CurveGRU, CurveTransformer])
def test_an_answer_depends_on_nothing_but_its_own_past(
    kind: type[CurveGRU] | type[CurveTransformer], static: tuple[str, ...]
) -> None:
    """Neither on the batch nor on later epochs: the state after k epochs is that of a curve which ends there."""
    torch.manual_seed(0)
    network = kind(static, "elasticc2").eval()
    values, table = torch.randn(16, N_FEATURES), torch.randn(4, 2 * len(static))
    queries = torch.tensor([[1, 3], [1, 1], [4, 6], [2, 5]])
    elapsed = torch.tensor([[1.0, 64.0]]).expand(4, -1)
    together = network(values, LENGTHS, table, queries, elapsed)
    assert together.shape == (4, 2, 26)
    start = 0
    for number, length in enumerate(LENGTHS.tolist()):
        for question, seen in enumerate(queries[number].tolist()):
            one = slice(number, number + 1)
            alone = network(
                values[start : start + seen], torch.tensor([seen]), table[one], torch.tensor([[seen]]),
                elapsed[one, question : question + 1],
            )  # fmt: skip
            assert torch.allclose(alone[0, 0], together[number, question], atol=1e-5)
        start += length


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("kind", [CurveGRU, CurveTransformer])
def test_training_reaches_every_weight(kind: type[CurveGRU] | type[CurveTransformer], mixed: bool) -> None:
    network = kind(("a",), "supernnova").train()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        out = network(
            torch.randn(16, N_FEATURES), LENGTHS, torch.randn(4, 2), LENGTHS[:, None], torch.full((4, 1), 30.0)
        )
    out.float().sum().backward()
    assert out.shape == (4, 1, 11)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_running_extremes_and_means_against_a_loop() -> None:
    torch.manual_seed(1)
    pool = RunningPool(5, 6, groups=3)
    tokens, queries = torch.randn(16, 5), torch.tensor([[1, 3], [1, 1], [4, 6], [2, 5]])
    out = pool(tokens, LENGTHS, queries)
    _, _, starts = places(LENGTHS)
    for number, start in enumerate(starts.tolist()):
        for question, seen in enumerate(queries[number].tolist()):
            part = tokens[start : start + seen]
            assert torch.allclose(out[number, question, :6], pool.quantity(part).max(dim=0).values, atol=1e-6)
            share = torch.softmax(pool.weight(part), dim=0)  # (seen, groups)
            means = torch.einsum("tg,tgv->gv", share, pool.value(part).unflatten(1, (3, 2)))
            assert torch.allclose(out[number, question, 6:], means.flatten(), atol=1e-5)


@pytest.mark.parametrize("kind", [CurveGRU, CurveTransformer])
def test_features_reach_the_answer_of_their_own_question(kind: type[CurveGRU] | type[CurveTransformer]) -> None:
    torch.manual_seed(0)
    made = CurveFeatures(periodogram=None)
    network = kind(("a",), "elasticc2", features=made).eval()
    values, table, elapsed = torch.randn(16, N_FEATURES), torch.randn(4, 2), torch.rand(4, 2) * 64
    queries = torch.tensor([[1, 3], [1, 1], [6, 4], [2, 5]])
    features = torch.randn(4, 2, 2 * len(made.names))
    plain = network(values, LENGTHS, table, queries, elapsed, features)
    other = features.clone()
    other[1, 0] += 1
    changed = (network(values, LENGTHS, table, queries, elapsed, other) != plain).any(dim=2)
    assert changed.nonzero().tolist() == [[1, 0]]
    known = network.embed_curves(values, LENGTHS, table, queries, elapsed, features)
    last = plain[torch.arange(4), queries.argmax(dim=1)]
    assert torch.allclose(network.head.layers[-1](known), last, atol=1e-5)
    with pytest.raises(UserError, match="model=lightcurve_hybrid"):
        network(values, LENGTHS, table, queries, elapsed)
