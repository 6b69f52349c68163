"""What passes between a model, its data and the framework; abilities that a part may have stand apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pandas as pd

from astrid_ml.contracts.columns import Columns
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Ints, Mask

if TYPE_CHECKING:
    from torch import Tensor


class Scorer(Protocol):
    """Anything that scores samples: a network's checkpoint, trees, an ONNX file, a model of another package.

    Example:
        >>> import numpy as np
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> class ByFlux:
        ...     def score(self, source, rows=None):
        ...         rows = np.arange(len(source.index)) if rows is None else rows
        ...         flux = source.index["flux"].to_numpy()[rows]
        ...         return pd.DataFrame({"row": rows, "score": flux / (1 + flux)})
        >>> ByFlux().score(MemorySource(pd.DataFrame({"flux": [0.0, 3.0]}), {}, {}))["score"].tolist()
        [0.0, 0.75]
    """

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
class SettlesPrevalence(Protocol):
    """A judge whose probabilities and threshold can hold for another share of real ones than that of validation.

    Args:
        prevalence: that share; None for validation's.
    """

    prevalence: Any

    def settled(self, fitted: dict[str, Any]) -> dict[str, Any]:
        """What was fitted, at the judge's prevalence."""


@runtime_checkable
class HasExample(Protocol):
    """A datamodule that can make a batch of the shapes of its settings, without data."""

    def example(self) -> dict[str, Tensor]:
        """A batch of two samples, one of each class."""


@runtime_checkable
class HasStampSize(Protocol):
    """A pipeline that says how large the stamps are that it cuts, a datamodule that says how large it wants them."""

    @property
    def stamp_size(self) -> int | None:
        """Pixels on a side; None where only the raw files tell."""


@runtime_checkable
class NamesChannels(Protocol):
    """A datamodule that says which channels of the stamps it wants."""

    @property
    def channel_names(self) -> Sequence[str]:
        """In the order of the network."""


@runtime_checkable
class NamesColumns(Protocol):
    """A datamodule that says which columns of the index it reads as numbers, or a split that says which it needs."""

    @property
    def column_keys(self) -> Mapping[str, Sequence[str]]:
        """Key of the datamodule, or of the split -> the columns that it names: ``{"features": ["snr"]}``."""


@runtime_checkable
class Draws(Protocol):
    """Has a picture of each sample.

    Example:
        >>> import io
        >>> import numpy as np
        >>> from matplotlib.image import imsave
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> class Stamps:
        ...     def draw(self, source, rows):
        ...         files = [io.BytesIO() for _ in rows]
        ...         for file, stamp in zip(files, source.gather("stamps", rows)):
        ...             imsave(file, stamp[0], format="png")
        ...         return [file.getvalue() for file in files]
        >>> index = pd.DataFrame({"id": ["a"], "array": "s", "row": 0})
        >>> source = MemorySource(index, {"s": {"stamps": np.eye(8)[None, None]}}, {})
        >>> Stamps().draw(source, np.array([0]))[0][1:4], isinstance(Stamps(), Draws)
        (b'PNG', True)
    """

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """One PNG for each position of the index, in order; an empty list where there is nothing to see."""


@runtime_checkable
class Measures(Protocol):
    """A datamodule that measures samples as a person would, for a baseline that a network must beat."""

    def measured(self, source: SampleSource, rows: Ints) -> pd.DataFrame:
        """One row a position, in order; numeric columns by their names for a reader, NaN where a sample cannot tell."""


@runtime_checkable
class HasBaselines(Protocol):
    """A judge that compares the scores with baselines, which it fits without the test fold.

    Args:
        baselines: how they are made; None for none.
    """

    @property
    def baselines(self) -> Any:
        """A :class:`astrid_ml.evaluation.baselines.fit.Baselines`, or None."""

    @property
    def rarer(self) -> int:
        """The class whose ranking counts, 0 or 1."""


