"""Rows of objects in PHOT tables: right, stale, with lost separators, cut off."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_ml.preprocessing.lightcurves.readers.pointers import locate
from astrid_ml.types import Ints, Mask


def layout(nobs: Ints, without: tuple[int, ...] = ()) -> tuple[Ints, Ints, Mask]:
    """True starts, stops and separators of a table; the separators behind the objects ``without`` are lost."""
    separator: list[bool] = []
    starts, stops = [], []
    for number, length in enumerate(nobs):
        starts.append(len(separator))
        separator += [False] * int(length)
        stops.append(len(separator))
        if number not in without:
            separator.append(True)
    return np.array(starts), np.array(stops), np.array(separator)


NOBS = np.array([5, 3, 8, 1, 6, 4])


def test_right_pointers_are_taken_as_they_are() -> None:
    start, stop, separator = layout(NOBS)
    found = locate(start + 1, stop, NOBS, separator)
    assert (found.start == start).all()
    assert (found.stop == stop).all()
    assert not found.problem.any()
    assert not found.repair.any()


@pytest.mark.parametrize("without", [(), (5,), (2,), (0, 3)])
def test_stale_pointers_are_recovered_and_named(without: tuple[int, ...]) -> None:
    start, stop, separator = layout(NOBS, without)
    found = locate(start + 1 + 7, stop + 7, NOBS, separator)
    assert (found.start == start).all()
    assert (found.stop == stop).all()
    assert not found.problem.any()
    assert all(found.repair)


def test_a_table_that_was_cut_keeps_what_is_whole() -> None:
    start, stop, separator = layout(NOBS)
    found = locate(start + 1, stop, NOBS, separator[: stop[3] + 1 + 2])
    assert (found.problem[:4] == "").all()
    assert (found.stop[:4] == stop[:4]).all()
    assert all("PHOT ends" in text for text in found.problem[4:])


def test_a_wrong_nobs_costs_that_object_only() -> None:
    start, stop, separator = layout(NOBS)
    wrong = NOBS.copy()
    wrong[2] = 7
    found = locate(start + 1, stop, wrong, separator)
    assert [bool(text) for text in found.problem] == [False, False, True, False, False, False]
    assert (np.delete(found.start, 2) == np.delete(start, 2)).all()


def test_two_pointers_to_the_same_rows_are_not_believed() -> None:
    start, stop, separator = layout(np.array([4, 4, 4]))
    first, last = start + 1, stop.copy()
    first[2], last[2] = first[1], last[1]
    found = locate(first, last, np.array([4, 4, 4]), separator)
    assert (found.start == start).all()
    assert found.repair[2]


def test_objects_without_observations_are_a_problem_of_their_own() -> None:
    nobs = np.array([3, 0, 2])
    _, stop, separator = layout(nobs)
    # SNANA writes no separator for an object without rows.
    separator = np.delete(separator, stop[1])
    found = locate(np.array([1, -9, 5]), np.array([3, -9, 6]), nobs, separator)
    assert list(found.problem) == ["", "no observations (NOBS = 0)", ""]
    assert (found.stop - found.start)[[0, 2]].tolist() == [3, 2]


def test_nothing_to_hold_on_to_is_refused() -> None:
    separator = np.zeros(20, dtype=bool)
    separator[[3, 9]] = True
    found = locate(np.array([1, 2, 3]), np.array([90, 91, 92]), np.array([4, 4, 4]), separator)
    assert all("cannot be found" in text for text in found.problem)


def damage(kind: str, rows: list[int], first: Ints, last: Ints, nobs: Ints, random: np.random.Generator) -> list[int]:
    """Damage a file once; ``rows`` number its observations, -1 for separators; pointers and NOBS change in place."""
    places = [k for k, row in enumerate(rows) if (row < 0) == (kind == "separator lost")]
    pick, by = int(random.integers(len(nobs))), int(random.integers(1, 9))
    if kind in ("separator lost", "row lost"):
        del rows[int(random.choice(places))]
    elif kind == "cut off":
        rows = rows[: int(random.integers(1, len(rows)))]
    elif kind == "stale from here":
        first[pick:] += by
        last[pick:] += by
    elif kind == "one pointer stale":
        first[pick] += by
        last[pick] += by
    elif kind == "pointer twice":
        first[pick], last[pick] = first[pick - 1], last[pick - 1]
    else:
        nobs[pick] = max(0, nobs[pick] + int(random.choice([-2, -1, 1, 2])))
    return rows


@pytest.mark.parametrize(
    "kind",
    ["separator lost", "row lost", "cut off", "stale from here", "one pointer stale", "pointer twice", "NOBS wrong"],
)
def test_no_single_damage_gives_a_wrong_curve(kind: str) -> None:
    random = np.random.default_rng(3)
    kept = total = 0
    for _ in range(400):
        nobs = random.integers(1, 6, int(random.integers(2, 12)))
        start, stop, separator = layout(nobs)
        rows = np.where(separator, -1, np.arange(len(separator))).tolist()
        first, last, claimed = start + 1, stop.copy(), nobs.copy()
        rows = damage(kind, rows, first, last, claimed, random)
        found = locate(first, last, claimed, np.array(rows) < 0)
        for i in np.flatnonzero(found.problem == ""):
            assert rows[found.start[i] : found.stop[i]] == list(range(start[i], stop[i]))
        kept, total = kept + int((found.problem == "").sum()), total + len(nobs)
    assert kept > 0.4 * total  # and what is whole is kept
