"""Typical values of large planes from a share of their pixels: all of them say no more than the noise lets them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MOST = 1 << 17  # pixels; the median of so many is known to 0.4 % of their scatter


def typical(plane: Tensor, good: Tensor | None = None) -> float:
    """Median of (..., H, W), of at most 131,072 pixels spread evenly over it; ``good``, of its shape: those that count.

    Where hardly any of them is good, all pixels are looked at; NaN where none is.
    """
    step = max(1, plane.numel() // _MOST)
    while step > 1 and math.gcd(step, plane.shape[-1]) > 1:  # else it would walk down some columns only
        step += 1
    values = plane.flatten()[::step]
    if good is not None:
        values = values[good.flatten()[::step]]
        if values.numel() < 1000:
            values = plane[good]
    return float(torch.median(values)) if values.numel() else math.nan
