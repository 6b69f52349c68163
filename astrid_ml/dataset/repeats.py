"""Which texts of a long column stand in it before: by 64-bit hashes, decided by the texts themselves.

A set of 3e7 texts of Python takes several GB. Their hashes take 240 MB; only texts whose hashes are equal are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from astrid_ml.types import Hashes, Ints

BLOCK = 1 << 18  # rows looked at together


def repeats(blocks: Callable[[], Iterator[pd.Series]]) -> Ints:
    """Positions of texts that stand at an earlier position too, ascending.

    Args:
        blocks: gives the column in pieces, from the start at each call; it is called once more where hashes are equal.

    Example:
        >>> repeats(lambda: iter([pd.Series(["a", "b"]), pd.Series(["b", "c", "a"])])).tolist()
        [2, 4]
    """
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(hashed(block) for block in blocks())])
    ordered = np.sort(hashes)
    suspected = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    if not len(suspected):
        return np.zeros(0, dtype=np.int64)
    texts, places, start = [], [], 0
    for block in blocks():
        own = hashes[start : start + len(block)]
        near = np.minimum(np.searchsorted(suspected, own), len(suspected) - 1)
        hit = np.flatnonzero(suspected[near] == own)
        texts.append(block.iloc[hit].astype(str))
        places.append(start + hit)
        start += len(block)
    known = pd.concat(texts, ignore_index=True).duplicated().to_numpy()
    return np.concatenate(places)[known].astype(np.int64)


def repeats_of(values: pd.Series) -> Ints:
    """The same for a column in memory, shape (k,).

    Example:
        >>> repeats_of(pd.Series(["a", "b", "a"])).tolist()
        [2]
    """
    return repeats(lambda: (values.iloc[start : start + BLOCK] for start in range(0, len(values), BLOCK)))


def hashed(texts: pd.Series) -> Hashes:
    """64-bit hashes of texts, (n,); equal texts have equal ones, in every process."""
    return pd.util.hash_array(texts.astype(str).to_numpy(dtype=object, na_value=""), categorize=False)
