"""Sets of somebody's stamps: a container of arrays, the table of its rows, and what was made of both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.hdf5 import text_of
from astrid_ml.inflating import Held, SwollenError
from astrid_ml.preprocessing.alerts.files import table_has_cutouts
from astrid_ml.preprocessing.stamps import CHANNELS
from astrid_ml.preprocessing.triplets.columns import (
    columns_of,
    in_degrees,
    is_table,
    read_rows,
    refuse_lost_digits,
    refuse_repeated,
)
from astrid_ml.preprocessing.triplets.containers.arrow_tables import arrow_table, columns_of_bytes
from astrid_ml.preprocessing.triplets.containers.class_labels import said_beside, with_class_names
from astrid_ml.preprocessing.triplets.containers.grouped import ID, OF_EACH
from astrid_ml.preprocessing.triplets.containers.one_hot import with_one_hot
from astrid_ml.preprocessing.triplets.containers.stack import Stack
from astrid_ml.preprocessing.triplets.containers.stacks import CONTAINERS, TABLES, read_stack, stacks_in
from astrid_ml.preprocessing.triplets.containers.units import units_in
from astrid_ml.preprocessing.triplets.joined import (
    Files,
    by_ids,
    by_number,
    counts_rows,
    exact_texts,
    refuse_other_labels,
)
from astrid_ml.preprocessing.triplets.layout import Layout, canonical_channel, layout_of
from astrid_ml.readable import in_words
from astrid_ml.reasons import shortened
from astrid_ml.types import Array
from astrid_ml.walk import walk

# Words of a file's name that say what it is, not whose: what is left of an array's name and a table's pairs them.
_KINDS = {"triplets", "triplet", "stamps", "stamp", "images", "image", "cutouts", "cand", "cands", "candidates",
          "labels", "table", "meta", "metadata", "norm", "data", "index"}  # fmt: skip
Rows = tuple[pd.DataFrame, dict[str, str], dict[int, str]]  # rows, role -> column, (row -> why it is no sample)
_OWN = ("dataset.json", "predictions.parquet")  # in folders with these nothing is a user's: dataset= takes the first


@dataclass(frozen=True)
class Reading:
    """What the user said of the stamps.

    Args:
        axes: letters of the array's axes.
        channels: their order in the array; None where nobody said it.
        stack: names of arrays in the container.
        table: the table, where several lie there.
        columns: role -> column.
        position_unit: of numbers of right ascension and declination, where no table says it.
    """

    axes: str | None = None
    channels: tuple[str, ...] | None = None
    stack: tuple[str, ...] = ()
    table: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    position_unit: str | None = None


@dataclass(frozen=True)
class StampSet:
    """A container and its table.

    Args:
        container: file, or folder of zarr; the first of ``parts`` where there are such.
        table: of its rows; None where the container holds them, or nobody does.
        parts: a file for each channel: science, reference, difference.
    """

    container: Path
    table: Path | None = None
    parts: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """What it is read from."""
        inside = tuple(sorted(walk(self.container))) if self.container.is_dir() else (self.container,)
        inside = self.parts or inside
        said = said_beside(self.container)
        inside = inside if said is None else (*inside, said)
        return inside if self.table is None else (*inside, self.table)

    def stacks(self) -> list[Stack]:
        """Its arrays; those of a file for each channel are called as the channels."""
        if not self.parts:
            return stacks_in(self.container)
        return [replace(stacks_in(path)[0], name=name) for name, path in zip(CHANNELS, self.parts, strict=True)]

    def read(self, name: str, first: int, past: int) -> Array:
        """Rows of one of its arrays."""
        if self.parts:
            return read_stack(self.parts[CHANNELS.index(name)], "", first, past)
        return read_stack(self.container, name, first, past)


def containers_below(raw: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Containers of arrays and tables below some paths, sorted; a folder of zarr is one container."""
    files = sorted(walk(raw))
    zarrs = {parent for path in files for parent in path.parents if parent.suffix == ".zarr"}
    own = {path.parent for path in files if path.name in _OWN}
    loose = [path for path in files if not zarrs.intersection(path.parents) and not own.intersection(path.parents)]
    arrays = [path for path in loose if path.suffix.lower() in CONTAINERS and _holds_arrays(path)]
    tables = [path for path in loose if is_table(path) and path not in arrays]
    return sorted([*arrays, *zarrs]), tables


