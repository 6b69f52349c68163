"""Tiles of detector ramps as batches for voxel classification."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from astrid_ml.pipeline.contracts import SampleSource
from datamodules.prepared import Batch, PreparedDataModule, Rows


class RampDataModule(PreparedDataModule):
    """Batches of ``x`` (B, 2, T, H, W) float32 and ``y`` (B, T, H, W) uint8 class codes (255: undecided).

    Channel 0 is the signal above a straight line from the pixel's median step, channel 1 the step to this read from
    the one before, both in read noises and compressed by asinh; unusable voxels are 0. Training tiles are turned
    and mirrored at random; time is never reversed.
    """

    def count_classes(self, source: SampleSource, rows: Rows) -> int:
        """Classes of voxels: one tile can hold all of them."""
        return len(np.unique(source.gather("truth", rows[:32]))) if len(rows) else 0

    def make_batch(self, source: SampleSource, rows: Rows, generator: torch.Generator | None, train: bool) -> Batch:
        cube = torch.from_numpy(np.ascontiguousarray(source.gather("cube", rows)))
        truth = torch.from_numpy(np.ascontiguousarray(source.gather("truth", rows)))
        x = ramp_channels(cube)
        if train and generator is not None:
            turns = int(torch.randint(4, (1,), generator=generator))
            x, truth = torch.rot90(x, turns, (-2, -1)), torch.rot90(truth, turns, (-2, -1))
            if bool(torch.rand(1, generator=generator) < 0.5):
                x, truth = x.flip(-1), truth.flip(-1)
        return {"x": x.contiguous(), "y": truth.contiguous()}


def ramp_channels(cube: Tensor) -> Tensor:
    """(B, T, H, W) signal in read noises, NaN unusable -> (B, 2, T, H, W)."""
    step = torch.diff(cube, dim=1)
    median = step.nanmedian(dim=1, keepdim=True).values
    times = torch.arange(cube.shape[1], dtype=cube.dtype, device=cube.device)[:, None, None]
    raised = torch.asinh(cube - median * times)
    change = torch.asinh(torch.cat([torch.zeros_like(step[:, :1]), step - median], dim=1))
    return torch.stack([raised, change], dim=1).nan_to_num(0.0)
