"""``astrid fsck input=PATH``: what of prepared data, runs, checkpoints and FITS files is not as it was written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astrid_ml.checkpoint.predictions import read_predictions
from astrid_ml.dataset.pages import read_pages, short
from astrid_ml.dataset.sound import Damage, dataset_damage, said
from astrid_ml.errors import UserError
from astrid_ml.files import ASIDE, discard, put_aside, read_array, read_note
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found as found_at
from astrid_ml.pipeline.sound import in_use, is_store, left_over, store_damage, units_behind
from astrid_ml.run.marks import FOLDER, Marks, damaged

FITS = (".fits", ".fit", ".fts", ".fz")
OF_EVERY_RUN = ("prepare", "split", "audit", "evaluate", "report")  # its stages that are not of one fold
SHOWN = 50  # lines of damage on the terminal


@dataclass(frozen=True)
class FsckCommand:
    """Read everything below a path and say what is damaged, one line each.

    Exit code 0: sound; 1: damage was found; 2: a mistake, for instance nothing to check.

    Args:
        input: a store, a dataset, a run, a checkpoint, a FITS, parquet or npy file, or a folder of them.
        fix: move what is damaged to ``damaged/`` beside it, so that ``astrid prepare`` or ``astrid train`` makes it
            again, and remove temporaries of processes that are gone. FITS files and checkpoints without a run are only
            named.
    """

    input: str
    fix: bool = False

    def run(self) -> dict[str, Any]:
        """Check; ``failed`` is the number of damaged things.

        Raises:
            UserError: nothing is there, nothing below it is known, or a fix of a store that is in use.
        """
        place = Path(self.input)
        if not place.exists():
            raise UserError("input=PATH that exists", found_at(place), "check the path")
        if not place.is_file() and not place.is_dir():
            raise UserError("input=FILE or FOLDER", found_at(place), "give what astrid_ml wrote, or FITS files")
        whole, found, left = 0, list[Damage](), list[Path]()
        for kind, path in things(place):
            whole += 1
            found += {damage.path: damage for damage in reversed(damage_of(kind, path))}.values()
            left += left_over(path) if kind == "store" else []
        if not whole:
            fix = "give a store, a dataset, a run, a checkpoint, or FITS files"
            raise UserError("something that astrid fsck knows", f"nothing of it below {place}", fix)
        lines = {f"{number}. {damage.path}": damage.reason for number, damage in enumerate(found[:SHOWN], 1)}
        if len(found) > SHOWN:
            lines["and"] = f"{len(found) - SHOWN} more"
        lines |= {f"left over {path}": "of a process that is gone" for path in left}
        done = heal(place, found, left) if self.fix else {}
        open_ones = [damage for damage in found if not self.fix or damage.again is None]
        return {"checked": whole, "damaged": len(found), **lines, **done, "failed": len(open_ones)}


def things(place: Path) -> Iterator[tuple[str, Path]]:
    """(kind, path) of all that can be checked at and below a path; a store or a run is one thing with all in it."""
    if place.is_file():
        kind = kind_of_file(place)
        if kind:
            yield kind, place
        return
    for kind, known in FOLDERS.items():
        if known(place):
            yield kind, place
            return
    for path in sorted(place.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name != ASIDE:
            yield from things(path)
        elif path.is_file() and kind_of_file(path):
            yield str(kind_of_file(path)), path


def kind_of_file(path: Path) -> str | None:
    """What is known of a file by its name; ``x.fits.gz`` too."""
    name = path.name.removesuffix(".gz").lower()
    if name.endswith(FITS):
        return "fits"
    return {".ckpt": "checkpoint", ".parquet": "table", ".npy": "array"}.get(path.suffix.lower())


FOLDERS: dict[str, Callable[[Path], bool]] = {
    "dataset": lambda path: (path / "dataset.json").is_file() or (path / "digests.json").is_file(),
    "run": lambda path: (path / "run.json").is_file() or (path / "checkpoints").is_dir(),
    "store": is_store,
}


def damage_of(kind: str, path: Path) -> list[Damage]:
    """All that is wrong with one thing."""
    return list(CHECKS[kind](path))


def checkpoint_damage(path: Path) -> Iterator[Damage]:
    """Record, digests, finite weights; of a checkpoint that only training resumes from, that it can be read."""
    import torch

    from astrid_ml.checkpoint.load import read_record

    try:
        if path.name == "best.ckpt":
            read_record(path)
            return
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
        if not isinstance(content, dict) or "state_dict" not in content:
            yield Damage(path, "no weights in it", path)
        elif "astrid" in content:
            read_record(path)
    except UserError as error:
        yield Damage(path, said(error), path)
    except Exception:  # a damaged archive fails in whatever way its bytes lead to
        yield Damage(path, "it cannot be loaded safely as a checkpoint", path)


def fits_damage(path: Path) -> Iterator[Damage]:
    """Headers and data of all units can be read; CHECKSUM and DATASUM agree where they stand."""
    try:
        with warnings.catch_warnings(record=True) as said_by:
            warnings.simplefilter("always")
            with open_checked(path, checksum=True) as units:
                for unit in units:
                    unit.verify("warn")
                    _ = unit.data
        texts = [str(warning.message) for warning in said_by]
    except UserError as error:
        yield Damage(path, said(error))
        return
    except Exception as error:  # what a damaged header leads to is anything
        yield Damage(path, f"it cannot be read: {short(error)}")
        return
    for text in texts:
        if "hecksum" in text or "truncated" in text or "size" in text:
            yield Damage(path, short(text))


def json_damage(path: Path) -> Iterator[Damage]:
    """The file holds whole JSON."""
    try:
        read_note(path)
    except (ValueError, RecursionError) as error:
        yield Damage(path, f"no whole JSON: {short(error)}", path)


def table_damage(path: Path) -> Iterator[Damage]:
    """Every page of a parquet file can be read and has its checksum."""
    yield from _read(path, lambda: read_pages(path))


def array_damage(path: Path) -> Iterator[Damage]:
    """The header fits the file."""
    yield from _read(path, lambda: read_array(path, "r"))


def _read(path: Path, reader: Callable[[], object]) -> Iterator[Damage]:
    try:
        reader()
    except UserError as error:
        yield Damage(path, said(error), path)


def run_damage(folder: Path) -> Iterator[Damage]:
    """A run's record, metrics, tables, predictions and checkpoints."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or ASIDE in path.relative_to(folder).parts:
            continue
        if path.suffix == ".json":
            yield from json_damage(path)
        elif path.suffix == ".parquet" and path.parent.name == "predictions":
            yield from _read(path, lambda path=path: (read_pages(path), read_predictions(path)))  # type: ignore[misc]
        elif kind_of_file(path):
            yield from damage_of(str(kind_of_file(path)), path)
    for name in damaged(folder):
        yield Damage(folder / name, "not as its stage left it; the same command makes it again", folder / name)
    record = folder / "run.json"
    if not record.is_file():
        return
    yield from changed_metrics(folder)
    try:
        stages = read_note(record).get("stages") or []
        open_ones = [str(stage["name"]) for stage in stages if stage["status"] not in ("done", "skipped")]
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return  # said above, or a record of an earlier version
    done = [f"{FOLDER}/{name}.json" for name in OF_EVERY_RUN] if (folder / FOLDER).is_dir() else []
    finished = [] if open_ones else ["metrics.json", "config.yaml", *done]
    for name in finished:
        if stages and not (folder / name).is_file():
            yield Damage(folder / name, "the run is done and the file is missing")


