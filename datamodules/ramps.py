"""Tiles of detector ramps as batches for voxel classification."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from astrid_ml.contracts.pipeline import SampleSource
from astrid_ml.datamodules.draws import each
from astrid_ml.datamodules.prepared import Batch, PreparedDataModule
from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.ramp.channels import CHANNELS, ramp_channels
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES
from astrid_ml.preprocessing.ramps.ramp.tile_figure import tile_png
from astrid_ml.types import Bits, Count, Floats32, Ints, InUnits, Positive, Share, Whole


class RampDataModule(PreparedDataModule):
    """Batches of ``x`` (B, 2, T, H, W) float32 and ``y`` (B, T, H, W) uint8 class codes (255: undecided).

    The channels are those of ``astrid_ml.preprocessing.ramps.ramp.channels``. Training tiles are turned and mirrored at
    random; time is never reversed. With ``crop``, a training sample is a part of its tile, mostly one around an event,
    each class and each event of a class alike: large events do not crowd out small ones, nor common ones rare ones.

    Args:
        batch_size: samples in a training batch.
        eval_batch_size: tiles in a batch of validation, test and prediction.
        num_workers: worker processes of the training loader.
        balance: see ``PreparedDataModule``.
        undersample_ratio: see ``PreparedDataModule``.
        crop: rows and columns of a training sample; None takes whole tiles.
        event_share: share of the training samples that lie around an event; the others lie anywhere.
        crops_per_tile: training samples of a tile in each epoch.
    """

    def __init__(
        self,
        batch_size: Count = 4,
        eval_batch_size: Count = 4,
        num_workers: Whole = 0,
        balance: str = "none",
        undersample_ratio: Positive = 3.0,
        crop: Annotated[Count, InUnits("px")] | None = None,
        event_share: Share = 0.75,
        crops_per_tile: Count = 1,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, num_workers, balance, undersample_ratio)
        if not 0 <= event_share <= 1 or crops_per_tile < 1 or (crop is not None and crop < 1):
            raise UserError(
                "crop and crops_per_tile of 1 or more, event_share from 0 to 1",
                f"datamodule.crop={crop}, crops_per_tile={crops_per_tile}, event_share={event_share}",
                "give values in that range",
            )
        self.crop, self.event_share, self.crops_per_tile = crop, event_share, crops_per_tile

    reads: ClassVar[tuple[str, ...]] = ("ramps",)

    def example(self) -> Batch:
        """Two small empty tiles, the second with a step."""
        y = torch.zeros(2, 16, 16, 16, dtype=torch.uint8)
        y[1, 8, 8, 8] = 1
        return {"x": torch.zeros(2, len(CHANNELS), 16, 16, 16), "y": y}

    def count_classes(self, source: SampleSource, rows: Ints) -> int:
        """Classes of voxels: one tile can hold all of them."""
        return len(np.unique(source.gather("truth", np.unique(rows)[:32]))) if len(rows) else 0

    def make_batch(self, source: SampleSource, rows: Ints, generator: torch.Generator | None, train: bool) -> Batch:
        cube = np.ascontiguousarray(source.gather("cube", rows))
        truth = np.ascontiguousarray(source.gather("truth", rows))
        if not train or generator is None:
            return {"x": ramp_channels(torch.from_numpy(cube)), "y": torch.from_numpy(truth)}
        # Of its own for each sample: what is drawn for one does not depend on the others of its batch.
        own = [torch.Generator().manual_seed(seed) for seed in each(len(rows), generator)]
        if self.crop is not None:
            cube, truth = self._crops(cube, truth, self.crop, own)
        turned = [
            turn(x, y, one)
            for x, y, one in zip(ramp_channels(torch.from_numpy(cube)), torch.from_numpy(truth), own, strict=True)
        ]
        return {"x": torch.stack([x for x, _ in turned]), "y": torch.stack([y for _, y in turned])}

    def draw(self, source: SampleSource, rows: Ints) -> list[bytes]:
        """Each tile's last read, its largest steps with the known events, and its brightest pixel."""
        cubes, codes = source.gather("cube", rows), source.gather("truth", rows)
        return [tile_png(cube, truth) for cube, truth in zip(cubes, codes, strict=True)]

    def _balanced(self, rows: Ints, seed: int) -> Ints:
        """Training rows, each as often as it is cropped in an epoch."""
        return np.repeat(super()._balanced(rows, seed), self.crops_per_tile)

    def _crops(self, cube: Floats32, truth: Bits, size: int, own: list[torch.Generator]) -> tuple[Floats32, Bits]:
        """One square part of each tile."""
        h, w = truth.shape[-2:]
        height, width = min(size, h), min(size, w)
        cubes, truths = [], []
        for signal, codes, generator in zip(cube, truth, own, strict=True):
            centre = None
            if float(torch.rand(1, generator=generator)) < self.event_share:
                centre = event_pixel(codes, generator)
            y, x = centre if centre is not None else (_draw(h, generator), _draw(w, generator))
            # The event stands anywhere in the crop, not always in its middle.
            top = int(np.clip(y - _draw(height, generator), 0, h - height))
            left = int(np.clip(x - _draw(width, generator), 0, w - width))
            part = (slice(None), slice(top, top + height), slice(left, left + width))
            cubes.append(signal[part])
            truths.append(codes[part])
        return np.stack(cubes), np.stack(truths)


def turn(x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A sample, (C, T, H, W) and (T, H, W), turned and mirrored at random; one that is not square keeps its shape."""
    square = y.shape[-2] == y.shape[-1]
    turns = _draw(4, generator) if square else 2 * _draw(2, generator)
    x, y = torch.rot90(x, turns, (-2, -1)), torch.rot90(y, turns, (-2, -1))
    return (x.flip(-1), y.flip(-1)) if _draw(2, generator) else (x, y)


def event_pixel(codes: Bits, generator: torch.Generator) -> tuple[int, int] | None:
    """A pixel (row, column) of a randomly chosen event, or None where there is none.

    A class that occurs is drawn first, then one of its events (connected pixels), then a pixel of that event.

    Args:
        codes: class of each voxel, (T, H, W).
        generator: of the draws.
    """
    from scipy.ndimage import label

    present = [code for code in range(1, len(ANOMALIES) + 1) if (codes == code).any()]
    if not present:
        return None
    events, number = label((codes == present[_draw(len(present), generator)]).any(0), structure=np.ones((3, 3)))
    y, x = np.nonzero(events == 1 + _draw(int(number), generator))
    chosen = _draw(len(y), generator)
    return int(y[chosen]), int(x[chosen])


def _draw(n: int, generator: torch.Generator) -> int:
    """A whole number from 0 to n - 1."""
    return int(torch.randint(n, (1,), generator=generator))
