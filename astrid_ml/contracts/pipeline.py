"""What passes between a science domain and the engine that prepares datasets.

A domain provides one frozen dataclass, its pipeline. The engine asks it for a plan (a list of units), runs
``process`` on each unit in any order and in any process, and publishes the result as a prepared dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy.typing as npt
import pandas as pd

from astrid_ml.types import Array, Ints


@dataclass(frozen=True)
class Unit:
    """One piece of work that succeeds or fails whole: a file, a pair, a job folder, an exposure.

    Args:
        id: stable text that names the unit within its raw folder (usually a relative path).
        inputs: the raw files that it reads; their relative path, size and mtime enter the fingerprint.
        parameters: JSON-able values that ``process`` needs beside the files.
        missing: what is missing for the unit to be ready; a unit with anything missing is ``incomplete``.
        bytes_needed: an estimate of what it will write.
    """

    id: str
    inputs: tuple[Path, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    bytes_needed: int = 0


@dataclass(frozen=True)
class Drop:
    """A record (or a whole unit) that was left out, and why.

    Args:
        id: of the record or the unit.
        reason: a short text; equal reasons are counted together.
    """

    id: str
    reason: str


class Shard(Protocol):
    """Arrays that are written piece by piece, for frames and ramps that never fit in memory."""

    name: str
    arrays: Mapping[str, Array]


class UnitWriter(Protocol):
    """Where ``process`` puts its results. One implementation writes to disk, one keeps them in memory."""

    def add(self, records: pd.DataFrame, arrays: Mapping[str, Array]) -> None:
        """Append samples.

        Args:
            records: n rows with at least ``id``, ``group_id``; ``label`` where known. ``array`` and ``row``
                are filled in by the writer.
            arrays: kind -> array of shape (n, ...). Calls whose kinds, dtypes and trailing shapes agree share
                a shard, others open a new one.
        """

    def add_ragged(self, records: pd.DataFrame, values: Mapping[str, Sequence[Array]]) -> None:
        """Append samples of unequal length: kind -> n arrays of shape (length_i, ...), stored flat with offsets."""

    def open_shard(self, arrays: Mapping[str, tuple[tuple[int, ...], npt.DTypeLike]]) -> Shard:
        """Open writable memory-mapped arrays, kind -> (shape, dtype)."""

    def open_frame(self, path: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Shard:
        """Open one whole frame, published as the file ``path`` of the dataset (``images/jid18.npy``).

        Its array has the kind ``frame``. Any number of samples may point into it: give them ``row`` 0, positions of
        their own, and a column ``image`` that holds ``path``.
        """

    def add_table(self, name: str, table: pd.DataFrame) -> None:
        """Rows of a side table, published over all units as ``name.parquet`` beside the index."""

    def add_rows(self, records: pd.DataFrame, shard: Shard) -> None:
        """Append samples that point into ``shard``; ``records`` must hold the column ``row``."""

    def drop(self, id: str, reason: str) -> None:
        """Count a record that is left out, with its reason."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a named counter of the report (for instance ``nan_mended``)."""


@runtime_checkable
class SampleSource(Protocol):
    """Samples that a datamodule can read: a prepared dataset on disk, or one unit's result in memory."""

    index: pd.DataFrame

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the arrays' channels, as the pipeline describes them; empty where it does not."""

    def gather(self, kind: str, rows: Ints) -> Array:
        """Arrays of equal shape for these positions of ``index``, stacked: (n, ...)."""

    def groups(self, kind: str, rows: Ints) -> list[tuple[Ints, Array]]:
        """The same, apart for each trailing shape: [(positions within ``rows``, (m, ...) array), ...]."""

    def ragged(self, kind: str, rows: Ints) -> tuple[Array, Ints]:
        """Flat values (sum of lengths, ...) and offsets (n + 1,) of ragged samples."""


class DomainPipeline(Protocol):
    """Raw files -> samples, for one science domain. Implement as a frozen dataclass: fields are the slots.

    ``version`` is raised whenever the same fields would give other bytes. Further abilities are protocols of their own:
    :class:`Makes`, :class:`Completes`, :class:`Exports`.
    """

    domain: ClassVar[str]
    version: ClassVar[int]

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """List the units in these files and folders, in a stable order. Reads names and headers only."""

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Do one unit. A bad record is dropped with a reason; an exception fails the whole unit."""

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Dataset-wide work on the index: remove duplicates, set ``group_id``. Labels are joined later."""

    def describe(self) -> dict[str, Any]:
        """What stands in ``dataset.json``: for instance {"channels": [...], "units": {...}}. JSON-able."""


@runtime_checkable
class Makes(Protocol):
    """A pipeline whose samples are of a kind that other domains make too: their datasets serve each other."""

    makes: ClassVar[str]


@runtime_checkable
class MakesRaw(Protocol):
    """A simulator that says whose raw files it makes."""

    domain: ClassVar[str]


@runtime_checkable
class Completes(Protocol):
    """A pipeline that adds files of its own to a dataset that is about to be published."""

    def complete(self, index: pd.DataFrame, folder: Path) -> dict[str, Any]:
        """Write them; returns what stands in ``dataset.json`` under ``account``."""


@runtime_checkable
class Exports(Protocol):
    """A pipeline whose datasets can be written for other tools."""

    def export(self, dataset: Any, form: str, folder: Path) -> dict[str, Any]:
        """Write a prepared dataset into ``folder``; returns what was written."""


@runtime_checkable
class HasFrames(Protocol):
    """A source that keeps whole frames, into which samples point."""

    frame_column: str

    def frame(self, name: str) -> Array:
        """The frame, (H, W, C), that the column ``frame_column`` of the index names."""


class Labeller(Protocol):
    """Joins labels to an index: from a table, from a column of the packet, or from a score (a proxy)."""

    version: ClassVar[int]

    def inputs(self) -> tuple[Path, ...]:
        """Files that enter the dataset's fingerprint."""

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the index with ``label`` set, and a JSON-able account (source, proxy or not, counts)."""


class Simulator(Protocol):
    """Makes raw files of one kind and their truth: ``build(cfg.simulate).run(output_dir, seed)``."""

    n: int

    def run(self, output_dir: Path, seed: int) -> dict[str, Any]:
        """Write the files whole and return a JSON-able summary. The same seed gives the same bytes."""


class Command(Protocol):
    """A verb of one science domain (``astrid difference``): ``conf/<verb>.yaml`` names it under ``command``."""

    def run(self) -> dict[str, Any]:
        """Do the work. Return a JSON-able summary to print; ``failed`` > 0 in it means exit code 1."""
