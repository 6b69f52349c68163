"""Pairs of stamps whose pixels are worth a comparison: their fingerprints are alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from astrid_ml.audit.fingerprints import ZOOMS, Rings
from astrid_ml.executors.cores import cores
from astrid_ml.types import Floats32, Ints, Mask

QUERIES, KNOWN = 512, 4096  # stamps at a time: likenesses that leave the cache take twice as long
# Chance that unrelated stamps reach a limit is about 1e-5 for turned ones, below 1e-7 for the others.
ANY_CHANNEL, ALL_CHANNELS, ALL_FOLDED, ALL_TURNED = 0.62, 0.36, 0.55, 0.38


@dataclass(frozen=True)
class Described:
    """Stamps of sizes that are compared with each other.

    Args:
        rows: positions in the index, ascending, shape (n,).
        rings: that they have in common.
        spectrum: (C, n, d) float16, unit vectors of each channel.
        folded: (n, e), of all channels together.
        turned: the same, at each of ``ZOOMS``.
        blank: how many of them have no structure in any channel (no finite pixel, or all alike): nothing is like them.
        small: how many are too small to tell.
    """

    rows: Ints
    rings: Rings
    spectrum: Floats32
    folded: Floats32
    turned: tuple[Floats32, ...]
    blank: int = 0
    small: int = 0


def workers() -> int:
    """Threads for work that is done without Python's lock."""
    return cores()


def candidates(part: Described, a: Ints, b: Ints, neighbours: int) -> tuple[Ints, Ints]:
    """Pairs whose pixels are worth a comparison, places in ``part.rows``, (m, 2): of ``a``, of ``b``.

    Returns:
        those that may be shifted in a symmetry of the square, and those that may be turned and zoomed.
    """
    blocks = [b[start : start + QUERIES] for start in range(0, len(b), QUERIES)]
    with ThreadPoolExecutor(max_workers=workers()) as pool:
        found = list(pool.map(partial(_of_some, part, a, neighbours), blocks))
    shifted, turned = (np.concatenate(kind) for kind in zip(*found, strict=True))
    return shifted, turned


def all_pairs(a: Ints, b: Ints) -> Ints:
    """Each of ``a`` with each of ``b``, none with itself, (m, 2)."""
    return np.array([(one, other) for one in a for other in b if one != other], dtype=np.int64).reshape(-1, 2)


def with_ways(shifted: Ints, turned: Ints) -> tuple[Ints, Mask]:
    """Each pair once, in order, and whether it is to be (shifted, turned), (m, 2)."""
    pairs, place = np.unique(np.concatenate([shifted, turned]), axis=0, return_inverse=True)
    ways = np.zeros((len(pairs), 2), dtype=bool)
    ways[place.reshape(-1)[: len(shifted)], 0] = True
    ways[place.reshape(-1)[len(shifted) :], 1] = True
    return pairs, ways


class _Nearest:
    """Of one likeness: for each query those of the largest, at least ``least``.

    Args:
        least: what is below is chance.
        neighbours: most of each query.
    """

    def __init__(self, least: float, neighbours: int) -> None:
        self.least, self.neighbours = least, neighbours
        self.found: list[tuple[Ints, Ints, Floats32]] = []

    def add(self, alike: Floats32, start: int) -> None:
        """Likenesses of all queries with some known stamps, (queries, known), the first of which is at ``start``."""
        of, to = np.divmod(np.flatnonzero(alike >= self.least), alike.shape[1])
        if len(of):
            self.found.append(self._best(of, to + start, alike[of, to]))

    def pairs(self) -> Ints:
        """(m, 2): the known one's number, the query's."""
        if not self.found:
            return np.zeros((0, 2), dtype=np.int64)
        of, to, _ = self._best(*(np.concatenate(each) for each in zip(*self.found, strict=True)))
        return np.column_stack([to, of])

    def _best(self, of: Ints, to: Ints, alike: Floats32) -> tuple[Ints, Ints, Floats32]:
        order = np.lexsort((-alike, of))
        of, to, alike = of[order], to[order], alike[order]
        near = np.arange(len(of)) - np.searchsorted(of, of) < self.neighbours
        return of[near], to[near], alike[near]


def _of_some(part: Described, a: Ints, neighbours: int, queries: Ints) -> tuple[Ints, Ints]:
    """Candidates of some of ``b``."""
    spectrum, folded = part.spectrum[:, queries].astype(np.float32), part.folded[queries].astype(np.float32)
    turned = [kind[queries].astype(np.float32) for kind in part.turned]
    channels = [_Nearest(ANY_CHANNEL, neighbours) for _ in spectrum]
    every, symmetric = _Nearest(ALL_CHANNELS * len(spectrum), neighbours), _Nearest(ALL_FOLDED, neighbours)
    turns = [_Nearest(ALL_TURNED, neighbours) for _ in turned]
    for start in range(0, len(a), KNOWN):
        known = a[start : start + KNOWN]
        total = np.zeros((len(queries), len(known)), dtype=np.float32)
        for near, own, others in zip(channels, spectrum, part.spectrum, strict=True):
            alike = own @ others[known].astype(np.float32).T
            near.add(alike, start)
            total += alike
        every.add(total, start)
        symmetric.add(folded @ part.folded[known].astype(np.float32).T, start)
        whole = part.turned[ZOOMS.index(1.0)][known].astype(np.float32).T
        for near, own in zip(turns, turned, strict=True):
            near.add(own @ whole, start)
    shifted, others = (
        np.concatenate([near.pairs() for near in kinds]) for kinds in ([*channels, every, symmetric], turns)
    )
    return _rows(shifted, a, queries), _rows(others, a, queries)


def _rows(pairs: Ints, a: Ints, queries: Ints) -> Ints:
    return np.column_stack([a[pairs[:, 0]], queries[pairs[:, 1]]]).astype(np.int64)
