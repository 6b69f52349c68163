"""Rows of light curves in documents of JSON or Avro, wherever in them they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from astrid_ml.preprocessing.lightcurves.readers.layouts.names import bare, words

DEEPEST = 8
ROWS = ("candidate", "diaSource")  # the one measurement that a packet is of, beside its history
PACKET = "_packet"  # when that measurement was made, said of all rows of its packet: those of later packets are newer
_MADE = ("jd", "midpointMjdTai", "midPointTai", "mjd")
# Names of columns that say as often something else.
_WEAK = frozenset(("id", "key", "identifier", "source", "name", "event", "target", "star", "object"))


@dataclass(frozen=True)
class Group:
    """Rows that stand together.

    Args:
        place: key of the list or the struct that holds them; empty at the top.
        rows: each with its values.
        about: what is said above them, once for all.
    """

    place: str
    rows: list[dict[str, Any]]
    about: dict[str, Any]


def groups_in(document: Any, place: str = "", about: Mapping[str, Any] | None = None, deep: int = 0) -> Iterator[Group]:
    """The lists of rows in a document: lists of structs, columns side by side, names with lists of values.

    Args:
        document: plain containers.
        place: its own key.
        about: what is said above it.
        deep: how many containers it stands in.

    Example:
        >>> found = list(groups_in({"id": "a", "data": {"mjd": [1, 2], "mag": [3, 4], "band": ["g", "r"]}}))
        >>> found[0].place, found[0].about["id"], found[0].rows[1]
        ('data', 'a', {'mjd': 2, 'mag': 4, 'band': 'r'})
    """
    said = dict(about or {})
    if deep > DEEPEST:
        return
    if isinstance(document, list):
        rows = [row for row in document if isinstance(row, dict)]
        nested = [row for row in rows if _has_rows(row)]
        plain = [flat(row) for row in rows if not _has_rows(row)]
        if plain:
            yield Group(place, plain, said)
        for row in nested:
            yield from groups_in(row, place, said, deep + 1)
        return
    if not isinstance(document, dict):
        return
    columnar = _columnar(document)
    said |= facts(document)
    if columnar is not None:
        yield Group(place, columnar, said)
        return
    inner = {str(key): value for key, value in document.items() if isinstance(value, dict | list)}
    for one in (inner[key] for key in ROWS if key in inner):
        if isinstance(one, dict):
            said[PACKET] = next((one[name] for name in _MADE if name in one), None)
    for key, value in inner.items():  # what stands beside the rows, one level down: meta, objectData
        if isinstance(value, dict) and key not in ROWS and not _has_rows(value) and _columnar(value) is None:
            said = {**facts(value), **said}
    for key, value in inner.items():
        if isinstance(value, list) and _facts_alone(value):
            continue
        if isinstance(value, list) or _has_rows(value) or _columnar(value) is not None:
            named = said if deep or "name" in said else {**said, "_key": key}
            yield from groups_in(value, key, named, deep + 1)
        elif key in ROWS:
            yield Group(key, [flat(value)], said)
    if not inner and not deep and document:
        yield Group(place, [flat(document)], {})


def with_owner(groups: Iterable[Group]) -> list[Group]:
    """Lists of one document: those that name no object are of the one that the others name, as ALeRCE's limits are.

    Args:
        groups: of the document.

    Example:
        >>> found = with_owner([Group("detections", [{"oid": "a"}], {}), Group("limits", [{"fid": 1}], {})])
        >>> found[1].about
        {'oid': 'a'}
    """
    parts = list(groups)
    own = [_owners(part) for part in parts]
    names = {(column, value) for found in own for column, value in found}
    if len(parts) < 2 or len(names) != 1:
        return parts
    said = dict(names)
    return [
        part if found else replace(part, about={**part.about, **said}) for part, found in zip(parts, own, strict=True)
    ]


def _owners(group: Group) -> set[tuple[str, Any]]:
    """(column, name) of all objects of a list; its column is the one that names objects best."""
    there = {bare(name): name for row in [group.about, *group.rows] for name in row}
    column = next((there[word] for word in words()["object"] if word in there and word not in _WEAK), None)
    values = (row.get(column, group.about.get(column)) for row in group.rows) if column else ()
    return {(str(column), value) for value in values if isinstance(value, str | int)}


def _has_rows(document: Mapping[str, Any], deep: int = 0) -> bool:
    """Whether a struct holds lists of rows, at any depth."""
    if deep > DEEPEST:
        return False
    for value in document.values():
        if isinstance(value, list) and any(isinstance(row, dict) for row in value) and not _facts_alone(value):
            return True
        if isinstance(value, dict) and (_columnar(value) is not None or _has_rows(value, deep + 1)):
            return True
    return False


def _facts_alone(rows: list[Any]) -> bool:
    return bool(rows) and all(isinstance(row, dict) and "value" in row for row in rows)


def _columnar(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Rows of columns side by side, or of a list of names beside a list of rows; None where there are none."""
    names, data = document.get("columns", document.get("metadata")), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and data and all(isinstance(row, list) for row in data):
        words = [str(name.get("name")) if isinstance(name, dict) else str(name) for name in names]
        return [dict(zip(words, row, strict=False)) for row in data]
    lists = {str(key): value for key, value in document.items() if isinstance(value, list) and _scalars(value)}
    lengths = pd.Series({key: len(value) for key, value in lists.items()}, dtype=int)
    lengths = lengths[lengths > 0]
    if len(lengths) >= 3 and lengths.nunique() == 1:
        return [
            dict(zip(lengths.index, row, strict=True)) for row in zip(*(lists[k] for k in lengths.index), strict=True)
        ]
    frames = [value for value in document.values() if isinstance(value, dict)]
    alike = len(frames) == len(document) >= 3 and all(frames[0].keys() == frame.keys() for frame in frames)
    if alike and frames[0] and all(str(key).isdigit() for key in frames[0]):  # pandas: column -> row -> value
        return [{str(name): value[key] for name, value in document.items()} for key in frames[0]]
    return None


def _scalars(values: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row that are one thing each."""
    return {str(name): value for name, value in row.items() if not isinstance(value, list | dict | bytes)}


def facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says once: its plain values, and the first of each list of facts with their sources."""
    found = flat(document)
    for key, value in document.items():
        if isinstance(value, list) and _facts_alone(value):
            found.setdefault(str(key), value[0]["value"])
    return found
