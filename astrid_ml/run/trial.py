"""Tries a network, its task and its loss on two samples: what is not as its contract says is told with its class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from astrid_ml.contracts.batches import check_batch, shapes_of
from astrid_ml.contracts.check import ContractError, called, check_part, described
from astrid_ml.contracts.scoring import HasPurpose, ModelTask
from astrid_ml.datamodules.draws import seeded
from astrid_ml.errors import UserError
from astrid_ml.models.tasks.task import Batch, Task

# What code raises that was given something else than it was written for.
_CHANNELS = re.compile(r"to have (\d+) channels, but got (\d+) channels")  # torch's convolutions
MISTAKES = (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration)


def check_task(task: Any) -> None:
    """Refuse a task or a network that lacks what every one has.

    Raises:
        ContractError: names the class.
    """
    if not isinstance(task, Task):
        check_part(task, ModelTask, "model.task")
        return
    lacking = [name for name in ("compute_loss", "scores") if getattr(type(task), name) is getattr(Task, name)]
    if lacking:
        raise ContractError(
            f"model.task with {' and '.join(lacking)}", f"{called(task)} without", f"define {lacking[0]}(self, batch)"
        )
    if not isinstance(task.network, nn.Module):
        got = f"{called(task.network)} as the network of {called(task)}"
        raise ContractError("model.network that is a torch.nn.Module", got, "derive that class from torch.nn.Module")
    _check_weights(task.network)


def _check_weights(network: nn.Module) -> None:
    """Weights that are there from the start, and some of them to be trained."""
    weights = list(network.parameters())
    lazy = [name for name, weight in network.named_parameters() if nn.parameter.is_lazy(weight)]
    if lazy:
        raise ContractError(
            "model.network whose layers know their sizes when they are made",
            f"{called(network)} with {lazy[0]}, which waits for its first batch",
            "give that layer its size: a checkpoint is loaded before there is a batch",
        )
    if not any(weight.requires_grad for weight in weights):
        held = "frozen weights alone" if weights else "no weights"
        raise ContractError(
            "model.network with weights to train",
            f"{called(network)} with {held}",
            "keep its layers as attributes (lists in torch.nn.ModuleList)" if not weights else "set requires_grad",
        )


def try_batch(task: Any, batch: Batch, datamodule: object, judge: object = None) -> None:
    """Forward, loss and scores of a batch of two; nothing of the task is changed but its mode.

    Args:
        task: with fresh weights.
        batch: of the datamodule, two samples.
        datamodule: that made it, for the message.
        judge: what reads the scores; None where nobody asks.

    Raises:
        ContractError: an output, a loss or scores that are not what the contract says.
        UserError: the network does not take the batch.
    """
    seen: list[Any] = []
    hook = task.network.register_forward_hook(lambda _, inputs, output: seen.append(output))
    try:
        task.train()
        with _told(task, datamodule, batch, seen):
            loss = task.compute_loss(batch)
        batch = _check_output(task, batch, seen)
        _check_loss(task, loss)
        task.eval()
        with torch.no_grad(), _told(task, datamodule, batch, seen):
            scores = task.scores(batch)
        check_scores(task, scores, batch, judge)
    finally:
        hook.remove()


@contextmanager
def _told(task: Any, datamodule: object, batch: Batch, seen: list[Any]) -> Iterator[None]:
    """What goes wrong inside is told with the classes and the shapes; first of all what the network itself gave."""
    try:
        yield
    except UserError:
        raise
    except MISTAKES as error:
        _check_output(task, batch, seen)
        words = (str(error).splitlines() or [type(error).__name__])[0]
        asked = f"no {words} in the batch" if isinstance(error, KeyError) else words
        fix = "leave model=, channels= and datamodule= to the experiment, or set the network's inputs to match"
        if channels := _CHANNELS.search(words):
            asked = f"its first layer takes {channels[1]} channels, and the batch has {channels[2]}"
            fix = f"set its in_channels={channels[2]} (--cfg job shows where), or leave model= to the experiment"
        answer = f", which gave {described(seen[-1])}" if seen else ""
        who = f"{type(task.network).__name__} and {type(datamodule).__name__}"
        raise UserError(
            "a network that takes the batches of the datamodule",
            f"{who}: {asked} (given {shapes_of(batch)}{answer})",
            fix,
        ) from error


def _check_output(task: Any, batch: Batch, seen: list[Any]) -> Batch:
    """The shape that the task asks of its network, and numbers in it.

    Returns:
        The batch, or noise of its shapes where the network needs inputs that are not all alike.
    """
    if not seen or not isinstance(task, Task):
        return batch
    output = seen[-1][0] if isinstance(seen[-1], list) and seen[-1] else seen[-1]
    wanted, who = task.output_shape(batch), called(task.network)
    shape = "" if wanted is None else f" of shape {wanted}"
    asked = f"model.network that returns logits{shape} for {type(task).__name__}"
    if output is None or (wanted is not None and (not torch.is_tensor(output) or tuple(output.shape) != wanted)):
        fix = "change what forward returns" if output is not None else "return the logits from forward"
        raise ContractError(asked, f"{described(output)} from {who}, given {shapes_of(batch)}", fix)
    if _finite(output):
        return batch
    noisy = {
        name: torch.randn_like(value) if name != "y" and value.is_floating_point() else value
        for name, value in batch.items()
    }
    with suppress(*MISTAKES):
        task.compute_loss(noisy)
        if _finite(seen[-1][0] if isinstance(seen[-1], list) else seen[-1]):
            return noisy  # empty inputs have no spread to divide by
    got = f"NaN or infinity from fresh weights of {who}, given {shapes_of(batch)}"
    raise ContractError("model.network that returns finite numbers", got, "look for a division by 0 or its logarithm")


def _finite(output: Any) -> bool:
    """Whether an output has no NaN and no infinity; what is no tensor has none."""
    return not torch.is_tensor(output) or not output.is_floating_point() or bool(torch.isfinite(output).all())


def _check_loss(task: Any, loss: Any) -> None:
    """One number, which the weights follow."""
    who = called(task)
    if not torch.is_tensor(loss) or loss.ndim != 0:
        got = f"{described(loss)} from compute_loss of {who}"
        raise ContractError("a loss that is one number, a tensor of shape ()", got, "take its mean over the batch")
    if not loss.requires_grad:
        got = f"a loss from compute_loss of {who} that no weight of {called(task.network)} changes"
        raise ContractError(
            "a loss that depends on the network's weights", got, "take detach, no_grad and argmax out of the way to it"
        )


def check_scores(task: Any, scores: Any, batch: Batch, judge: object = None) -> None:
    """Columns of predictions: one value a sample, or the same whole number of them in each column.

    Raises:
        ContractError: names the column.
    """
    who = called(task)
    if not isinstance(scores, Mapping) or not scores or not all(torch.is_tensor(value) for value in scores.values()):
        raise ContractError(
            "scores(batch) that returns a dictionary of tensors",
            f"{described(scores)} from {who}",
            'for instance {"score": probabilities}',
        )
    count = len(batch["y"]) if "y" in batch else len(next(iter(batch.values())))
    lengths = {name: len(value) if value.ndim else 0 for name, value in scores.items()}
    wrong = [name for name, n in lengths.items() if n == 0 or n % count or n != next(iter(lengths.values()))]
    if wrong:
        got = f"{wrong[0]} of shape {tuple(scores[wrong[0]].shape)} for {count} samples, from {who}"
        raise ContractError("scores(batch) with a value for each sample", got, "return tensors of shape (B,)")
    if not isinstance(judge, HasPurpose) or judge.purpose != "binary":
        return
    if "score" not in scores or scores["score"].shape != (count,):
        shown = f"shape {tuple(scores['score'].shape)}" if "score" in scores else f"only {', '.join(scores)}"
        fix = 'return {"score": probabilities} of shape (B,)'
        raise ContractError("scores(batch) with score, one number a sample", f"{shown} from {who}", fix)
    low, high = float(scores["score"].min()), float(scores["score"].max())
    if not (low >= 0 and high <= 1):
        got = f"{low:.3g} to {high:.3g} from {who}"
        raise ContractError("scores(batch) with score in [0, 1]", got, "give probabilities (sigmoid of the logits)")


def try_first_batch(datamodule: Any, source: Any, judge: object, make_task: Callable[[], Any] | None) -> None:
    """The first two training samples as a batch, before the training begins; no random number of the run is used.

    Args:
        datamodule: with the dataset attached.
        source: the dataset.
        judge: what reads the scores.
        make_task: a task with fresh weights; None where the network was tried on an example already.

    Raises:
        ContractError: the batch, the network's output, the loss or the scores are not what their contracts say.
    """
    rows = datamodule.rows["train"][:2]
    with seeded(0):
        try:
            _, batch = next(iter(datamodule.batches(source, rows)))
        except UserError:
            raise
        except MISTAKES as error:
            if type(datamodule).__module__.startswith("astrid_ml."):
                raise
            raise ContractError(
                "make_batch(source, rows, generator, train) that makes a batch of the first two training samples",
                f"{type(error).__name__}: {error}, in {called(datamodule)}",
                "see its contract, MakesBatches in astrid_ml.contracts.batches",
            ) from error
        check_batch(batch, len(rows), datamodule)
        task = make_task() if make_task is not None else None
        if isinstance(task, Task):
            try_batch(task, batch, datamodule, judge)
