"""The sky: measured in boxes, subtracted, its noise kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from preprocessing.differencing.image import Image

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SubtractBackground:
    """Subtract the sky.

    Args:
        method: ``sep`` (mode of clipped boxes) or ``photutils`` (Background2D, SExtractor's mode).
        box: side of a box, px; made smaller where the image is.
        filter_size: median filter over the boxes, in boxes.
    """

    method: Literal["sep", "photutils"] = "sep"
    box: int = 64
    filter_size: int = 3

    def __call__(self, image: Image) -> Image:
        """The image without its sky; ``meta``: ``background`` and ``rms`` (H, W) float32, and their medians."""
        box = min(self.box, *image.shape)
        measure = _photutils if self.method == "photutils" else _sep
        level, rms = measure(image.data.numpy(), image.mask.numpy(), box, self.filter_size)
        sky, noise = (torch.from_numpy(a.astype(np.float32)) for a in (level, rms))
        meta = {"background": sky, "rms": noise, "sky": float(sky.median()), "sky_rms": float(noise.median())}
        # Masked pixels hold no sky to take away.
        data = torch.where(image.mask, torch.zeros_like(sky), image.data - sky)
        return image.with_(data=data, meta={**image.meta, **meta})


def _sep(data: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], box: int, size: int) -> tuple[Array, Array]:
    import sep

    sky = sep.Background(np.ascontiguousarray(data), mask=mask, bw=box, bh=box, fw=size, fh=size)
    return np.asarray(sky.back(), float), np.asarray(sky.rms(), float)


def _photutils(data: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], box: int, size: int) -> tuple[Array, Array]:
    from photutils.background import Background2D, SExtractorBackground

    sky = Background2D(
        data, box, mask=mask, filter_size=size, bkg_estimator=SExtractorBackground(), exclude_percentile=90.0
    )
    return np.asarray(sky.background, float), np.asarray(sky.background_rms, float)
