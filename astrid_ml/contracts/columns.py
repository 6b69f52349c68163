"""An index by its columns: what reads an index of any size asks for columns by name and never holds the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from astrid_ml.contracts.pipeline import SampleSource


class Columns(Protocol):
    """Columns of an index, one row a sample: a table of pandas is one, and so is an index on disk.

    ``index["id"]`` is a Series, ``index[["ra", "dec"]]`` a table of these columns, ``"ra" in index`` says whether there
    is one, ``len(index)`` counts the samples.

    Example:
        >>> import pandas as pd
        >>> index: Columns = pd.DataFrame({"id": ["a", "b"], "ra": [10.0, 20.0]})
        >>> len(index), "dec" in index, index["ra"].max()
        (2, False, np.float64(20.0))
    """

    @property
    def columns(self) -> Iterable[Any]:
        """Names of the columns."""

    def __len__(self) -> int:
        """Number of samples."""

    def __contains__(self, name: Any, /) -> bool:
        """Whether there is such a column."""

    def __getitem__(self, name: Any, /) -> Any:
        """A column, or a table of several."""


@runtime_checkable
class HasColumns(Protocol):
    """A source of samples that gives columns without its whole index."""

    @property
    def by_column(self) -> Columns:
        """The index, by its columns."""


@runtime_checkable
class PlansByColumn(Protocol):
    """A split whose ``plan(index)`` only asks for columns (see :class:`Columns`): it shares out an index of any size.

    Example:
        >>> class Alternating:
        ...     by_column: ClassVar[bool] = True
        >>> isinstance(Alternating(), PlansByColumn)
        True
    """

    by_column: ClassVar[bool]


def columns_of(source: SampleSource) -> Columns:
    """The index of a source, by its columns.

    Example:
        >>> import pandas as pd
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> columns_of(MemorySource(pd.DataFrame({"id": ["a"]}), {}, {}))["id"].tolist()
        ['a']
    """
    return source.by_column if isinstance(source, HasColumns) else cast(Columns, source.index)
