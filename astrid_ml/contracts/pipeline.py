"""What passes between a science domain and the engine that prepares datasets.

A domain provides one frozen dataclass, its pipeline. The engine asks it for a plan (units), runs ``process`` on each in
any order and in any process, and publishes the result as a prepared dataset.
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
        id: stable text that names the unit within its raw folder (usually a relative path); no other unit has it.
        inputs: the raw files that it reads; their relative path, size and mtime enter the fingerprint.
        parameters: JSON-able values that ``process`` needs beside the files.
        missing: what is missing for the unit to be ready; a unit with anything missing is ``incomplete``.
        bytes_needed: an estimate of what it will write.

    Example:
        >>> unit = Unit("night1/a.fits", (Path("raw/night1/a.fits"),), missing=("night1/a_psf.fits",))
        >>> unit.inputs[0].name, unit.missing, dict(unit.parameters)
        ('a.fits', ('night1/a_psf.fits',), {})
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
        id, reason: of the record or the unit, and a short text; equal reasons are counted together.
        source: the file below the raw folder, the member of an archive, the place in it.
        count: of records; more than one where many of one file have no name of their own and one reason.

    Example:
        >>> Drop("night1/a.fits-7", "no coordinates")
        Drop(id='night1/a.fits-7', reason='no coordinates')
    """

    id: str
    reason: str
    source: str = field(default="", repr=False)
    count: int = field(default=1, repr=False)


class Shard(Protocol):
    """Arrays that are written piece by piece, for frames and ramps that never fit in memory.

    Args:
        name: of the shard, as the index's column ``array`` holds it.
        arrays: kind -> writable array.
    """

    name: str
    arrays: Mapping[str, Array]


class UnitWriter(Protocol):
    """Where ``process`` puts its results. One implementation writes to disk, one keeps them in memory.

    Example:
        >>> import numpy as np
        >>> from astrid_ml.pipeline.writer import MemoryUnitWriter
        >>> writer: UnitWriter = MemoryUnitWriter()
        >>> records = pd.DataFrame({"id": ["a", "b"], "group_id": ["a", "b"], "label": [1, 0]})
        >>> writer.add(records, {"stamps": np.zeros((2, 3, 8, 8), np.float32)})
        >>> writer.drop("c", "no coordinates")
        >>> writer.source().gather("stamps", np.array([1])).shape, writer.drops[0].reason
        ((1, 3, 8, 8), 'no coordinates')
    """

    def add(self, records: pd.DataFrame, arrays: Mapping[str, Array]) -> None:
        """Append samples.

        Args:
            records: n rows, see :class:`DomainPipeline` for their columns. ``array`` and ``row`` are filled in by
                the writer.
            arrays: kind -> numpy array of shape (n, ...), of numbers. Calls whose kinds, dtypes and trailing shapes
                agree share a shard, others open a new one.
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

    def drop(self, id: str, reason: str, source: str = "") -> None:
        """Count a record that is left out, with its reason and the place where it stands."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a named counter of the report (for instance ``nan_mended``)."""


