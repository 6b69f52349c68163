"""What a program of somebody else must do to go through the same folds, baselines and report as a network of ours."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from astrid_ml.types import Floats32, Ints


@runtime_checkable
class Program(Protocol):
    """Scores stamps. It is never part of a checkpoint: what stands there is its place and, of a file, its SHA-256."""

    def digest(self) -> bytes:
        """The SHA-256 of what scores, 32 bytes; zeros where nobody knows."""

    def scores(self, images: Floats32, features: Floats32 | None) -> Any:
        """One number in [0, 1] a sample, the higher the rather real.

        Args:
            images: (B, C, H, W), as the datamodule normalises them.
            features: (B, F); None where the datamodule has none.

        Returns:
            (B,)
        """


@runtime_checkable
class FittedProgram(Program, Protocol):
    """A program that learns from the training fold."""

    def fit(self, images: Floats32, features: Floats32 | None, labels: Ints) -> None:
        """Learn anew, from this fold alone.

        Args:
            images: (n, C, H, W) of the training fold, not augmented, in the order of the index.
            features: (n, F); None where the datamodule has none.
            labels: (n,) of 0 and 1.
        """


@runtime_checkable
class FitsItself(Protocol):
    """A task that is fitted at once: no optimizer, no epochs, no weights to train."""

    apart: ClassVar[str]  # why what it fits on several folds does not become one checkpoint

    def fit_fold(self, datamodule: Any) -> None:
        """Learn from the training fold, where it learns at all."""

    def try_on(self, batch: Any) -> None:
        """Score an empty batch before there are data, where nothing has to be learned first.

        Raises:
            UserError: it does not take the batch, or what it gives are no scores.
        """


@runtime_checkable
class Settles(Protocol):
    """A task with something to be fitted once its network is trained; the result is part of its weights."""

    def settle(self, datamodule: Any) -> None:
        """Fit it, with the weights that are kept, on the folds of training and validation."""
