"""Stamps around positions: all at once, centred to the pixel at edges too, NaN where there is no data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional

from astrid_ml.errors import UserError
from astrid_ml.types import Count, InUnits


def cut(images: Tensor, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cut (C, H, W) around n positions (0-based px, rounded to the nearest pixel, halves upward).

    Returns:
        stamps (n, C, size, size), NaN on the side that lacks data, and (n, size, size) bool, True where it lacks.
    """
    if size % 2 == 0 or size < 1:
        raise UserError("an odd cutout size", str(size), f"set preprocessing.cutout.size={size + 1}")
    half = size // 2
    h, w = images.shape[-2:]
    t = torch.arange(-half, half + 1)
    rows = torch.floor(y.double() + 0.5).long()[:, None] + t
    columns = torch.floor(x.double() + 0.5).long()[:, None] + t
    outside = ((rows < 0) | (rows >= h))[:, :, None] | ((columns < 0) | (columns >= w))[:, None, :]
    padded = functional.pad(images, (0, 1, 0, 1), value=float("nan"))  # index h (or w) is the side without data
    rows = torch.where((rows < 0) | (rows >= h), h, rows)
    columns = torch.where((columns < 0) | (columns >= w), w, columns)
    return padded[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1).contiguous(), outside


@dataclass(frozen=True)
class Cutout:
    """Stamps in the order science, reference, difference, and optionally significance.

    Args:
        size: px, odd.
        significance: add the significance as a fourth plane.
        sky: ``included`` gives science and reference the sky that the science frame had, its median, as the stamps of
            some surveys' packets have it; networks trained on those see another picture without it.
    """

    size: Annotated[Count, InUnits("px")] = 63
    significance: bool = False
    sky: Literal["subtracted", "included"] = "subtracted"

    def level(self, sky: float) -> float:
        """What science and reference stamps of a frame with such a sky have under their sources."""
        return sky if self.sky == "included" else 0.0

    def __call__(
        self, planes: tuple[Tensor, Tensor, Tensor, Tensor], x: Tensor, y: Tensor, sign: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cut n stamps; the difference (and significance) of a candidate of ``sign`` -1 is multiplied by -1.

        Args:
            planes: science, reference, difference, significance, (H, W) each.
            x, y, sign: (n,).
        """
        stamps, outside = cut(torch.stack(planes if self.significance else planes[:3]), x, y, self.size)
        stamps[:, 2:] *= sign.to(stamps.dtype)[:, None, None, None]
        return stamps, outside
