"""The task on small curves: it learns, its probabilities are consistent, and processes share their validation."""

from __future__ import annotations

import os
import tempfile
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.multiprocessing import get_context

from astrid_ml.contracts.scoring import EmbedsBatches
from astrid_ml.models.lightcurves.encoding import N_FEATURES
from astrid_ml.models.lightcurves.network import CurveGRU
from astrid_ml.models.tasks.hierarchy import HierarchyTask, gathered
from astrid_ml.run.prediction.domain import embedded


def batch(n: int = 24) -> dict[str, Tensor]:
    """Curves of two kinds: the flux column says which."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(2, 9, (n,), generator=generator)
    y = torch.where(torch.arange(n) % 2 == 0, 3, 5)
    values = torch.randn(int(lengths.sum()), N_FEATURES, generator=generator)
    values[:, 3] += torch.repeat_interleave(torch.where(y == 3, 2.0, -2.0), lengths)
    queries = torch.stack([torch.ones_like(lengths), lengths], dim=1)
    days = torch.tensor([[1.0, 64.0]]).expand(n, -1)
    static = torch.zeros((n, 0))
    return {"values": values, "lengths": lengths, "static": static, "y": y, "queries": queries, "elapsed": days,
            "days": days}  # fmt: skip


def test_it_learns_and_its_probabilities_are_consistent() -> None:
    torch.manual_seed(0)
    task = HierarchyTask(CurveGRU((), "bts", hidden=16, latent=16), "bts", optimizer=partial(torch.optim.Adam, lr=1e-2))
    data, optimizer = batch(), task.configure_optimizers()
    before = float(task.compute_loss(data).detach())
    for _ in range(30):
        optimizer.zero_grad()
        loss = task.compute_loss(data)
        torch.autograd.backward(loss)
        optimizer.step()
    assert float(task.compute_loss(data).detach()) < 0.5 * before
    p = task.eval().node_probabilities(data)
    assert p.shape == (48, len(task.taxonomy.nodes))
    for group in task.taxonomy.sibling_groups:
        parent = int(task.taxonomy.parent[group[0]])
        assert torch.allclose(p[:, list(group)].sum(dim=1), p[:, parent], atol=1e-9)
    columns = task.scores(data)
    assert columns["days"].tolist() == [1.0, 64.0] * 24  # the questions of an object stand together
    task.update_metrics(data)
    assert 0.9 < float(task.compute_metrics()["val/leaf/macro_aucpr"]) <= 1


def test_it_says_what_its_network_knows_of_each_curve_and_of_another_network_nothing() -> None:
    task = HierarchyTask(CurveGRU((), "bts", hidden=16, latent=12), "bts").eval()
    assert isinstance(task, EmbedsBatches)
    known = task.embed_batch(batch())
    assert known is not None and known.shape == (24, 12)
    task.network = torch.nn.Linear(2, 2)
    assert task.embed_batch(batch()) is None
    data = SimpleNamespace(batches=lambda source, rows: iter([(rows[:24], batch()), (rows[24:], batch())]))
    rows = np.arange(48)
    assert embedded(task, data, None, rows) is None  # type: ignore[arg-type]
    task.network = CurveGRU((), "bts", hidden=16, latent=12)
    found = embedded(task, data, None, rows)  # type: ignore[arg-type]
    assert found is not None and found.shape == (48, 12)
    np.testing.assert_allclose(found[:24], found[24:])


def test_a_weighted_loss_is_taken_off_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of a network trained with weights w are log(w p): the prior is back in the probabilities."""
    task = HierarchyTask(CurveGRU((), "supernnova", hidden=4, latent=4), "supernnova").eval()
    truth = torch.tensor([task.taxonomy.position[name] for name in ["Ia"] * 90 + ["IIP"] * 10])
    task.loss.set_counts(truth)
    assert float(task.loss.weights[task.taxonomy.position["CC"]]) == pytest.approx(
        9 * float(task.loss.weights[task.taxonomy.position["Ia"]])
    )
    monkeypatch.setattr(task, "logits", lambda _: torch.zeros((1, len(task.taxonomy.nodes))))
    p = task.node_probabilities({})[0]
    assert float(p[task.taxonomy.position["Ia"]]) == pytest.approx(0.9)


def share(rank: int, store: str, out: str) -> None:
    """One of two processes: each has seen other objects."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    seen = gathered([(torch.full((2, 3), float(rank)), torch.full((2,), rank))])
    np.save(f"{out}.{rank}.npy", torch.cat([part[1] for part in seen]).numpy())
    torch.distributed.destroy_process_group()


def test_two_processes_judge_the_same_validation() -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = get_context("spawn")
        processes = [context.Process(target=share, args=(r, f"{folder}/store", f"{folder}/out")) for r in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0, 0]
        for rank in range(2):
            assert np.load(f"{folder}/out.{rank}.npy").tolist() == [0, 0, 1, 1]
