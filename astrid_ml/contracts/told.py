"""Abilities of a part to say more of samples: what it knows at each question, what bounds its domain, what is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Floats32, Ints

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@runtime_checkable
class EmbedsQuestions(Protocol):
    """A task that answers several questions of each sample, and says what its network knows at each."""

    def embed_questions(self, batch: dict[str, Tensor]) -> Tensor | None:
        """(B Q, width), in the order of the rows of ``scores``; None of a network that does not tell."""


@runtime_checkable
class OrdersLayers(Protocol):
    """A network whose parts were not made in the order from input to output, and that says which that is."""

    def layers_in_order(self) -> list[torch.nn.Module]:
        """Its parts, the one that answers last."""


@runtime_checkable
class Adopts(Protocol):
    """A network with parts beside those of a smaller one, whose weights it can take over."""

    def adopted(self, given: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Weights of the smaller one by the names and shapes of this one; what only this one has is left out.

        None where they are not those of a network that is this one but for these parts.
        """


@runtime_checkable
class MeasuresQuestions(Protocol):
    """A datamodule whose samples are asked at several windows, and that measures what is seen at each."""

    def measured_questions(self, source: SampleSource, rows: Ints) -> Floats32:
        """(n, W, F), the windows in the order of predictions; NaN where nothing can be said."""


@runtime_checkable
class ComparesQuestions(Protocol):
    """A judge that compares the answers to questions with those of trees on what is measured."""

    @property
    def baseline(self) -> Any:
        """A :class:`astrid_ml.evaluation.tree.baseline.TreeBaseline`; None compares with none."""


@runtime_checkable
class TellsFacts(Protocol):
    """A datamodule that knows what decides whether its samples are like those of training."""

    def domain_facts(self, source: SampleSource, rows: Ints, training: bool) -> pd.DataFrame:
        """A row for each position with columns of :mod:`astrid_ml.validity.domain`; null says nothing.

        Args:
            source: samples.
            rows: positions in its index.
            training: whether these are to bound the domain, with what the training makes of them.
        """


@runtime_checkable
class HasBrief(Protocol):
    """A judge that says which columns of its predictions a reader of a list needs, in their order."""

    brief: ClassVar[tuple[str, ...]]
