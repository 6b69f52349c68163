"""Running sums and extremes over the epochs of each object in each passband."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from astrid_ml.types import Array, Floats, Ints

# Upper ends in micrometres: filters of one name lie in one passband, whatever the survey.
EDGES = (0.40, 0.56, 0.70, 0.82, 0.945, 1.1)
PASSBANDS = ("u", "g", "r", "i", "z", "y", "infrared")
ALL = "all"
GROUPS = (ALL, *PASSBANDS)  # all epochs of an object, and those of each passband


@dataclass(frozen=True)
class Grouped:
    """Epochs twice: in the group of all, and in that of their passband. Each object has all groups, behind each other.

    Args:
        rows: (2 N,) which epoch; the groups of an object behind each other, each ascending in time.
        place: (2 N,) which of its group's epochs, from 0.
        rank: (2 N,) which of its object's epochs, from 0.
        start: (B G,) where each group begins.
        group: (2 N,) which group, object by object.
    """

    rows: Ints
    place: Ints
    rank: Ints
    start: Ints
    group: Ints

    @classmethod
    def of(cls, wavelength: Floats, lengths: Ints) -> Grouped:
        """Groups of epochs.

        Args:
            wavelength: (N,) micrometres; the epochs of an object behind each other, ascending in time.
            lengths: (B,) epochs of each object.
        """
        owner = np.repeat(np.arange(len(lengths)), lengths)
        rank = np.arange(len(owner)) - (np.cumsum(lengths) - lengths)[owner]
        passband = np.searchsorted(EDGES, wavelength, side="right") + 1
        key = np.concatenate([owner * len(GROUPS), owner * len(GROUPS) + passband])
        order = np.argsort(key, kind="stable")
        counts = np.bincount(key, minlength=len(lengths) * len(GROUPS))
        start = np.cumsum(counts) - counts
        group = key[order]
        rows = np.tile(np.arange(len(owner)), 2)[order]
        return cls(rows, np.arange(len(order)) - start[group], rank[rows], start, group)

    def last(self, seen: Ints) -> tuple[Ints, Ints]:
        """At questions that see the first ``seen`` (B, Q) epochs: row of each group's last one, and how many it has.

        Returns:
            Two of (B, Q, G); the row of a group without an epoch is that of some other.
        """
        groups = np.arange(len(self.start)).reshape(len(seen), 1, len(GROUPS))
        most = int(self.rank.max(initial=0)) + 2
        behind = np.searchsorted(self.group * most + self.rank, groups * most + seen[:, :, None])
        count = behind - self.start[groups]
        return np.clip(behind - 1, 0, max(len(self.rows) - 1, 0)), count


def running(values: Array, place: Ints, join: Callable[[Array, Array], Array] = np.add) -> Array:
    """The sum (or another join) of each row and those of its group before it, (M, ...).

    What a row gets depends on no row behind it, to the last bit: a curve that ends there gives the same.

    Args:
        values: (M, ...), the rows of a group behind each other.
        place: (M,) which of its group each is, from 0.
        join: numpy's ``add``, ``maximum`` or ``minimum``.

    Example:
        >>> running(np.array([1.0, 2.0, 3.0, 10.0, 20.0]), np.array([0, 1, 2, 0, 1])).tolist()
        [1.0, 3.0, 6.0, 10.0, 30.0]
    """
    out, step = values.copy(), 1
    rows = np.flatnonzero(place >= step)
    while len(rows):
        out[rows] = join(out[rows], out[rows - step])
        step *= 2
        rows = rows[place[rows] >= step]
    return out


def latest(chosen: Array, place: Ints, first: bool = False) -> Ints:
    """Of each row the last (or ``first``) row of its group up to it where ``chosen`` (M,) is true; -1 without any."""
    own = np.arange(len(place))
    if first:
        found = running(np.where(chosen, own, len(own)), place, np.minimum)
        return np.where(found < len(own), found, -1)
    return running(np.where(chosen, own, -1), place, np.maximum)
