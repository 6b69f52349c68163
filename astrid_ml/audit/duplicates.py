"""Near-duplicate stamps: the same pixels turned, mirrored, shifted, zoomed, cropped or smoothed, in one channel too.

Numbers that each of these leaves nearly as they are find candidates (:mod:`astrid_ml.audit.fingerprints`); a comparison
of the pixels in the best alignment decides (:mod:`astrid_ml.audit.alignment`), for each channel by itself: two objects
may have one reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from astrid_ml.audit.alignment import ZOOMS as TRIED
from astrid_ml.audit.alignment import Aligned, correlations, with_harmonics
from astrid_ml.audit.candidates import Described, all_pairs, candidates, with_ways, workers
from astrid_ml.audit.fingerprints import ZOOMS, Rings, projected, spectra
from astrid_ml.audit.texture import texture
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.types import Count, Floats, Floats32, Ints, Mask, Share

FEW = 50  # stamps up to which all pairs are compared
SMALLEST = 15  # px: smaller stamps have too few numbers to tell copies
ALIKE = 0.8  # sides of stamps that are compared differ by less
SPECTRUM, FOLDED, TURNED = 128, 128, 192  # numbers kept of each kind
KEPT = 128 << 20  # bytes of textures that are kept


@dataclass(frozen=True)
class Duplicate:
    """Two stamps with the same pixels.

    Args:
        first, second: rows in the index.
        correlation: of the textures of the channel that is most alike.
        channels: which are alike, from 0.
        all_channels: every channel that has structure in both is among them.
    """

    first: int
    second: int
    correlation: float
    channels: tuple[int, ...]
    all_channels: bool


@dataclass(frozen=True)
class DuplicateSearch:
    """How near is a duplicate.

    Args:
        correlation: of the textures in the best alignment, of at least one channel. A copy that was turned by any angle
            or zoomed reaches 0.8, one with a fifth of its noise added 0.95, unrelated stamps 0.2 to 0.5.
        neighbours: candidates of each kind looked at for each stamp.
        batch: stamps read at a time.
    """

    correlation: Share = 0.65
    neighbours: Count = 4
    batch: Count = 128

    def find(self, source: SampleSource, first: Ints, second: Ints) -> list[Duplicate]:
        """Duplicates across two folds: ``first`` of each is a row of ``first``, ``second`` one of ``second``."""
        return self.match(source, self.describe(source, np.union1d(first, second)), first, second)

    def describe(self, source: SampleSource, rows: Ints) -> list[Described]:
        """What the search needs of these stamps, apart for each range of sizes; once for all rounds of a split."""
        made = [_Part(sides) for sides in _ranges_of_sides(_sides(source, rows, self.batch))]
        batches = [rows[start : start + self.batch] for start in range(0, len(rows), self.batch)]
        with ThreadPoolExecutor(max_workers=workers()) as pool:
            for some in pool.map(partial(_read, source, made), batches):
                for part, found in some:
                    part.add(found)
        return [part.described() for part in made]

    def within(self, source: SampleSource, described: Sequence[Described]) -> list[Duplicate]:
        """Duplicates among all stamps that were described; ``first`` stands before ``second``."""
        alone = replace(self, neighbours=self.neighbours + 1)  # each is its own nearest
        found = (pair for part in described for pair in alone._match(source, part, part.rows, part.rows))
        return list(found)

    def match(self, source: SampleSource, described: Sequence[Described], first: Ints, second: Ints) -> list[Duplicate]:
        """Duplicates between two sets of rows, among stamps that were described."""
        return [found for part in described for found in self._match(source, part, first, second)]

    def _match(self, source: SampleSource, part: Described, first: Ints, second: Ints) -> Iterator[Duplicate]:
        a, b = (np.flatnonzero(np.isin(part.rows, rows)) for rows in (first, second))
        if not len(a) or not len(b) or part.rings.side < SMALLEST:
            return
        few = len(part.rows) < FEW
        shifted, turned = (all_pairs(a, b),) * 2 if few else candidates(part, a, b, self.neighbours)
        if first is second:  # among themselves: each pair once
            shifted, turned = (np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1) for pairs in (shifted, turned))
        pairs, ways = with_ways(shifted, turned)
        pieces = [slice(start, start + self.batch) for start in range(0, len(pairs), self.batch)]
        compare = partial(self._compare_some, _Textures(source, part.rows[b]), part.rings)
        with ThreadPoolExecutor(max_workers=workers()) as pool:
            for found in pool.map(
                compare, (part.rows[pairs[some]] for some in pieces), (ways[some] for some in pieces)
            ):
                yield from found

    def _compare_some(self, textures: _Textures, rings: Rings, pairs: Ints, ways: Mask) -> list[Duplicate]:
        known = _aligned(textures, pairs, rings, ways[:, 1])
        found = (
            self._compare((one, other), (known[one], known[other]), way)
            for (one, other), way in zip(pairs.tolist(), ways.tolist(), strict=True)
        )
        return [pair for pair in found if pair is not None]

    def _compare(
        self, rows: tuple[int, int], pair: tuple[Aligned, Aligned], way: tuple[bool, bool]
    ) -> Duplicate | None:
        found: Floats = correlations(*pair, self.correlation, shifted=way[0], turned=way[1])
        alike = np.flatnonzero(found >= self.correlation)
        if not len(alike):
            return None
        found = correlations(*pair, self.correlation)  # the other way may be the better one
        alike = np.flatnonzero(found >= self.correlation)
        every = len(alike) == int((found > -1).sum())
        return Duplicate(*rows, float(found[alike].max()), tuple(alike.tolist()), every)


@dataclass(frozen=True)
class _Some:
    """Of some stamps: their rows, their features, how many are blank."""

    rows: Ints
    features: list[Floats32]
    blank: int


@dataclass
class _Part:
    """What is gathered of stamps of some sizes."""

    sides: tuple[int, ...]
    rows: list[Ints] = field(default_factory=list)
    features: list[list[Floats32]] = field(default_factory=list)
    blank: int = 0

    def add(self, found: _Some) -> None:
        """Take what was read of some more."""
        self.blank += found.blank
        self.rows.append(found.rows)
        if found.features:
            self.features.append(found.features)

    def described(self) -> Described:
        rows, rings = np.concatenate(self.rows), Rings(self.sides[0])
        order = np.argsort(rows)
        if not self.features:
            empty = np.zeros((len(rows), 0), dtype=np.float32)
            return Described(rows[order], rings, empty[None], empty, (), self.blank, len(rows))
        joined = [np.concatenate(kind)[order] for kind in zip(*self.features, strict=True)]
        self.features.clear()
        spectrum, folded, *turned = joined
        whole = turned[ZOOMS.index(1.0)]
        mean, scatter = whole.mean(axis=0, dtype=np.float32), whole.std(axis=0, dtype=np.float32)
        return Described(
            rows[order],
            rings,
            np.stack([_unit(spectrum[:, c]) for c in range(spectrum.shape[1])]),
            _unit(folded),
            tuple(_unit(kind, mean, scatter) for kind in turned),
            self.blank,
        )


def _read(source: SampleSource, parts: Sequence[_Part], rows: Ints) -> list[tuple[_Part, _Some]]:
    """What is gathered of some rows; threads share it, since the work is done without Python's lock."""
    out = []
    for positions, stamps in source.groups("stamps", rows):
        side = min(stamps.shape[-2:])
        part = next(part for part in parts if side in part.sides)
        textures = texture(stamps)
        blank = int((textures == 0).all(axis=(1, 2, 3)).sum())
        features = _features(textures, Rings(part.sides[0])) if part.sides[0] >= SMALLEST else []
        out.append((part, _Some(rows[positions], features, blank)))
    return out


