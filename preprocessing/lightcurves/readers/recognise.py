"""Which reader takes which file: a raw folder becomes sources, a source becomes tables of curves."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from astrid_ml.errors import UserError
from astrid_ml.found import none_in
from astrid_ml.preprocessing.lightcurves import readers as folder
from astrid_ml.preprocessing.lightcurves.readers.source import CurveReader, CurveSource
from astrid_ml.walk import walk

GROUP_SIZE = 2000


@cache
def all_readers() -> tuple[CurveReader, ...]:
    """The readers that the modules of this folder name in ``READERS``, by module."""
    modules = [
        importlib.import_module(f"{folder.__name__}.{item.name}") for item in pkgutil.iter_modules(folder.__path__)
    ]
    return tuple(reader for module in modules for reader in getattr(module, "READERS", ()))


def known() -> str:
    """What to give, in words."""
    return "give " + "; ".join(reader.known_as for reader in all_readers())


def find_sources(raw: Sequence[Path]) -> list[CurveSource]:
    """All sources in files and folders, by path.

    Raises:
        UserError: no reader recognises a named file, or nothing was found at all.
    """
    found: list[CurveSource] = []
    for place in raw:
        named = place.is_file()
        for path in walk(place):
            source = recognise(path)
            if source is not None:
                found.append(source)
            elif named:
                raise UserError("a light-curve file", f"{none_in(path)}, and no reader knows its columns", known())
    if not found:
        raise UserError("light-curve files", none_in(raw), known())
    return grouped(found)


def grouped(sources: Sequence[CurveSource]) -> list[CurveSource]:
    """The sources of a folder that belong together as one; a LIST or alerts of one object forbid to cut it further."""
    groups: dict[tuple[str, Path], list[CurveSource]] = {}
    for source in sources:
        place = source.path.parent if source.reader.grouped else source.path
        groups.setdefault((source.reader.kind, place), []).append(source)
    out = []
    for parts in groups.values():
        whole = not parts[0].reader.cut or "list" in parts[0].companions
        size = len(parts) if whole else GROUP_SIZE
        for start in range(0, len(parts), size):
            members = tuple(path for part in parts[start : start + size] for path in part.members)
            out.append(replace(parts[start], members=members))
    return out


def source_of(inputs: Sequence[Path]) -> CurveSource:
    """The source that has these inputs (as :attr:`CurveSource.inputs` gave them)."""
    first = recognise(inputs[0])
    if first is None:
        raise UserError("a light-curve file", f"{inputs[0].name}, whose columns no reader knows", known())
    beside = set(first.companions.values())
    return replace(first, members=tuple(p for p in inputs if p not in beside)) if first.reader.grouped else first


def recognise(path: Path) -> CurveSource | None:
    """The source that a file is, by name and columns; None for anything else."""
    if path.name.startswith("."):
        return None
    return next((source for reader in all_readers() if (source := reader.recognise(path)) is not None), None)
