"""A network, a task or a datamodule of a stranger is tried on two samples, and told with its class before a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from astrid_ml.contracts.check import ContractError
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.errors import UserError
from astrid_ml.models.losses.binary import WeightedBCE
from astrid_ml.models.tasks.binary import RealBogusTask
from astrid_ml.models.tasks.task import Task
from astrid_ml.pipeline.writer import MemorySource
from astrid_ml.run.parts import check_batch, check_datamodule
from astrid_ml.run.training.classes import check_folds
from astrid_ml.run.trial import check_scores, check_task, try_batch, try_first_batch


class Judge:
    """Reads one score a sample."""

    purpose: ClassVar[str] = "binary"


class Net(nn.Module):
    """Whatever a test makes of the right logits, (B,)."""

    def __init__(self, change: Callable[[Tensor], Any] = lambda logits: logits, inputs: int = 12) -> None:
        super().__init__()
        self.layer, self.change = nn.Linear(inputs, 1), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.layer(x.flatten(1))[:, 0])


class Plain(Task):
    """A task of no declared shape; a test may change its loss and its scores."""

    loss: Callable[[Tensor], Any] = staticmethod(lambda each: each.mean())
    answer: Callable[[Tensor], Any] = staticmethod(lambda p: {"score": p})

    def compute_loss(self, batch: Batch) -> Tensor:
        out = binary_cross_entropy_with_logits(self.network(batch["x"]), batch["y"], reduction="none")
        made: Tensor = self.loss(out)
        return made

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        made: dict[str, Tensor] = self.answer(self.network(batch["x"]).sigmoid())
        return made


def batch() -> Batch:
    return {"x": torch.zeros(2, 3, 2, 2), "y": torch.tensor([0.0, 1.0])}


def plain(**changes: Callable[[Tensor], Any]) -> Plain:
    made = Plain(Net())
    for name, change in changes.items():
        setattr(made, name, change)
    return made


def test_what_holds_its_contract_passes_and_stays_as_it_was() -> None:
    for task in (plain(), RealBogusTask(Net(), WeightedBCE())):
        before = {name: value.clone() for name, value in task.state_dict().items()}
        check_task(task)
        try_batch(task, batch(), object(), Judge())
        assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())
        assert all(weight.grad is None for weight in task.parameters())
        assert not task.network._forward_hooks


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda logits: logits[:, None], r"a Tensor of shape \(2, 1\)"),
        (lambda logits: torch.stack([logits, logits], 1), r"a Tensor of shape \(2, 2\)"),
        (lambda logits: logits.mean(), r"a Tensor of shape \(\)"),
        (lambda logits: None, "None from"),
        (lambda logits: {"logits": logits}, "a dict of 1"),
        (lambda logits: (logits, logits), r"a tuple \(Tensor, Tensor\)"),
        (lambda logits: logits * float("nan"), "NaN or infinity"),
        (lambda logits: logits / torch.zeros(2), "NaN or infinity"),
    ],
)
def test_an_output_of_another_shape_or_without_numbers(change: Callable[[Tensor], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told) as error:
        try_batch(RealBogusTask(Net(change), WeightedBCE()), batch(), object(), Judge())
    assert f"{__name__}.Net" in error.value.got
    assert "x (2, 3, 2, 2) float32" in error.value.got


def test_a_network_that_divides_by_the_spread_of_its_input_passes() -> None:
    spreads = []

    class Whitened(Net):
        def forward(self, x: Tensor) -> Any:
            spreads.append(float(x.std()))
            return super().forward(x / x.std())

    try_batch(RealBogusTask(Whitened(), WeightedBCE()), batch(), object(), Judge())
    assert spreads[0] == 0.0 < spreads[-1]  # on equal values it gives NaN, so it is tried on others


def test_a_network_of_another_input_is_told_with_the_shapes_and_its_own_words() -> None:
    with pytest.raises(UserError, match="2x12 and 7x1") as error:
        try_batch(plain(network=Net(inputs=7)), batch(), object())
    assert "given x (2, 3, 2, 2) float32, y (2,) float32" in error.value.got
    with pytest.raises(UserError, match="no 'x' in the batch"):
        try_batch(plain(), {"y": torch.zeros(2)}, object())


class Lists(nn.Module):
    """Keeps its layers where torch does not find them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(12, 1)]


