"""Equal pixels are found whatever a stamp holds, and the verdict says what it cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrid_ml.audit.copies import Copies, copies_in
from astrid_ml.audit.duplicates import DuplicateSearch
from astrid_ml.audit.exact import exact_copies
from astrid_ml.errors import UserError
from astrid_ml.types import Array


class Source:
    """Stamps in memory."""

    channels = ("science",)

    def __init__(self, stamps: list[Array]) -> None:
        self.stamps = stamps
        self.index = pd.DataFrame({"id": [str(number) for number in range(len(stamps))]})

    def groups(self, kind: str, rows: Any) -> list[tuple[Any, Array]]:
        return [(np.array([place]), self.stamps[int(row)][None]) for place, row in enumerate(rows)]

    def gather(self, kind: str, rows: Any) -> Array:
        return np.stack([self.stamps[int(row)] for row in rows])


def verdict(stamps: list[Array], learned: int) -> Copies:
    places = np.arange(len(stamps))
    source: Any = Source(stamps)
    return copies_in(source, DuplicateSearch(), places[:learned], places[learned:])


def psfs(n: int, side: int, seed: int = 0) -> list[Array]:
    """Sources without any noise."""
    random, half = np.random.default_rng(seed), side // 2
    y, x = np.mgrid[:side, :side] - half
    found = []
    for _ in range(n):
        dy, dx = random.normal(0, 0.3, 2)
        found.append((random.uniform(5, 40) * np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / 9))[None].astype(np.float32))
    return found


@pytest.mark.parametrize("side", [13, 41])
def test_noise_free_copies_are_found(side: int) -> None:
    """Case: 40 byte-identical noise-free stamps were Clean, and stamps of 13 px were not compared at all."""
    stamps = psfs(20, side)
    found = verdict([*stamps, *stamps[:8]], 20)
    assert {(pair.first, pair.second) for pair in found.pairs} >= {(k, 20 + k) for k in range(8)}
    assert found.verdict.startswith("Leak: 8 of 8 test stamps") and "the same pixels" in found.kinds


def test_what_was_not_compared_is_not_clean() -> None:
    found = verdict(psfs(20, 13), 12)
    assert found.verdict.startswith("Cannot tell: none of 20 stamps could be compared")


def test_stamps_of_several_numbers_of_channels_are_refused_in_words() -> None:
    one, three = psfs(4, 41), [np.repeat(stamp, 3, axis=0) for stamp in psfs(4, 41)]
    with pytest.raises(UserError, match="4 of 1 and 4 of 3"):
        verdict([*three, *one], 4)


def test_blank_stamps_are_no_copies_and_families_have_one_first() -> None:
    stamps = psfs(3, 41)
    blank = [np.zeros((1, 41, 41), np.float32)] * 3
    source: Any = Source([*stamps, *blank, stamps[1], stamps[1]])
    rows, nothing = np.arange(8), np.zeros(0, np.int64)
    found = exact_copies(source, rows, nothing, nothing)
    assert [(pair.first, pair.second) for pair in found] == [(1, 6), (1, 7)]
    between = exact_copies(source, rows, np.array([0, 2, 6]), np.array([1, 7]))
    assert [(pair.first, pair.second) for pair in between] == [(6, 1), (6, 7)]


def test_a_clean_verdict_lists_what_was_looked_for() -> None:
    stamps = list(np.random.default_rng(0).normal(size=(16, 1, 41, 41)).astype(np.float32))
    words = verdict(stamps, 8).verdict
    assert words.startswith("Clean: none of 8 test stamps") and "Negatives" in words and "not looked for" in words
