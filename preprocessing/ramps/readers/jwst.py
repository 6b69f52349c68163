"""JWST ``uncal`` and ``ramp`` files: SCI of (n_ints, n_groups, n_rows, n_cols) in DN, times from the primary header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.preprocessing.ramps.ramp.stored import Decoding
from astrid_ml.preprocessing.ramps.readers.build import RawRamp, build_ramp
from astrid_ml.preprocessing.ramps.readers.cube import bits_of, group_bits, image_of
from astrid_ml.preprocessing.ramps.readers.options import RampOptions
from astrid_ml.preprocessing.surveys.registry import survey_named
from astrid_ml.types import Array, Ints, Mask

SKIPPED = "first and last group of each integration left out, as the JWST pipeline does for MIRI"


def read_jwst(path: Path, options: RampOptions) -> Ramp:
    """Read a JWST exposure before slope fitting.

    The files hold neither gain nor read noise: they are given, as numbers, maps or a folder of reference files. The
    keywords used are TGROUP, NFRAMES, GROUPGAP, TFRAME, DRPFRMS1, NGROUPS and NINTS. Of NIRSpec's IRS2 the reference
    output and the interleaved reference pixels are taken out, where the layout is that of a whole frame.

    Raises:
        UserError: slopes instead of a ramp; a layout of IRS2 that is not a whole frame's; gain, read noise or times
            missing or contradicting.
    """
    with open_checked(path, memmap=None) as hdus:
        header = dict(hdus[0].header)
        if "SCI" not in hdus or not hdus["SCI"].is_image or not hdus["SCI"].header.get("NAXIS", 0):
            raise UserError(f"an image SCI in {path.name}", "none", "give an _uncal or a _ramp file")
        header |= {k: v for k, v in hdus["SCI"].header.items() if k in ("BUNIT", "SUBSTRT1", "SUBSTRT2")}
        raw, decoding = image_of(path, hdus, hdus.index_of("SCI"))
        raw = _of_four_axes(raw, header, path)
        dq = group_bits(path, hdus, raw.shape)
        pixel_dq = bits_of(hdus, "PIXELDQ", raw.shape[2:])
    kept = science_rows(header, raw.shape, path)
    notes = []
    if kept is not None:
        decoding = Decoding(decoding.scale, decoding.zero, decoding.blank, None, kept)
        dq = None if dq is None else dq[:, :, kept]
        pixel_dq = None if pixel_dq is None else pixel_dq[kept]
        notes.append("IRS2: the reference output and the interleaved reference pixels are taken out, and not used")
    if header.get("INSTRUME") == "MIRI" and raw.shape[1] >= 3 and header.get("S_LASTFR") != "COMPLETE":
        rows = raw.shape[2] if kept is None else len(kept)
        dq = _without_ends(dq, (*raw.shape[:2], rows, raw.shape[3]))
        notes.append(SKIPPED)
    header.setdefault("BUNIT", "DN")
    header.setdefault("TELESCOP", "JWST")
    shape = (raw.shape[2] if kept is None else len(kept), raw.shape[3])
    full = shape == (2048, 2048) and header.get("INSTRUME") != "MIRI" and not _marks_reference(pixel_dq)
    border = (survey_named("jwst").detector.border or 0) if full else 0
    return build_ramp(RawRamp(path, raw, header, decoding, dq, pixel_dq, border=border, notes=tuple(notes)), options)


def _marks_reference(pixel_dq: Array | None) -> bool:
    return pixel_dq is not None and bool((pixel_dq >> 31).any())


def _of_four_axes(raw: Array, header: Mapping[str, Any], path: Path) -> Array:
    """Ramps have four axes; of three it may be one integration, if the header says so.

    Raises:
        UserError: an image, or slopes of integrations.
    """
    n_groups, n_ints = header.get("NGROUPS"), header.get("NINTS")
    rate = "/s" in str(header.get("BUNIT", "")).lower()
    if raw.ndim == 4 and not rate:
        return raw
    if raw.ndim == 3 and not rate and n_ints == 1 and raw.shape[0] == n_groups:
        return raw[None]
    axes = " x ".join(map(str, raw.shape))
    what = "slopes of integrations (rateints)" if raw.ndim == 3 else "slopes (rate)" if raw.ndim == 2 else "rates"
    raise UserError(
        "a JWST ramp of 4 axes (integrations, groups, rows, columns)",
        f"{path.name} of {axes}, with NINTS = {n_ints} and NGROUPS = {n_groups}: {what}",
        "give the _uncal or _ramp file of the exposure: slopes are fitted, and hold no groups any more",
    )


def _without_ends(dq: Array | None, shape: tuple[int, ...]) -> Array:
    """DO_NOT_USE in the first and the last group, beside the bits that there are."""
    ends = np.zeros((1, shape[1], 1, 1), np.uint8)
    ends[:, [0, -1]] = DO_NOT_USE
    return np.broadcast_to(ends, shape) if dq is None else np.asarray(dq) | ends


def science_rows(header: Mapping[str, Any], shape: tuple[int, ...], path: Path) -> Ints | None:
    """Rows of an IRS2 readout that are pixels of the image; None for any other readout.

    Raises:
        UserError: a layout that is not that of a whole frame.
    """
    pattern = str(header.get("READPATT", "")).upper()
    if "IRS2" not in pattern:
        return None
    n_rows, n_cols = shape[2:]
    if n_rows == n_cols == 2048:
        return None  # the pipeline has taken them out
    normal, between = header.get("NRS_NORM", 16), header.get("NRS_REF", 4)
    usual = (n_rows, n_cols, normal, between) == (3200, 2048, 16, 4)
    if not usual or header.get("DETECTOR") not in ("NRS1", "NRS2"):
        raise UserError(
            f"an IRS2 readout ({pattern}) of 3200 x 2048 px, or one whose reference pixels are taken out",
            f"{path.name} of {n_rows} x {n_cols} px: which rows are reference pixels is not known",
            "give the whole frame, or the _ramp file of the JWST pipeline",
        )
    keep = irs2_mask()
    found: Ints = np.flatnonzero(keep if header["DETECTOR"] == "NRS1" else keep[::-1])
    return found


def irs2_mask() -> Mask:
    """True at the 2048 rows of 3200 that are pixels: 640 of the reference output go, and 4 after each 8, 24, 40, ...

    Each of four outputs has 32 blocks of 8 pixels, 4 reference pixels and 8 pixels, the same in both directions.
    """
    block = np.repeat([True, False, True], [8, 4, 8])
    return np.concatenate([np.zeros(640, bool), np.tile(block, 4 * 32)])
