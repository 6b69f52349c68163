"""The noise's autocovariance measured on blank sky: what resampling and drizzling did to it."""

from __future__ import annotations

import torch
from torch import Tensor

from preprocessing.differencing.zogy import padded_shape


def autocovariance(image: Tensor, blank: Tensor, reach: int = 6) -> Tensor:
    """Autocovariance (2 reach - 1, 2 reach - 1) of (H, W) over ``blank`` pixels, centred, in units squared.

    Each lag is the mean product of the pairs of blank pixels. A triangular taper ends it at ``reach`` px, for a cut-off
    estimate has a spectrum with negative parts. Divide by the noise map first where the noise varies.
    """
    shape = padded_shape((image.shape[-2], image.shape[-1]), reach)
    z = torch.where(blank, image - image[blank].median(), torch.zeros_like(image)).double()
    sums, pairs = (
        torch.fft.irfft2(torch.fft.rfft2(t, s=shape).abs().square() + 0j, s=shape) for t in (z, blank.double())
    )
    lags = (sums / pairs.clamp_min(1.0)).roll((reach - 1, reach - 1), (0, 1))[: 2 * reach - 1, : 2 * reach - 1]
    taper = 1 - torch.arange(1 - reach, reach).abs().double() / reach
    tapered: Tensor = lags * taper[:, None] * taper[None, :]
    return tapered.float()
