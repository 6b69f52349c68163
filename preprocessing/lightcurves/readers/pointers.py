"""Where each object's rows stand in an SNANA PHOT table: pointers are checked, never trusted.

A PHOT table holds all curves one after the other, each followed by a separator row (MJD = -777). HEAD holds
``PTROBS_MIN`` and ``PTROBS_MAX`` (counted from 1, both ends included) and ``NOBS``. Files that were cut or joined keep
stale pointers, and separators get lost at seams (SNANA manual, section 4.36).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from astrid_ml.types import Ints, Mask

Placed = tuple[Ints, Ints, Mask, Mask]


@dataclass(frozen=True)
class Segments:
    """Rows of each object.

    Args:
        start: (n,) first row, counted from 0.
        stop: (n,) one past the last row.
        problem: (n,) text; empty where the object is usable.
        repair: (n,) text; what was repaired; empty where the pointers were right.
    """

    start: Ints
    stop: Ints
    problem: npt.NDArray[np.object_]
    repair: npt.NDArray[np.object_]


def locate(first: Ints, last: Ints, nobs: Ints, separator: Mask) -> Segments:
    """Find each object's rows.

    The pointers hold if each lies in the table, agrees with NOBS, has no separator inside, has a separator (or the
    end) behind it, and no two overlap. Where one does not hold, there are three ways to read the table: by those
    pointers that hold, by separators alone (as many blocks as objects), and by cumulative NOBS for as far as the
    separators confirm it. The one that places most objects is taken; objects that it leaves are kept only where their
    own pointers hold in rows that nobody else has. Everything else is refused.

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
    found_start, found_stop, placed, joined = start, stop, valid, np.zeros(len(first), dtype=bool)
    for other in (*by_blocks(nobs, separator), lay_out(nobs, separator)):
        if other[2].sum() > placed.sum():
            found_start, found_stop, placed, joined = other
    alone = valid & ~placed & _unclaimed(start, stop, found_start, found_stop, placed)
    new_start, new_stop = np.where(placed, found_start, start), np.where(placed, found_stop, stop)
    moved = placed & ((found_start != start) | (found_stop != stop))
    repair = np.where(moved, "stale pointers; rows found by cumulative NOBS and separators", "").astype(object)
    repair[placed & joined] = "separator missing; rows found by cumulative NOBS"
    lost = ~placed & ~alone & (nobs > 0)
    beyond = lost & (np.cumsum(np.maximum(nobs, 0)) > int((~separator).sum()))
    problem[lost] = "rows cannot be found: pointers, NOBS and separators disagree"
    problem[beyond] = "PHOT ends before this object's rows"
    repair[problem != ""] = ""
    return Segments(new_start, new_stop, problem, repair)


def pointers_hold(start: Ints, stop: Ints, nobs: Ints, separator: Mask) -> Mask:
    """Which pointers pass every check, shape (n,)."""
    rows = len(separator)
    inside = (start >= 0) & (stop <= rows) & (stop > start) & (stop - start == nobs)
    low, high = np.clip(start, 0, rows), np.clip(stop, 0, rows)
    places = np.flatnonzero(separator)  # as few as objects: a sum over all rows would take eight bytes of each
    clean = np.searchsorted(places, high) == np.searchsorted(places, low)
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


def lay_out(nobs: Ints, separator: Mask) -> Placed:
    """Objects one after the other over the rows that are no separators.

    A separator that falls on the end of an object confirms what stands before it; see :func:`believable` for the rest.

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
    wrong = np.flatnonzero(~np.isin(marks, ends))
    confirmed = marks[: wrong[0]] if len(wrong) else marks
    confirmed = believable(confirmed, ends[nobs > 0], bool(len(wrong)), len(dense))
    reach = int(confirmed[-1]) if len(confirmed) else 0
    anchored = (ends <= reach) & (nobs > 0)
    start, stop = np.zeros(len(nobs), dtype=np.int64), np.zeros(len(nobs), dtype=np.int64)
    start[anchored] = dense[begins[anchored]]
    stop[anchored] = dense[ends[anchored] - 1] + 1
    closed = np.append(separator, True)[np.clip(stop, 0, len(separator))]
    opened = (start == 0) | np.append(separator, True)[np.maximum(start - 1, 0)]
    return start, stop, anchored, anchored & ~(closed & opened)


def believable(confirmed: Ints, ends: Ints, contradicted: bool, rows: int) -> Ints:
    """The separators up to which a layout can be believed.

    Several objects between two separators have lost those between them, or a wrong NOBS has hit a separator by chance.
    The first is believed only if the next separator fits again (or none contradicts), and if NOBS leave no row over.

    Args:
        confirmed: places of separators (among the rows that are not separators) that fall on the end of an object.
        ends: where the objects with rows end.
        contradicted: whether the separator behind the last of ``confirmed`` falls on no end.
        rows: how many rows are no separators.
    """
    together = np.diff(np.searchsorted(ends, np.append(0, confirmed), side="right")) > 1
    if len(ends) and ends[-1] < rows and together.any():
        return confirmed[: int(np.argmax(together))]
    return confirmed[:-1] if contradicted and len(together) and together[-1] else confirmed


def by_blocks(nobs: Ints, separator: Mask) -> list[Placed]:
    """Rows between separators, where there are as many such blocks as objects; blocks without rows count or not.

    Objects whose NOBS differs from their block are not placed; more than a few of those say that blocks and objects are
    out of step.
    """
    out: list[Placed] = []
    edges = np.flatnonzero(np.concatenate([[True], separator, [True]]))
    begin, end = edges[:-1], edges[1:] - 1
    if len(separator) and separator[-1]:
        begin, end = begin[:-1], end[:-1]
    filled, has_rows = end > begin, nobs > 0
    for blocks, objects in ((np.ones(len(begin), dtype=bool), np.ones(len(nobs), dtype=bool)), (filled, has_rows)):
        if int(blocks.sum()) != int(objects.sum()):
            continue
        start, stop = np.zeros(len(nobs), dtype=np.int64), np.zeros(len(nobs), dtype=np.int64)
        start[objects], stop[objects] = begin[blocks], end[blocks]
        agree = objects & (stop - start == nobs)
        if int((objects & ~agree).sum()) <= max(1, len(nobs) // 20):
            out.append((start, stop, agree & has_rows, np.zeros(len(nobs), dtype=bool)))
    return out


def _unclaimed(start: Ints, stop: Ints, laid_start: Ints, laid_stop: Ints, anchored: Mask) -> Mask:
    """Pointed rows that no laid-out object holds."""
    taken = np.sort(laid_start[anchored])
    ends = np.sort(laid_stop[anchored])
    free: Mask = np.searchsorted(taken, stop, side="left") == np.searchsorted(ends, start, side="right")
    return free
