"""Whose a file is that names no object: the folder's where files of all folders have one name; folders of filters."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from astrid_ml.preprocessing.lightcurves.curves.bands import WAVELENGTHS, named
from astrid_ml.preprocessing.surveys.registry import packaged

BY_FOLDER = "files_named_by_their_folder"
NEIGHBOURS = 4  # folders before and behind one that are looked at
# Digits of a date or a version name no object: lc_20240105, lightcurve_v10.
_NO_NAME = re.compile(r"(19|20)\d{6}|(?<![a-z])(v|ver|version|dr|release|part)[_-]?\d+")
_OF_MANY = re.compile(
    r"(night|run|visit|epoch|field|ccd|chip|part|batch|chunk|block|set|dr|release|season|year|train\w*|test\w*|val\w*"
    r"|data|raw|input|lightcurves?|photometry|curves?|results?|out(put)?)?[\s_.-]*\d{0,4}|(19|20)\d\d-?\d\d-?\d\d"
)


def folder_that_names(path: Path) -> str | None:
    """The folder's name where it is that of a file's object; None where the file's own name is.

    It is where a folder beside it has a file of the same name without an object's digits, as in
    ``SN2020a/lightcurve.csv``, ``SN2020b/lightcurve.csv``; never of folders of filters, surveys, nights.

    Args:
        path: of the file.
    """
    place = path.absolute()
    if not may_name(place.parent.name, place.name.split(".", 1)[0]):
        return None
    folders = _folders(place.parent.parent, place.parent.parent.stat().st_mtime_ns)
    at = bisect_left(folders, place.parent.name)
    near = (*folders[max(at - NEIGHBOURS, 0) : at], *folders[at + 1 : at + 1 + NEIGHBOURS])
    same = any((place.parent.parent / other / place.name).is_file() for other in near)
    return place.parent.name if same else None


def may_name(folder: str, stem: str) -> bool:
    """Whether a folder may name an object, and a file in it hardly does.

    Args:
        folder: its name.
        stem: of the file's name.

    Example:
        >>> may_name("SN2020a", "lightcurve"), may_name("SN2020a", "SN2020b"), may_name("g", "lc")
        (True, False, False)
    """
    own = folder.lower()
    if not own or is_filter(folder) or own in packaged() or _OF_MANY.fullmatch(own):
        return False
    return not re.search(r"\d\d", _NO_NAME.sub("", stem.lower()))


def is_filter(name: str) -> bool:
    """Whether a name is that of a filter.

    Example:
        >>> is_filter("V"), is_filter("sdssr"), is_filter("SN2020a")
        (True, True, False)
    """
    return name in WAVELENGTHS or re.sub(r"[^a-z0-9]+", "", name.lower()) in named()


@lru_cache(maxsize=64)
def _folders(place: Path, _: int) -> Sequence[str]:
    with os.scandir(place) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir())
