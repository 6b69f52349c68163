"""Texts of many rows as numbers: each different text is held once, each row is a number of four bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.types import Codes, Ints


@dataclass(frozen=True)
class Coded:
    """A column of texts.

    Args:
        codes: of each row, the place of its text among ``names``, (n,); -1 where there is none.
        names: texts in their order (that of their characters), each once; some may stand in no row.

    Example:
        >>> column = Coded.of(pd.Series(["b", "a", "b"]))
        >>> column.codes.tolist(), column.names.tolist(), column[np.array([0, 2])].count()
        ([1, 0, 1], ['a', 'b'], 1)
    """

    codes: Codes
    names: pd.Series

    @classmethod
    def of(cls, values: pd.Series) -> Coded:
        """Of a column; what is no text is taken as text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = as_texts(values).dictionary_encode()
        dictionary = texts.chunk(0).dictionary if texts.num_chunks else pa.array([], pa.large_string())
        order = pc.array_sort_indices(dictionary).to_numpy()
        place = np.full(len(order) + 1, -1, dtype=np.int32)  # the last one is that of no text
        place[order] = np.arange(len(order), dtype=np.int32)
        codes = np.empty(len(values), dtype=np.int32)
        start = 0
        for chunk in texts.chunks:
            codes[start : start + len(chunk)] = place[chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
            start += len(chunk)
        return cls(codes, as_series(pa.chunked_array([dictionary.take(pa.array(order))])))

    @classmethod
    def of_few(cls, values: pd.Series, word: Callable[[Any], str]) -> Coded:
        """Of a column with few different values, which become words; a missing one is the empty word.

        Example:
            >>> Coded.of_few(pd.Series([1.0, None]), str).texts().tolist()
            ['1.0', '']
        """
        places, known = pd.factorize(values)
        words = Coded.of(pd.Series([*(word(value) for value in known.astype(object)), ""], dtype=str))
        return cls(words.codes[places], words.names)

    def __getitem__(self, rows: Any) -> Coded:
        """Some rows."""
        return Coded(self.codes[rows], self.names)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.codes)

    def times(self) -> Ints:
        """How many rows each name has, shape (names,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names)).astype(np.int64)

    def count(self) -> int:
        """How many different texts stand in the rows."""
        seen = np.zeros(len(self.names), dtype=bool)
        seen[self.codes[self.codes >= 0]] = True
        return int(seen.sum())

    def texts(self, index: pd.Index | None = None) -> pd.Series:
        """The texts of all rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        names = as_texts(self.names).combine_chunks()
        taken = pc.take(names, pa.array(self.codes, mask=self.codes < 0))
        out = as_series(pa.chunked_array([taken]))
        return out if index is None else out.set_axis(index)

    def beside(self, other: Coded, between: str) -> Coded:
        """Both texts of each row as one.

        Example:
            >>> one, other = Coded.of(pd.Series(["a", "b"])), Coded.of(pd.Series(["x", "x"]))
            >>> one.beside(other, "|").texts().tolist()
            ['a|x', 'b|x']
        """
        width = max(len(other.names), 1)
        pair = self.codes * np.int64(width) + other.codes
        present = np.flatnonzero(np.bincount(pair, minlength=len(self.names) * width))
        left, right = self.names.to_numpy(dtype=object), other.names.to_numpy(dtype=object)
        both = Coded.of(pd.Series([f"{left[p // width]}{between}{right[p % width]}" for p in present], dtype=str))
        place = np.zeros(len(self.names) * width, dtype=np.int32)
        place[present] = both.codes
        return Coded(place[pair], both.names)


def as_texts(values: pd.Series) -> Any:
    """A column as chunks of texts of Arrow; texts of Arrow are not copied."""
    import pyarrow as pa

    out = pa.array(values.astype(str), type=pa.large_string())
    return out if isinstance(out, pa.ChunkedArray) else pa.chunked_array([out])


def as_series(texts: Any) -> pd.Series:
    """The inverse: texts of Arrow as pandas holds them."""
    import pyarrow as pa

    column: pd.Series = pa.table({"texts": texts}).to_pandas()["texts"].rename(None)
    return column.astype(str)
