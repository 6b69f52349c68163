"""When a ramp was read, from a header and what the user says beside it. What could mean two things is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.options import FRAMES, STEPS, RampOptions, first_of, number

CLOSE = 0.01  # of a frame: headers round their times


def read_times(options: RampOptions, header: Mapping[str, Any], n_groups: int) -> ReadTimes:
    """Times of all reads: a list or a pattern of the user, else NFRAMES, GROUPGAP, TFRAME, TGROUP and DRPFRMS1.

    Args:
        options: of the user; what they say replaces the keyword of that meaning.
        header: keywords.
        n_groups: of the ramp.

    Raises:
        UserError: no time; keywords that contradict each other, or that could mean two things.
    """
    if options.read_pattern is not None:
        each = number(options.frame_time, header, FRAMES, "the time between frames in s", "frame_time")
        return ReadTimes.of_pattern(options.read_pattern, each)
    reads = _reads(options, header, n_groups)
    gap = _gap(options, header)
    frame, step = _optional(options.frame_time, header, FRAMES), _optional(options.group_time, header, STEPS)
    if options.group_gap is not None and options.group_time is None and frame is not None:
        step = None  # the user's gap makes it
    if frame is None and gap is not None and step is not None:
        frame = step / (reads + gap)
    if frame is None and reads > 1:
        raise _unknown_reads(reads)
    if options.group_times is not None:
        return ReadTimes.about(options.group_times, reads, frame or 0.0)
    if step is None and frame is not None and (gap is not None or reads == 1):
        step = (reads + (gap or 0)) * frame
    if step is None:
        step = number(None, {}, (*STEPS, *FRAMES), "the time between groups in s", "group_time")
    frame = step if frame is None else frame
    _refuse_contradiction(reads, None if options.group_time is not None else gap, frame, step)
    first = _whole(header, "DRPFRMS1") or 0
    means = frame * (first + (reads + 1) / 2) + step * np.arange(n_groups, dtype=np.float64)
    return ReadTimes.about(means.tolist(), reads, frame)


def _reads(options: RampOptions, header: Mapping[str, Any], n_groups: int) -> int:
    """Reads of a group. NREADS is read where it is the number of groups, or 1: elsewhere it has two meanings."""
    if options.reads_per_group is not None:
        return options.reads_per_group
    frames, both = _whole(header, "NFRAMES"), _whole(header, "NREADS")
    if frames is not None:
        if frames == n_groups > 1 and not set(header) & {"GROUPGAP", *FRAMES}:
            raise _two_meanings("NFRAMES", frames, n_groups)
        if frames < 1:
            raise UserError("NFRAMES of at least 1", f"{frames}", "give preprocessing.load.reads_per_group")
        return frames
    if both is not None and both not in (1, n_groups):
        raise _two_meanings("NREADS", both, n_groups)
    return 1


def _gap(options: RampOptions, header: Mapping[str, Any]) -> int | None:
    """Frames that are dropped between two groups; None where nobody says."""
    if options.group_gap is not None:
        return options.group_gap
    gap = _whole(header, "GROUPGAP")
    if gap and options.reads_per_group is None and "NFRAMES" not in header:
        raise UserError(
            "NFRAMES, the frames averaged into a group, beside GROUPGAP",
            f"GROUPGAP = {gap} and no NFRAMES",
            "give preprocessing.load.reads_per_group (1 where nothing is averaged)",
        )
    return gap


def _refuse_contradiction(reads: int, gap: int | None, frame: float, step: float) -> None:
    """Refuse a time between groups that the frames in it do not make."""
    made = (reads + (gap or 0)) * frame
    wrong = abs(step - made) > CLOSE * frame if gap is not None else made > step + CLOSE * frame
    if wrong:
        dropped = "" if gap is None else f" and {gap} dropped"
        raise UserError(
            "a time between groups that their frames fill",
            f"{step:g} s between groups, of {reads} frames averaged{dropped} of {frame:g} s each: {made:g} s",
            "say which is right: preprocessing.load.group_time, frame_time, reads_per_group or group_gap",
        )


def _two_meanings(key: str, value: int, n_groups: int) -> UserError:
    return UserError(
        f"a {key} of one meaning",
        f"{key} = {value} with {n_groups} groups: reads averaged into a group, or reads in all",
        f"say which: preprocessing.load.reads_per_group=1 (nothing is averaged), or ={value}",
    )


def _unknown_reads(reads: int) -> UserError:
    return UserError(
        f"the times of the {reads} reads of each group",
        "no time between them",
        "give preprocessing.load.frame_time (s), or group_gap (frames dropped between groups)",
    )


def _optional(given: float | None, header: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    if given is None and first_of(header, keys) is None:
        return None
    value = number(given, header, keys, f"a time in s ({keys[0]})", "group_time")
    if not np.isfinite(value) or value <= 0:
        raise UserError(f"a time above 0 s ({keys[0]})", f"{value}", "give preprocessing.load.group_time or frame_time")
    return value


def _whole(header: Mapping[str, Any], key: str) -> int | None:
    value = first_of(header, (key,))
    if value is None:
        return None
    try:
        out = float(value)
    except (TypeError, ValueError):
        out = np.nan
    if isinstance(value, bool) or not float(out).is_integer() or out < 0 or out > 1e6:
        fix = "give preprocessing.load.reads_per_group and group_gap, or correct the header"
        raise UserError(f"{key} as a whole number", f"{str(value)[:40]!r}", fix)
    return int(out)
