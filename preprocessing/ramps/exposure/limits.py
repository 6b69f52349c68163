"""Limits of saturation that are wrong, or that nobody says: what the reads themselves tell of them."""

from __future__ import annotations

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.ramp.codes import SATURATED
from astrid_ml.types import Array, Floats32

OPTION = "preprocessing.load.saturation"
HIGH = 200.0  # read noises above most first reads from which a pixel may be full: no detector's well is smaller
FLAT = 5.0  # noises of a difference within which a pixel rises no more
WIDTH = 10.0, 0.02  # read noises, or share of the height, within which full pixels stand together: biases differ
FEWEST = 5  # pixels of one level that are no chance
ALONE = 4  # times as many pixels there as just below: what rays leave thins out slowly


def nothing_usable(exposure: Exposure) -> UserError:
    """What to say where no pixel has a ramp: whether the limit of saturation is beyond all reads, or something else."""
    reads, limit = _first_reads(exposure), exposure.saturation_electrons(slice(None))
    known = np.isfinite(reads)
    if limit is None or not known.any() or not (reads >= limit)[known].all():
        return UserError("pixels with a usable ramp", "all are saturated, flagged or NaN", "check the unit and the DQ")
    ramp = exposure.ramp
    sign, side = (-1, "at or below") if ramp.inverted else (1, "at or above")
    gain = exposure.gain
    level, middle = sign * float(np.median(limit)) / gain, sign * float(np.median(reads[known])) / gain
    who = f"the first reads of all pixels are {side} SATURATE or {OPTION}, {level:.6g} DN"
    turned = "; of a detector that counts down it is the LOWEST read" if ramp.inverted else ""
    return UserError(
        "reads within the limit of saturation",
        f"{who} (their median: {middle:.6g} DN){turned}",
        f"give {OPTION}=DN as this detector's reads have it; one that is full throughout has no ramp",
    )


def _first_reads(exposure: Exposure) -> Floats32:
    """First group of the first integration, e-, (n_rows, n_cols); NaN where the bits forbid use, or of no image."""
    ramp = exposure.ramp
    reads = np.concatenate([ramp.electrons(0, rows, slice(None))[0] for rows in exposure.rows()])
    if ramp.reference is not None:
        reads[ramp.reference] = np.nan
    return reads


def saturation_warnings(processed: Processed, cube: Array) -> list[str]:
    """Sentences on saturation that nobody says, and on pixels that stand at one level as full ones do.

    Args:
        processed: the exposure.
        cube: its processed reads, e- above ``first_read``, (n_ints, n_groups, n_rows, n_cols).
    """
    exposure = processed.exposure
    said = []
    if exposure.saturation_electrons(slice(0, 1)) is None and not _flagged(exposure):
        said.append(f"nobody says where reads saturate, so none is taken as saturated: give {OPTION}=DN")
    pixels, level = 0, 0.0
    for integration in range(len(cube)):
        found, value = _full(processed, cube, integration)
        pixels, level = max((pixels, level), (found, value))
    if pixels:
        said.append(
            f"{pixels} pixels stand at {level:.6g} DN in their last groups as full ones do, and are not marked as "
            f"saturated: give {OPTION}, " + ("above that level" if exposure.ramp.inverted else "below that level")
        )
    return [f"{exposure.ramp.name}: {text}" for text in said]


def _flagged(exposure: Exposure) -> bool:
    """Whether the bits of the groups mark saturation: then somebody has looked for it."""
    dq = exposure.ramp.dq
    return dq is not None and any((np.asarray(one[-1]) & SATURATED).any() for one in dq)


def _full(processed: Processed, cube: Array, integration: int) -> tuple[int, float]:
    """Pixels that are far up, rise no more and stand together at the top of all, and that level, DN."""
    ramp, maps = processed.exposure.ramp, processed.features
    before, middle, last = (np.asarray(cube[integration, group], np.float32) for group in (-3, -2, -1))
    noise = ramp.noise(slice(None), slice(None))
    gain = np.asarray(ramp.gain, np.float32)
    first = np.asarray(maps["first_read"][integration])
    height = last + first - np.nanmedian(first)
    # The mean rise of a group is twice what the last ones may rise by: slow ramps of many groups are not flat.
    high = max(HIGH, 2 * FLAT * (ramp.shape[1] - 1))
    with np.errstate(invalid="ignore"):
        flat = (height > high * noise) & (np.abs(last - middle) < FLAT * noise)
        flat &= np.abs(middle - before) < FLAT * noise
    if ramp.reference is not None:
        flat &= ~ramp.reference
    if flat.sum() < FEWEST:
        return 0, 0.0
    tall = height[flat]
    top = float(tall.max())
    width = max(WIDTH[0] * float(np.median(noise[flat])), WIDTH[1] * top)
    at, below = ((tall > top - k * width) & (tall <= top - (k - 1) * width) for k in (1, 2))
    others = int(below.sum()) + int((height > top + width).sum())
    together = int(at.sum())
    if together < max(FEWEST, ALONE * others):
        return 0, 0.0
    level = float(np.median(((last + first) / gain)[flat][at]))
    return together, -level if ramp.inverted else level
