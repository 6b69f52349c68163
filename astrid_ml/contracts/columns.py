"""An index by its columns: what reads an index of any size asks for columns by name and never holds the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import pandas as pd

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Ints


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

    @property
    def dtypes(self) -> Any:
        """Name of a column -> of what kind it is."""

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
class HasRows(Protocol):
    """Columns that give some of their rows without a table of all."""

    def rows(self, rows: Ints, names: Sequence[str] | None = None) -> pd.DataFrame:
        """Some rows, of all columns or of some.

        Args:
            rows: positions, (n,), in any order.
            names: of columns.
        """


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


def rows_of(source: SampleSource, rows: Ints, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Some rows of a source's index, in the order asked for; their labels in the table are their positions.

    Args:
        source: of samples.
        rows: positions, (n,).
        names: of the columns that are wanted; those that the index lacks are left out. All by default.

    Example:
        >>> import pandas as pd
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> import numpy as np
        >>> source = MemorySource(pd.DataFrame({"id": ["a", "b"], "flux": [1.0, 2.0]}), {}, {})
        >>> rows_of(source, np.array([1]), ["flux", "mjd"])
           flux
        1   2.0
    """
    index = columns_of(source)
    known = None if names is None else [name for name in names if name in index]
    if isinstance(index, HasRows):
        return index.rows(rows, known)
    if known is None:
        return source.index.iloc[rows]
    return pd.DataFrame({name: index[name].iloc[rows] for name in known}, index=source.index.index[rows])


def columns_of(source: SampleSource) -> Columns:
    """The index of a source, by its columns.

    Example:
        >>> import pandas as pd
        >>> from astrid_ml.pipeline.writer import MemorySource
        >>> columns_of(MemorySource(pd.DataFrame({"id": ["a"]}), {}, {}))["id"].tolist()
        ['a']
    """
    return source.by_column if isinstance(source, HasColumns) else cast(Columns, source.index)