def _features(textures: Floats32, rings: Rings) -> list[Floats32]:
    """Of some stamps: spectrum (n, C, d), folded (n, e), turned (n, t) at each zoom, in half precision."""
    n, c = textures.shape[:2]
    flat = textures.reshape(n * c, *textures.shape[2:])
    whole, folded = spectra(flat, rings.side)
    kinds = [
        projected(whole, SPECTRUM).reshape(n, c, -1),
        projected(folded.reshape(n, -1), FOLDED),
        *(projected(kind.reshape(n, -1), TURNED) for kind in rings.turned(flat)),
    ]
    return [kind.astype(np.float16) for kind in kinds]


def _unit(features: Floats32, mean: Floats32 | None = None, scatter: Floats32 | None = None) -> Floats32:
    """Unit vectors of what sets each stamp apart from the mean of all."""
    values = features.astype(np.float32)
    mean = values.mean(axis=0) if mean is None else mean
    scatter = values.std(axis=0) if scatter is None else scatter
    values -= mean
    values /= np.where(scatter > 0, scatter, 1.0)
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    out: Floats32 = (values / np.where(norm > 0, norm, 1.0)).astype(np.float16)
    return out


class _Textures:
    """The textures of stamps. Those of one set of rows, which meet many others, are kept as long as there is room.

    Args:
        source: of the stamps.
        often: rows that are worth keeping.
    """

    def __init__(self, source: SampleSource, often: Ints) -> None:
        self.source, self.often = source, frozenset(often.tolist())
        self.kept: dict[int, Floats32] = {}

    def of(self, rows: Ints) -> dict[int, Floats32]:
        """Row -> texture (C, h, w)."""
        out = {row: self.kept[row] for row in rows.tolist() if row in self.kept}
        absent = np.array([row for row in rows.tolist() if row not in out], dtype=np.int64)
        for positions, stamps in self.source.groups("stamps", absent) if len(absent) else ():
            out |= dict(zip(absent[positions].tolist(), texture(stamps), strict=True))
        for row in absent.tolist():
            if row in self.often and (len(self.kept) + 1) * out[row].nbytes <= KEPT:
                self.kept[row] = out[row].copy()
        return out


def _aligned(textures: _Textures, pairs: Ints, rings: Rings, turned: Mask) -> dict[int, Aligned]:
    """The stamps of some pairs (m, 2), with the harmonics that those which may be turned need."""
    known = {row: Aligned(one, rings) for row, one in textures.of(np.unique(pairs)).items()}
    first, second = ([known[row] for row in np.unique(pairs[turned, side]).tolist()] for side in (0, 1))
    with_harmonics(first, (1.0,))
    with_harmonics(second, TRIED)
    return known


def _sides(source: SampleSource, rows: Ints, batch: int) -> list[int]:
    """The smaller side of each size of stamp that occurs."""
    found: set[int] = set()
    for start in range(0, len(rows), batch):
        found |= {min(stamps.shape[-2:]) for _, stamps in source.groups("stamps", rows[start : start + batch])}
    return sorted(found)


def _ranges_of_sides(sides: Sequence[int]) -> list[tuple[int, ...]]:
    """Sides in groups of which all are at least ``ALIKE`` times the next larger ones."""
    out: list[tuple[int, ...]] = []
    for side in sides:
        if out and side * ALIKE <= out[-1][0]:
            out[-1] = (*out[-1], side)
        else:
            out.append((side,))
    return out
