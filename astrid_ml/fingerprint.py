"""Fingerprints: the same pipeline, inputs and labels give the same one, anything else another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.identity import class_name, first_fields


def fingerprint(*values: Any, complete: bool = False) -> str:
    """A sha256 over plain values and trees of dataclasses (class, its ``version``, field values).

    Args:
        values: what decides the bytes.
        complete: list fields at their default too, as fingerprints once did: to find again what was made then.
    """
    forms = [canonical(value, complete) for value in values]
    return hashlib.sha256(json.dumps(forms, sort_keys=True).encode()).hexdigest()


def canonical(value: Any, complete: bool = False) -> Any:
    """A JSON-able form that says everything that decides the output's bytes.

    A field that was added to a class, with a default, leaves the form of everything made without it as it was: it is
    listed only where it is not at its default. A changed default therefore needs a new ``version``, but where None has
    come in place of a value that gives the same: ``former_defaults`` of the class, by the field's name, says which.

    Raises:
        TypeError: a value whose content cannot be told (its default repr holds an address).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        name = class_name(kind)
        fields = _fields(value, first_fields(name), complete)
        return {"class": name, "version": getattr(kind, "version", 0), "fields": fields}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {
            str(key): canonical(part, complete) for key, part in sorted(value.items(), key=lambda item: str(item[0]))
        }
    if isinstance(value, np.ndarray | np.generic):
        return canonical(value.tolist(), complete)
    if isinstance(value, set | frozenset):
        return sorted(canonical(part, complete) for part in value)
    if isinstance(value, Sequence):
        return [canonical(part, complete) for part in value]
    raise TypeError(f"cannot take the fingerprint of {type(value).__name__}: make it a frozen dataclass")


def _fields(value: Any, always: frozenset[str] | None, complete: bool) -> dict[str, Any]:
    """The fields that decide the bytes; ``always`` holds those that an old class lists in any case."""
    out, former = {}, getattr(type(value), "former_defaults", {})
    for item in dataclasses.fields(value):
        content = canonical(getattr(value, item.name), complete)
        listed = complete if always is None else item.name in always
        if listed or content != _default(item, complete):
            out[item.name] = former.get(item.name) if content is None else content
    return out


def _default(item: dataclasses.Field[Any], complete: bool) -> Any:
    """The canonical default of a field; a value that nothing equals where it has none."""
    if item.default is not dataclasses.MISSING:
        return canonical(item.default, complete)
    if item.default_factory is not dataclasses.MISSING:
        return canonical(item.default_factory(), complete)
    return dataclasses.MISSING


def input_fingerprint(paths: Iterable[Path], roots: Sequence[Path], hashed: bool = False) -> list[list[Any]]:
    """Each input as [path relative to its root, size, mtime in ns] or, ``hashed``, [path, sha256]."""
    out: list[list[Any]] = []
    for path in paths:
        name = relative(path, roots)
        if hashed:
            out.append([name, file_hash(path)])
        else:
            status = path.stat()
            out.append([name, status.st_size, status.st_mtime_ns])
    return out


def relative(path: Path, roots: Sequence[Path]) -> str:
    """The path below the first root that holds it, else its name: a moved raw folder keeps its fingerprints.

    A link has its own name, not that of the file that it leads to.
    """
    for root in roots:
        base = root if root.is_dir() else root.parent
        for way in (os.path.abspath, os.path.realpath):  # texts: the paths of many thousand files are cheap so
            own, above = way(path), way(base)
            inside = os.path.join(above, "")
            if own == above or own.startswith(inside):
                return own[len(inside) :] or "."
    return path.name


def _absolute(path: Path) -> Path:
    """Where a path leads by its words alone, links not followed."""
    return Path(os.path.abspath(path))


def places_of(unit: str, paths: Sequence[Path]) -> dict[Path, str]:
    """Where the files of a unit stand below the raw folder, which its id tells: the id begins with the first one.

    Args:
        unit: the id, of :func:`relative` for the first file and perhaps more behind it.
        paths: of the unit; what is not below that folder has its name.

    Example:
        >>> places_of("night/a.avro+1", [Path("/raw/night/a.avro"), Path("/raw/night/b.avro")]).values()
        dict_values(['night/a.avro', 'night/b.avro'])
    """
    own, depth = _absolute(paths[0]), _shared_depth(unit, _absolute(paths[0]))
    if not depth:  # reached by a link above it
        own = paths[0].resolve()
        depth = _shared_depth(unit, own) or 1
    above = os.path.join(own.parents[depth - 1], "")
    return {path: _below(path, above) or path.name for path in paths}


def _below(path: Path, above: str) -> str | None:
    """What of a path stands behind a folder; None where it is not below it; links are followed at last."""
    for way in (os.path.abspath, os.path.realpath):  # texts: the paths of thousands of files are cheap so
        name = way(path)
        if name.startswith(above):
            return name[len(above) :]
    return None


def _shared_depth(unit: str, path: Path) -> int:
    """How many of a path's last names the id of a unit begins with."""
    parts = path.parts[1:]
    return next((n for n in range(len(parts), 0, -1) if unit.startswith("/".join(parts[-n:]))), 0)


def file_hash(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seed_of(data_seed: int, unit_id: str) -> int:
    """A seed for one unit, whatever the order and the process in which units run."""
    return int.from_bytes(hashlib.sha256(f"{data_seed}/{unit_id}".encode()).digest()[:8], "little") >> 1
