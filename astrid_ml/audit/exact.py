"""Stamps with the very same pixels, whatever they hold: a noise-free stamp has no texture to compare."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import numpy as np

from astrid_ml.audit.duplicates import Duplicate
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.errors import UserError
from astrid_ml.types import Array, Ints

BATCH = 256  # stamps read at a time


def exact_copies(source: SampleSource, rows: Ints, learned: Ints, tested: Ints) -> list[Duplicate]:
    """Pairs of stamps that are equal pixel by pixel; of a family each with the first one.

    Args:
        source: the stamps.
        rows: positions in the index, ascending.
        learned, tested: pairs lie between these; where both are empty, among all.

    Raises:
        UserError: stamps of several numbers of channels.
    """
    families: dict[bytes, list[int]] = defaultdict(list)
    channels: dict[int, int] = {}
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        for positions, stamps in source.groups("stamps", some):
            channels[stamps.shape[1]] = channels.get(stamps.shape[1], 0) + len(stamps)
            for position, stamp in zip(positions, stamps, strict=True):
                if _has_structure(stamp):
                    families[_digest(stamp)].append(int(some[position]))
    if len(channels) > 1:
        got = " and ".join(f"{count:,} of {number}" for number, count in sorted(channels.items()))
        fix = "give stamps of the same channels, for instance one channel of each"
        raise UserError("stamps of one number of channels", got, fix)
    every = tuple(range(next(iter(channels), 0)))
    known, asked = set(learned.tolist()), set(tested.tolist())
    out = []
    for family in families.values():
        first = min((row for row in family if not asked or row in known), default=None)
        if first is not None:
            others = (row for row in family if row != first and (not asked or row in asked))
            out += [Duplicate(first, row, 1.0, every, True) for row in sorted(others)]
    return out


def _has_structure(stamp: Array) -> bool:
    known = stamp[np.isfinite(stamp)]
    return bool(known.size) and bool(known.min() < known.max())


def _digest(stamp: Array) -> bytes:
    plain = np.ascontiguousarray(stamp, dtype=np.float64) + 0.0  # -0 is 0
    return hashlib.blake2b(plain.tobytes() + repr(plain.shape).encode(), digest_size=16).digest()