def frozen() -> nn.Module:
    made = Net()
    made.requires_grad_(False)
    return made


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (Lists(), "Lists with no weights.*ModuleList"),
        (frozen(), "frozen weights alone"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(1)), "1.weight, which waits"),
        (len, "as the network of .*Plain"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_network_that_cannot_be_trained(network: Any, told: str) -> None:
    task = plain()
    if isinstance(network, nn.Module):
        task.network = network
    else:
        task.__dict__["network"] = task._modules.pop("network") and network
    with pytest.raises(ContractError, match=told):
        check_task(task)


class NoScores(Task):
    """Can only learn."""

    def compute_loss(self, batch: Batch) -> Tensor:
        return self.network(batch["x"]).mean()  # type: ignore[no-any-return]


def test_a_task_without_a_method() -> None:
    with pytest.raises(ContractError, match=r"model.task with scores; got .*NoScores without"):
        check_batch(NoScores(Net()), object())
    with pytest.raises(ContractError, match=r"model.task with .*Judge, without"):
        check_batch(Judge(), object())


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda each: each, r"a Tensor of shape \(2,\) from compute_loss"),
        (lambda each: float(each.detach().mean()), "a float from compute_loss"),
        (lambda each: each.detach().mean(), "no weight of .*Net changes"),
        (lambda each: None, "None from compute_loss"),
    ],
)
def test_a_loss_that_trains_nothing(loss: Callable[[Tensor], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        try_batch(plain(loss=loss), batch(), object(), Judge())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda p: p, r"a Tensor of shape \(2,\) from"),
        (lambda p: {}, "a dict of 0"),
        (lambda p: {"score": p.numpy()}, "a dict of 1"),
        (lambda p: {"score": p[:1]}, r"score of shape \(1,\) for 2 samples"),
        (lambda p: {"score": p, "other": p.mean()}, r"other of shape \(\)"),
        (lambda p: {"probability": p}, "only probability"),
        (lambda p: {"score": p[:, None]}, r"shape \(2, 1\)"),
        (lambda p: {"score": 0 * p + 3}, "got 3 to 3 from .*sigmoid"),
        (lambda p: {"score": p * float("nan")}, "nan to nan"),
    ],
)
def test_scores_that_no_judge_can_read(answer: Callable[[Tensor], Any], told: str) -> None:
    with pytest.raises(ContractError, match=told):
        try_batch(plain(answer=answer), batch(), object(), Judge())


def test_several_rows_a_sample_and_columns_of_any_name_are_for_other_judges() -> None:
    check_scores(plain(), {"days": torch.zeros(6), "p": torch.zeros(6, 3)}, batch())
    with pytest.raises(ContractError, match=r"days of shape \(5,\)"):
        check_scores(plain(), {"days": torch.zeros(5)}, batch())


class Data(PreparedDataModule):
    """Batches that a test may change."""

    change: Callable[[Batch], Any] = staticmethod(lambda batch: batch)

    def make_batch(self, source: Any, rows: Any, generator: Any, train: bool) -> Batch:
        x = torch.zeros(len(rows), 3, 2, 2) + torch.rand(1)
        y = torch.tensor(source.index["label"].to_numpy(dtype=np.float32)[rows])
        made: Batch = self.change({"x": x, "y": y})
        return made


class Short(PreparedDataModule):
    """Takes less than it is given."""

    def make_batch(self, source: Any, rows: Any) -> Batch:  # type: ignore[override]
        return {}


class Bare(PreparedDataModule):
    """Makes nothing."""


@pytest.mark.parametrize(
    ("datamodule", "told"),
    [(Short(), r"where it is make_batch\(source, rows\)"), (Bare(), "Bare without"), (Judge(), "Judge, without")],
)
def test_a_datamodule_that_cannot_make_batches(datamodule: Any, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        check_datamodule(datamodule)
    check_datamodule(Data())


def attached(change: Callable[[Batch], Any] = lambda batch: batch, labels: Any = (0, 1, 0, 1)) -> tuple[Data, Any]:
    index = pd.DataFrame({"id": list("abcd"), "label": list(labels), "array": "s", "row": range(4)})
    source, data = MemorySource(index, {"s": {}}, {}), Data()
    data.attach(source, pd.DataFrame({"id": list("abcd"), "fold": ["train", "train", "val", "val"]}))
    data.change = change
    return data, source


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda batch: None, "None from .*Data"),
        (lambda batch: tuple(batch.values()), "a tuple"),
        (lambda batch: {**batch, "y": batch["y"][:1]}, r"y of shape \(1,\)"),
        (lambda batch: batch["z"], "KeyError: 'z', in .*Data"),
        (lambda batch: {**batch, "x": batch["x"][:, :1]}, "mat1 and mat2"),
    ],
)
def test_the_first_batch_is_tried_before_the_training(change: Callable[[Batch], Any], told: str) -> None:
    data, source = attached(change)
    with pytest.raises(UserError, match=told):
        try_first_batch(data, source, Judge(), plain)


def test_the_trial_draws_none_of_the_runs_random_numbers() -> None:
    data, source = attached()
    torch.manual_seed(7)
    state = torch.get_rng_state()
    try_first_batch(data, source, Judge(), plain)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("labels", "told"), [([0, 1, 2, 1], "got 2 among 4"), (["real", "bogus"] * 2, "got real, bogus among 4")]
)
def test_labels_that_a_binary_judge_cannot_read_are_told_before_the_fit(labels: Any, told: str) -> None:
    data, source = attached(labels=labels)
    with pytest.raises(UserError, match=told):
        check_folds(data, source, Judge())
    data, source = attached()
    check_folds(data, source, Judge())
