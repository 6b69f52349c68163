"""Stamps of a FITS file each (or three), named by a table: by columns of files, or by their ids."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.fingerprint import relative
from astrid_ml.preprocessing.alerts.stamp_files import is_stamp_file
from astrid_ml.preprocessing.alerts.stamp_fits import DAMAGE, StampError, open_fits, read_stamp, unpacked
from astrid_ml.preprocessing.stamps import CHANNELS
from astrid_ml.preprocessing.triplets.layout import canonical_channel
from astrid_ml.types import Floats32

ENDINGS = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fts")
LARGEST = 2**20  # bytes
_BEHIND = re.compile(r"(.+)[_.-]([A-Za-z]+)")
_BEFORE = re.compile(r"([A-Za-z]+)[_.-](.+)")
_EXTENSION = re.compile(rb"(?:EXTNAME |STAMP_TYPE) *= *'([^']*)'")


def files_of(rows: pd.DataFrame, roles: Mapping[str, str], folder: Path) -> list[tuple[Path, ...]] | None:
    """The files of each row: three by columns of the channels, else one; None where the table names none that exist.

    Args:
        rows: of the table.
        roles: role -> column.
        folder: of the table, below which names are looked for.
    """
    by_channel = {canonical_channel(str(name)): str(name) for name in rows.columns if canonical_channel(str(name))}
    if set(by_channel) == set(CHANNELS) and _are_files(rows[by_channel["science"]]):
        return [tuple(folder / str(row[by_channel[name]]) for name in CHANNELS) for _, row in rows.iterrows()]
    if "file" in roles and _are_files(rows[roles["file"]]):
        return [(folder / str(name),) for name in rows[roles["file"]]]
    if "id" in roles:
        for ending in ENDINGS:
            found = [folder / f"{name}{ending}" for name in rows[roles["id"]]]
            if found and found[0].is_file():
                return [(path,) for path in found]
        apart = _of_channels(folder)
        names = [str(name) for name in rows[roles["id"]]]
        if any(set(apart.get(name, {})) == set(CHANNELS) for name in names):
            absent = {name: folder / name for name in CHANNELS}
            return [tuple((absent | apart.get(name, {}))[channel] for channel in CHANNELS) for name in names]
    return None


def _of_channels(folder: Path, files: Sequence[Path] | None = None) -> dict[str, dict[str, Path]]:
    """Files of a channel each, by id and channel: ``ID_sci.fits``, ``sci-ID.fits``, ``science/ID.fits``.

    Args:
        folder: in which, or in whose folders, they lie.
        files: that are looked at; None for all that are there.
    """
    found: dict[str, dict[str, Path]] = {}
    for path in sorted([*folder.glob("*.f*"), *folder.glob("*/*.f*")]) if files is None else files:
        stem = called(path)
        if stem is None:
            continue
        told = [(stem, path.parent.name)] if path.parent != folder else []
        told += [(match[1], match[2]) for match in [_BEHIND.fullmatch(stem)] if match]
        told += [(match[2], match[1]) for match in [_BEFORE.fullmatch(stem)] if match]
        for name, word in told:
            channel = canonical_channel(word)
            if channel is not None:
                found.setdefault(name, {}).setdefault(channel, path)
                break
    return found


def called(path: Path) -> str | None:
    """The name of a FITS file without its ending; None for a file of another kind.

    >>> called(Path("science/SN1.fits.fz")), called(Path("a.FITS")), called(Path("a.npy"))
    ('SN1', 'a', None)
    """
    ending = next((end for end in ENDINGS if path.name.lower().endswith(end)), None)
    return None if ending is None else path.name[: -len(ending)]


def by_channel(paths: Sequence[Path], raw: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Small FITS files of a channel each that no table names: id, by their names -> science, reference, difference.

    Where a folder has the three files of one sample at least, its others count too: the file that one lacks is named
    by where the folder would have it. Ids that several folders have begin with the folder's name.

    Args:
        paths: of files of any kind; frames are too large to be looked at.
        raw: the folders that the user named.
    """
    small = [path for path in paths if called(path) and path.stat().st_size <= LARGEST and not is_stamp_file(path)]
    below: dict[Path, list[Path]] = {}
    for path in sorted(small):
        for folder in (path.parent, path.parent.parent):
            below.setdefault(folder, []).append(path)
    taken, found = set[Path](), list[tuple[Path, str, tuple[Path, ...]]]()
    for folder in sorted(below, key=lambda folder: (-len(folder.parts), folder)):
        apart = _of_channels(folder, [path for path in below[folder] if path not in taken])
        if any(set(parts) == set(CHANNELS) for parts in apart.values()):
            taken.update(path for parts in apart.values() for path in parts.values())
            absent = {name: folder / name for name in CHANNELS}
            found += [(folder, name, tuple((absent | parts)[channel] for channel in CHANNELS))
                      for name, parts in apart.items()]  # fmt: skip
    counts = Counter(name for _, name, _ in found)
    out = {}
    for folder, name, parts in sorted(found, key=lambda one: one[:2]):
        place = relative(folder, raw)
        out[name if counts[name] == 1 or place == "." else f"{place}/{name}"] = parts
    return out


