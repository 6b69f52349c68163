"""What pipelines, labellers and executors give is what their contracts say; else the class that gave it is named."""

from __future__ import annotations

import inspect
import json
import operator
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.contracts.by_part import FinalisesParts
from astrid_ml.contracts.check import ContractError, called, check_part, described
from astrid_ml.contracts.left_out import drop_left_out
from astrid_ml.contracts.pipeline import DomainPipeline, Drop, Labeller, Unit, UnitWriter
from astrid_ml.errors import UserError
from astrid_ml.executors.contract import Executor, Work
from astrid_ml.types import Mask


def check_pipeline(pipeline: DomainPipeline) -> None:
    """Methods, constants and the description of a pipeline: all that can be known without a raw file.

    Raises:
        ContractError: names what is absent or of another kind.
    """
    check_part(pipeline, DomainPipeline, "preprocessing=")
    content: Any = pipeline.describe()
    who = f"{described(content)} from {called(pipeline)}"
    if not isinstance(content, dict):
        raise ContractError("preprocessing= whose describe() returns a dict", who, 'return {"channels": [...]}')
    channels = content.get("channels", [])
    if not isinstance(channels, list | tuple) or not all(isinstance(name, str) for name in channels):
        fix = 'for instance {"channels": ["science", "reference"]}'
        raise ContractError("describe() whose channels are a list of texts", f"{described(channels)} from {who}", fix)
    try:
        json.dumps(content)
    except (TypeError, ValueError) as error:
        raise ContractError(
            "describe() that can be written as JSON",
            f"{error}, from {called(pipeline)}",
            "use texts, numbers and lists",
        ) from error


def units_of_plan(pipeline: DomainPipeline, raw: Sequence[Path]) -> list[Unit]:
    """The pipeline's plan for raw files, if it is a list of units with names of their own.

    Raises:
        ContractError: it is something else.
        UserError: no file is of this kind, or a unit is named twice.
    """
    units: Any = pipeline.plan(list(raw))
    who, fix = called(pipeline), "return a list of Unit(id, inputs)"
    if not isinstance(units, list | tuple):
        raise ContractError("plan(raw) that returns a list of units", f"{described(units)} from {who}", fix)
    for unit in units:
        if not isinstance(unit, Unit):
            raise ContractError("plan(raw) that returns a list of units", f"{described(unit)} in it, from {who}", fix)
        if not isinstance(unit.id, str) or not unit.id:
            raise ContractError("units whose id is a text", f"{unit.id!r} from {who}", "for instance the file's name")
        if not isinstance(unit.inputs, tuple) or not all(isinstance(path, Path) for path in unit.inputs):
            got = f"{described(unit.inputs)} of the unit {unit.id}, from {who}"
            raise ContractError("units whose inputs are a tuple of paths", got, "for instance Unit(path.name, (path,))")
    if not units:
        where = ", ".join(str(path) for path in raw)
        raise UserError(
            f"raw files for the pipeline {pipeline.domain!r}", f"none in {where}", "check paths.raw and the experiment"
        )
    planned = _told_apart(units, raw)
    names = [unit.id for unit in planned]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})[:3]
        fix = f"give each raw folder once; else plan of {type(pipeline).__name__} names two units alike"
        raise UserError("each unit's name once", f"{', '.join(twice)} twice", fix)
    return planned


def _told_apart(units: Sequence[Unit], raw: Sequence[Path]) -> list[Unit]:
    """Units of one name, from folders of their own, get those folders' names before it: ``a.avro`` of two nights."""
    folders = [Path(os.path.abspath(root if root.is_dir() else root.parent)) for root in raw]
    repeated = {name for name, count in Counter(unit.id for unit in units).items() if count > 1}

    def told(unit: Unit) -> Unit:
        path = Path(os.path.abspath(unit.inputs[0])) if unit.inputs else Path()
        home = next((folder for folder in folders if path.is_relative_to(folder)), None)
        if unit.id not in repeated or home is None:
            return unit
        others = {folder for folder in folders if folder != home}
        apart = [n for n in range(1, len(home.parts)) if all(one.parts[-n:] != home.parts[-n:] for one in others)]
        return replace(unit, id="/".join([*home.parts[-min(apart, default=1) :], unit.id]))

    return [told(unit) for unit in units]


