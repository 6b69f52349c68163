"""Stamps that somebody normalised before: recognised by what normalising leaves behind."""

from __future__ import annotations

import numpy as np

from astrid_ml.types import Array, Bits, Floats32, Ints

PAD = np.float32(1e-9)  # what Braai's and BTSbot's scripts pad with, after they normalise
CLOSE = 2e-3  # of a norm to 1: float16 has 5e-4
KINDS = ("none", "row_l2", "stamp_l2", "minmax", "zscore", "minmax_signed", "bytes")
# Normalisations of a network that give the same for stamps normalised so as for raw ones.
UNDONE = {
    "none": ("row_l2", "stamp_l2", "sigma", "none"),
    "row_l2": ("row_l2",),
    "stamp_l2": ("row_l2", "stamp_l2", "sigma"),
    "minmax": ("sigma",),
    "zscore": ("sigma",),
    "minmax_signed": ("sigma",),
    "bytes": ("sigma",),
}


def normalised_as(stamps: Floats32) -> list[str]:
    """What each triplet was normalised by: one of ``KINDS``.

    ``minmax`` is from 0 to 1, ``minmax_signed`` from -1 to 1, ``zscore`` of mean 0 and deviation 1, each of each stamp;
    ``bytes`` are whole numbers from 0 to 255 over the triplet, as pictures have them.

    Args:
        stamps: (n, 3, h, w); NaN where there are no data.
    """
    x = np.nan_to_num(stamps.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    rows = np.sqrt((x**2).sum(axis=3))  # (n, 3, h)
    whole = np.sqrt((rows**2).sum(axis=2))  # (n, 3)
    filled = rows > 1e-6
    by_row = (np.abs(rows - 1) < CLOSE) | ~filled
    each_row = by_row.all(axis=(1, 2)) & (filled.sum(axis=(1, 2)) > 1)
    each_stamp = (np.abs(whole - 1) < CLOSE).all(axis=1)
    low, high = x.min(axis=(2, 3)), x.max(axis=(2, 3))
    between = ((np.abs(low) < CLOSE) & (np.abs(high - 1) < CLOSE)).all(axis=1)
    around = ((np.abs(low + 1) < CLOSE) & (np.abs(high - 1) < CLOSE)).all(axis=1)
    scored = ((np.abs(x.mean(axis=(2, 3))) < CLOSE) & (np.abs(x.std(axis=(2, 3)) - 1) < CLOSE)).all(axis=1)
    # As a picture has them: whole numbers from 0 to 255 over each triplet, or over each of its stamps.
    whole_numbers = (x == np.rint(x)).all(axis=(1, 2, 3))
    of_bytes = whole_numbers & (low.min(axis=1) == 0) & (high.max(axis=1) == 255)
    places = np.select([each_stamp, each_row, between, scored, around, of_bytes], [2, 1, 3, 4, 5, 6], 0)
    return [KINDS[place] for place in places]


def without_padding(stamps: Floats32) -> tuple[Floats32, Ints]:
    """Stamps with NaN where they were padded at the bottom and on the right, and how many rows and columns hold data.

    Args:
        stamps: (n, c, h, w); padded with NaN, or with 1e-9 after they were normalised.

    Returns:
        the stamps, and (n, 2) height and width.
    """
    empty: Array = (~np.isfinite(stamps) | (stamps == PAD)).all(axis=1)  # (n, h, w)
    height, width = (_last(np.asarray(~empty.all(axis=axis))) for axis in (2, 1))
    out = stamps
    cut = np.flatnonzero((height < stamps.shape[2]) | (width < stamps.shape[3]))
    if len(cut):
        out = stamps.copy()
        for sample in cut:
            out[sample, :, height[sample] :] = np.nan
            out[sample, :, :, width[sample] :] = np.nan
    return out, np.stack([height, width], axis=1).astype(np.int64)


def _last(holds: Array) -> Ints:
    """Past the last of each row's places that hold something; (n, m) -> (n,)."""
    m = holds.shape[1]
    last: Bits = holds[:, ::-1].argmax(axis=1).astype(np.int64)
    return np.where(holds.any(axis=1), m - last, 0).astype(np.int64)
