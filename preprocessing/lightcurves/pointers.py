"""Where each object's rows stand in an SNANA PHOT table: pointers are checked, never trusted.

A PHOT table holds all curves one after the other, each followed by a separator row (MJD = -777). HEAD holds
``PTROBS_MIN`` and ``PTROBS_MAX`` (counted from 1, both ends included) and ``NOBS``. Files that were cut or joined keep
stale pointers, and separators get lost at seams (SNANA manual, section 4.36).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Segments:
    """Rows of each object.

    Args:
        start: (n,) first row, counted from 0.
        stop: (n,) one past the last row.
        problem: (n,) text; empty where the object is usable.
        repair: (n,) text; what was mended; empty where the pointers were right.
    """

    start: Ints
    stop: Ints
    problem: npt.NDArray[np.object_]
    repair: npt.NDArray[np.object_]


def locate(first: Ints, last: Ints, nobs: Ints, separator: Mask) -> Segments:
    """Find each object's rows.

    The pointers hold if each lies in the table, agrees with NOBS, has no separator inside, has a separator (or the
    end) behind it, and no two overlap. Where one does not hold, objects are laid out by cumulative NOBS over the
    rows that are no separators; that is unambiguous for the stretch in which each separator falls on the end of an
    object. Beyond it, a curve is kept only if it stands alone between two separators with exactly NOBS rows.

    Args:
        first: PTROBS_MIN, shape (n,), from 1.
        last: PTROBS_MAX, shape (n,), inclusive.
        nobs: NOBS, shape (n,).
        separator: (N,) whether a row of PHOT is a separator.
    """
    start, stop = first - 1, last
    valid = pointers_hold(start, stop, nobs, separator)
    empty = np.full(len(first), "", dtype=object)
    problem = np.where(nobs <= 0, "no observations (NOBS = 0)", "").astype(object)
    if valid[nobs > 0].all():
        return Segments(start, stop, problem, empty)
    laid_start, laid_stop, anchored, joined = lay_out(nobs, separator)
    blocks = by_blocks(nobs, separator)
    if not anchored.all() and blocks is not None:
        laid_start, laid_stop = blocks
        anchored = laid_stop - laid_start == nobs
        joined = np.zeros(len(nobs), dtype=bool)
    alone = valid & ~anchored & _unclaimed(start, stop, laid_start, laid_stop, anchored)
    new_start = np.where(anchored, laid_start, start)
    new_stop = np.where(anchored, laid_stop, stop)
    moved = anchored & ((laid_start != start) | (laid_stop != stop))
    repair = np.where(moved, "stale pointers; rows found by cumulative NOBS and separators", "").astype(object)
    repair[anchored & joined] = "separator missing; rows found by cumulative NOBS"
    lost = ~anchored & ~alone & (nobs > 0)
    beyond = lost & (np.cumsum(np.maximum(nobs, 0)) > int((~separator).sum()))
    problem[lost] = "rows cannot be found: pointers, NOBS and separators disagree"
    problem[beyond] = "PHOT ends before this object's rows"
    repair[problem != ""] = ""
    return Segments(new_start, new_stop, problem, repair)


def pointers_hold(start: Ints, stop: Ints, nobs: Ints, separator: Mask) -> Mask:
    """Which pointers pass every check, shape (n,)."""
    rows = len(separator)
    inside = (start >= 0) & (stop <= rows) & (stop > start) & (stop - start == nobs)
    before = np.concatenate([[0], np.cumsum(separator)])
    low, high = np.clip(start, 0, rows), np.clip(stop, 0, rows)
    clean = before[high] == before[low]
    ended = np.append(separator, True)[high]
    begun = (low == 0) | np.append(separator, True)[np.maximum(low - 1, 0)]
    valid: Mask = inside & clean & ended & begun
    # Two pointers to the same rows: neither can be believed.
    order = np.argsort(np.where(valid, start, rows + 1), kind="stable")
    overlap = np.zeros(len(start), dtype=bool)
    clash = (start[order][1:] < stop[order][:-1]) & valid[order][1:] & valid[order][:-1]
    overlap[order[1:][clash]] = True
    overlap[order[:-1][clash]] = True
    return valid & ~overlap


def lay_out(nobs: Ints, separator: Mask) -> tuple[Ints, Ints, Mask, Mask]:
    """Objects one after the other over the rows that are no separators.

    Returns:
        start, stop, which objects lie in the stretch that the separators confirm, and which of those lack the
        separator behind them or before them.
    """
    dense = np.flatnonzero(~separator)
    ends = np.cumsum(np.maximum(nobs, 0))
    begins = ends - np.maximum(nobs, 0)
    # Separators as places among the dense rows; the table's own end confirms as well.
    marks = np.searchsorted(dense, np.flatnonzero(separator))
    marks = np.unique(np.append(marks[marks > 0], len(dense)))
    fits = np.isin(marks, ends)
    wrong = np.flatnonzero(~fits)
    confirmed = marks[: wrong[0]] if len(wrong) else marks
    reach = int(confirmed[-1]) if len(confirmed) else 0
    anchored = (ends <= reach) & (nobs > 0)
    start, stop = np.zeros(len(nobs), dtype=np.int64), np.zeros(len(nobs), dtype=np.int64)
    start[anchored] = dense[begins[anchored]]
    stop[anchored] = dense[ends[anchored] - 1] + 1
    closed = np.append(separator, True)[np.clip(stop, 0, len(separator))]
    opened = (start == 0) | np.append(separator, True)[np.maximum(start - 1, 0)]
    return start, stop, anchored, anchored & ~(closed & opened)


def by_blocks(nobs: Ints, separator: Mask) -> tuple[Ints, Ints] | None:
    """Rows between separators, where there are as many such blocks as objects with rows; None otherwise."""
    padded = np.concatenate([[True], separator, [True]])
    edges = np.flatnonzero(padded)
    begin, end = edges[:-1], edges[1:] - 1
    keep = end > begin
    has_rows = nobs > 0
    if int(keep.sum()) != int(has_rows.sum()):
        return None
    start, stop = np.zeros(len(nobs), dtype=np.int64), np.zeros(len(nobs), dtype=np.int64)
    start[has_rows], stop[has_rows] = begin[keep], end[keep]
    return start, stop


def _unclaimed(start: Ints, stop: Ints, laid_start: Ints, laid_stop: Ints, anchored: Mask) -> Mask:
    """Pointed rows that no laid-out object holds."""
    taken = np.sort(laid_start[anchored])
    ends = np.sort(laid_stop[anchored])
    free: Mask = np.searchsorted(taken, stop, side="left") == np.searchsorted(ends, start, side="right")
    return free