def changed_metrics(folder: Path) -> Iterator[Damage]:
    """The numbers of a finished run that are not those that its report has."""
    mark = Marks(folder).read("report")
    try:
        metrics = read_note(folder / "metrics.json")
    except (OSError, ValueError, RecursionError):
        return  # missing or no JSON, which is said elsewhere
    if mark is not None and metrics != mark.kept.get("metrics"):
        yield Damage(folder / "metrics.json", "other numbers than those of the report", folder / "metrics.json")


CHECKS: dict[str, Callable[[Path], Iterator[Damage]]] = {
    "dataset": dataset_damage,
    "run": run_damage,
    "store": store_damage,
    "checkpoint": checkpoint_damage,
    "table": table_damage,
    "array": array_damage,
    "fits": fits_damage,
}


def heal(place: Path, found: list[Damage], left: list[Path]) -> dict[str, str]:
    """Move what can be made again aside, with the units that share its damage; remove what dead processes left.

    Raises:
        UserError: a store that is in use.
    """
    stores = {parent for damage in found for parent in damage.path.parents if is_store(parent)}
    for store in sorted(stores | ({place} if is_store(place) else set())):
        if locks := in_use(store):
            fix = f"wait until it has ended; remove {locks[0]} if its host is gone"
            raise UserError("a store that nobody is at work in", f"the lock {locks[0]}", fix)
    moved: dict[str, str] = {}
    for path in left:
        discard(path)
        moved[f"removed {path}"] = "of a process that is gone"
    for damage in found:
        if damage.again is None:
            moved[f"not fixed {damage.path}"] = "its reason says what to do, or copy it again"
            continue
        behind = units_behind(damage.again.parent, [damage.path]) if damage.again != damage.path else []
        for path in [damage.again, *behind]:
            if os.path.lexists(path):
                moved[f"moved {path}"] = str(put_aside(path))
    return moved
