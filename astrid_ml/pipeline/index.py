"""The index of a dataset from the records of its units: as one table, or part by part where there are many samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.column_kinds import settled_types, with_types
from astrid_ml.contracts.by_part import TOLD_FROM, FinalisesParts, LabelsByColumn, identity_of, told_apart
from astrid_ml.contracts.columns import Columns
from astrid_ml.contracts.pipeline import Completes, DomainPipeline, Drop, Labeller
from astrid_ml.dataset import index_file
from astrid_ml.dataset.index_file import IndexFile, rows_in
from astrid_ml.dataset.pages import read_pages, write_pages, writing
from astrid_ml.dataset.repeats import repeats, repeats_of
from astrid_ml.pipeline.contract import finalised, finalised_part, labelled, refuse_repeats
from astrid_ml.pipeline.units import RECORDS
from astrid_ml.types import Mask

NEEDED = ("label", "ra", "dec", "mjd", "row")  # columns of an index by which it is split, audited and learned


@dataclass(frozen=True)
class MadeIndex:
    """An index that was written.

    Args:
        index: its columns.
        dropped: samples that finalising left out.
        account: of the labels.
        told_apart: samples whose id another sample has: each has one of its own now.
    """

    index: Columns
    dropped: list[Drop]
    account: dict[str, Any]
    told_apart: int = 0


def write_index(
    pipeline: DomainPipeline,
    folders: Sequence[Path],
    labeller: Labeller | None,
    path: Path,
    names: Sequence[str] | None = None,
) -> MadeIndex | None:
    """Write the index: records of all units, finalised by the domain, with labels.

    Args:
        pipeline: the domain's.
        folders: of the units, in their order.
        labeller: joins labels; None for none.
        path: of the index.
        names: what messages call the units; None for the names of their folders.

    Returns:
        What was written; None, and nothing is, where no unit has a sample.

    Raises:
        UserError: ids are not unique, a column that decides something is of one kind in a unit and of another in the
            next, or the labeller refuses.
    """
    files = {folder / RECORDS: rows_in(folder / RECORDS) for folder in folders}
    called = names or [folder.name for folder in folders]
    some = [(name, file) for name, (file, rows) in zip(called, files.items(), strict=True) if rows]
    types = settled_types(some, needed_of(labeller))
    if sum(files.values()) > index_file.ROWS and works_by_part(pipeline, labeller):
        return _Parts(pipeline, [file for file, rows in files.items() if rows], labeller, types).write(path)
    tables = [with_types(read_pages(file), types) for file in files]
    filled = [table for table in tables if len(table)]
    if not filled:
        return None
    index = pd.concat(filled, ignore_index=True)
    own = told_apart(index, identity_of(pipeline))
    renamed = set(own[own != index["id"].astype(str)])
    index, dropped = finalised(pipeline, _named_apart(index, own) if renamed else index)
    account: dict[str, Any] = {"source": "none"}
    if labeller is not None:
        index, account = labelled(labeller, index)
    if "label" not in index:
        index["label"] = pd.array([pd.NA] * len(index), dtype="Int8")
    write_pages(index, path)
    return MadeIndex(index, dropped, account, len(renamed))


def _named_apart(index: pd.DataFrame, own: pd.Series[str]) -> pd.DataFrame:
    """Rows with ids of their own, and what those were that another sample has too."""
    before = index["id"].astype("string")
    return index.assign(**{"id": own, TOLD_FROM: before.where(before != own)})


def needed_of(labeller: Labeller | None) -> tuple[str, ...]:
    """Columns that mean nothing where they are of several kinds: what labels come from; not one that is set anew."""
    if labeller is None or not isinstance(labeller, LabelsByColumn):
        return NEEDED
    return (*(name for name in NEEDED if name != "label"), *labeller.columns)


def works_by_part(pipeline: DomainPipeline, labeller: Labeller | None) -> bool:
    """Whether all that happens to an index needs no table of the whole."""
    known = isinstance(pipeline, FinalisesParts) and not isinstance(pipeline, Completes)
    return known and (labeller is None or isinstance(labeller, LabelsByColumn))


class _Parts:
    """Two passes over the records: one for ids and what labels need, one that writes."""

    def __init__(
        self, pipeline: DomainPipeline, files: Sequence[Path], labeller: Labeller | None, types: Mapping[str, Any]
    ) -> None:
        self.pipeline, self.labeller = pipeline, labeller
        self.parts = IndexFile(files, types)
        again = repeats(lambda: (block["id"] for block in self.parts.blocks(["id"])))
        self.repeated: Mask = np.zeros(len(self.parts), dtype=bool)
        self.repeated[again] = True
        self.own = self._told_apart()
        self.repeated[self.own.index[~self.own.duplicated()]] = False
        self.dropped: list[Drop] = []

    def _told_apart(self) -> pd.Series[str]:
        """Ids of their own for different samples of one id, by the position in the index."""
        identity = identity_of(self.pipeline)
        if not identity or not self.repeated.any():
            return pd.Series([], dtype=object)
        known = ["id", *(name for name in identity if name in self.parts)]
        twice = {name for _, block in self._blocks(["id"]) for name in block["id"][self.repeated[block.index]]}
        rows = [block[block["id"].isin(twice)] for _, block in self._blocks(known)]
        table = pd.concat(rows)
        own = told_apart(table, identity)
        return own[own != table["id"].astype(str)]

    def _blocks(self, names: Sequence[str]) -> Iterator[tuple[int, pd.DataFrame]]:
        """(position of the first row, rows) of the records, labelled by their positions."""
        start = 0
        for block in self.parts.blocks(names):
            yield start, block.set_axis(np.arange(start, start + len(block)))
            start += len(block)

    def write(self, path: Path) -> MadeIndex:
        labels, account = self._labels()
        self.dropped = []
        start, first = 0, next(self._finalised(), pd.DataFrame())
        self.dropped = []
        columns = [*first.columns, *(name for name in labels if name not in first)]
        with writing(path, self._schema(first, labels, columns)) as write:
            for part in self._finalised():
                own = labels.iloc[start : start + len(part)].set_axis(part.index)
                write(part.assign(**{str(name): own[name] for name in own})[columns])
                start += len(part)
        return MadeIndex(IndexFile([path]), self.dropped, account, self.own.nunique())

    def _finalised(self) -> Iterator[pd.DataFrame]:
        """The index in pieces, without labels."""
        for start, part in self._blocks(self.parts.columns):
            if len(self.own):
                inside = self.own[(self.own.index >= start) & (self.own.index < start + len(part))]
                part = _named_apart(part, inside.reindex(part.index).fillna(part["id"].astype(str)))
            rows = part.reset_index(drop=True)
            kept, dropped = finalised_part(self.pipeline, rows, self.repeated[start : start + len(part)])
            self.dropped += dropped
            yield kept

    def _labels(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Columns that the labels set, for each sample that is kept, and their account."""
        asked = ["id"] if self.labeller is None else ["id", *_asked(self.labeller)]
        pieces = [part[[name for name in dict.fromkeys(asked) if name in part]] for part in self._finalised()]
        few: pd.DataFrame = pd.concat(pieces, ignore_index=True)
        del pieces
        again = repeats_of(few["id"])
        if len(again):
            refuse_repeats(self.pipeline, few["id"].iloc[again], not self.repeated.any())
        if self.labeller is not None:
            given, account = labelled(self.labeller, few)
            return given[[name for name in given if name == "label" or name not in few]], account
        if "label" in self.parts:
            return pd.DataFrame(index=few.index), {"source": "none"}
        return pd.DataFrame({"label": pd.array([pd.NA] * len(few), dtype="Int8")}), {"source": "none"}

    def _schema(self, first: pd.DataFrame, labels: pd.DataFrame, columns: Sequence[str]) -> Any:
        """Types that hold every piece: those of all records, and those of what was added to them."""
        import pyarrow as pa

        added = first[[name for name in first if name not in self.parts]]
        kinds = {**added.dtypes, **self.parts.dtypes, **labels.dtypes}
        empty = pd.DataFrame({name: pd.Series([], dtype=kinds[name]) for name in columns})
        types = {
            **{field.name: field.type for part in (added, labels) for field in pa.Schema.from_pandas(part)},
            **{field.name: field.type for field in self.parts.schema if field.name not in labels},
        }
        metadata = pa.Schema.from_pandas(empty, preserve_index=False).metadata
        return pa.schema([pa.field(name, types[name]) for name in columns], metadata)


def _asked(labeller: Labeller) -> tuple[str, ...]:
    assert isinstance(labeller, LabelsByColumn)
    return labeller.columns
