"""Which epochs of a light curve are used: saturation, triggers, non-detections; time zero; windows of days.

All functions work on whole tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.lightcurves.curves.table import CurveTable, first_true, last_true
from astrid_ml.types import Floats, Ints, Mask, Positive, Whole

WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TRIGGER_RULES = ("flags", "snr", "first_epoch")


@dataclass(frozen=True)
class Flags:
    """Bits of PHOTFLAG; each survey has its own (FORMATS: ELAsTiCC 2 has 1024, 2048, 4096).

    Args:
        saturate: a saturated epoch; 0 where the survey has no such bit.
        trigger: the epoch that triggered; 0: the first detection is the trigger.
        detect: a detection.
    """

    saturate: Whole = 1024
    trigger: Whole = 2048
    detect: Whole = 4096


@dataclass(frozen=True)
class Selection:
    """Which epochs are kept, and when an object begins.

    Args:
        flags: the survey's bits.
        rule: ``flags`` uses the detection bit; ``snr`` calls |flux| / error >= ``snr`` a detection (for surveys
            without PHOTFLAG); ``first_epoch`` calls every epoch one. Never chosen by itself.
        snr: the threshold of the rule ``snr``.
        last_non_detection: keep the last non-detection before the trigger (and drop all before it).
        drop_after_last_detection: drop what follows the last detection.
        max_error: an error of this size or more marks a lost epoch (SNANA writes 1e8).
    """

    flags: Flags = Flags()
    rule: str = "flags"
    snr: Positive = 5.0
    last_non_detection: bool = True
    drop_after_last_detection: bool = True
    max_error: Positive = 1e7

    def __post_init__(self) -> None:
        if self.rule not in TRIGGER_RULES:
            raise UserError(f"selection.rule of {', '.join(TRIGGER_RULES)}", self.rule, "choose one of them")

    def agree(self, declared: Mapping[str, int], file: str) -> None:
        """Refuse a file whose header declares other bits than these.

        Args:
            declared: bits by the names of :class:`Flags`, as a reader found them.
            file: its name.

        Raises:
            UserError: a bit differs, and the rule goes by flags.
        """
        own = {name: int(getattr(self.flags, name)) for name in declared}
        wrong = {name: bit for name, bit in declared.items() if own[name] not in (0, bit)}
        if self.rule == "flags" and wrong:
            fix = " ".join(f"preprocessing.selection.flags.{name}={bit}" for name, bit in wrong.items())
            raise UserError(f"PHOTFLAG bits as {file} declares them: {wrong}", f"{own}", fix)

    def detections(self, table: CurveTable) -> Mask:
        """Which epochs are detections, shape (N,)."""
        if self.rule == "flags":
            found: Mask = (table.phot_flag & self.flags.detect) != 0
        elif self.rule == "snr":
            found = np.abs(table.flux) >= self.snr * table.flux_err
        else:
            found = np.ones(len(table.mjd), dtype=bool)
        return found

    def triggers(self, table: CurveTable, usable: Mask) -> Ints:
        """Row of each object's trigger among the ``usable`` (N,) epochs, shape (n,); -1 where there is none."""
        first = first_true(self.detections(table) & usable, table.offsets)
        if self.rule != "flags" or not self.flags.trigger:
            return first
        flagged = first_true(((table.phot_flag & self.flags.trigger) != 0) & usable, table.offsets)
        return np.where(flagged >= 0, flagged, first)

    def usable(self, table: CurveTable) -> Mask:
        """Which epochs are neither saturated nor lost, shape (N,)."""
        out: Mask = ((table.phot_flag & self.flags.saturate) == 0) & (table.flux_err < self.max_error)
        return out

    def without_saturation(self, table: CurveTable) -> CurveTable:
        """Without saturated epochs and lost ones."""
        return table.keep_epochs(self.usable(table))

    def apply(self, table: CurveTable) -> tuple[CurveTable, Floats, Mask]:
        """Select epochs.

        Returns:
            The table (objects without a trigger keep all their epochs), the time zero of each object (MJD of the
            trigger, NaN without one) of shape (n,), and the detections (N,) of the returned table.
        """
        good = self.usable(table)
        found = self.detections(table) & good
        trigger = self.triggers(table, good)
        keep = keep_around_trigger(
            table.offsets, trigger, found, good, self.last_non_detection, self.drop_after_last_detection
        )
        start = np.where(trigger >= 0, table.mjd[np.maximum(trigger, 0)] if len(table.mjd) else np.nan, np.nan)
        return table.keep_epochs(keep), start, found[keep]


def keep_around_trigger(
    offsets: Ints, trigger: Ints, detected: Mask, usable: Mask, last_before: bool, drop_after: bool
) -> Mask:
    """Epochs from the trigger to the last detection, and the one non-detection before it, (N,).

    Args:
        offsets: (n + 1,), epochs ascending in time.
        trigger: row of each object's trigger, -1 where there is none (all its usable epochs stay).
        detected: (N,) detections.
        usable: (N,) epochs that count at all.
        last_before: keep only the last non-detection before the trigger; False keeps everything before it.
        drop_after: drop what follows the last detection.
    """
    rows, has = len(detected), trigger >= 0
    begin = np.where(has & last_before, trigger, offsets[:-1])
    end = np.where(has & drop_after, last_true(detected, offsets) + 1, offsets[1:])
    # Runs of rows do not overlap: one cumulative sum of their edges marks them all.
    some = end > begin
    edges = np.bincount(begin[some], minlength=rows + 1) - np.bincount(end[some], minlength=rows + 1)
    kept: Mask = np.cumsum(edges[:rows]).astype(bool)
    if last_before and rows:
        quiet = np.maximum.accumulate(np.where(usable & ~detected, np.arange(rows), -1))
        before = np.where(has & (trigger > offsets[:-1]), quiet[np.maximum(trigger - 1, 0)], -1)
        kept[before[before >= offsets[:-1]]] = True
    return kept & usable


def window(table: CurveTable, start: Floats, days: float) -> CurveTable:
    """Epochs with t - start <= days, those before the start included.

    Args:
        table: time-sorted.
        start: time zero of each object, MJD, shape (n,).
        days: length of the window.
    """
    return table.keep_epochs(table.mjd - start[table.owner] <= days)


def window_lengths(times: Floats, offsets: Ints, days: Sequence[float]) -> Ints:
    """How many epochs of each object lie within each window, (n, W); epochs ascend, so a window is a prefix.

    Args:
        times: (N,) days since time zero.
        offsets: (n + 1,).
        days: (W,) lengths of the windows, ascending.
    """
    n, w = len(offsets) - 1, len(days)
    # The first window that holds an epoch; beyond the last one, w.
    first = np.searchsorted(np.asarray(days, dtype=np.float64), times, side="left")
    owner = np.repeat(np.arange(n, dtype=np.int64), np.diff(offsets))
    counted = np.bincount(owner * (w + 1) + first, minlength=n * (w + 1)).reshape(n, w + 1)
    out: Ints = np.cumsum(counted[:, :w], axis=1)
    return out
