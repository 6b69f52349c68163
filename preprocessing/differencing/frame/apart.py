"""A pair is two images: one that stands on both sides subtracts to nothing, and would look like a perfect night."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.hdus import split_name
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.frame.load import Frame


def one_file(science: str, reference: str) -> bool:
    """Whether two paths lead to one file: by links, or spelt in another way."""
    try:
        return os.path.samefile(science, reference)
    except OSError:  # one is not there, which whoever opens it says
        return False


def one_image(science: Mapping[str, Any], reference: Mapping[str, Any]) -> bool:
    """Whether two frames (``path``, ``ext``) name one file and one HDU, as far as their words tell."""
    (first, one), (second, other) = (split_name(str(side["path"]), side.get("ext")) for side in (science, reference))
    return one == other and one_file(first, second)


def refuse_one_image(science: Frame, reference: Frame) -> None:
    """Refuse a pair that is the same image twice, before anything is read.

    Raises:
        UserError: it is.
    """
    sides = [{"path": side.file, "ext": side.ext} for side in (science, reference)]
    if one_image(*sides):
        raise _twice(science, reference)


def refuse_one_hdu(science: Frame, reference: Frame, images: Sequence[Image]) -> None:
    """The same for one HDU under two names, which only the file tells: ``a.fits[1]`` and ``a.fits[SCI]``.

    Raises:
        UserError: it is.
    """
    files = [split_name(side.file, side.ext)[0] for side in (science, reference)]
    if images[0].hdu == images[1].hdu and one_file(*files):
        raise _twice(science, reference)


def _twice(science: Frame, reference: Frame) -> UserError:
    return UserError(
        "two images, science and reference",
        f"one image as both: {science.file} and {reference.file}",
        "give the reference of that field, or another HDU of the file: FILE[EXT]",
    )
