"""What passes between a model, its data and the framework; abilities that a part may have stand apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Ints, Mask

if TYPE_CHECKING:
    from torch import Tensor


class Scorer(Protocol):
    """Anything that scores samples: a network's checkpoint, trees, an ONNX file, a model of another package."""

    def score(self, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        """Score rows of a source; None for all.

        Returns:
            One row a sample (or a sample and a window), in order: ``row``, the position in the index, and columns of
            scores; ``score`` in [0, 1] is among them for a binary task.
        """


@runtime_checkable
class HasPurpose(Protocol):
    """A task, a loss or a judge of one kind of answer: ``binary``, ``hierarchy``, ``voxels`` or one of your own."""

    purpose: ClassVar[str]


@runtime_checkable
class ReadsKinds(Protocol):
    """A datamodule that says which kinds of samples it reads, as pipelines make them."""

    reads: ClassVar[tuple[str, ...]]


@runtime_checkable
class HasExample(Protocol):
    """A datamodule that can make a batch of the shapes of its settings, without data."""

    def example(self) -> dict[str, Tensor]:
        """A batch of two samples, one of each class."""


@runtime_checkable
class Draws(Protocol):
    """Has a picture of each sample."""

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """One PNG for each position of the index, in order; an empty list where there is nothing to see."""


@runtime_checkable
class Embeds(Protocol):
    """A network that gives what it knows before its last layer."""

    def embed(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, ...) input and, where the network takes them, (B, F) features -> (B, width)."""


@runtime_checkable
class PicksSamples(Protocol):
    """A judge that says which predictions a reader wants to see."""

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """Heading -> at most ``most`` rows of the predictions, with a column ``caption``."""


class ModelData(Draws, Protocol):
    """A datamodule as the framework sees it: batches of a source, statistics of the training set, pictures."""

    statistics: dict[str, Any]
    source: SampleSource | None
    rows: dict[str, Ints]

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes where there are more than two; None for a binary task."""

    def attach(self, source: SampleSource, folds: pd.DataFrame, seed: int = 0) -> None:
        """Apply a split: ``folds`` has ``id`` and ``fold``."""

    def usable(self, index: pd.DataFrame) -> Mask:
        """Which samples can train and be judged."""

    def count_classes(self, source: SampleSource, rows: Ints) -> int:
        """How many classes these samples hold."""

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take the statistics of a checkpoint."""

    def batches(self, source: SampleSource, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, Tensor]]]:
        """(positions, batch), in order."""

    def report_tables(self) -> dict[str, pd.DataFrame]:
        """Heading -> a table for the report; empty where there is nothing to say."""


class ModelTask(Protocol):
    """A trained network with what it was trained for."""

    monitor: str
    monitor_mode: str
    history_file: str | None

    def prepare_for(self, datamodule: Any) -> None:
        """Look at the training fold before the fit."""

    def predict_table(self, datamodule: Any, source: SampleSource, rows: Ints | None = None) -> pd.DataFrame:
        """See :class:`Scorer`."""

    def state_dict(self) -> dict[str, Any]:
        """The weights by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Any:
        """Take weights; (missing, unexpected) names."""

    def eval(self) -> Any:
        """From here on it predicts."""