@runtime_checkable
class Embeds(Protocol):
    """A network that gives what it knows before its last layer.

    Example:
        >>> import torch
        >>> class Net(torch.nn.Module):
        ...     def embed(self, images, features=None):
        ...         return images.mean((2, 3))
        >>> Net().embed(torch.zeros(2, 3, 8, 8)).shape, isinstance(Net(), Embeds)
        (torch.Size([2, 3]), True)
    """

    def embed(self, images: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, ...) input and, where the network takes them, (B, F) features -> (B, width)."""


@runtime_checkable
class EmbedsBatches(Protocol):
    """A task that says what its network knows before its last layer, where a batch is more than images."""

    def embed_batch(self, batch: dict[str, Tensor]) -> Tensor | None:
        """(B, width), a row for each sample; None of a network that does not tell."""


@runtime_checkable
class AnswersEmbedded(Embeds, Protocol):
    """A network whose last layer can be asked by itself: ``answer(embed(x))`` is its answer to ``x``."""

    def answer(self, known: Tensor) -> Tensor:
        """(B, width) -> logits, (B,)."""


@runtime_checkable
class PicksSamples(Protocol):
    """A judge that says which predictions a reader wants to see.

    Example:
        >>> class Surest:
        ...     def notable(self, predictions, most):
        ...         first = predictions.nlargest(most, "score")
        ...         return {"Surest": first.assign(caption="score " + first["score"].astype(str))}
        >>> shown = Surest().notable(pd.DataFrame({"id": ["a", "b"], "score": [0.2, 0.9]}), most=1)
        >>> shown["Surest"]["caption"].tolist(), isinstance(Surest(), PicksSamples)
        (['score 0.9'], True)
    """

    def notable(self, predictions: pd.DataFrame, most: int) -> dict[str, pd.DataFrame]:
        """Heading -> at most ``most`` rows of the predictions, with a column ``caption``."""


@runtime_checkable
class OrdersBatches(Protocol):
    """A datamodule whose training batches follow from its seed, the epoch and their number: it can begin anywhere.

    Example:
        >>> from astrid_ml.datamodules.prepared import PreparedDataModule
        >>> isinstance(PreparedDataModule(), OrdersBatches)
        True
    """

    def begin(self, epoch: int, batch: int) -> None:
        """Start training in an epoch, before one of its batches."""

    def ids_of(self, epoch: int, batch: int, rank: int = 0, processes: int = 1) -> list[str]:
        """Ids of the samples of a training batch, in their order in it."""


class ModelData(Draws, Protocol):
    """A datamodule as the framework sees it: batches of a source, statistics of the training set, pictures.

    Args:
        statistics: of the training fold, plain containers, as the checkpoint holds them.
        source: what is attached; None before.
        rows: fold (``train``, ``val``, ``test``) -> positions in the index, (n,); of training those that are drawn.
        training_fold: positions of the whole training fold, (n,), as no balance has cut or repeated it.
    """

    statistics: dict[str, Any]
    source: SampleSource | None
    rows: dict[str, Ints]
    training_fold: Ints

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes where there are more than two; None for a binary task."""

    def attach(self, source: SampleSource, folds: pd.DataFrame, seed: int = 0) -> None:
        """Apply a split: ``folds`` has ``id`` and ``fold``."""

    def usable(self, index: Columns) -> Mask:
        """Which samples can train and be judged; asks the index for columns alone."""

    def count_classes(self, source: SampleSource, rows: Ints) -> int:
        """How many classes these samples hold."""

    def load_statistics(self, statistics: dict[str, Any]) -> None:
        """Take the statistics of a checkpoint."""

    def batches(self, source: SampleSource, rows: Ints | None = None) -> Iterator[tuple[Ints, dict[str, Tensor]]]:
        """(positions, batch), in order."""

    def report_tables(self) -> dict[str, pd.DataFrame]:
        """Heading -> a table for the report; empty where there is nothing to say."""


class ModelTask(Protocol):
    """A trained network with what it was trained for.

    Args:
        monitor: the metric that chooses the best epoch (``val/loss``).
        monitor_mode: ``min`` or ``max``.
        history_file: name of the file in the run's folder that gets each epoch's metrics; None for none.
    """

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


@runtime_checkable
class JoinsMembers(Protocol):
    """A task whose networks, trained on the folds of one split, can answer as one.

    Example:
        >>> class Mean:
        ...     def predict_members(self, members, source, rows=None):
        ...         tables = [task.predict_table(data, source, rows) for task, data in members]
        ...         return tables[0].assign(score=sum(table["score"] for table in tables) / len(tables))
        >>> isinstance(Mean(), JoinsMembers)
        True
    """

    def predict_members(
        self, members: Sequence[tuple[ModelTask, ModelData]], source: SampleSource, rows: Ints | None = None
    ) -> pd.DataFrame:
        """The scores of all members as one; see :class:`Scorer`.

        Args:
            members: (task, datamodule with the statistics of its own training set), in the order of the folds.
            source: samples.
            rows: positions in its index; None for all.

        Returns:
            The columns of one member, and of each what its calibration starts from, named by :func:`member_column`.
        """


@runtime_checkable
class JudgesMembers(Protocol):
    """A judge that calibrates and decides for several members that answer as one.

    Example:
        >>> class AtHalf:
        ...     def fit_members(self, members, unseen):
        ...         return {"calibrated": False, "threshold": 0.5, "rule": "fixed at 0.5", "members": list(members)}
        >>> isinstance(AtHalf(), JudgesMembers)
        True
    """

    def fit_members(self, members: Sequence[dict[str, Any]], unseen: pd.DataFrame) -> dict[str, Any]:
        """What ``apply`` needs for the scores of joined members; plain containers, kept in the checkpoint.

        Args:
            members: what ``fit`` gave for each of them; it stands in the answer as ``members``.
            unseen: predictions of samples by members that never saw them, with ``label`` and what ``apply`` adds.
        """


JOINED = "joined"  # the kind of calibration of several members that answer as one


def member_column(name: str, number: int) -> str:
    """The column of one member beside that of the joined model.

    >>> member_column("score", 2)
    'score_fold_2'
    """
    return f"{name}_fold_{number}"
