"""Data-quality bits as the JWST pipeline writes them: GROUPDQ (every group) and PIXELDQ (all groups).

Of a group: DO_NOT_USE 1 (flagged in the input, or no number), SATURATED 2 (from the first saturated read to the end),
JUMP_DET 4 (a step is found between it and the group before; pixels of a snowball; and the groups in which the core of
the integration before is masked). SATURATED and DO_NOT_USE groups never get JUMP_DET.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from astropy.io import fits

from astrid_ml.files import WholeFile
from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.exposure.snowballs import Snowball
from astrid_ml.preprocessing.ramps.ramp.codes import DO_NOT_USE, JUMP_DET, REFERENCE_PIXEL, SATURATED, UNUSABLE
from astrid_ml.preprocessing.ramps.ramp.ramp import Ramp
from astrid_ml.types import Bits, Floats32, Ints

_BLOCK = 2880  # FITS files come in blocks of so many bytes


def lost_bits(exposure: Exposure, integration: int, rows: slice) -> Bits:
    """What the reads themselves and the input's bits say, (n_groups, h, n_cols).

    Args:
        exposure: only these rows of it are read.
        integration: 0-based.
        rows: rows.
    """
    ramp = exposure.ramp
    reads = np.asarray(ramp.data[integration, :, rows])
    given = np.zeros(reads.shape, np.uint32) if ramp.dq is None else np.asarray(ramp.dq[integration, :, rows])
    full = (given & SATURATED) != 0
    limit = exposure.saturation_electrons(rows)
    if limit is not None:
        gain = np.asarray(ramp.gain, np.float32)
        scale = np.float32(1.0) if ramp.unit == "e-" else gain if gain.ndim == 0 else gain[rows]
        full |= reads * scale >= limit
    # A saturated pixel stays so to the end of the integration.
    full = np.maximum.accumulate(full, axis=0)
    bits = np.where(full, SATURATED, 0).astype(np.uint8)
    bits[((given & DO_NOT_USE) != 0) | (np.isnan(reads) & ~full)] |= DO_NOT_USE
    return bits


def add_jumps(bits: Bits, jumps: pd.DataFrame, rows: slice) -> None:
    """Set JUMP_DET on the group after each step, in place.

    Args:
        bits: of one integration's rows, (n_groups, h, n_cols).
        jumps: group, y, x of that integration.
        rows: which rows ``bits`` holds.
    """
    here = jumps[jumps.y.between(rows.start, rows.stop - 1)]
    _flag(bits, here.group.to_numpy(int), here.y.to_numpy(int) - rows.start, here.x.to_numpy(int))


def add_snowballs(bits: Bits, balls: list[Snowball], integration: int, masked_groups: int, rows: slice) -> None:
    """Set JUMP_DET on the pixels of snowballs, and on cores of the integration before, in place.

    Args:
        bits: of one integration's rows, (n_groups, h, n_cols).
        balls: of all integrations.
        integration: which one ``bits`` is of.
        masked_groups: groups of the next integration in which a core is masked.
        rows: which rows ``bits`` holds.
    """
    for ball in balls:
        if ball.integration == integration:
            y, x = _within(ball.pixels, rows)
            _flag(bits, np.full(len(y), ball.group), y, x)
        elif ball.integration == integration - 1:
            y, x = _within(ball.core, rows)
            n = min(masked_groups, len(bits))
            _flag(bits, np.repeat(np.arange(n), len(y)), np.tile(y, n), np.tile(x, n))


def _within(pixels: Ints, rows: slice) -> tuple[Ints, Ints]:
    mine = pixels[(pixels[:, 0] >= rows.start) & (pixels[:, 0] < rows.stop)]
    return mine[:, 0] - rows.start, mine[:, 1]


def _flag(bits: Bits, group: Ints, y: Ints, x: Ints) -> None:
    allowed = (bits[group, y, x] & UNUSABLE) == 0
    bits[group[allowed], y[allowed], x[allowed]] |= JUMP_DET


def pixel_bits(ramp: Ramp, slope: Floats32) -> npt.NDArray[np.uint32]:
    """PIXELDQ, (n_rows, n_cols): the input's, REFERENCE_PIXEL, and DO_NOT_USE where no integration has a slope.

    Args:
        ramp: the exposure.
        slope: cleaned count rates, (n_ints, n_rows, n_cols); NaN where there is none.
    """
    bits = np.zeros(slope.shape[1:], np.uint32) if ramp.pixel_dq is None else ramp.pixel_dq.astype(np.uint32)
    bits[np.isnan(slope).all(axis=0)] |= DO_NOT_USE
    if ramp.reference is not None:
        bits[ramp.reference] |= REFERENCE_PIXEL
        bits[ramp.reference] &= np.uint32(~DO_NOT_USE & 0xFFFFFFFF)
    return bits


class GroupDQFile:
    """A FITS file with GROUPDQ (uint8, n_ints x n_groups x n_rows x n_cols) and PIXELDQ, written a strip at a time.

    The file takes its name only when ``close`` has added PIXELDQ.

    Args:
        path: the file that is written.
        shape: (n_ints, n_groups, n_rows, n_cols).
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self.path = path
        self._file = WholeFile(path)
        start = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)])
        header = fits.Header([("XTENSION", "IMAGE"), ("BITPIX", 8), ("NAXIS", len(shape))])
        for axis, length in enumerate(reversed(shape), start=1):
            header[f"NAXIS{axis}"] = length
        header.update({"PCOUNT": 0, "GCOUNT": 1, "EXTNAME": "GROUPDQ"})
        text = b"".join(part.tostring(padding=True).encode("ascii") for part in (start, header))
        with self._file.part.open("wb") as file:
            file.write(text)
            file.truncate(len(text) + -(-int(np.prod(shape)) // _BLOCK) * _BLOCK)
        self._bits = np.memmap(self._file.part, dtype=np.uint8, mode="r+", offset=len(text), shape=shape)

    def write(self, integration: int, rows: slice, bits: Bits) -> None:
        """Put the bits of a strip, (n_groups, h, n_cols), in their place."""
        self._bits[integration, :, rows] = bits

    def close(self, pixels: npt.NDArray[np.uint32]) -> None:
        """Add PIXELDQ and publish the file."""
        self._bits.flush()
        del self._bits
        fits.append(self._file.part, pixels, fits.Header([("EXTNAME", "PIXELDQ")]))
        self._file.publish()


def group_dq(processed: Processed, integration: int, rows: slice) -> Bits:
    """Data-quality bits of every group, uint8 (n_groups, h, n_cols): DO_NOT_USE 1, SATURATED 2, JUMP_DET 4.

    Args:
        processed: the exposure; only these rows of it are read.
        integration: 0-based.
        rows: rows, with a start and a stop.
    """
    bits = lost_bits(processed.exposure, integration, rows)
    add_jumps(bits, processed.jumps[processed.jumps.integration == integration], rows)
    add_snowballs(bits, processed.snowballs, integration, processed.exposure.masked_groups, rows)
    return bits


def write_dq(path: Path, processed: Processed) -> None:
    """GROUPDQ and PIXELDQ of an exposure as FITS, strip by strip, whole or not at all."""
    exposure = processed.exposure
    file = GroupDQFile(path, exposure.ramp.shape)
    for integration in range(exposure.ramp.shape[0]):
        for rows in exposure.rows():
            file.write(integration, rows, group_dq(processed, integration, rows))
    file.close(pixel_bits(exposure.ramp, processed.features["slope"]))
