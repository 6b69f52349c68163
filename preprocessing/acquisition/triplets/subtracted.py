"""Subtracted pairs as labels read them, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from astrid_ml.fits_headers import open_checked
from astrid_ml.preprocessing.differencing.detect.options import snap
from astrid_ml.preprocessing.differencing.epochs.forced import Epoch, read_epoch
from astrid_ml.preprocessing.differencing.pixels.cutouts import cut
from astrid_ml.preprocessing.differencing.pixels.peaks import interpolate
from astrid_ml.types import Array, Floats


@dataclass(frozen=True)
class SubtractedPair:
    """What the subtraction left of a pair.

    Args:
        name: of the pair.
        epoch: its difference image.
        planes: science, reference, difference, (3, H, W), NaN where masked.
        candidates: of the pair.
        fwhm: of the science image, px.
    """

    name: str
    epoch: Epoch
    planes: Array
    candidates: pd.DataFrame
    fwhm: float

    @classmethod
    def read(cls, folder: Path, fwhm: float) -> SubtractedPair:
        """Read the products of ``astrid difference`` with its intermediates.

        Args:
            folder: of the pair.
            fwhm: of the science image, px.
        """
        epoch = read_epoch(folder / "difference.fits")
        planes = []
        for side in ("science", "reference"):
            with open_checked(folder / f"{side}.fits") as hdus:
                planes.append(np.where(hdus["MASK"].data > 0, np.nan, hdus["SCI"].data).astype(np.float32))
        planes.append(epoch.result.diff.numpy())
        table = pd.read_parquet(folder / "candidates.parquet")
        return cls(folder.name, epoch, np.stack(planes), table, fwhm)

    def stamps(self, x: Floats, y: Floats, size: int) -> Array:
        """(n, 3, size, size) around positions, NaN without data."""
        at_x, at_y = (torch.tensor(np.array(values, dtype=float)) for values in (x, y))
        stamps, _ = cut(torch.from_numpy(self.planes), at_x, at_y, size)
        return stamps.numpy()

    def centre(self, x: float, y: float) -> tuple[float, float, float]:
        """Where the stamp of a source lies, by the rule that places the candidates: the peak of the significance.

        Stamps around catalogue positions would differ from those around peaks by more than what they show.

        Args:
            x, y: px, of its known place.

        Returns:
            x, y (px) and S/N of the nearest positive candidate within half an FWHM; else of a peak there that is no
            candidate; else of the place itself, on the shoulder of something brighter.
        """
        table = self.candidates[self.candidates["sign"] > 0]
        away = np.hypot(table["x"].to_numpy(dtype=float) - x, table["y"].to_numpy(dtype=float) - y)
        if len(away) and away.min() <= max(1.0, self.fwhm / 2):
            row = table.iloc[int(away.argmin())]
            return float(row["x"]), float(row["y"]), float(row["snr"])
        significance, reach = self.epoch.result.significance, max(1, round(self.fwhm / 2))
        at = np.array([x]), np.array([y])
        peaks = snap(significance, self.epoch.result.mask, *at, 0.0, reach)
        around = (
            significance[peaks[0, 0] - 1 : peaks[0, 0] + 2, peaks[0, 1] - 1 : peaks[0, 1] + 2] if len(peaks) else None
        )
        if around is not None and bool(around.max() <= around[1, 1]):
            found = interpolate(significance, peaks)
            return float(found[0][0]), float(found[1][0]), float(found[2][0])
        return x, y, float(significance[round(y), round(x)])


@dataclass(frozen=True)
class SubtractedPairs:
    """Pairs that are read when their turn comes: one is in memory, however many epochs an object has.

    Args:
        folders: of the pairs, with the FWHM (px) of each science image.
    """

    folders: tuple[tuple[Path, float], ...]

    def __iter__(self) -> Iterator[SubtractedPair]:
        for folder, fwhm in self.folders:
            yield SubtractedPair.read(folder, fwhm)
