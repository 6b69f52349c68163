"""A trained network trained on, so that what its last layer sees tells no longer which kind of samples it looks at.

Ganin et al. 2016, JMLR 17, 59. The network is trained already: it begins with its own weights, at a small rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from astrid_ml.checkpoint.load import LoadedModel
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Ints

STEPS = 200
BATCH = 64  # of each kind
RATE, JUDGE_RATE = 3e-4, 1e-3  # of the network; of the classifier of kinds
HIDDEN = 64
STEEP = 10.0  # how fast the reversed gradient grows over the training, as in the paper


class _Reversed(torch.autograd.Function):
    """The same values; their gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def train_alike(model: LoadedModel, dataset: SampleSource, source: Ints, target: Ints, seed: int) -> None:
    """Change the weights of a network of real and bogus stamps.

    Args:
        model: its network answers from what its last layer sees.
        dataset: the samples.
        source: rows with labels, which go on to be learned.
        target: rows of the other kind; no label of them is read.
        seed: of the order and of the classifier of kinds.
    """
    task: Any = model.task
    network: Any = task.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.requires_grad_(True).train()
        judge: nn.Module | None = None
        optimizer: torch.optim.Optimizer | None = None
        for step, (own, others) in enumerate(_batches(model, dataset, (source, target), seed)):
            known = network.embed(torch.cat([own["x"], others["x"]]), _features(own, others))
            if judge is None or optimizer is None:
                judge = nn.Sequential(nn.Linear(known.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
                groups = [
                    {"params": network.parameters(), "lr": RATE},
                    {"params": judge.parameters(), "lr": JUDGE_RATE},
                ]
                optimizer = torch.optim.Adam(groups)
            strength = 2 / (1 + float(np.exp(-STEEP * step / STEPS))) - 1
            kinds = torch.cat([torch.zeros(len(own["x"])), torch.ones(len(others["x"]))])
            turned = _Reversed.apply(known, strength)  # type: ignore[no-untyped-call]
            told = judge(turned).squeeze(-1)
            loss = cross_entropy(network.answer(known[: len(own["x"])]), own["y"].float()) + cross_entropy(told, kinds)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    task.eval()


def _features(own: dict[str, Tensor], others: dict[str, Tensor]) -> Tensor | None:
    return torch.cat([own["features"], others["features"]]) if "features" in own else None


def _batches(
    model: LoadedModel, dataset: SampleSource, rows: tuple[Ints, Ints], seed: int
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """A batch of each kind, each kind in an order of its own that begins again where it ends."""
    orders = [_orders(own, np.random.default_rng([seed, place])) for place, own in enumerate(rows)]
    for _ in range(STEPS):
        one, other = (next(model.datamodule.batches(dataset, next(order)))[1] for order in orders)
        yield one, other


def _orders(rows: Ints, random: np.random.Generator) -> Iterator[Ints]:
    while True:
        order = random.permutation(rows)
        size = min(BATCH, len(order))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]
