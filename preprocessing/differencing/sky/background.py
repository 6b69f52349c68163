"""The sky: measured in boxes, subtracted, its noise kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.masks import spread
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.types import Count, Floats32, InUnits, Mask

_LEVELS = (2.5, 5.0, 10.0, 20.0)  # sigma at half resolution; the first covers as much as 2 sigma of single pixels would
_COVERED, _BOXES = 0.45, 0.6  # of a box's pixels; of the boxes, that must have more sky than that


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
    box: Annotated[Count, InUnits("px")] = 128
    filter_size: Count = 3
    mask_sources: bool = True

    def __call__(self, image: Image) -> Image:
        """The image without its sky; ``background``, ``sky`` and ``sky_rms`` are set."""
        box = min(self.box, *image.shape)
        measure = _photutils if self.method == "photutils" else _sep
        pixels, mask = image.data.numpy(), image.mask.numpy()
        covered = without_sources(pixels, mask, box, self.filter_size) if self.mask_sources else mask
        level, noise = measure(pixels, covered, box, self.filter_size)
        sky = torch.from_numpy(level)
        # Masked pixels hold no sky to take away.
        flat = (image.data - sky).masked_fill_(image.mask, 0.0)
        return image.with_(data=flat, background=sky, sky=typical(sky), sky_rms=noise)


@dataclass(frozen=True)
class KeepBackground:
    """Leaves an image whose sky was subtracted before."""

    def __call__(self, image: Image) -> Image:
        """The image, its masked pixels 0; the noise is that of its variance map.

        Raises:
            UserError: nearly every pixel lies far from 0: the sky is still there, or too much was taken away.
        """
        zero, noise = torch.zeros_like(image.data), typical(image.variance) ** 0.5
        good = image.data[~image.mask].numpy()
        low, high = np.percentile(good, (5, 95)) if good.size else (0.0, 0.0)
        if noise > 0 and (low > 3 * noise or high < -3 * noise):
            got = (
                f"{image.name}, 90 % of whose pixels lie between {low:.4g} and {high:.4g}, with a noise of {noise:.3g}"
            )
            raise UserError("an image without its sky", got, "subtract it: preprocessing/background=sep")
        data = torch.where(image.mask, zero, image.data)
        return image.with_(data=data, background=zero, sky=0.0, sky_rms=noise)


def without_sources(data: Floats32, mask: Mask, box: int, size: int) -> Mask:
    """The mask with the pixels of sources added, grown by 6 px; in a crowd those of the brighter ones, or of none.

    They are sought in a frame of half the resolution, in which they stand out as well as in the whole.

    Args:
        data, mask: (H, W).
        box: px, side of a box of the sky that is taken away for the search.
        size: boxes, side of the median filter over them.
    """
    import sep

    h, w = (n // 2 * 2 for n in data.shape)
    lines = data[0:h:2] + data[1:h:2]
    half = np.ascontiguousarray(lines[:, 0:w:2] + lines[:, 1:w:2]) * np.float32(0.25)
    bad = mask[0:h:2, 0:w:2] | mask[1:h:2, 0:w:2] | mask[0:h:2, 1:w:2] | mask[1:h:2, 1:w:2]
    box = max(box // 2, 1)
    sky = sep.Background(half, mask=bad, bw=box, bh=box, fw=size, fh=size)
    half -= sky.back(dtype=np.float32)
    rms = float(sky.globalrms) or 1.0
    half[bad] = 0.0
    for level in _LEVELS:
        grown = spread(_islands(torch.from_numpy(half), level * rms), 3).numpy()
        if _enough(grown | bad, box):
            break
    else:
        return mask
    covered = mask.copy()
    for i in (0, 1):
        for j in (0, 1):
            covered[i:h:2, j:w:2] |= grown
    return covered


def _enough(covered: Mask, box: int) -> bool:
    """Whether most boxes have more sky than sources: of the others no sky is told."""
    h, w = covered.shape
    rows, columns = np.arange(0, h, box), np.arange(0, w, box)
    sums = np.add.reduceat(np.add.reduceat(covered, rows, axis=0, dtype=np.int64), columns, axis=1)
    sizes = np.diff(np.append(rows, h))[:, None] * np.diff(np.append(columns, w))[None, :]
    return float(np.mean(sums < _COVERED * sizes)) >= _BOXES


def _islands(image: Tensor, threshold: float) -> Tensor:
    """(H, W) True where the image, smoothed by (1, 2, 1) / 4 along both axes, exceeds ``threshold`` in a group.

    A group are five pixels within 2 px: noise alone makes few of them.
    """
    for dim in (0, 1):
        smooth, n = image * 2, image.shape[dim]
        smooth.narrow(dim, 1, n - 1).add_(image.narrow(dim, 0, n - 1))
        smooth.narrow(dim, 0, n - 1).add_(image.narrow(dim, 1, n - 1))
        image = smooth.div_(4)
    hot = image > threshold
    count = hot.byte()
    for dim in (0, 1):
        total, n = count.clone(), count.shape[dim]
        for step in range(1, min(3, n)):
            total.narrow(dim, step, n - step).add_(count.narrow(dim, 0, n - step))
            total.narrow(dim, 0, n - step).add_(count.narrow(dim, step, n - step))
        count = total
    return hot & (count >= 5)


def _sep(data: Floats32, mask: Mask, box: int, size: int) -> tuple[Floats32, float]:
    import sep

    sky = sep.Background(np.ascontiguousarray(data), mask=mask, bw=box, bh=box, fw=size, fh=size)
    return sky.back(dtype=np.float32), float(sky.globalrms)


def _photutils(data: Floats32, mask: Mask, box: int, size: int) -> tuple[Floats32, float]:
    from photutils.background import Background2D, SExtractorBackground

    sky = Background2D(
        data, box, mask=mask, filter_size=size, bkg_estimator=SExtractorBackground(), exclude_percentile=90.0
    )
    return np.asarray(sky.background, np.float32), float(sky.background_rms_median)
