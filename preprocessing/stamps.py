"""What can be measured on any difference stamp, whoever cut it."""

from __future__ import annotations

import numpy as np

from astrid_ml.stats import MAD_TO_SIGMA, row_medians
from astrid_ml.types import Array, Floats, Floats32, Mask

CHANNELS = ("science", "reference", "difference")
NO_DATA = 1e37  # absolute values from here on mark missing pixels
# Of pixels without data, where there are many; the last two are the least integers of 16 and 32 bits (FITS's BLANK).
MARKS = np.array([-999, -9999, -99999, -32768, -(2**31)], dtype=np.float32)
MARKED = 0.01  # of a channel's pixels
HUGE = np.float32(1e29)
DETECTED = 5.0  # sigma
FADED = "difference_stamps_negative_at_the_centre"  # a count: of surveys that send or read them positive
ONE_VALUE = "stamps_with_one_value_in_"  # a count, by channel
NAN_PIXELS = "stamps_with_nan_pixels"  # a count
MARKED_PIXELS = "pixels_without_data_marked_by_a_number"  # a count


def peak_snr(difference: Array, half: int = 4) -> Floats32:
    """Peak of the central box over the stamp's robust noise: the trivial score that a classifier must beat.

    Args:
        difference: (n, h, w); NaN where there are no data.
        half: half-width of the central box, pixels.

    Returns:
        (n,) float32; NaN where the stamp has no noise to measure or no data in the box.
    """
    return extremes_snr(difference, half)[0]


def extremes_snr(difference: Array, half: int = 4) -> tuple[Floats32, Floats32]:
    """Highest and lowest pixel of the central box, less the stamp's median, over the stamp's robust noise.

    Args:
        difference: (n, h, w); NaN where there are no data.
        half: half-width of the central box, pixels.

    Returns:
        (n,) each; NaN where the stamp has no noise to measure or no data in the box.
    """
    x = np.where(np.abs(difference) < NO_DATA, difference, np.nan).astype(np.float64)
    flat = x.reshape(len(x), -1)
    row, column = x.shape[1] // 2, x.shape[2] // 2
    box = x[:, max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1].reshape(len(x), -1)
    out = np.full((2, len(x)), np.nan)
    usable = np.isfinite(flat).any(axis=1) & np.isfinite(box).any(axis=1)
    if usable.any():
        median, sigma = middle_and_noise(flat[usable])
        ends = np.stack([np.nanmax(box[usable], axis=1), np.nanmin(box[usable], axis=1)]) - median
        out[:, usable] = np.divide(ends, sigma, out=np.full_like(ends, np.nan), where=sigma > 0)
    return out[0].astype(np.float32), out[1].astype(np.float32)


def faded_at_centre(highest: Floats32, lowest: Floats32) -> Mask:
    """Which difference stamps show a source that faded: the centre is lower by 5 sigma, and by more than it is higher.

    Args:
        highest, lowest: (n,) of :func:`extremes_snr`.
    """
    return np.asarray((lowest <= -DETECTED) & (-lowest > highest))


def sky_level(stamps: Array, most: float = NO_DATA) -> Floats32:
    """Median of each stamp in units of its own robust noise: about 0 without the sky, many where the sky is in it.

    Args:
        stamps: (n, h, w); NaN where there are no data.
        most: absolute values from here on mark missing pixels, as NaN does.

    Returns:
        (n,) float32; NaN where a stamp has no noise to measure.
    """
    flat = np.where(np.abs(stamps) < most, stamps, np.nan).astype(np.float64).reshape(len(stamps), -1)
    out = np.full(len(flat), np.nan)
    usable = np.isfinite(flat).any(axis=1)
    if usable.any():
        median, sigma = middle_and_noise(flat[usable])
        out[usable] = np.divide(median, sigma, out=np.full_like(median, np.nan), where=sigma > 0)
    return out.astype(np.float32)


def middle_and_noise(flat: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation of each row, without its NaN."""
    median = row_medians(flat)
    return median, MAD_TO_SIGMA * row_medians(np.abs(flat - median[:, None]))


def without_marks(stamps: Floats32, most: float = np.inf) -> tuple[Floats32, int]:
    """Stamps with NaN where a number marks that there are no data, and how many such pixels there are.

    Numbers of ``MARKS`` count where at least ``MARKED`` of a channel's pixels are exactly so and none is below; what is
    larger than ``HUGE`` counts always.

    Args:
        stamps: (n, c, h, w).
        most: absolute values from here on stay as they are: whoever reads stamps knows them as no data, and a network
            that a survey trained may have learned what they do (ZTF's templates have -3.4e38).
    """
    if not stamps.size:
        return stamps, 0
    lowest = stamps.min(axis=(2, 3))  # NaN where a pixel is NaN: such stamps are looked at below
    if lowest.min() > -HUGE and stamps.max() < HUGE and not np.isin(lowest, MARKS).any():  # most packets
        return stamps, 0
    size = np.abs(stamps)
    empty: Array = (size >= HUGE) & ~(size >= most)
    low = np.nanmin(np.where(np.isfinite(stamps), stamps, np.float32(np.inf)), axis=(2, 3), keepdims=True)
    of_mark: Array = (stamps == low) & np.isin(low, MARKS)
    empty |= of_mark & (of_mark.mean(axis=(2, 3), keepdims=True) >= MARKED)
    count = int((empty & np.isfinite(stamps)).sum())
    return (np.where(empty, np.float32(np.nan), stamps) if count else stamps), count


def why_blank(images: Floats32, largest: float = np.inf) -> str:
    """Why three stamps hold nothing that could be judged; empty where they do. They would be scored, with confidence.

    Args:
        images: (3, h, w): science, reference, difference.
        largest: absolute values from here on are no measurements.
    """
    flat = flat_channels(images, largest)
    for channel, image in zip(CHANNELS, images, strict=True):
        if channel in flat and not (np.abs(image) < largest).any():
            return f"{channel} stamp: no pixel that is a measurement"
    return "no pixel that varies, in any of the three stamps" if len(flat) == len(images) else ""


def flat_channels(images: Floats32, largest: float) -> list[str]:
    """The channels whose pixels are all the same.

    Args:
        images: (3, h, w): science, reference, difference.
        largest: absolute values from here on are no measurements.
    """
    pixels = images.reshape(len(images), -1)
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    varied: Mask = (low < high) & (-largest < low) & (high < largest)  # most stamps; NaN is neither
    if varied.all():
        return []
    return [channel for channel, image, some in zip(CHANNELS, pixels, varied, strict=True)
            if not some and _is_flat(image[np.abs(image) < largest])]  # fmt: skip


def _is_flat(known: Floats32) -> bool:
    return not known.size or bool(known.min() == known.max())
