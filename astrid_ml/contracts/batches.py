"""What a datamodule makes of samples: batches, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from astrid_ml.contracts.check import ContractError, called, described
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Ints

if TYPE_CHECKING:
    import torch


class MakesBatches(Protocol):
    """A datamodule over a prepared dataset; derive it from ``PreparedDataModule``, which loads and shuffles.

    A batch is a dictionary of tensors:

    ============  ======================================================================================================
    key           what it holds
    ============  ======================================================================================================
    ``x``         the network's input, (B, ...) float
    ``y``         the labels, (B, ...); (B,) float for a binary task: 0, 1, or NaN where nobody knows
    ``features``  (B, F) float, where a network takes numbers beside its images
    others        what the task asks for by name; samples of unequal length may lie end to end in one tensor
    ============  ======================================================================================================

    A batch without ``y`` has its samples along the first axis of its first tensor. The first batch is checked before
    a training begins; a datamodule with ``example()`` (``HasExample``) has the network tried before data are read.
    """

    def make_batch(
        self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool
    ) -> dict[str, torch.Tensor]:
        """Rows of ``source``, in their order, as a batch; ``generator`` drives augmentation where ``train`` is true."""

    def fit_statistics(self, source: SampleSource, train_rows: Ints) -> dict[str, Any]:
        """Of the training fold, as plain containers: they go into the checkpoint."""


def check_batch(batch: Any, count: int, datamodule: object) -> None:
    """Refuse what is no batch of so many samples.

    Args:
        batch: what ``make_batch`` returned.
        count: samples that were asked for.
        datamodule: that made it, for the message.

    Raises:
        ContractError: names the key, what it must hold and what it holds.

    Example:
        >>> import torch
        >>> check_batch({"x": torch.zeros(2, 3), "y": torch.zeros(2)}, 2, object())
        >>> try:
        ...     check_batch({"x": torch.zeros(2, 3), "y": torch.zeros(1)}, 2, object())
        ... except ContractError as error:
        ...     print(error.got)
        y of shape (1,), from object
    """
    import torch

    who = called(datamodule)
    if not isinstance(batch, Mapping) or not batch or not all(isinstance(name, str) for name in batch):
        fix = 'return {"x": images, "y": labels}'
        raise ContractError("make_batch that returns a dictionary of tensors", f"{described(batch)} from {who}", fix)
    for name, value in batch.items():
        if not torch.is_tensor(value):
            got = f"{name} is {described(value)}, from {who}"
            raise ContractError("make_batch that returns tensors", got, f"for instance torch.as_tensor({name})")
    counted = "y" if "y" in batch else next(iter(batch))
    value = batch[counted]
    if value.ndim == 0 or len(value) != count:
        raise ContractError(
            f"make_batch of {count} samples with them along the first axis of {counted}",
            f"{counted} of shape {tuple(value.shape)}, from {who}",
            "return one entry for each of the rows that were asked for",
        )


def shapes_of(batch: Mapping[str, Any]) -> str:
    """The inputs of a batch as they are told: name, shape, kind.

    >>> import torch
    >>> shapes_of({"x": torch.zeros(2, 3), "y": torch.zeros(2)})
    'x (2, 3) float32, y (2,) float32'
    """
    return ", ".join(f"{name} {tuple(value.shape)} {str(value.dtype)[6:]}" for name, value in batch.items())
