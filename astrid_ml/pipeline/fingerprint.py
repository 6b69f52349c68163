"""Fingerprints: the same pipeline, inputs and labels give the same one, anything else another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def fingerprint(*values: Any) -> str:
    """A sha256 over plain values and trees of dataclasses (class, its ``version``, field values)."""
    return hashlib.sha256(json.dumps([canonical(value) for value in values], sort_keys=True).encode()).hexdigest()


def canonical(value: Any) -> Any:
    """A JSON-able form that says everything that decides the output's bytes.

    Raises:
        TypeError: a value whose content cannot be told (its default repr holds an address).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = {item.name: canonical(getattr(value, item.name)) for item in dataclasses.fields(value)}
        return {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "version": getattr(kind, "version", 0),
            "fields": fields,
        }
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): canonical(part) for key, part in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, np.ndarray | np.generic):
        return canonical(value.tolist())
    if isinstance(value, set | frozenset):
        return sorted(canonical(part) for part in value)
    if isinstance(value, Sequence):
        return [canonical(part) for part in value]
    raise TypeError(f"cannot take the fingerprint of {type(value).__name__}: make it a frozen dataclass")


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
    """The path below the first root that holds it, else its name: a moved raw folder keeps its fingerprints."""
    for root in roots:
        base = root if root.is_dir() else root.parent
        try:
            return str(path.resolve().relative_to(base.resolve()))
        except ValueError:
            continue
    return path.name


def file_hash(path: Path) -> str:
    """The sha256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seed_of(data_seed: int, unit_id: str) -> int:
    """A seed for one unit, whatever the order and the process in which units run."""
    return int.from_bytes(hashlib.sha256(f"{data_seed}/{unit_id}".encode()).digest()[:8], "little") >> 1
