"""One read in each FITS file of a folder (``format=folder``): laboratories write so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.found import found
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.stored import Stored, spooled
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.cube import image_of
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.readable import reading
from astrid_ml.types import Array

FITS = (".fits", ".fit", ".fits.gz", ".fits.fz")
RESULTS = ("_mask.fits", "_dq.fits")  # of predict
_NUMBER = re.compile(r"\d+")


def frames_in(folder: Path) -> list[Path]:
    """FITS files of a folder, by their names."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return [path for path in files if path.name.lower().endswith(FITS) and not path.name.endswith(RESULTS)]


def folders_of_frames(places: Sequence[Path]) -> list[Path]:
    """Folders, of these and below them, that hold files of reads.

    Args:
        places: folders.

    Raises:
        UserError: a place that is no folder.
    """
    out = []
    for place in places:
        if not place.is_dir():
            raise UserError("a folder with a read in each file", found(place), "give the folder, or another format")
        below = [path for path in sorted(place.rglob("*")) if path.is_dir() and not path.name.startswith(".")]
        out += [folder for folder in (place, *below) if frames_in(folder)]
    return out


def read_folder(path: Path, options: RampOptions) -> Ramp:
    """The files of a folder as the reads of one integration.

    They are put in order by the keyword ``order``, else by the one number in their names that differs; dates of the
    headers (DATE-OBS) must not say otherwise.

    Raises:
        UserError: files of several shapes, or whose order is not known; anything that a cube is refused for.
    """
    files = frames_in(path)
    if not files:
        raise UserError(
            "FITS files with a read each", f"none in {path}", "check preprocessing.load.format and the path"
        )
    headers = [_header(file) for file in files]
    order, by = _order(files, headers, options.order)
    files = [files[place] for place in order]
    first = headers[order[0]]
    shapes = {(head["NAXIS2"], head["NAXIS1"]) for head in headers}
    if len(shapes) != 1:
        raise UserError("reads of one shape", f"{len(shapes)} shapes in {path}", "leave the other files out")
    shape = next(iter(shapes))
    sample = _frame(files[0])
    data = spooled((_frame(file) for file in files), (len(files), *shape), sample.dtype)
    first.pop("NGROUPS", None)
    note = f"{len(files)} files in the order of {by}, {files[0].name} first"
    return build_ramp(RawRamp(path, data[None], first, notes=(note,)), options)


def _image(hdus: Any, path: Path) -> int:
    flat = [place for place, hdu in enumerate(hdus) if hdu.is_image and hdu.header.get("NAXIS", 0) == 2]
    chosen = [place for place in flat if hdus[place].name == "SCI"] or flat
    if len(chosen) != 1:
        got = f"{len(chosen)} in {path.name}"
        raise UserError("one image of two axes in each file", got, "give a folder with a read in each file")
    return chosen[0]


def _header(path: Path) -> dict[str, Any]:
    with reading(path), open_checked(path, memmap=None) as hdus:
        place = _image(hdus, path)
        return dict(hdus[0].header) | dict(hdus[place].header)


def _frame(path: Path) -> Array:
    """One read."""
    with reading(path), open_checked(path, memmap=None) as hdus:
        raw, decoding = image_of(path, hdus, _image(hdus, path))
    if decoding.is_plain:
        return np.asarray(raw)
    return np.asarray(Stored(raw[None, None], decoding)[0, 0])


def _order(files: Sequence[Path], headers: Sequence[dict[str, Any]], key: str | None) -> tuple[list[int], str]:
    """Places of the files in the order of time, and what it follows.

    Raises:
        UserError: files without the keyword or a number, two of one number, or dates that say otherwise.
    """
    if key is not None:
        values: list[Any] = [header.get(key.upper()) for header in headers]
        if any(value is None for value in values) or len({type(value) for value in values}) > 1:
            raise UserError(f"{key} in each file", "files without it", "correct preprocessing.load.order")
        _refuse_alike(values, f"{key} alike in several files")
        return sorted(range(len(files)), key=lambda place: values[place]), key
    numbers = [tuple(map(int, _NUMBER.findall(file.name))) for file in files]
    differ = []
    if len({len(one) for one in numbers}) == 1:
        columns = list(zip(*numbers, strict=True))
        differ = [place for place, column in enumerate(columns) if len(set(column)) == len(files)]
        varied = [place for place, column in enumerate(columns) if len(set(column)) > 1]
        differ = differ if len(varied) == len(differ) else differ[:1] if len(differ) == 1 else []
    if len(differ) != 1:
        raise UserError(
            "one number in the names of the files that puts them in order",
            f"{files[0].name}, {files[-1].name}: {len(differ)} numbers that differ in all",
            "give preprocessing.load.order=KEYWORD, by which they are sorted",
        )
    order = sorted(range(len(files)), key=lambda place: numbers[place][differ[0]])
    _refuse_other_dates([headers[place].get("DATE-OBS") for place in order])
    return order, "the number in their names"


def _refuse_alike(values: Sequence[Any], what: str) -> None:
    if len(set(values)) < len(values):
        raise UserError("files of different reads", what, "give preprocessing.load.order=KEYWORD of another keyword")


def _refuse_other_dates(dates: Sequence[Any]) -> None:
    """Refuse numbers that run against the dates with a time of day."""
    known = [str(date) for date in dates if date is not None and "T" in str(date)]
    if len(known) == len(dates) and known != sorted(known):
        raise UserError(
            "numbers in the names that rise with time",
            "DATE-OBS in another order",
            "say which is right: preprocessing.load.order=DATE-OBS, or the keyword that counts the reads",
        )