def process(pipeline: DomainPipeline, unit: Unit, writer: UnitWriter, seed: int) -> None:
    """Do one unit.

    Raises:
        ContractError: the pipeline returned what it should have given to the writer.
    """
    if drop_left_out(unit, writer):
        return
    run: Any = pipeline.process
    returned = run(unit, writer, seed)
    if returned is not None:
        fix = "take yield out of it" if inspect.isgenerator(returned) else "give them to writer.add(records, arrays)"
        raise ContractError(
            "process(unit, writer, seed) that gives its samples to the writer and returns nothing",
            f"{described(returned)} from {called(pipeline)}",
            fix,
        )


def finalised(pipeline: DomainPipeline, index: pd.DataFrame) -> tuple[pd.DataFrame, list[Drop]]:
    """The index as the pipeline finalises it, with ``id`` and ``group_id`` as text.

    Raises:
        ContractError: it is no longer an index of these samples.
        UserError: an id stands in it more than once.
    """
    unique = not index["id"].astype(str).duplicated().any()
    out, dropped = _checked(pipeline, "finalise(index)", index, lambda: pipeline.finalise(index))
    repeated = out["id"][out["id"].duplicated()]
    if len(repeated):
        refuse_repeats(pipeline, repeated, unique)
    return out, dropped


def finalised_part(pipeline: DomainPipeline, part: pd.DataFrame, repeated: Mask) -> tuple[pd.DataFrame, list[Drop]]:
    """Some rows of an index as the pipeline finalises them, with ``id`` and ``group_id`` as text.

    Raises:
        ContractError: see :func:`finalised`.
    """
    assert isinstance(pipeline, FinalisesParts)
    by_part: FinalisesParts = pipeline
    return _checked(pipeline, "finalise_part(part, repeated)", part, lambda: by_part.finalise_part(part, repeated))


def refuse_repeats(pipeline: DomainPipeline, repeated: pd.Series, unique: bool) -> None:
    """Ids that a finalised index holds again.

    Args:
        pipeline: whose index it is.
        repeated: each further row's id.
        unique: whether they were unique in the records of the units.

    Raises:
        UserError: names some.
    """
    names = repeated.unique()
    fix = f"let finalise of {type(pipeline).__name__} keep each once" if unique else _ONCE
    raise UserError("each sample's id once", f"{len(names)} ids more than once ({', '.join(names[:3])})", fix)


def _checked(
    pipeline: DomainPipeline, what: str, index: pd.DataFrame, finalise: Callable[[], Any]
) -> tuple[pd.DataFrame, list[Drop]]:
    """What finalising gives, if it is an index of these samples."""
    who, count = called(pipeline), len(index)
    places = index[["array", "row"]].copy()
    given = finalise()
    if not _is_pair(given, list) or not all(isinstance(drop, Drop) for drop in given[1]):
        raise ContractError(
            f"{what} that returns the index and a list of Drop",
            f"{described(given)} from {who}",
            "return index, []",
        )
    index, dropped = given[0].reset_index(drop=True), given[1]
    check_columns(index, ("id", "group_id", "array", "row"), who)
    index["id"], index["group_id"] = index["id"].astype(str), index["group_id"].astype(str)
    if len(index) + len(dropped) < count:
        raise ContractError(
            f"{what} that returns a Drop for each sample that it leaves out",
            f"{count} samples before, {len(index)} after, {len(dropped)} dropped, from {who}",
            "add Drop(id, reason) for each of them",
        )
    _check_places(places, index, who)
    return index, dropped


_ONCE = "remove files that hold the same samples"


