"""JWST ``uncal`` and ``ramp`` files: 4D SCI in DN, group times from the primary header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import REFERENCE_PIXEL
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, bits_of, border_mask, number, read_noise_of
from astrid_ml.preprocessing.surveys.registry import survey_named


def read_jwst(path: Path, options: RampOptions) -> Ramp:
    """Read a JWST exposure before slope fitting.

    The files hold neither gain nor read noise (they are reference files): both must be given. The keywords used
    are TGROUP, NFRAMES, GROUPGAP, TFRAME, NGROUPS and NINTS.

    Raises:
        UserError: gain, read noise or group time missing.
    """
    with open_checked(path) as hdus:
        header = dict(hdus[0].header)
        data = np.asarray(hdus["SCI"].data, dtype=np.float32)
        dq = bits_of(hdus, "GROUPDQ", data.shape)
        pixel_dq = bits_of(hdus, "PIXELDQ", data.shape[2:])
    n_groups = data.shape[1]
    reads = int(header.get("NFRAMES", options.reads_per_group))
    return Ramp(
        data=data,
        group_times=_times(header, options, n_groups, reads),
        unit="DN",
        gain=number(options.gain, header, ("GAIN",), "the gain in e-/DN", "gain"),
        read_noise=read_noise_of(options, header),
        reads_per_group=np.full(n_groups, reads, dtype=np.int64),
        dq=dq,
        pixel_dq=pixel_dq,
        reference=_reference(header, pixel_dq, data.shape[2], data.shape[3], options),
        name=path.name.split(".")[0],
        file=path,
        mission=header.get("TELESCOP", "JWST"),
        detector=header.get("DETECTOR"),
        filter=header.get("FILTER"),
        mjd=header.get("EXPMID"),
        frame_time=header.get("TFRAME"),
    )


def _times(header: dict[str, Any], options: RampOptions, n_groups: int, reads: int) -> Any:
    """Mean time of each group: the first group's reads end at NFRAMES x TFRAME."""
    if options.group_times is not None:
        return np.asarray(options.group_times, dtype=np.float64)
    step = number(options.group_time, header, ("TGROUP",), "the time between groups in s", "group_time")
    frame = float(header.get("TFRAME", step / max(reads + int(header.get("GROUPGAP", 0)), 1)))
    return frame * (reads + 1) / 2 + step * np.arange(n_groups)


def _reference(header: dict[str, Any], pixel_dq: Any, n_rows: int, n_cols: int, options: RampOptions) -> Any:
    if options.border is not None:
        return border_mask(n_rows, n_cols, options.border)
    if pixel_dq is not None and (pixel_dq & REFERENCE_PIXEL).any():
        return (pixel_dq & REFERENCE_PIXEL) != 0
    full_frame = (n_rows, n_cols) == (2048, 2048) and header.get("INSTRUME") != "MIRI"
    return border_mask(n_rows, n_cols, (survey_named("jwst").detector.border or 0) if full_frame else 0)
