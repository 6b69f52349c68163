"""What Rubin's cutouts hold beside the image: the variance and the PSF of each of the three."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from astrid_ml.preprocessing.alerts.files import CUTOUT_KEYS, cutout_bytes
from astrid_ml.preprocessing.alerts.stamp_fits import DAMAGE, StampError, open_fits, unpacked
from astrid_ml.types import Floats, Floats32

PSF_SIZE = 49  # the largest that is sent; smaller ones are padded around their centre


def rubin_planes(packet: dict[str, Any]) -> dict[str, Floats32]:
    """``variance`` (3, 30, 30) in nJy^2 and ``psf`` (3, 49, 49), each PSF of sum 1; empty where a cutout has none.

    Raises:
        StampError: the variance or the PSF of a cutout cannot be read.
    """
    try:
        return _planes(packet)
    except DAMAGE as error:
        raise StampError("damaged variance or PSF") from error


def _planes(packet: dict[str, Any]) -> dict[str, Floats32]:
    variances, psfs = [], []
    for key in CUTOUT_KEYS[0]:
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
    return {"variance": np.stack(variances), "psf": np.stack(psfs)}


def centred_psf(psf: Floats, size: int = PSF_SIZE) -> Floats32:
    """A PSF stamp of odd size, sum 1, padded around its centre."""
    out = np.zeros((size, size), dtype=np.float32)
    top, left = (size - psf.shape[0]) // 2, (size - psf.shape[1]) // 2
    out[top : top + psf.shape[0], left : left + psf.shape[1]] = psf / psf.sum()
    return out
