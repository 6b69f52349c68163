"""Roman L1 files: resultants of the Wide Field Instrument in ASDF, with the frames that each is the mean of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.asdf_files import RomanFile, brief, read_roman
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.options import FRAMES, RampOptions, number

FULL, BORDER = 4096, 4  # px: a whole detector, and its reference pixels on each side
MOST_READS = 100_000  # frames of an exposure: a day of them is 28,000


def read_roman_l1(path: Path, options: RampOptions) -> Ramp:
    """Read an L1 exposure: ``roman.data`` (resultants, rows, columns) in DN; ``amp33`` is left out.

    Times are those of ``roman.meta.exposure``: ``read_pattern`` and ``frame_time``.

    Raises:
        UserError: an image instead of a ramp; no pattern; a pattern of another number of resultants.
    """
    file = read_roman(path)
    data = file.array("data")
    if data.ndim != 3:
        axes = " x ".join(map(str, data.shape))
        fix = "give the L1 file (_uncal.asdf) of the exposure"
        raise UserError("resultants of 3 axes in roman.data", f"{axes} in {path.name}", fix)
    dq = file.array("groupdq")[None] if file.get("groupdq") is not None else None
    pixel_dq = np.asarray(file.array("pixeldq")).astype(np.uint32) if file.get("pixeldq") is not None else None
    header = file.keywords() | _time_of(file)
    header.setdefault("TELESCOP", "ROMAN")
    sampling, notes = _sampling(file, header, options, len(data))
    border = BORDER if data.shape[1:] == (FULL, FULL) else 0
    found = RawRamp(path, data[None], header, dq=dq, pixel_dq=pixel_dq, sampling=sampling, border=border, notes=notes)
    return build_ramp(found, options)


def _sampling(
    file: RomanFile, header: dict[str, Any], options: RampOptions, n_groups: int
) -> tuple[ReadTimes | None, tuple[str, ...]]:
    """Times by the file's own pattern; None where the user says them."""
    if options.read_pattern is not None or options.group_times is not None or options.group_time is not None:
        return None, ()
    pattern: Any = file.get("meta", "exposure", "read_pattern")
    lists = isinstance(pattern, list) and all(isinstance(group, list) for group in pattern)
    if lists and sum(map(len, pattern)) > MOST_READS:
        got = f"more than {MOST_READS} frames in {file.path.name}"
        raise UserError("a read pattern of an exposure", got, "give preprocessing.load.read_pattern")
    if not lists or not all(isinstance(read, int) and read > 0 for group in pattern for read in group):
        raise UserError(
            "roman.meta.exposure.read_pattern, the frames of each resultant",
            f"{brief(pattern)} in {file.path.name}",
            "give preprocessing.load.read_pattern=[[1],[2,3],...]",
        )
    notes: tuple[str, ...] = ()
    if len(pattern) > n_groups and file.get("meta", "exposure", "truncated") is True:
        notes = (f"truncated exposure: {n_groups} of {len(pattern)} resultants",)
        pattern = pattern[:n_groups]
    if len(pattern) != n_groups:
        raise UserError(
            f"a read pattern of {n_groups} resultants",
            f"one of {len(pattern)} in {file.path.name}",
            "give preprocessing.load.read_pattern of all that the file holds",
        )
    frame = number(options.frame_time, header, FRAMES, "the time between frames in s", "frame_time")
    return ReadTimes.of_pattern(pattern, frame), notes


def _time_of(file: RomanFile) -> dict[str, float]:
    """EXPMID of the exposure, where its text is a date."""
    from astropy.time import Time

    said = file.get("meta", "exposure", "mid_time")
    try:
        return {} if said is None else {"EXPMID": float(Time(str(said), scale="utc").mjd)}
    except ValueError:
        return {}
