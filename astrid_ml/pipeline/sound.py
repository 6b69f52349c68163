"""Whether a store is sound: its datasets, the units that they are made of, and what killed processes left in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from astrid_ml.dataset.digests import digest_of_file
from astrid_ml.dataset.pages import read_pages
from astrid_ml.dataset.sound import Damage, dataset_damage, said
from astrid_ml.errors import UserError
from astrid_ml.files import ASIDE, read_note
from astrid_ml.pipeline.lock import left_by_the_dead
from astrid_ml.pipeline.units import MARK, RECORDS, summary_of
from astrid_ml.temporaries import temporaries

LOCKS, UNITS = "locks", "units"


def is_store(folder: Path) -> bool:
    """Whether a folder is a store of prepared data."""
    return (folder / UNITS).is_dir() or (folder / LOCKS).is_dir() or (folder / "latest.json").is_file()


def store_damage(store: Path) -> Iterator[Damage]:
    """All that is wrong in a store.

    Args:
        store: the folder.
    """
    for path in sorted(store.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and (path / "dataset.json").is_file():
            yield from dataset_damage(path)
    for unit in units_of(store):
        reason = unit_damage(unit)
        if reason:
            yield Damage(unit, reason, unit)
    pointer = store / "latest.json"
    if pointer.is_file():
        try:
            name = read_note(pointer)["dataset"]
            if not (store / str(name) / "dataset.json").is_file():
                yield Damage(pointer, f"it names {name}, which is not there", pointer)
        except (ValueError, KeyError, TypeError, RecursionError):
            yield Damage(pointer, "it names no dataset", pointer)


def units_of(store: Path) -> list[Path]:
    """Folders of finished units."""
    return [path for path in sorted((store / UNITS).glob("[!.]*")) if path.name != ASIDE]


def unit_damage(unit: Path) -> str | None:
    """What is wrong with a finished unit, in words."""
    summary = summary_of(unit)
    if summary is None:
        return f"{MARK} is unreadable, or a file is missing or has another size"
    try:
        for name, (size, digest) in (summary.get("files") or {}).items():
            if digest_of_file(unit / name) != (size, digest):
                return f"{name} has another content than was written"
        records = len(read_pages(unit / RECORDS))
    except UserError as error:
        return said(error)
    return None if records == summary["records"] else f"{RECORDS} has {records} rows instead of {summary['records']}"


def units_behind(store: Path, files: Iterable[Path]) -> list[Path]:
    """Units that hold one of these files too, as a hard link: they have the same damage.

    Args:
        store: the folder.
        files: damaged ones, of a dataset of that store.
    """
    known = {_inode(path) for path in files if path.is_file()}
    found = (unit for unit in units_of(store) if any(_inode(path) in known for path in unit.rglob("*")))
    return list(found) if known else []


def _inode(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def in_use(store: Path) -> list[Path]:
    """Locks whose owners may live: here, or on another host, of which nobody here knows."""
    return [path for path in sorted((store / LOCKS).glob("*")) if not left_by_the_dead(path)]


def left_over(store: Path) -> list[Path]:
    """What killed processes of this machine left: their locks and temporaries; those of other machines may live."""
    locks = [path for path in sorted((store / LOCKS).glob("*")) if left_by_the_dead(path)]
    return locks + [found.path for found in temporaries(store) if found.orphaned]
