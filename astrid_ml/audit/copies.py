"""Copies among stamps in a folder, between the sets that it tells or anywhere, and the verdict in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from astrid_ml.audit.duplicates import Duplicate, DuplicateSearch
from astrid_ml.audit.exact import exact_copies
from astrid_ml.audit.symmetries import MIRRORED, OTHERWISE, lie
from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.splits.links import components
from astrid_ml.types import Array, Ints

LOOKED_FOR = (
    "None found of these kinds: the same pixels, rescaled, turned, mirrored, shifted by up to 8 px, zoomed by 0.9 to "
    "1.1, cropped by a tenth, smoothed a little. Negatives, larger shifts and zooms, binning and several of these at "
    "once are not looked for."
)
SHARE = 0.2  # that a random split would test


@dataclass(frozen=True)
class Copies:
    """What was found among some stamps.

    Args:
        pairs: copies, the most alike first.
        kinds: how each pair lies to each other, in words.
        learned, tested: rows of training and validation, and of the test set; empty where nobody tells sets.
        count: stamps that were looked at.
        untold: of them, those that say nothing: without structure, or too small.
        total: stamps in the folder.
    """

    pairs: list[Duplicate]
    kinds: list[str]
    learned: Ints
    tested: Ints
    count: int
    untold: int
    total: int

    @property
    def families(self) -> Ints:
        """(total,) the family of each stamp: stamps that are copies of each other, at any number of steps."""
        first, second = (np.array([getattr(pair, side) for pair in self.pairs], dtype=np.int64) for side in SIDES)
        out: Ints = components(self.total, first, second).astype(np.int64)
        return out

    @property
    def verdict(self) -> str:
        """One line."""
        said = self._between() if len(self.tested) else self._anywhere()
        left = (
            f" {self.untold:,} stamps say nothing (blank, or too small) and were not compared." if self.untold else ""
        )
        return said + left

    def _between(self) -> str:
        tested, learned = f"{len(self.tested):,}", f"{len(self.learned):,}"
        copied = len({pair.second for pair in self.pairs})
        if not copied:
            if self.untold >= self.count:
                return self._cannot_tell()
            none = (
                f"Clean: none of {tested} test stamps is a copy of one of {learned} stamps of training and validation."
            )
            return f"{none} {LOOKED_FOR}"
        stamps = "stamp is a copy" if copied == 1 else "stamps are copies"
        return (
            f"Leak: {copied:,} of {tested} test {stamps} of training stamps ({self._kinds()}): {self._because()}, and "
            "numbers on this test set say how well stamps are remembered."
        )

    def _because(self) -> str:
        """Pixels that are equal in some turn are copies; others may share what their detector adds to each."""
        sure = sum(not kind.startswith(OTHERWISE) for kind in self.kinds)
        made = "the copies were made before the split"
        return made if sure > len(self.kinds) / 2 else f"{made}, or all stamps share a pattern (fringes, a detector's)"

    def _cannot_tell(self) -> str:
        return f"Cannot tell: none of {self.count:,} stamps could be compared; only equal pixels were looked for."

    def _anywhere(self) -> str:
        if not self.pairs:
            if self.untold >= self.count:
                return self._cannot_tell()
            return f"Clean: none of {self.count:,} stamps is a copy of another. {LOOKED_FOR}"
        sizes = np.bincount(self.families)
        copied, families = int(sizes[sizes > 1].sum()), int((sizes > 1).sum())
        # A stamp of a family of m has no other of it in training with probability SHARE ** (m - 1).
        crossing = float((sizes[sizes > 1] * (1 - SHARE ** (sizes[sizes > 1] - 1.0))).sum() / self.total)
        return (
            f"Copies: {copied:,} of {self.count:,} stamps, in {families:,} families of up to {sizes.max()} "
            f"({self._kinds()}). A random split puts a copy of {crossing:.0%} of its test stamps into training: "
            "split by family (families.csv)."
        )

    def _kinds(self) -> str:
        counts = Counter(_sort(kind) for kind in self.kinds).most_common()
        return "pairs: " + ", ".join(f"{count:,} {kind}" for kind, count in counts)

    def table(self, index: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
        """The pairs with their ids, correlation, kind and the channels that are alike."""
        first, second = ([getattr(pair, side) for pair in self.pairs] for side in SIDES)
        return pd.DataFrame(
            {
                "first": index["id"].to_numpy()[first],
                "second": index["id"].to_numpy()[second],
                "correlation": [round(pair.correlation, 4) for pair in self.pairs],
                "kind": self.kinds,
                "channels": [names_of(pair, channels) for pair in self.pairs],
            }
        )


def _sort(kind: str) -> str:
    """Turns by quarters as one sort, and so mirror images."""
    words, comma, alone = kind.rpartition(", in ")
    words = words or kind
    if words.startswith(MIRRORED):
        words = MIRRORED
    elif words == OTHERWISE:
        words = "altered otherwise"
    elif words.startswith("turned by"):
        words = "turned by quarters"
    return f"{words}{comma}{alone}" if comma else words


SIDES = ("first", "second")


def copies_in(source: SampleSource, search: DuplicateSearch, learned: Ints, tested: Ints) -> Copies:
    """Search for copies between two sets of stamps; where both are empty, among all.

    Args:
        source: the stamps.
        search: how near a copy is.
        learned, tested: rows of the index.
    """
    rows = np.union1d(learned, tested) if len(tested) else np.arange(len(source.index), dtype=np.int64)
    exact = exact_copies(source, rows, learned, tested)
    described = search.describe(source, rows)
    found = search.match(source, described, learned, tested) if len(tested) else search.within(source, described)
    there = {(pair.first, pair.second) for pair in found}
    found = [*found, *(pair for pair in exact if (pair.first, pair.second) not in there)]
    ranked = sorted(found, key=lambda pair: (-pair.correlation, pair.first, pair.second))
    untold = sum(part.blank + part.small for part in described)
    kinds = [kind_of(source, pair) for pair in ranked]
    return Copies(ranked, kinds, learned, tested, len(rows), untold, len(source.index))


def kind_of(source: SampleSource, pair: Duplicate) -> str:
    """How two copies lie to each other, in words."""
    first, second = (stamp_of(source, row) for row in (pair.first, pair.second))
    words = lie(first, second, pair.channels) if first.shape == second.shape else OTHERWISE
    return words if pair.all_channels else f"{words}, in {names_of(pair, source.channels)} alone"


def names_of(pair: Duplicate, channels: Sequence[str]) -> str:
    """The channels of a pair that are alike."""
    return ", ".join(channels[c] if c < len(channels) else f"channel {c}" for c in pair.channels)


def stamp_of(source: SampleSource, row: int) -> Array:
    """(C, h, w) of one row."""
    out: Array = source.gather("stamps", np.array([row], dtype=np.int64))[0]
    return out
