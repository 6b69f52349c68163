"""What Rubin's cutouts hold beside the image: the variance and the PSF of each of the three."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.files import cutout_bytes, cutout_keys
from astrid_ml.preprocessing.alerts.packet import SURVEYS, padded
from astrid_ml.preprocessing.alerts.stamp_fits import DAMAGE, StampError, open_fits, unpacked
from astrid_ml.types import Floats, Floats32

SIZE = SURVEYS["lsst"].size
PSF_SIZE = 49  # the largest that is sent; smaller ones are padded around their centre


def rubin_planes(packet: dict[str, Any]) -> dict[str, Floats32]:
    """``variance`` (3, 30, 30) in nJy^2 and ``psf`` (3, 49, 49), each PSF of sum 1; empty where a cutout has none.

    Variances of stamps that were cut at an edge are padded as the stamps are, with NaN.

    Raises:
        StampError: the variance or the PSF of a cutout cannot be read, variances differ in size or are too large, or
            a PSF has no sum to divide by.
    """
    try:
        return _planes(packet)
    except DAMAGE as error:
        raise StampError("damaged variance or PSF") from error


def _planes(packet: dict[str, Any]) -> dict[str, Floats32]:
    variances, psfs = [], []
    for key in cutout_keys(packet):
        content = cutout_bytes(packet.get(key))
        if content is None:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_fits(unpacked(content)) as hdus:
                names = {hdu.name: hdu for hdu in hdus}
                if not {"UNCERT", "PSFIMAGE"} <= names.keys():
                    return {}
                variances.append(np.asarray(names["UNCERT"].data, dtype=np.float32))
                psfs.append(centred_psf(np.asarray(names["PSFIMAGE"].data, dtype=np.float64)))
    shapes = {variance.shape for variance in variances}
    if len(shapes) != 1 or max(shapes.pop()) > SIZE:
        raise StampError(f"variances that are not of one size, at most {SIZE} x {SIZE}")
    return {"variance": padded(variances, SIZE), "psf": np.stack(psfs)}


def centred_psf(psf: Floats, size: int = PSF_SIZE) -> Floats32:
    """A PSF stamp of odd size, sum 1, padded around its centre.

    Raises:
        StampError: its sum is 0 or not finite.
    """
    total = psf.sum()
    if total == 0 or not np.isfinite(total):
        raise StampError(f"a PSF of sum {total:g}")
    out = np.zeros((size, size), dtype=np.float32)
    top, left = (size - psf.shape[0]) // 2, (size - psf.shape[1]) // 2
    out[top : top + psf.shape[0], left : left + psf.shape[1]] = psf / total
    return out
