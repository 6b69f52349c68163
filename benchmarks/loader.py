"""Whole-batch fetch against one sample at a time, and against one .npz a triplet.

Claim: >= 2x a per-sample DataLoader over the same memory-mapped array, >= 10x one npz for each triplet.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from astrid_ml.datamodules.prepared import RowDataset, keep
from astrid_ml.dataset.prepared import PreparedDataset
from astrid_ml.pipeline.engine import prepare_dataset
from astrid_ml.preprocessing.triplets.pipeline import TripletsPipeline
from astrid_ml.preprocessing.triplets.simulate import SimulateTriplets

N, BATCH, REPEATS = 4000, 256, 5


class PerSample(Dataset[Any]):
    """What most projects write: one memory-mapped row at a time."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.array[row]))


class PerFile(Dataset[Any]):
    """One npz for each triplet."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("*.npz"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> torch.Tensor:
        with np.load(self.files[row]) as content:
            return torch.from_numpy(content["stamps"])


def seconds(loader: DataLoader[Any]) -> float:
    started = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "raw").mkdir()
        SimulateTriplets(n=N).run(folder / "raw", 1)
        outcome = prepare_dataset(TripletsPipeline(), [folder / "raw"], folder / "store", name="loader", progress=False)
        data = PreparedDataset(outcome.path)
        rows = np.arange(N, dtype=np.int64)
        stamps = data.gather("stamps", rows)
        np.save(folder / "all.npy", stamps)
        (folder / "npz").mkdir()
        for row in rows:
            np.savez(folder / "npz" / f"{row:05d}.npz", stamps=stamps[row])

        def fetch(chosen: Any, _: Any) -> dict[str, torch.Tensor]:
            return {"x": torch.from_numpy(np.ascontiguousarray(data.gather("stamps", chosen)))}

        makers: dict[str, Callable[[], DataLoader[Any]]] = {
            "whole batch": lambda: DataLoader(RowDataset(rows, fetch), BATCH, shuffle=True, collate_fn=keep),
            "per sample": lambda: DataLoader(
                PerSample(np.load(folder / "all.npy", mmap_mode="r")), BATCH, shuffle=True
            ),
            "npz each": lambda: DataLoader(PerFile(folder / "npz"), BATCH, shuffle=True),
        }
        times: dict[str, list[float]] = {kind: [] for kind in makers}
        for _ in range(REPEATS + 1):
            for kind, make in makers.items():
                times[kind].append(seconds(make()))
    median = {kind: statistics.median(values[1:]) for kind, values in times.items()}
    for kind, value in median.items():
        print(
            f"{kind:>12}: {N / value:9.0f} triplets/s  ({value / median['whole batch']:.2f}x the time of a whole batch)"
        )


if __name__ == "__main__":
    main()