def _holds_arrays(path: Path) -> bool:
    """Whether a table has columns of lists that could be stamps, and is no table of packets."""
    if path.suffix.lower() not in TABLES:
        return True
    try:
        stacks = stacks_in(path)
    except SwollenError:
        return True  # who opens it says so
    except ValueError:
        return False
    several = [stack for stack in stacks if len(stack.shape) > 1]
    return bool(several) and (path.suffix == ".arrow" or not table_has_cutouts(path))


def refuse_bytes(raw: Sequence[Path]) -> None:
    """Say of tables that hold stamps as bytes how they can be read.

    Raises:
        UserError: there is one.
    """
    for path in sorted(walk(raw)):
        try:
            names = columns_of_bytes(path) if path.suffix.lower() in TABLES else []
        except Exception:  # pyarrow has many; a damaged table is told elsewhere
            continue
        if names and not table_has_cutouts(path):
            got = f"{path.name}, whose {', '.join(names[:4])} hold{'s' * (len(names) == 1)} bytes"
            raise UserError("stamps as lists of numbers, whose shape a table tells", got, "write them with .tolist()")


def pair(containers: Sequence[Path], tables: Sequence[Path], said: Reading) -> list[StampSet]:
    """Each container with its table: the one that was said, of the same name but for words of kind, or the only one.

    Raises:
        UserError: several tables could be it.
    """
    apart = _of_channels(containers)
    taken = {path for parts in apart for path in parts}
    sets = [StampSet(path, said.table or _beside(path, tables)) for path in containers if path not in taken]
    return [*sets, *(StampSet(parts[0], said.table or _beside(parts[0], tables), parts) for parts in apart)]


