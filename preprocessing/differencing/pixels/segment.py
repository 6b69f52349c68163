"""Islands of an image above the noise, by sep (Bertin & Arnouts 1996; Barbary 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from astrid_ml.errors import UserError
from astrid_ml.types import Array, Floats32, Mask

_PARTS = 1024  # of one island
_FEW = 200_000  # pixels above the threshold at once; sep touches all of the memory that it is given for them


def segmented(
    data: Floats32, threshold: float, noise: float, mask: Mask, **options: Any
) -> tuple[Array, npt.NDArray[np.int32]]:
    """Sep's table of the sources of (H, W) above ``threshold`` times ``noise``, and the map of their numbers.

    Args:
        data: (H, W), background-free, contiguous.
        threshold: in units of ``noise``.
        noise: sigma of a pixel, in the units of ``data``.
        mask: (H, W) bool, True where no pixel counts.
        options: of ``sep.extract``.

    Raises:
        UserError: half of the image lies above the threshold.
    """
    import sep

    last, parts = max(1_000_000, data.size // 2), _PARTS
    size = _FEW
    while True:
        sep.set_extract_pixstack(size)
        sep.set_sub_object_limit(parts)
        try:
            table, segments = sep.extract(data, threshold, err=noise, mask=mask, segmentation_map=True, **options)
        except Exception as error:
            if "deblending overflow" in str(error) and parts < data.size:
                parts *= 8  # stars without a gap between them are one island of thousands
                continue
            if "pixel buffer" not in str(error):
                raise
            if size == last:
                share = float((data[~mask] > threshold * noise).mean())
                got = f"{share:.0%} of the pixels above {threshold:g} sigma ({threshold * noise:.4g} image units)"
                fix = "subtract the sky (preprocessing/background=sep), or give the image's true noise"
                raise UserError("an image without its sky", got, fix) from error
            size = last
        else:
            return table, segments
