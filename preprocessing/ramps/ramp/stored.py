"""Reads that stay where they are stored until a part of them is asked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from astrid_ml.types import Array, Floats32, Ints

IN_MEMORY = 256 * 2**20  # bytes; what cannot be mapped and is larger goes to a nameless file of the temporary folder


@dataclass(frozen=True)
class Decoding:
    """How numbers are made of stored ones: factor * (scale * stored + zero), in float32.

    Args:
        scale, zero: BSCALE and BZERO of FITS.
        blank: a stored whole number that stands for no value, which is read as NaN.
        factors: of each group, (n_groups,); None for 1. A rate is turned into accumulated signal so.
        rows: which of the stored rows there are, (n_rows,); None for all.
    """

    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    factors: Floats32 | None = None
    rows: Ints | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the stored numbers are the numbers."""
        return self == Decoding() if self.factors is None and self.rows is None else False


class Stored:
    """An array of four axes, of which a part is made when it is asked for by whole numbers and slices.

    Args:
        raw: stored numbers, (n_ints, n_groups, n_rows, n_cols); mostly a memory map.
        decoding: how they are read.

    Example:
        >>> reads = Stored(np.full((1, 3, 2, 2), -32768, np.int16), Decoding(zero=32768.0))
        >>> reads.shape, reads[0, :, 0, 0].tolist()
        ((1, 3, 2, 2), [0.0, 0.0, 0.0])
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, raw: Array, decoding: Decoding) -> None:
        self.raw, self.decoding = raw, decoding
        rows = raw.shape[2] if decoding.rows is None else len(decoding.rows)
        self.shape = (*raw.shape[:2], rows, raw.shape[3])

    def __getitem__(self, asked: Any) -> Floats32:
        """Part of the array."""
        key = asked if isinstance(asked, tuple) else (asked,)
        key = (*key, *(slice(None),) * (4 - len(key)))
        how, places = self.decoding, key
        if how.rows is not None:
            places = (*key[:2], how.rows[key[2]], key[3])
        part = np.asarray(self._taken(places))
        lost = None if how.blank is None else part == how.blank
        # Integers of 32 bits that stand for unsigned ones are larger than float32 counts in ones.
        values: Array = part.astype(np.float64 if part.dtype.itemsize > 2 else np.float32)
        values *= how.scale
        values += how.zero
        out: Floats32 = values.astype(np.float32)
        if lost is not None:
            out[lost] = np.nan
        if how.factors is not None:
            factors = how.factors[key[1]]
            axes = sum(isinstance(one, slice) for one in key[2:])
            out *= factors if np.ndim(factors) == 0 else factors.reshape(-1, *(1,) * axes)
        return out

    def _taken(self, key: tuple[Any, ...]) -> Array:
        """Rows by their numbers after the slices: numpy would put their axis first."""
        part: Array = self.raw[key[0], key[1]]
        return part[..., key[2], :][..., key[3]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """All of it, in memory."""
        return self[:] if dtype is None else self[:].astype(dtype)


def stored(raw: Array, decoding: Decoding) -> Array:
    """The reads as something that is sliced as an array of four axes; the stored ones themselves where they will do."""
    if decoding.is_plain:
        return raw
    return cast(Array, Stored(raw, decoding))


def spooled(planes: Iterable[Array], shape: tuple[int, ...], kind: Any) -> Array:
    """Planes one after the other as one array: in memory where it is small, else in a file that has no name.

    Args:
        planes: of shape ``shape[1:]``, as many as ``shape[0]``.
        shape: of the array.
        kind: dtype of its numbers.
    """
    kind = np.dtype(kind)
    size = int(np.prod(shape)) * kind.itemsize
    if size <= IN_MEMORY:
        out: Array = np.empty(shape, kind)
    else:
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), size)
            out = np.memmap(file, kind, "r+", shape=shape)
    for place, plane in enumerate(planes):
        out[place] = plane
    return out


def _reserve(file: int, size: int) -> None:
    """Room of a file, taken now: a disk that is full while a mapped page is written ends the process.

    Raises:
        OSError: the disk has not so much.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
