"""HST WFC3/IR intermediate (IMA) files: five extensions a read, the last read first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, border_mask
from astrid_ml.preprocessing.surveys.registry import survey_named

HST = survey_named("hst")
# Bits whose pixels are not to be used (WFC3 data handbook).
UNRELIABLE = sum(
    1 << HST.mask.bits[meaning]
    for meaning in ("BAD_DETECTOR_PIXEL", "HOT", "UNSTABLE", "BLOB_OR_FLAT", "SIGNAL_IN_ZERO_READ")
)
FULL_WELL = 1 << HST.mask.bits["FULL_WELL"]
# COSMIC_RAY_BY_FIT (8192, found by calwf3's own ramp fit) is an answer, not an input: it is never read.


def is_wfc3_ima(header: Any) -> bool:
    """Whether a primary header belongs to a WFC3/IR exposure."""
    return bool(header.get("INSTRUME") == "WFC3" and header.get("DETECTOR") == "IR")


def read_wfc3(path: Path, options: RampOptions) -> Ramp:
    """Read an IMA file: accumulated electrons are SCI x TIME, EXTVER 1 is the LAST read.

    The read noise in the header (READNSEA to D) is that of a difference of two reads; one read has 1/sqrt(2) of it.

    Raises:
        UserError: no SCI extensions, a unit that is not a rate or counts of electrons, times that do not rise.
    """
    with open_checked(path) as hdus:
        header = dict(hdus[0].header)
        versions = sorted((hdu.ver for hdu in hdus if hdu.name == "SCI"), reverse=True)
        if not versions:
            raise UserError(f"SCI extensions in {path.name}", "none", "give the _ima.fits file, not _raw or _flt")
        times = np.array([_time(hdus, version) for version in versions])
        order = np.argsort(times, kind="stable")
        shape = next((hdus["SCI", v].data.shape for v in versions if hdus["SCI", v].data is not None), None)
        if shape is None:
            raise UserError(f"pixels in a SCI extension of {path.name}", "none", "give a whole IMA file")
        reads = [_accumulated(hdus, versions[i], float(times[i]), shape) for i in order]
        quality = np.stack([_quality(hdus, versions[i], shape) for i in order])
        unit = str(hdus["SCI", versions[0]].header.get("BUNIT", "")).strip().upper()
    data = np.stack(reads)[None].astype(np.float32)
    electrons = _in_electrons(unit, options, path)
    n_groups, n_rows, n_cols = data.shape[1:]
    border = (HST.detector.border or 0) if options.border is None else options.border
    return Ramp(
        data=data,
        group_times=times[order],
        unit="e-" if electrons else "DN",
        gain=1.0 if electrons else _mean_gain(header, options),
        read_noise=_one_read_noise(header, options),
        reads_per_group=np.ones(n_groups, dtype=np.int64),
        dq=quality[None],
        reference=border_mask(n_rows, n_cols, border),
        name=path.name.split(".")[0],
        file=path,
        mission=header.get("TELESCOP", "HST"),
        detector="WFC3/IR",
        filter=header.get("FILTER"),
        mjd=(header["EXPSTART"] + header["EXPEND"]) / 2 if {"EXPSTART", "EXPEND"} <= set(header) else None,
    )


def _in_electrons(unit: str, options: RampOptions, path: Path) -> bool:
    """Whether the signal is in electrons, not in counts; the user's word wins."""
    said = (options.unit or unit).upper().removesuffix("/S")
    if said in ("E-", "ELECTRON", "ELECTRONS"):
        return True
    if said in ("DN", "COUNT", "COUNTS"):
        return False
    raise UserError(
        "BUNIT of ELECTRONS or COUNTS, or their rates",
        f"{unit or 'none'} in {path.name}",
        "if you know the unit, give preprocessing.load.unit=e- or DN",
    )


def _mean_gain(header: dict[str, Any], options: RampOptions) -> float:
    """The user's gain, or the mean of the four amplifiers', e-/DN."""
    values = [header.get(f"ATODGN{quadrant}") for quadrant in "ABCD"]
    if options.gain is not None:
        return options.gain
    if any(value is None for value in values):
        raise UserError("ATODGNA to ATODGND, the gains in e-/DN", "none", "give preprocessing.load.gain=VALUE")
    return float(np.mean([float(value) for value in values if value is not None]))


def _one_read_noise(header: dict[str, Any], options: RampOptions) -> float:
    if options.read_noise is not None:
        return options.read_noise / float(np.sqrt(2)) if options.read_noise_is_cds else options.read_noise
    values = [header.get(f"READNSE{q}") for q in "ABCD"]
    if any(value is None for value in values):
        raise UserError("READNSEA to READNSED", "none", "give preprocessing.load.read_noise=VALUE")
    mean = float(np.mean([float(value) for value in values if value is not None]))
    return mean / float(np.sqrt(2)) if HST.detector.read_noise_of == "difference" else mean


def _time(hdus: Any, version: int) -> float:
    """Seconds since the reset; constant arrays are stored as a header with PIXVALUE and no pixels."""
    sample_time = hdus["SCI", version].header.get("SAMPTIME")
    pixel_value = hdus["TIME", version].header.get("PIXVALUE") if ("TIME", version) in hdus else None
    value = sample_time if sample_time is not None else pixel_value
    if value is None:
        raise UserError("SAMPTIME or a TIME extension", f"neither for EXTVER {version}", "give a whole IMA file")
    return float(value)


def _accumulated(hdus: Any, version: int, seconds: float, shape: tuple[int, ...]) -> Any:
    """Accumulated signal of one read: a rate is multiplied by the pixels' own exposure time.

    A constant read is stored as a header with PIXVALUE and no pixels.
    """
    sci = hdus["SCI", version]
    if sci.data is None:
        signal = np.full(shape, float(sci.header.get("PIXVALUE", 0)), np.float32)
    else:
        signal = np.asarray(sci.data, np.float32)
    if not str(sci.header.get("BUNIT", "")).upper().endswith("/S"):
        return signal
    time = hdus["TIME", version].data if ("TIME", version) in hdus else None
    return signal * (np.float32(seconds) if time is None else np.asarray(time, np.float32))


def _quality(hdus: Any, version: int, shape: tuple[int, ...]) -> Any:
    """calwf3's bits as ours. A constant DQ extension has no pixels."""
    if ("DQ", version) not in hdus:
        return np.zeros(shape, np.uint32)
    bits = hdus["DQ", version].data
    if bits is None:
        bits = np.full(shape, int(hdus["DQ", version].header.get("PIXVALUE", 0)))
    bits = np.asarray(bits).astype(np.int64)
    bad = np.where(bits & UNRELIABLE, DO_NOT_USE, 0)
    full = np.where(bits & FULL_WELL, SATURATED, 0)
    return (bad | full).astype(np.uint32)
