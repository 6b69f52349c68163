"""Four images of a job as one frame (H, W, 4), raw, with the ZScale limits of each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from astrid_ml.errors import UserError
from astrid_ml.fits_headers import open_checked
from astrid_ml.types import Array

CHANNELS = ("science", "reference", "difference", "scorr")
_ROWS = 64  # rows stacked at a time: 4 MB, so that the pieces stay in the processor's cache


class ImageError(ValueError):
    """An image that cannot be used."""


@dataclass(frozen=True)
class Plane:
    """One opened image.

    Args:
        data: (H, W), memory-mapped where the file allows it, in the file's own type.
        header: the header of its HDU, with the primary's below it.
    """

    data: Array
    header: Mapping[str, Any]


def open_plane(path: Path) -> Plane:
    """The first two-dimensional image of a FITS file: RAPID's is the primary, OpenUniverse's the first extension.

    Raises:
        ImageError: not FITS, cut short, or without an image.
    """
    import warnings

    from astropy.utils.exceptions import AstropyWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)  # "File may have been truncated" is one
            warnings.filterwarnings("ignore", message=".*(non-standard|Card is too long|VerifyWarning).*")
            with open_checked(path, memmap=True) as file:
                for hdu in file:
                    if len(hdu.shape) == 2 and min(hdu.shape) > 0:
                        header = {**dict(file[0].header), **dict(hdu.header)}
                        return Plane(hdu.data, header)
    except UserError as error:
        raise ImageError(f"{path.name} cannot be read: {error.got}") from error
    except Exception as error:  # astropy raises many kinds on damaged files
        raise ImageError(f"{path.name} cannot be read: {error}") from error
    raise ImageError(f"{path.name} holds no image")


def zscale_limits(
    image: Array, n_samples: int = 1000, contrast: float = 0.25, max_iterations: int = 5
) -> tuple[float, float]:
    """ZScale limits of the finite pixels, equal to astropy's ``ZScaleInterval`` on them.

    IRAF's algorithm (numdisplay): a line is fitted through the sorted samples with 2.5-sigma rejection; its slope over
    ``contrast`` spans the limits. Here the samples are found without copying the finite pixels.

    Returns:
        (low, high); NaN where no pixel is finite.
    """
    samples = _samples(image, n_samples)
    if not len(samples):
        return float("nan"), float("nan")
    ranked = np.sort(samples).astype(np.float64)
    line = _central_line(ranked, max_iterations)
    low, high = float(ranked[0]), float(ranked[-1])
    if line is not None:
        middle, median = (len(ranked) - 1) // 2, float(np.median(ranked))
        slope = line / contrast
        low, high = max(low, median - (middle - 1) * slope), min(high, median + (len(ranked) - middle) * slope)
    return low, high


def _samples(image: Array, n: int) -> Array:
    """Every k-th finite pixel in reading order, at most n of them, in native bytes."""
    per_row = np.empty(len(image), dtype=np.int64)
    for start in range(0, len(image), _ROWS):
        per_row[start : start + _ROWS] = np.isfinite(image[start : start + _ROWS]).sum(axis=1)
    total = int(per_row.sum())
    if total == 0:
        return np.empty(0)
    stride = int(max(1.0, total / n))
    wanted = np.arange(0, total, stride)[:n]
    ends = np.cumsum(per_row)
    rows = np.searchsorted(ends, wanted, side="right")
    within = wanted - (ends - per_row)[rows]
    out = np.empty(len(wanted), dtype=image.dtype.newbyteorder("="))
    for row in np.unique(rows):
        chosen = rows == row
        line = image[row]
        out[chosen] = line[within[chosen]] if per_row[row] == len(line) else line[np.isfinite(line)][within[chosen]]
    return out


def _central_line(ranked: Array, max_iterations: int) -> float | None:
    """Slope per rank of the line through sorted samples, outliers beyond 2.5 sigma rejected with their neighbours.

    None where fewer than half of the samples, or fewer than five, remain.
    """
    n = len(ranked)
    rank, needed = np.arange(n, dtype=np.float64), max(5, n // 2)
    spread = np.ones(max(1, n // 100), dtype=bool)
    kept, before, slope = np.ones(n, dtype=bool), n + 1, 0.0
    for _ in range(max_iterations):
        count = int(kept.sum())
        if count >= before or count < needed:
            break
        before = count
        x, y = rank[kept], ranked[kept]
        dx = x - x.mean()
        slope = float(dx @ y / (dx @ dx))
        residual = ranked - (y.mean() + slope * (rank - x.mean()))
        outlier = np.abs(residual) > 2.5 * residual[kept].std()
        kept = ~np.convolve(outlier | ~kept, spread, mode="same")
    return slope if int(kept.sum()) >= needed else None


def stack(planes: Mapping[str, Plane], out: Array) -> int:
    """Write the channels into ``out`` (H, W, 4) float32, raw; what is not finite becomes NaN.

    Returns:
        The number of pixels without data, over all channels.
    """
    lost = 0
    for start in range(0, out.shape[0], _ROWS):
        block = out[start : start + _ROWS]
        for place, name in enumerate(CHANNELS):
            block[..., place] = planes[name].data[start : start + _ROWS]
        known = np.isfinite(block)
        missing = block.size - int(np.count_nonzero(known))
        if missing:
            block[~known] = np.nan
            lost += missing
    return lost


def common_shape(planes: Mapping[str, Plane]) -> tuple[int, int]:
    """(H, W) of all channels.

    Raises:
        ImageError: they differ.
    """
    shapes = {name: plane.data.shape for name, plane in planes.items()}
    if len(set(shapes.values())) > 1:
        raise ImageError("images of unequal size: " + ", ".join(f"{name} {shape}" for name, shape in shapes.items()))
    h, w = next(iter(shapes.values()))
    return int(h), int(w)


def limits_of(planes: Mapping[str, Plane]) -> dict[str, float]:
    """``zscale_low_<channel>`` and ``zscale_high_<channel>`` of each channel.

    Raises:
        ImageError: a channel without a finite pixel.
    """
    out: dict[str, float] = {}
    for name in CHANNELS:
        low, high = zscale_limits(planes[name].data)
        if not np.isfinite(low):
            raise ImageError(f"the {name} image has no finite pixel")
        out[f"zscale_low_{name}"], out[f"zscale_high_{name}"] = low, high
    return out
