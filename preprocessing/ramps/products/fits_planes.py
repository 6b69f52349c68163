"""FITS files of images too large for memory, which are filled in parts and appear whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from astrid_ml.files import WholeFile
from astrid_ml.types import Array

_BLOCK = 2880  # FITS files come in blocks of so many bytes
_BITPIX = {"uint8": (8, 0), "int16": (16, 0), "uint32": (32, 2**31), "float32": (-32, 0)}


@dataclass(frozen=True)
class ImagePlane:
    """An image extension that is filled later.

    Args:
        name: EXTNAME.
        shape: of its array.
        kind: uint8, uint32 or float32.
        cards: further keywords.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    cards: fits.Header = field(default_factory=fits.Header)

    @property
    def header(self) -> fits.Header:
        """Of the extension."""
        bitpix, zero = _BITPIX[self.kind]
        header = fits.Header([("XTENSION", "IMAGE"), ("BITPIX", bitpix), ("NAXIS", len(self.shape))])
        for axis, length in enumerate(reversed(self.shape), start=1):
            header[f"NAXIS{axis}"] = length
        header.update({"PCOUNT": 0, "GCOUNT": 1, "EXTNAME": self.name})
        if zero:
            header.update({"BSCALE": 1, "BZERO": zero})
        header.extend(self.cards, strip=True, unique=True)
        return header


class FitsPlanes:
    """A file with an empty primary image and planes, each written where and when it is known.

    Args:
        path: the file; it takes its name when ``close`` is called.
        planes: its extensions.
        primary: keywords of the file.
    """

    def __init__(self, path: Path, planes: Sequence[ImagePlane], primary: fits.Header | None = None) -> None:
        self.path = path
        self._file = WholeFile(path)
        start = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
        start.extend(primary or fits.Header(), strip=True, unique=True)
        places = []
        with self._file.part.open("wb") as file:
            file.write(_text(start))
            for plane in planes:
                file.write(_text(plane.header))
                places.append(file.tell())
                size = int(np.prod(plane.shape)) * abs(_BITPIX[plane.kind][0]) // 8
                file.truncate(places[-1] + -(-size // _BLOCK) * _BLOCK)
                file.seek(0, 2)
        self._arrays = {
            plane.name: np.memmap(self._file.part, _stored(plane.kind), "r+", offset=place, shape=plane.shape)
            for plane, place in zip(planes, places, strict=True)
        }

    def write(self, name: str, place: Any, values: Array) -> None:
        """Put values in their place of a plane.

        Args:
            name: of the plane.
            place: an index of its array.
            values: of that part.
        """
        array = self._arrays[name]
        array[place] = values if array.dtype.kind != "i" else _as_signed(values, array.dtype)

    def close(self, *more: fits.ImageHDU | fits.BinTableHDU) -> None:
        """Add small extensions and publish the file."""
        for array in self._arrays.values():
            array.flush()
        self._arrays = {}
        for hdu in more:
            fits.append(self._file.part, hdu.data, hdu.header)
        self._file.publish()


def _text(header: fits.Header) -> bytes:
    text: str = header.tostring(padding=True)
    return text.encode("ascii")


def _stored(kind: str) -> np.dtype[Any]:
    """As FITS keeps it: the high byte first, unsigned numbers less half their range."""
    return np.dtype("u1") if kind == "uint8" else np.dtype(kind.replace("uint", "int")).newbyteorder(">")


def _as_signed(values: Array, kind: np.dtype[Any]) -> Array:
    out: Array = (np.asarray(values).astype(np.int64) - 2 ** (8 * kind.itemsize - 1)).astype(kind)
    return out