def told_of(paths: Sequence[Path], channels: Sequence[str]) -> str:
    """How the files of a row are read, for the user to confirm.

    Args:
        paths: of one row.
        channels: order of the planes in one file, where its extensions do not name them.
    """
    if len(paths) > 1:
        alike = len({path.name for path in paths}) == 1  # names of folders tell them
        shown = [f"{path.parent.name}/{path.name}" if alike else path.name for path in paths]
        return f"{', '.join(shown)} as {', '.join(CHANNELS)}"
    named = paths[0].is_file() and set(CHANNELS) <= named_planes(paths[0])
    return f"{paths[0].name} with {'extensions by their names' if named else 'planes ' + ', '.join(channels)}"


def stand_alone(paths: Sequence[Path]) -> list[Path]:
    """The small FITS files that are a sample each by the names of their extensions: science, reference, difference.

    Args:
        paths: of files of any kind; frames are too large to be looked at.
    """
    small = [path for path in paths if path.name.lower().endswith(ENDINGS) and path.stat().st_size <= LARGEST]
    return [path for path in small if named_planes(path) == set(CHANNELS)]


def named_planes(path: Path) -> set[str | None]:
    """The channels that extensions of a FITS file are called by, of a damaged one none."""
    try:
        content = unpacked(path.read_bytes())
    except StampError:
        return set()
    return {canonical_channel(word.decode("ascii", "replace").strip()) for word in _EXTENSION.findall(content)} - {None}


def _are_files(names: Any) -> bool:
    known = list(names.dropna())
    return bool(known) and all(isinstance(name, str) and name.lower().endswith(ENDINGS) for name in known)


def read_row(paths: Sequence[Path], channels: Sequence[str]) -> Floats32:
    """(3, h, w): science, reference, difference of one row's files.

    Args:
        paths: one file, or three in the order of the channels.
        channels: order of the planes in one file, where its extensions do not name them.

    Raises:
        StampError: a file is not there, is damaged, or holds no three planes.
    """
    absent = next((path for path in paths if not path.is_file()), None)
    if absent is not None:
        raise StampError(f"no file {absent.name}")
    planes = [read_stamp(path.read_bytes()) for path in paths] if len(paths) > 1 else _planes(paths[0], channels)
    if len({plane.shape for plane in planes}) != 1:
        raise StampError("stamps of different sizes")
    return np.stack(planes)


def _planes(path: Path, channels: Sequence[str]) -> list[Floats32]:
    named: dict[str, Floats32] = {}
    counted: Counter[str] = Counter()
    images: list[Floats32] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_fits(unpacked(path.read_bytes())) as hdus:
            try:
                for hdu in hdus:
                    if getattr(hdu, "data", None) is not None and np.ndim(hdu.data) in (2, 3):
                        image = np.asarray(hdu.data, dtype=np.float32)
                        images += [image] if image.ndim == 2 else list(_cube(image, len(channels)))
                        name = canonical_channel(str(hdu.header.get("STAMP_TYPE", hdu.name)))
                        if name and image.ndim == 2:
                            counted[name] += 1
                            named[name] = image
            except DAMAGE as error:
                raise StampError("damaged FITS file") from error
    if max(counted.values(), default=0) > 1:
        most = max(counted, key=lambda name: counted[name])
        raise StampError(
            f"{len(images)} images in one file, {counted[most]} of them {most}: give each sample a file of its own"
        )
    if set(named) == set(CHANNELS):
        return [named[name] for name in CHANNELS]
    if len(images) != len(channels):
        raise StampError(f"{len(images)} planes where {len(channels)} channels were said")
    places = {canonical_channel(name): place for place, name in enumerate(channels)}
    return [images[places[name]] for name in CHANNELS]


def _cube(image: Floats32, count: int) -> Floats32:
    """A cube as planes: the axis of as many as there are channels, the first or the last."""
    if image.shape[0] != count and image.shape[-1] == count:
        return np.moveaxis(image, -1, 0)
    return image


def refuse_unnamed(tables: Sequence[Path]) -> None:
    """Say what a table of FITS stamps must have.

    Raises:
        UserError: always.
    """
    got = ", ".join(path.name for path in tables[:4]) or "no table"
    fix = "add the column, or name yours: preprocessing.columns.file=COLUMN"
    raise UserError("a table with a column of FITS files (file; or science, reference, difference)", got, fix)