def _of_channels(containers: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Files of one array each that are called as the three channels and alike in all else: ``train_sci.npy`` ..."""
    found: dict[tuple[Path, frozenset[str]], dict[str, Path]] = {}
    for path in containers:
        named = {channel for word in _split(path) if (channel := canonical_channel(word))}
        if path.suffix.lower() == ".npy" and len(named) == 1:
            rest = frozenset(word for word in _split(path) if canonical_channel(word) is None)
            found.setdefault((path.parent, rest), {})[named.pop()] = path
    return [tuple(parts[name] for name in CHANNELS) for parts in found.values() if set(parts) == set(CHANNELS)]


def _beside(container: Path, tables: Sequence[Path]) -> Path | None:
    here = [table for table in tables if table.parent == container.parent]
    same = [table for table in here if _words(table) == _words(container)]
    found = same or here
    if len(found) > 1:
        got = ", ".join(table.name for table in found[:5])
        raise UserError(f"one table beside {container.name}", got, "name it: preprocessing.table=FILE")
    if found and container.suffix.lower() in TABLES and not same:
        return None  # it has columns of its own
    return found[0] if found else None


def _words(path: Path) -> frozenset[str]:
    return frozenset(word for word in _split(path) if canonical_channel(word) is None) - _KINDS


def _split(path: Path) -> frozenset[str]:
    stem = path.name.lower()
    while "." in stem and Path(stem).suffix in (*CONTAINERS, ".csv", ".tsv", ".txt", ".ecsv", ".fits", ".gz", ".xml"):
        stem = Path(stem).stem
    return frozenset(re.split(r"[\W_]+", stem))


@dataclass(frozen=True)
class OpenedSet:
    """What a set is.

    Args:
        layout: of the arrays.
        rows: what is known of each stamp.
        roles: role -> column.
        lost: row from 0 -> why it is no sample.
        joined: by which columns container and table were; empty where it was by number, or there is no table.
    """

    layout: Layout
    rows: pd.DataFrame
    roles: dict[str, str]
    lost: dict[int, str]
    joined: str = ""

    @property
    def counted(self) -> bool:
        """Whether the ids are the numbers of the rows, which those of another table may be too."""
        texts = exact_texts(self.rows[self.roles["id"]]) if "id" in self.roles and len(self.rows) > 1 else None
        return texts is not None and counts_rows(texts)


def open_set(found: StampSet, said: Reading) -> OpenedSet:
    """Open a container and its table.

    Raises:
        UserError: no layout fits, or the table has another number of rows.
        ValueError: a damaged file.
    """
    state = tuple((path, path.stat().st_mtime_ns) for path in found.files)
    columns = tuple(sorted(said.columns.items()))
    return _opened(found, said.axes, said.channels, said.stack, columns, said.position_unit, state)


@lru_cache(maxsize=2)
def _opened(
    found: StampSet,
    axes: str | None,
    channels: tuple[str, ...] | None,
    stack: tuple[str, ...],
    columns: tuple[tuple[str, str], ...],
    position_unit: str | None,
    _: tuple[tuple[Path, int], ...],
) -> OpenedSet:
    stacks = found.stacks()
    layout = layout_of(stacks, axes, channels, stack, found.container.name)
    try:
        inner = _inner(found.container, stacks, layout)
    except (UserError, ValueError):
        raise
    except Exception as error:  # pyarrow and pandas have many
        raise ValueError(f"{found.container.name} cannot be read ({shortened(in_words(error), 80)})") from error
    inner, given = with_one_hot(inner, dict(columns) if found.table is None else {}, found.container.name)
    own_roles = columns_of(inner, given, found.container.name)
    inner = in_degrees(inner, own_roles, units_in(found.container, stacks), position_unit, found.container.name)
    if found.table is None:
        refuse_lost_digits(inner, own_roles, found.container.name)
        refuse_repeated(inner, own_roles, found.container.name)
        return OpenedSet(layout, inner, own_roles, {})
    rows, roles, lost = _rows_of(found.table, columns, position_unit, found.table.stat().st_mtime_ns)
    rows, lost, roles = rows.copy(), dict(lost), dict(roles)
    files = Files(found.container.name, found.table.name)
    join = by_ids(inner, rows, roles, files)
    order = join.order if join else None
    if order is None and "row" not in roles and any(stack.name == f"{OF_EACH}{ID}" for stack in stacks):
        got = f"{found.table.name} without ids beside {found.container.name}, whose stamps are told apart by name"
        raise UserError(
            "a table with the names of the stamps", got, "say which column holds them: preprocessing.columns.id="
        )
    if order is None and ("row" in roles or len(rows) == layout.samples):
        order = by_number(rows, roles.get("row"), found.table.name)
    if order is not None:
        there = {row: place for place, row in enumerate(order.tolist())}
        rows = rows.iloc[order].reset_index(drop=True)
        lost = {there[row]: reason for row, reason in lost.items() if row in there}
    if len(rows) != layout.samples:
        got = f"{len(rows)} rows in {found.table.name} beside {layout.samples} stamps ({layout.words})"
        fix = "give the table of these stamps (preprocessing.table=), or say preprocessing.axes="
        raise UserError("a table with one row for each stamp", got, fix)
    refuse_repeated(rows, roles, found.table.name)
    refuse_other_labels(inner, rows, roles.get("label"), files)
    whole = pd.concat([rows, inner[[name for name in inner.columns if name not in rows]]], axis=1)
    roles = {**given, **roles}  # a label of the container, where the table has none
    joined = "" if join is None else f"{join.own} of {found.container.name} = {join.given} of {found.table.name}"
    return OpenedSet(layout, whole, columns_of(whole, roles, found.table.name), lost, joined)


@lru_cache(maxsize=2)
def _rows_of(table: Path, columns: tuple[tuple[str, str], ...], position_unit: str | None, _: int) -> Rows:
    """A table that many containers may share, read once."""
    return read_rows(table, dict(columns), position_unit)


def _inner(path: Path, stacks: Sequence[Stack], layout: Layout) -> pd.DataFrame:
    """Columns that the container itself holds beside its stamps."""
    n = layout.samples
    if path.suffix.lower() in (".parquet", ".pq"):
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            names = [item.name for item in file.schema_arrow if item.name not in {stack.name for stack in stacks}]
            kept: pd.DataFrame = file.read(columns=names).to_pandas(ignore_metadata=True)
            return with_class_names(kept, path, file.schema_arrow.metadata)
    if path.suffix.lower() == ".arrow":
        table = arrow_table(path)
        rest: pd.DataFrame = table.select([n for n in table.column_names if n not in layout.stacks]).to_pandas(
            ignore_metadata=True
        )
        return with_class_names(rest, path, table.schema.metadata)
    flat = [stack for stack in stacks if stack.shape in ((n,), (n, 1)) and stack.name not in layout.stacks]
    held = Held(f"texts of {path.name}", sum(file.stat().st_size for file in walk(path)))
    columns, texts = {}, {}
    for stack in flat:
        name, read = stack.name.rpartition("/")[2], read_stack(path, stack.name, 0, n).reshape(n)
        columns[name] = read
        if read.dtype.kind not in "fiub":
            texts[name] = [text_of(value) for value in read]
            held.add(sum(map(len, texts[name])))  # of all columns together: several may be names of one
    made = pd.DataFrame({**columns, **texts}, index=pd.RangeIndex(n), columns=list(columns))
    for name in texts:
        values = made[name].astype("string")
        made[name] = values.mask(values == "")
    return made
