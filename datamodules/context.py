"""What catalogues say of a sample, block by block: a block without a match is blank, and a flag of its own says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.datamodules.draws import uniform
from astrid_ml.datamodules.features import Standardiser
from astrid_ml.errors import UserError
from astrid_ml.types import Share


@dataclass(frozen=True)
class ContextBlocks:
    """Columns of catalogues beside the images (``astrid crossmatch dataset=...`` writes them).

    A block of F columns gives 2 F + 1 numbers: F standardised values (0 where there is none), F flags that are 1 where
    a value is missing, and one flag that is 1 where the whole block is.

    Args:
        blocks: name -> columns of the index: those of a catalogue belong together.
        blank: share of training samples of which a block is left out, each block drawn for itself, so that the network
            learns to answer without it.
        absent: what happens where samples have none of these columns: ``refuse``, or ``blank`` all of them.

    Example:
        >>> table = pd.DataFrame({"g": [15.0, 17.0, None]})
        >>> context = ContextBlocks({"gaia": ["g"]})
        >>> context.apply(table, context.fit(table)).tolist()
        [[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """

    blocks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    blank: Share = 0.0
    absent: Literal["refuse", "blank"] = "refuse"

    def __post_init__(self) -> None:
        """Refuse blocks without columns, and a column in two of them."""
        if self.absent not in ("refuse", "blank"):
            raise UserError("datamodule.context.absent of refuse or blank", str(self.absent), "choose one of them")
        for name, columns in self.blocks.items():
            if isinstance(columns, str) or not columns:
                fix = f"write datamodule.context.blocks.{name}=[COLUMN,...]"
                raise UserError(f"columns for the block {name}", str(columns), fix)
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            fix = "leave it out of one of datamodule.context.blocks"
            raise UserError("each column in one block", f"{twice[0]} twice", fix)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, block after block."""
        return tuple(name for columns in self.blocks.values() for name in columns)

    @property
    def keys(self) -> dict[str, Sequence[str]]:
        """Key of the datamodule -> the columns that samples must have."""
        return {f"context.blocks.{name}": tuple(columns) for name, columns in self.blocks.items()}

    @property
    def width(self) -> int:
        """Numbers of a sample."""
        return sum(2 * len(columns) + 1 for columns in self.blocks.values())

    def fit(self, index: pd.DataFrame) -> dict[str, Any]:
        """Mean and standard deviation of each column over the rows that have it.

        Raises:
            UserError: columns are missing: a training without any context teaches nothing of it.
        """
        self._refuse_absent(index)
        return {name: part.fit(index) for name, part in self._parts()}

    def apply(
        self,
        index: pd.DataFrame,
        statistics: Mapping[str, Any],
        generator: torch.Generator | None = None,
        train: bool = False,
    ) -> Tensor:
        """Rows as (n, :attr:`width`) float32.

        Args:
            index: the rows.
            statistics: of :meth:`fit`.
            generator: of the training's draws.
            train: whether blocks are left out at random.

        Raises:
            UserError: samples without these columns, and ``absent`` is ``refuse``.
        """
        if self.absent == "refuse":
            self._refuse_absent(index)
        out = []
        drawn = uniform(len(index), len(self.blocks), generator) < self.blank if train and self.blank > 0 else None
        for number, (name, part) in enumerate(self._parts()):
            if all(column in index for column in part.columns):
                values = part.apply(index, statistics[name])
            else:  # absent=blank
                values = torch.from_numpy(np.repeat([[0.0, 1.0]], len(part.columns), axis=1).astype(np.float32))
                values = values.expand(len(index), -1).clone()
            half = len(part.columns)
            gone = (values[:, half:] == 1).all(dim=1)
            if drawn is not None:
                gone = gone | drawn[:, number]
            values[gone, :half], values[gone, half:] = 0.0, 1.0
            out.append(torch.cat([values, gone[:, None].to(values.dtype)], dim=1))
        return torch.cat(out, dim=1) if out else torch.zeros(len(index), 0)

    def _parts(self) -> list[tuple[str, Standardiser]]:
        return [(name, Standardiser(tuple(columns), f"context.blocks.{name}")) for name, columns in self.blocks.items()]

    def _refuse_absent(self, index: pd.DataFrame) -> None:
        absent = [name for name in self.columns if name not in index]
        if absent:
            shown = f"{', '.join(absent[:4])}{' ...' if len(absent) > 4 else ''}"
            raise UserError(
                f"samples with the columns of datamodule.context: {', '.join(self.blocks)}",
                f"samples without {shown}",
                "match them (astrid crossmatch), or score without: datamodule.context.absent=blank",
            )


@dataclass(frozen=True)
class SampleFeatures:
    """The numbers beside the images: tabular features, then the context.

    Args:
        features: standardised, each with a flag.
        context: blocks of columns of catalogues.
    """

    features: Standardiser
    context: ContextBlocks

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the index that are asked for."""
        return (*self.features.columns, *self.context.columns)

    @property
    def keys(self) -> dict[str, Sequence[str]]:
        """Key of the datamodule -> columns that samples must have."""
        return {"features": self.features.columns} | (self.context.keys if self.context.absent == "refuse" else {})

    @property
    def width(self) -> int:
        """Numbers of a sample."""
        return self.features.width + self.context.width

    def fit(self, index: pd.DataFrame) -> dict[str, Any]:
        """The statistics of both over these rows."""
        return self.features.fit(index) | ({"context": self.context.fit(index)} if self.context.blocks else {})

    def apply(
        self, index: pd.DataFrame, statistics: Mapping[str, Any], generator: torch.Generator | None, train: bool
    ) -> Tensor:
        """Rows as (n, :attr:`width`) float32; see :meth:`ContextBlocks.apply`."""
        parts = [self.features.apply(index, dict(statistics))] if self.features.columns else []
        if self.context.blocks:
            parts.append(self.context.apply(index, statistics["context"], generator, train))
        return torch.cat(parts, dim=1)
