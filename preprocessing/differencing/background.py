"""The sky: measured in boxes, subtracted, its noise kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from preprocessing.differencing.image import Image
from preprocessing.differencing.resample import spread

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SubtractBackground:
    """Subtract the sky.

    Args:
        method: ``sep`` (mode of clipped boxes) or ``photutils`` (Background2D, SExtractor's mode).
        box: side of a box, px; made smaller where the image is.
        filter_size: median filter over the boxes, in boxes.
        mask_sources: measure a second time without the pixels of sources, whose wings the clipping misses.
    """

    method: Literal["sep", "photutils"] = "sep"
    box: int = 128
    filter_size: int = 3
    mask_sources: bool = True

    def __call__(self, image: Image) -> Image:
        """The image without its sky; ``meta``: ``background`` and ``rms`` (H, W) float32, and their medians."""
        box = min(self.box, *image.shape)
        measure = _photutils if self.method == "photutils" else _sep
        pixels, mask = image.data.numpy(), image.mask.numpy()
        level, rms = measure(pixels, mask, box, self.filter_size)
        if self.mask_sources:
            level, rms = measure(pixels, without_sources(pixels, level, rms, mask), box, self.filter_size)
        sky, noise = (torch.from_numpy(a.astype(np.float32)) for a in (level, rms))
        meta = {"background": sky, "rms": noise, "sky": float(sky.median()), "sky_rms": float(noise.median())}
        # Masked pixels hold no sky to take away.
        flat = torch.where(image.mask, torch.zeros_like(sky), image.data - sky)
        return image.with_(data=flat, meta={**image.meta, **meta})


@dataclass(frozen=True)
class KeepBackground:
    """Leaves an image whose sky was subtracted before."""

    def __call__(self, image: Image) -> Image:
        """The image, its masked pixels 0; the noise is that of its variance map."""
        zero, noise = torch.zeros_like(image.data), image.variance.sqrt()
        meta = {"background": zero, "rms": noise, "sky": 0.0, "sky_rms": float(noise.median())}
        return image.with_(data=torch.where(image.mask, zero, image.data), meta={**image.meta, **meta})


def without_sources(data: npt.NDArray[np.float32], level: Array, rms: Array, mask: Mask) -> Mask:
    """The mask with the pixels of sources added, grown by 6 px; the mask itself where hardly a pixel would be left."""
    import sep

    sep.set_extract_pixstack(max(1_000_000, data.size // 2))
    flat = np.ascontiguousarray(data - level.astype(np.float32))
    _, segments = sep.extract(flat, 2.0, err=float(np.median(rms)) or 1.0, mask=mask, minarea=5, segmentation_map=True)
    covered = spread(torch.from_numpy(segments > 0), 6).numpy() | mask
    return covered if covered.mean() < 0.8 else mask


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
