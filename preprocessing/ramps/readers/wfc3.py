"""HST WFC3/IR intermediate (IMA) and raw files: five extensions a read, the last read first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, SATURATED
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
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
    """Read an IMA or a raw file: EXTVER 1 is the LAST read; of rates accumulated signal is SCI x TIME.

    Times are SAMPTIME of each read. The read noise in the header (READNSEA to D) is that of a difference of two reads;
    one read has 1/sqrt(2) of it. Raw files hold gains and noises only as zeros: they are to be given.

    Raises:
        UserError: no SCI extensions, a unit that is not a rate or counts of electrons, times that do not rise, gain or
            noise missing.
    """
    with open_checked(path) as hdus:
        header = dict(hdus[0].header)
        versions = sorted((hdu.ver for hdu in hdus if hdu.name == "SCI"), reverse=True)
        if not versions:
            raise UserError(f"SCI extensions in {path.name}", "none", "give the _ima.fits or the _raw.fits file")
        times = np.array([_time(hdus, version) for version in versions])
        order = np.argsort(times, kind="stable")
        shape = next((hdus["SCI", v].data.shape for v in versions if hdus["SCI", v].data is not None), None)
        if shape is None:
            raise UserError(f"pixels in a SCI extension of {path.name}", "none", "give a whole IMA file")
        reads = [_accumulated(hdus, versions[i], float(times[i]), shape) for i in order]
        quality = np.stack([_quality(hdus, versions[i], shape) for i in order])
        unit = str(hdus["SCI", versions[0]].header.get("BUNIT", "")).strip().upper()
    data = np.stack(reads)[None].astype(np.float32)
    unit = _unit(unit, options, path)
    own = {"gain": _mean(header, "ATODGN"), "read_noise": _one_read_noise(header)}
    for key, name, given in (("gain", "ATODGN", options.gain), ("read_noise", "READNSE", options.read_noise)):
        if own[key] is None and given is None and (key, unit) != ("gain", "e-"):
            fix = f"give preprocessing.load.{key}=VALUE"
            raise UserError(f"{name}A to {name}D above 0", f"none in {path.name}, or zeros as in raw files", fix)
    said = ("EXPSTART", "EXPEND")
    if all(isinstance(header.get(key), int | float) for key in said):
        header["EXPMID"] = sum(header[key] for key in said) / 2
    header |= {"DETECTOR": "WFC3/IR", "BUNIT": unit}
    header.setdefault("TELESCOP", "HST")
    for key in ("GAIN", "CCDGAIN", "READNOIS", "SATURATE"):  # CCDGAIN is what was commanded, not e-/DN
        header.pop(key, None)
    plain = replace(options, unit=None)
    own_times = options.group_times is not None or options.read_pattern is not None
    sampling = None if own_times else ReadTimes.single(times[order])
    border = HST.detector.border or 0
    return build_ramp(RawRamp(path, data, header, dq=quality[None], sampling=sampling, own=own, border=border), plain)


def _unit(unit: str, options: RampOptions, path: Path) -> str:
    """DN or e-; the user's word wins. Rates are accumulated already.

    Raises:
        UserError: neither electrons nor counts.
    """
    said = (options.unit or unit).upper().removesuffix("/S")
    if said in ("E-", "ELECTRON", "ELECTRONS"):
        return "e-"
    if said in ("DN", "COUNT", "COUNTS"):
        return "DN"
    raise UserError(
        "BUNIT of ELECTRONS or COUNTS, or their rates",
        f"{unit or 'none'} in {path.name}",
        "if you know the unit, give preprocessing.load.unit=e- or DN",
    )


def _mean(header: dict[str, Any], key: str) -> float | None:
    """Mean over the four amplifiers; None where one is not there, or 0 as in raw files."""
    values = [header.get(f"{key}{quadrant}") for quadrant in "ABCD"]
    if not all(isinstance(value, int | float) and value > 0 for value in values):
        return None
    return float(np.mean([float(value) for value in values if value is not None]))


def _one_read_noise(header: dict[str, Any]) -> float | None:
    """e-."""
    mean = _mean(header, "READNSE")
    return mean / float(np.sqrt(2)) if mean is not None and HST.detector.read_noise_of == "difference" else mean


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