@runtime_checkable
class SampleSource(Protocol):
    """Samples that a datamodule can read: a prepared dataset on disk, or one unit's result in memory.

    Args:
        index: one row a sample, with ``id`` and ``group_id``; ``label`` where known.

    Example:
        >>> import numpy as np
        >>> from astrid_ml.pipeline.writer import MemoryUnitWriter
        >>> writer = MemoryUnitWriter({"channels": ["flux", "error"]})
        >>> records = pd.DataFrame({"id": ["a", "b"], "group_id": ["a", "b"]})
        >>> writer.add_ragged(records, {"epochs": [np.ones((3, 2)), np.zeros((1, 2))]})
        >>> source: SampleSource = writer.source()
        >>> flat, offsets = source.ragged("epochs", np.array([0, 1]))
        >>> flat.shape, offsets.tolist(), source.channels
        ((4, 2), [0, 3, 4], ('flux', 'error'))
    """

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

    ``domain`` is the name of the kind of data; ``version`` is raised whenever the same fields would give other bytes.
    Further abilities are protocols of their own: :class:`Makes`, :class:`Completes`, :class:`Exports`.

    The records, one row a sample, become ``index.parquet``:

    ========  =========  ===========================================================================================
    column    null       what it holds
    ========  =========  ===========================================================================================
    id        never      text, unique in the dataset
    group_id  never      text; samples of one object or exposure share it, and no split may part them
    label     allowed    0 or 1 for a binary task, the name of a class for a hierarchy; null where nobody knows
    array     never      the shard, set by the writer: ``finalise`` keeps it beside its row
    row       never      place in the shard, from 0, set by the writer (or by you, for an open shard)
    ra, dec   allowed    ICRS, degrees; splits and the audit use them
    mjd       allowed    days, UTC; splits by time use it
    mission   allowed    text, as its survey's description names it
    ========  =========  ===========================================================================================

    Any other column of numbers or texts is kept. All of this is checked: by the methods' names and arguments before raw
    files are opened, by what they give when they are first called.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from astrid_ml.pipeline.writer import MemoryUnitWriter
        >>> @dataclass(frozen=True)
        ... class Stamps:
        ...     domain: ClassVar[str] = "stamps"
        ...     version: ClassVar[int] = 1
        ...     def plan(self, raw):
        ...         return [Unit(path.name, (path,)) for path in sorted(raw)]
        ...     def process(self, unit, writer, seed):
        ...         records = pd.DataFrame({"id": [unit.id], "group_id": [unit.id]})
        ...         writer.add(records, {"stamps": np.load(unit.inputs[0])[None]})
        ...     def finalise(self, index):
        ...         return index, []
        ...     def describe(self):
        ...         return {"channels": ["science"]}
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.ones((1, 8, 8)))
        >>> pipeline, writer = Stamps(), MemoryUnitWriter()
        >>> pipeline.process(pipeline.plan([path])[0], writer, seed=0)
        >>> writer.source().gather("stamps", np.array([0])).shape
        (1, 1, 8, 8)
    """

    domain: ClassVar[str]
    version: ClassVar[int]

    def plan(self, raw: Sequence[Path]) -> list[Unit]:
        """List the units in these files and folders, in a stable order, each with an id of its own.

        Reads names and headers only. An empty list, or a UserError, where none of the files is of this kind.
        """

    def process(self, unit: Unit, writer: UnitWriter, seed: int) -> None:
        """Do one unit: give its samples to the writer; a bad record is dropped, an exception fails the whole unit."""

    def finalise(self, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
        """Dataset-wide work on the index: remove duplicates, set ``group_id``. Labels are joined later.

        Returns:
            The index, and a :class:`Drop` for each sample that is no longer in it.
        """

    def describe(self) -> dict[str, Any]:
        """What stands in ``dataset.json``: for instance {"channels": [...], "units": {...}}. JSON-able.

        It follows from the fields alone; ``channels`` are texts, in the order of the arrays' first axis after (n,).
        """


@runtime_checkable
class Makes(Protocol):
    """A pipeline whose samples are of a kind that other domains make too: their datasets serve each other.

    Example:
        >>> class Cutouts:
        ...     makes: ClassVar[str] = "stamps"  # read by every datamodule whose ``reads`` holds "stamps"
        >>> isinstance(Cutouts(), Makes)
        True
    """

    makes: ClassVar[str]


@runtime_checkable
class Streams(Protocol):
    """A pipeline with files that hold more than fits in memory: each is looked through once and done in chunks.

    Example:
        >>> from dataclasses import replace
        >>> class Lines:
        ...     def is_large(self, unit):
        ...         return unit.inputs[0].stat().st_size > 6
        ...     def chunks(self, unit):
        ...         lines = unit.inputs[0].read_text().count("\\n")
        ...         return [replace(unit, id=f"{unit.id}#{n}", parameters={"first": n}) for n in range(0, lines, 2)]
        >>> isinstance(Lines(), Streams)
        True
    """

    def is_large(self, unit: Unit) -> bool:
        """Whether a unit of the plan is to be looked through; only sizes and names are looked at."""

    def chunks(self, unit: Unit) -> list[Unit]:
        """The units that stand for it: the same inputs, ids of their own that never change, their own parameters."""


@runtime_checkable
class Completes(Protocol):
    """A pipeline that adds files of its own to a dataset that is about to be published.

    Example:
        >>> import tempfile
        >>> from astrid_ml.plugins import write_table
        >>> class WithPlaces:
        ...     def complete(self, index, folder):
        ...         write_table(index[["id", "ra", "dec"]], folder / "places.parquet")
        ...         return {"places": len(index)}
        >>> index = pd.DataFrame({"id": ["a"], "ra": [10.0], "dec": [-3.0]})
        >>> WithPlaces().complete(index, Path(tempfile.mkdtemp())), isinstance(WithPlaces(), Completes)
        ({'places': 1}, True)
    """

    def complete(self, index: pd.DataFrame, folder: Path) -> dict[str, Any]:
        """Write them; returns what stands in ``dataset.json`` under ``account``."""


@runtime_checkable
class Exports(Protocol):
    """A pipeline whose datasets can be written for other tools.

    Example:
        >>> import tempfile
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> from astrid_ml.plugins import write_json
        >>> class WithIds:
        ...     def export(self, dataset, form, folder):
        ...         write_json(folder / f"ids.{form}", dataset.index["id"].tolist())
        ...         return {"ids": len(dataset.index)}
        >>> source = MemorySource(pd.DataFrame({"id": ["a", "b"]}), {}, {})
        >>> WithIds().export(source, "json", Path(tempfile.mkdtemp())), isinstance(WithIds(), Exports)
        ({'ids': 2}, True)
    """

    def export(self, dataset: Any, form: str, folder: Path) -> dict[str, Any]:
        """Write a prepared dataset into ``folder``; returns what was written."""


@runtime_checkable
class HasFrames(Protocol):
    """A source that keeps whole frames, into which samples point.

    Args:
        frame_column: the column of the index that names each sample's frame.
    """

    frame_column: str

    def frame(self, name: str) -> Array:
        """The frame, (H, W, C), that the column ``frame_column`` of the index names."""


class Labeller(Protocol):
    """Joins labels to an index: from a table, from a column of the packet, or from a score (a proxy).

    Example:
        >>> class Bright:
        ...     version: ClassVar[int] = 1
        ...     def inputs(self):
        ...         return ()
        ...     def apply(self, index):
        ...         labels = (index["snr"] > 10).astype("Int8")
        ...         return index.assign(label=labels, label_source="snr"), {"source": "snr > 10", "proxy": True}
        >>> index, account = Bright().apply(pd.DataFrame({"id": ["a", "b"], "snr": [3.0, 30.0]}))
        >>> index["label"].tolist(), account["proxy"]
        ([0, 1], True)
    """

    version: ClassVar[int]

    def inputs(self) -> tuple[Path, ...]:
        """Files that enter the dataset's fingerprint."""

    def apply(self, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the index with ``label`` set, no row more or less, and a JSON-able account (source, proxy or not)."""
