"""What is sharper than the optics can make it: hot pixels and cosmic rays, in the difference or in either image."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.stamps import shifted, stamps_at
from astrid_ml.types import Mask

SHARP = 8  # bit of ``flags``; the lower ones are the detector's
_NEAR = 1  # px from a candidate to the brightest pixel of an image
_HOLLOW = 0.5  # of the brightest pixel
_ALONE = 0.6  # of the way from the sharpest star to a pixel without neighbours; stars of a varying PSF stay below


def sharper(table: pd.DataFrame, psf: Tensor) -> Mask:
    """Candidates sharper than the difference's PSF at any position within a pixel, by more than 3 sigma of noise.

    Args:
        table: with ``sharpness`` and ``snr``.
        psf: (k, k) of the difference. Of a hollow one, of a telescope out of focus, the centre tells nothing.
    """
    if float(psf[psf.shape[0] // 2, psf.shape[1] // 2]) < _HOLLOW * float(psf.max()):
        return np.zeros(len(table), dtype=bool)
    limit = _limit(psf)
    # error of 1 - ring / centre, the centre's being the smaller part of the detection's
    noise = 1.2 * float(psf.square().sum().sqrt() / psf.max()) / np.maximum(np.abs(table["snr"].to_numpy()), 1e-9)
    return np.asarray(table["sharpness"].to_numpy() > limit + 3 * noise * (1 - limit) + 0.05)


def on_single_pixel(table: pd.DataFrame, image: Tensor, variance: Tensor, psf: Tensor) -> Mask:
    """Candidates beside the brightest pixel of an image that stands nearly alone, by more than 3 sigma of noise.

    A hot pixel of both images leaves a residual of the PSF's width where the reference was resampled.

    Args:
        table: with ``x`` and ``y``, px.
        image, variance: (H, W), background-free.
        psf: (k, k) of the image.
    """
    if len(table) == 0:
        return np.zeros(0, dtype=bool)
    x, y = (torch.from_numpy(table[c].to_numpy(dtype=float, copy=True)).round() for c in ("x", "y"))
    size = 2 * _NEAR + 1
    around = stamps_at(image, x, y, size)[0].flatten(1).argmax(1)
    x, y = x + around % size - _NEAR, y + around // size - _NEAR
    pixels, inside = stamps_at(image, x, y, 3)
    centre = pixels[:, 1, 1]
    ring = (pixels.sum((1, 2)) - centre) / 8
    error = stamps_at(variance, x, y, 1)[0].flatten().sqrt() / centre
    limit = _limit(psf)
    # 1.06: the ring's eight pixels have noise too
    alone = 1 - ring / centre - 3 * 1.06 * error > limit + _ALONE * (1 - limit)
    return np.asarray((alone & (centre > 0) & inside.flatten(1).all(1)).numpy())


def _limit(psf: Tensor) -> float:
    """Largest sharpness, 1 less the mean of the eight neighbours over the brightest pixel, of a PSF at any position."""
    offsets = torch.linspace(-0.5, 0.5, 5)
    dy, dx = (t.flatten() for t in torch.meshgrid(offsets, offsets, indexing="ij"))
    moved = torch.nn.functional.pad(shifted(psf.detach(), dx, dy), (1, 1, 1, 1))
    width = moved.shape[-1]
    at = moved.flatten(1).argmax(1)
    y, x = (at // width).tolist(), (at % width).tolist()
    pixels = torch.stack([stamp[i - 1 : i + 2, j - 1 : j + 2] for stamp, i, j in zip(moved, y, x, strict=True)])
    centre = pixels[:, 1, 1]
    return float((1 - (pixels.sum((1, 2)) - centre) / 8 / centre).max())
