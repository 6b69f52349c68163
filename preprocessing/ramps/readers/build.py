"""From what a file holds and what the user says to a ramp: unit, times, maps, polarity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from astrid_ml.errors import UserError
from astrid_ml.places import stem_of
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, NO_GAIN_VALUE, REFERENCE_PIXEL
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.sampling import ReadTimes
from astrid_ml.preprocessing.ramps.ramp.stored import Decoding, Stored, stored
from astrid_ml.preprocessing.ramps.readers.maps import detector_maps
from astrid_ml.preprocessing.ramps.readers.options import RampOptions, border_mask, first_of, text_of, unit_of
from astrid_ml.preprocessing.ramps.readers.read_times import read_times
from astrid_ml.stats import robust_sigma
from astrid_ml.types import Array, Floats32, Mask

SAMPLED = 32  # rows, and up to eight times as many columns, of which the mean ramp is looked at
DONE = "reference pixels are corrected already (S_REFPIX = COMPLETE), and not used again"
FALLEN = 3.0  # read noises that a mean ramp falls by where it is called falling, beside five of its own errors


@dataclass(frozen=True)
class RawRamp:
    """What a file holds.

    Args:
        path: of the file.
        data: (n_ints, n_groups, n_rows, n_cols), as it is stored.
        header: keywords.
        decoding: how numbers are made of the stored ones.
        dq, pixel_dq: bits of the groups and of the pixels, or None.
        sampling: times of the reads where the file says them itself; None: from keywords and options.
        own: values and maps of the file itself, by the name of the option: gain, read_noise (of one read, e-),
            saturation (DN).
        border: width of the reference-pixel border where nobody says, pixels.
        notes: what was decided, for the report.
    """

    path: Path
    data: Array
    header: Mapping[str, Any]
    decoding: Decoding = field(default_factory=Decoding)
    dq: Array | None = None
    pixel_dq: npt.NDArray[np.uint32] | None = None
    sampling: ReadTimes | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    border: int = 0
    notes: tuple[str, ...] = ()


def build_ramp(found: RawRamp, options: RampOptions) -> Ramp:
    """The ramp.

    Raises:
        UserError: missing unit, gain, read noise or times; maps of another shape; a mean ramp that falls.
    """
    data, header = found.data, found.header
    rows = data.shape[2] if found.decoding.rows is None else len(found.decoding.rows)
    shape = (int(rows), int(data.shape[3]))
    unit, rate = unit_of(options.unit, header)
    sampling = found.sampling or read_times(options, header, data.shape[1])
    decoding = found.decoding
    if rate:
        if len(sampling.mean) != data.shape[1]:
            raise UserError(f"times of {data.shape[1]} groups", f"{len(sampling.mean)}", "give one a group")
        decoding = replace(decoding, factors=sampling.mean.astype(np.float32))
    maps = detector_maps(options, header, unit, shape, found.own)
    pixel_dq = _with_lost(found.pixel_dq if maps.mask is None else _joined(found.pixel_dq, maps.mask), maps.gain)
    pixel_dq = _with_lost(pixel_dq, maps.read_noise)
    reference = _reference(found, options, pixel_dq, shape)
    done = options.border is None and str(header.get("S_REFPIX", "")).strip() == "COMPLETE"
    done &= reference is not None
    ramp = Ramp(
        data=stored(data, decoding),
        sampling=sampling,
        unit=unit,
        gain=_filled(maps.gain),
        read_noise=_filled(maps.read_noise),
        dq=found.dq,
        pixel_dq=pixel_dq,
        reference=reference,
        name=stem_of(found.path),
        file=found.path,
        mission=text_of(header, ("TELESCOP", "MISSION")),
        detector=text_of(header, ("DETECTOR", "SCA", "INSTRUME")),
        filter=text_of(header, ("FILTER",)),
        mjd=first_of(header, ("MJD-AVG", "EXPMID", "MJD-OBS")),
        saturation_dn=maps.saturation,
        mark=text_of(header, ("SIMMARK",)),
        linearity=maps.linearity,
        rate=maps.rate,
        corrected=done or options.border == 0,
        notes=(*found.notes, *maps.notes, *((DONE,) if done else ())),
    )
    return of_polarity(ramp, options)


def _reference(found: RawRamp, options: RampOptions, pixel_dq: Array | None, shape: tuple[int, int]) -> Mask | None:
    """Reference pixels by the width of the border, else by the bits."""
    width = options.border if options.border is not None else int(found.header.get("REFPIX", found.border))
    marked: Mask | None = None if pixel_dq is None else (pixel_dq & REFERENCE_PIXEL) != 0
    by_width = border_mask(*shape, width)
    return marked if by_width is None and marked is not None and marked.any() else by_width


def _joined(given: Array | None, mask: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return mask if given is None else given.astype(np.uint32) | mask


def _lost(value: float | Floats32) -> Array:
    """Pixels of a map that say nothing."""
    numbers = np.asarray(value)
    with np.errstate(invalid="ignore"):
        out: Array = ~(np.isfinite(numbers) & (numbers > 0))
    return out


def _with_lost(bits: Array | None, value: float | Floats32) -> npt.NDArray[np.uint32] | None:
    """Pixels whose gain or noise nobody knows are not to be used, as the JWST pipeline says."""
    if np.ndim(value) == 0:
        return bits
    lost = _lost(value)
    if not lost.any() or lost.all():
        return bits
    out = np.zeros(lost.shape, np.uint32) if bits is None else bits.astype(np.uint32)
    out[lost] |= np.uint32(DO_NOT_USE | NO_GAIN_VALUE)
    return out


def _filled(value: float | Floats32) -> float | Floats32:
    """A map whose pixels without a value have the median of the others: they are flagged."""
    if np.ndim(value) == 0:
        return float(value)
    lost = _lost(value)
    out: Floats32 = np.asarray(value, np.float32)
    return np.where(lost, np.median(out[~lost]), out).astype(np.float32) if lost.any() and not lost.all() else out


def of_polarity(ramp: Ramp, options: RampOptions) -> Ramp:
    """The ramp with a signal that rises.

    Raises:
        UserError: the mean ramp falls, and nobody said what that means.
    """
    if options.polarity == "normal":
        return ramp
    if options.polarity == "inverted":
        return turned(ramp, "inverted polarity, as was said")
    fall = mean_fall(ramp)
    if not fall:
        return ramp
    if options.polarity == "auto":
        return turned(ramp, f"inverted polarity: the median pixel falls by {fall:.0f} e-")
    raise UserError(
        "a ramp whose signal rises",
        f"one whose median pixel falls by {fall:.0f} e- from its first third to its last",
        "give preprocessing.load.polarity=inverted (or auto) if the detector counts down, normal to keep it so",
    )


def turned(ramp: Ramp, note: str) -> Ramp:
    """The ramp of the other sign; a limit of saturation is then the lowest read."""
    data, limit = ramp.data, ramp.saturation_dn
    if isinstance(data, Stored):
        how = data.decoding
        data = stored(data.raw, replace(how, scale=-how.scale, zero=-how.zero))
    else:
        data = stored(data, Decoding(scale=-1.0))
    return replace(
        ramp, data=data, saturation_dn=None if limit is None else -limit, inverted=True, notes=(*ramp.notes, note)
    )


def mean_fall(ramp: Ramp) -> float:
    """By how much the median pixel falls from the first third of the groups to the last, e-; 0 where it does not.

    A few rows of the first integration are looked at. What reference pixels fall by is the electronics' drift.
    """
    _, n_groups, n_rows, n_cols = ramp.shape
    third, stride = max(1, n_groups // 3), max(1, n_cols // (8 * SAMPLED))
    falls, drifts = [], []
    for row in np.unique(np.linspace(0, n_rows - 1, min(SAMPLED, n_rows)).astype(int)).tolist():
        part = ramp.electrons(0, slice(row, row + 1), slice(None))[:, 0]
        fallen = part[:third].mean(0) - part[-third:].mean(0)
        known = np.isfinite(part).all(axis=0)
        dark = np.zeros(n_cols, bool) if ramp.reference is None else ramp.reference[row]
        falls.append(fallen[::stride][(known & ~dark)[::stride]])
        drifts.append(fallen[known & dark])
    fall, drift = np.concatenate(falls), np.concatenate(drifts)
    if len(fall) < 2 * SAMPLED:
        return 0.0
    middle = float(np.median(fall)) - (float(np.median(drift)) if len(drift) else 0.0)
    error = 1.25 * float(robust_sigma(fall)) / len(fall) ** 0.5
    noise = float(np.nanmedian(ramp.read_noise))
    return middle if middle > max(5 * error, FALLEN * noise) else 0.0