def check_columns(index: pd.DataFrame, names: Sequence[str], who: str) -> None:
    """Refuse an index that lacks a column, or holds nothing in a row of it.

    Raises:
        ContractError: names the column.
    """
    for name in names:
        if name not in index:
            raise ContractError(f"an index with the column {name}", f"none, from {who}", f"keep or set {name}")
        empty = np.flatnonzero(index[name].isna().to_numpy())
        if len(empty):
            shown = f"{len(empty)} of {len(index)} rows without it, the first is row {empty[0]}, from {who}"
            raise ContractError(f"an index with {name} in every row", shown, f"set {name} in each row, or drop the row")


def _check_places(before: pd.DataFrame, index: pd.DataFrame, who: str) -> None:
    """Each row still points to a place that the writer gave out."""
    if index[["array", "row"]].equals(before):
        return
    last = before.groupby("array")["row"].max()
    limit = index["array"].map(last)
    wrong = np.flatnonzero((limit.isna() | (index["row"] > limit) | (index["row"] < 0)).to_numpy())
    if len(wrong):
        first = index.iloc[wrong[0]]
        raise ContractError(
            "an index whose columns array and row are those that the writer set",
            f"{len(wrong)} rows that point to no array, the first is {first['id']}: {first['array']}, {first['row']}, "
            f"from {who}",
            "let finalise leave both columns as they are",
        )


def labelled(labeller: Labeller, index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The index with labels, and the labeller's account.

    Raises:
        ContractError: it is not the same samples with a column ``label``, or there is no account.
    """
    given: Any = labeller.apply(index)
    who = called(labeller)
    if not _is_pair(given, dict):
        raise ContractError(
            "label= whose apply(index) returns the index and an account",
            f"{described(given)} from {who}",
            'return index, {"source": "where the labels are from"}',
        )
    out, account = given
    if "label" not in out:
        raise ContractError("label= that sets the column label", f"none, from {who}", "set index['label']")
    if len(out) != len(index) or not (out["id"].array == index["id"].array).all():
        raise ContractError(
            "label= that keeps every sample in its place",
            f"{len(index)} samples before, {len(out)} after, from {who}",
            "leave the label of a sample null where nobody knows it",
        )
    return out, account


def _is_pair(given: Any, second: type) -> bool:
    """A tuple of a table and something."""
    pair = isinstance(given, tuple) and len(given) == 2
    return pair and isinstance(given[0], pd.DataFrame) and isinstance(given[1], second)


def each_once(executor: Executor, work: Work, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """What an executor yields, if it is each item's result, once.

    Raises:
        ContractError: an item is lost, comes twice, or was never given.
    """
    who, done = called(executor), set[int]()
    results: Any = executor.map(work, items)
    if results is None:
        raise ContractError(_YIELDS, f"None from {who}", "yield position, result for each item")
    for pair in results:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ContractError(_YIELDS, f"{described(pair)} from {who}", "yield position, result for each item")
        try:
            position = operator.index(pair[0])
        except TypeError:
            position = -1
        if not 0 <= position < len(items):
            raise ContractError(_YIELDS, f"the position {pair[0]!r} of {len(items)} items, from {who}", "count from 0")
        if position in done:
            raise ContractError(
                "executor= that yields each item once", f"item {position} twice, from {who}", "yield it when it is done"
            )
        done.add(position)
        yield position, pair[1]
    if len(done) < len(items):
        lost = next(position for position in range(len(items)) if position not in done)
        raise ContractError(
            "executor= that yields every item",
            f"{len(items) - len(done)} of {len(items)} lost, the first is item {lost}, from {who}",
            "yield the exception of an item that fails",
        )


_YIELDS = "executor= whose map(work, items) yields (position, result)"


def check_owner(executor: Executor, wanted: str, result: Any) -> None:
    """Refuse the result of another unit than the one whose position it has.

    Raises:
        ContractError: they are not the same.
    """
    if not isinstance(result, dict) or result.get("id") != wanted:
        got = result.get("id") if isinstance(result, dict) else described(result)
        raise ContractError(
            "executor= that yields each result with the position of its own item",
            f"{got} where {wanted} should be, from {called(executor)}",
            "yield what work(items[position]) returned",
        )
