"""What pipelines and labellers offer so that an index larger than memory can be made of their samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, ClassVar, Protocol, runtime_checkable

import pandas as pd

from astrid_ml.contracts.pipeline import Drop
from astrid_ml.types import Mask


@runtime_checkable
class FinalisesParts(Protocol):
    """A pipeline that finalises its index part by part too: then no table of all samples is held.

    ``finalise(index)`` gives the same as all parts together do.

    Example:
        >>> class OnceEach:
        ...     def finalise_part(self, part, repeated):
        ...         drops = [Drop(name, "it stands in another file") for name in part["id"][repeated]]
        ...         return part[~repeated], drops
        >>> import numpy as np
        >>> part = pd.DataFrame({"id": ["a", "b"], "group_id": ["a", "b"]})
        >>> kept, dropped = OnceEach().finalise_part(part, np.array([False, True]))
        >>> kept["id"].tolist(), dropped, isinstance(OnceEach(), FinalisesParts)
        (['a'], [Drop(id='b', reason='it stands in another file')], True)
    """

    def finalise_part(self, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
        """As ``finalise`` does, for successive rows of the index.

        Args:
            part: the rows.
            repeated: those whose id stands in an earlier row of the index, (n,).

        Returns:
            The rows that are kept, and a :class:`Drop` for each other one.
        """


@runtime_checkable
class LabelsByColumn(Protocol):
    """A labeller that looks at few columns: of an index of any size ``apply`` is given ``id`` and these.

    What it sets beside ``label`` must be columns that it was not given.

    Example:
        >>> from typing import ClassVar
        >>> class Bright:
        ...     columns: ClassVar[tuple[str, ...]] = ("snr",)
        >>> isinstance(Bright(), LabelsByColumn)
        True
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; those that the index lacks are left out."""


@runtime_checkable
class TellsApart(Protocol):
    """A pipeline whose samples may have one id though they are different: numbers of two surveys, running numbers.

    Example:
        >>> class Numbered:
        ...     identity: ClassVar[tuple[str, ...]] = ("mission", "group_id")
        >>> isinstance(Numbered(), TellsApart), identity_of(Numbered())
        (True, ('mission', 'group_id'))
    """

    identity: ClassVar[tuple[str, ...]]  # columns of the index: samples of one id that differ in one are different


TOLD_FROM = "told_apart_from"  # a column of the index: the id of a sample that was told apart, null of all others


def identity_of(pipeline: Any) -> tuple[str, ...]:
    """The columns by which a pipeline tells samples of one id apart; none where it does not."""
    return tuple(pipeline.identity) if isinstance(pipeline, TellsApart) else ()


def kinds_of(table: pd.DataFrame, identity: Sequence[str]) -> pd.Series[str]:
    """Which sample each row is: its id and the columns of ``identity`` that the table has, as one text."""
    kinds = table["id"].astype(str)
    for name in (name for name in identity if name in table):
        kinds = kinds + "\n" + table[name].astype("string").fillna("").astype(str)
    return kinds


def told_apart(table: pd.DataFrame, identity: Sequence[str]) -> pd.Series[str]:
    """The ids of a table; those that different samples have become an id of each: ``mission:id``, ``mission:id:2``.

    None of them keeps the id: a label for it would otherwise go to one that nobody chose. A sample whose group nobody
    knows (null, or its own id) is the one that is like it in all else, if there is but one.

    Args:
        table: with ``id``, and the columns of ``identity`` as far as they are known.
        identity: what is the same in all rows of one sample.

    Example:
        >>> table = pd.DataFrame({"id": ["7", "7", "7", "8"], "mission": ["ztf", "winter", "ztf", "ztf"]})
        >>> told_apart(table, ["mission"]).tolist()
        ['ztf:7', 'winter:7', 'ztf:7', '8']
    """
    ids = table["id"].astype(str)
    again = table[ids.duplicated(keep=False)] if identity else table[:0]
    if again.empty:
        return ids
    kinds = kinds_of(_with_groups(again, identity), identity)
    different = kinds.groupby(ids[again.index]).transform("nunique") > 1
    names: dict[str, str] = {}
    taken = set[str]()
    for row, kind in kinds[different].items():
        if kind not in names:
            plain = ":".join(str(table.at[row, name]) for name in ("mission", "id") if name in again)
            tried = (plain if number == 1 else f"{plain}:{number}" for number in count(1))
            names[kind] = next(name for name in tried if name not in taken)
            taken.add(names[kind])
    return ids.where(~ids.index.isin(different.index[different]), kinds.map(names).reindex(ids.index))


def _with_groups(table: pd.DataFrame, identity: Sequence[str]) -> pd.DataFrame:
    """A table in which rows without a group have that of the rows that are like them, where these have one."""
    if "group_id" not in identity or "group_id" not in table:
        return table
    ids, groups = table["id"].astype(str), table["group_id"].astype("string")
    groups = groups.mask(groups == ids)
    alike = kinds_of(table, [name for name in identity if name != "group_id"])
    known = groups.groupby(alike)
    return table.assign(group_id=groups.fillna(known.transform("first").where(known.transform("nunique") == 1)))


def said_of(drop: Drop) -> dict[str, Any]:
    """What a record of a drop holds; no source where none is known."""
    more = ({"source": drop.source} if drop.source else {}) | ({"count": drop.count} if drop.count > 1 else {})
    return {"id": drop.id, "reason": drop.reason} | more


def counted(drops: Iterable[Drop]) -> Counter[str]:
    """Reason -> records that were left out for it.

    >>> counted([Drop("a.jsonl", "no JSON", "line 1"), Drop("a.jsonl", "no JSON", "line 2 and further ones", 500)])
    Counter({'no JSON': 501})
    """
    out: Counter[str] = Counter()
    for drop in drops:
        out[drop.reason] += drop.count
    return out


def without_repeats(part: pd.DataFrame, repeated: Mask, reason: str) -> tuple[pd.DataFrame, list[Drop]]:
    """Rows whose sample was not met before, and a drop for each other one, which says where it and the first one stand.

    Args:
        part: rows of an index; their column ``source`` says where they stand, if there is one.
        repeated: those whose id stands in an earlier row, (n,).
        reason: of the drops.

    Example:
        >>> part = pd.DataFrame({"id": ["a", "a"], "source": ["1.avro", "2.avro"]})
        >>> kept, dropped = without_repeats(part, part["id"].duplicated().to_numpy(), "twice")
        >>> kept["source"].tolist(), dropped[0].source
        (['1.avro'], '2.avro; the first: 1.avro')
    """
    kept = part[~repeated].reset_index(drop=True)
    if not repeated.any():
        return kept, []
    again = part[repeated]
    if "source" not in part:
        return kept, [Drop(str(name), reason) for name in again["id"]]
    first = dict(zip(kept["id"], kept["source"], strict=True))
    places = [f"{own}; the first: {first[name]}" if name in first else str(own)  # else it stands in an earlier part
              for name, own in zip(again["id"], again["source"], strict=True)]  # fmt: skip
    return kept, [Drop(str(name), reason, place) for name, place in zip(again["id"], places, strict=True)]
