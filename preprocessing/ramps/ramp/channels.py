"""What a network sees of a ramp, in units of the read noise: the same in training and in prediction."""

from __future__ import annotations

import torch
from torch import Tensor

CHANNELS = ("raised", "change")
_CUT = 5.0  # steps farther than this many sigmas from the median do not count for the line


def ramp_channels(cube: Tensor, times: Tensor | None = None) -> Tensor:
    """Signal as two channels, compressed by asinh; unusable voxels are 0.

    ``raised`` is the signal above a straight line through the first read, ``change`` the step to this read from the
    one before less the line's. The line's slope is the mean of the steps within 5 sigmas of their median.

    Args:
        cube: signal since the first read over the noise of one read, (B, T, H, W), NaN unusable.
        times: of the reads, in mean spacings since the first, (T,); None for evenly spaced ones.

    Returns:
        (B, 2, T, H, W).
    """
    since = torch.arange(cube.shape[1], dtype=cube.dtype, device=cube.device) if times is None else times.to(cube)
    spacing = torch.diff(since)[:, None, None]
    step = torch.diff(cube, dim=1)
    residual = step - step.nanmedian(dim=1, keepdim=True).values * spacing
    # Neighbouring steps share a read: their sum is nearly free of noise, which the median of them is not.
    kept = residual.abs() <= _CUT * 2**0.5
    total = torch.where(kept, step, 0.0).sum(dim=1, keepdim=True)
    slope = total / torch.where(kept, spacing, 0.0).sum(dim=1, keepdim=True).clamp(min=1e-6)
    change = torch.cat([torch.zeros_like(step[:, :1]), step - slope * spacing], dim=1)
    raised = cube - slope * since[:, None, None]
    return torch.stack([torch.asinh(raised), torch.asinh(change)], dim=1).nan_to_num(0.0)
