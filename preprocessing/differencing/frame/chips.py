"""Files of several chips: a pair of them is one pair a chip, each science chip with the reference's own."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from astropy.io import fits

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.hdus import is_beside, open_fits, split_name
from astrid_ml.preprocessing.differencing.frame.pair import Pair

# Keys whose values tell the chips of one camera apart, and names that number them (N1, S29, ccd12, CHIP2).
_KEYS = ("CCDNUM", "CHIPID", "CCDID", "CCD_ID", "CHIP", "IMAGEID", "DETSEC", "AMPNAME")
_NUMBERED = re.compile(r"(?:ccd|chip|det|ext|im|sca|n|s)[ _-]?\d+", re.IGNORECASE)
_BESIDE = ("psf", "noise", "variance", "mask")  # files of a frame that may hold chips too
LEAST = 32  # px; a smaller image is no chip


def by_chip(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs with those of files of several chips taken apart; the others as they are."""
    return [part for pair in pairs for part in _apart(pair)]


def _apart(pair: Pair) -> list[Pair]:
    """One pair a chip. A reference of one image stands against each chip; one of other chips against none.

    Raises:
        UserError: both files have several chips, and none of the same name.
    """
    science, reference = (chips_of(side) for side in (pair.science, pair.reference))
    if not science:
        return [pair]
    common = [chip for chip in science if chip in reference] if reference else science
    if not common:
        raise UserError(
            "a reference with the chips of the science image",
            f"{pair.science['path']} with {', '.join(science[:5])}, {pair.reference['path']} with "
            f"{', '.join(reference[:5])}",
            "name one of each as FILE[EXT]",
        )
    return [
        replace(
            pair,
            name=f"{pair.name}-{re.sub(r'[^A-Za-z0-9_.]', '', chip)}",
            science=_of_chip(pair.science, chip),
            reference=_of_chip(pair.reference, chip) if reference else pair.reference,
        )
        for chip in common
    ]


def _of_chip(side: dict[str, Any], chip: str) -> dict[str, Any]:
    """What is said of a frame, of one chip: files beside it that hold the chip too give that one."""
    beside = {
        name: f"{side[name]}[{chip}]" for name in _BESIDE if side.get(name) and chip in chips_of({"path": side[name]})
    }
    return {**side, "ext": chip, **beside}


_DAMAGE = (OSError, LookupError, TypeError, ValueError, AttributeError, fits.VerifyError)  # what astropy says of it


def chips_of(side: dict[str, Any]) -> list[str]:
    """The chips of a frame's file, as ``FILE[EXT]`` names them; none where it holds one image or the user named one.

    Images are chips where they have one name and different versions (``SCI,1``), different numbers under a key such as
    CCDNUM, or numbered names. A gzipped file is not looked through: it would have to be inflated as a whole.
    """
    path, ext = split_name(str(side["path"]), side.get("ext"))
    if ext is not None or path.lower().endswith((".gz", ".npy")) or not os.path.isfile(path):
        return []
    try:
        with open_fits(path) as hdus:
            return _chips(hdus)
    except (UserError, *_DAMAGE):  # said when it is read
        return []


def _chips(hdus: fits.HDUList) -> list[str]:
    images = [
        i
        for i, hdu in enumerate(hdus)
        if hdu.is_image and len(shape := getattr(hdu, "shape", ())) == 2 and min(shape) >= LEAST
    ]
    images = [i for i in images if not is_beside(hdus[i].name)]
    named = [i for i in images if hdus[i].name in ("SCI", "IMAGE")] or images
    if len(named) < 2:
        return []
    names, versions = [hdus[i].name for i in named], [hdus[i].ver for i in named]
    if len(set(names)) == 1 and len(set(versions)) == len(named):
        return [f"{name},{version}" for name, version in zip(names, versions, strict=True)]
    numbers = [next((str(hdus[i].header[key]) for key in _KEYS if key in hdus[i].header), "") for i in named]
    told_apart = all(numbers) and len(set(numbers)) == len(named)
    if len(set(names)) < len(named) or not (told_apart or all(_NUMBERED.fullmatch(name) for name in names)):
        return [str(i) for i in named] if told_apart else []
    return names
