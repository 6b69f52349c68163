"""Cutouts of 64 x 64 x 4 from memory-mapped frames of 4089 x 4089 x 4, on one core with the files in the page cache.

Claims: at least 20,000 cutouts a second, and at least 500 times as fast as loading the frame for each sample.
Also printed: the same with scaling, a whole batch as the network gets it. Writes 270 MB a frame to a temporary folder.
Run: ``python benchmarks/frames_cutouts.py``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.datamodules.frame_channels import CHANNELS, FrameChannels
from astrid_ml.datamodules.frame_cutouts import FrameStore
from astrid_ml.datamodules.frames import FrameDataModule

SIDE, FRAMES, SAMPLES, BATCH, REPEATS = 4089, 3, 6000, 256, 9


def make_source(folder: Path) -> Any:
    """Frames of noise and positions all over them, edges included."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(FRAMES):
        path = folder / "images" / f"jid{number}.npy"
        frame = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(SIDE, SIDE, 4))
        for row in range(0, SIDE, 512):
            frame[row : row + 512] = random.standard_normal(frame[row : row + 512].shape, dtype=np.float32)
        frame.flush()
    jobs = np.sort(random.integers(0, FRAMES, SAMPLES))
    index = pd.DataFrame({"id": np.arange(SAMPLES).astype(str), "image": [f"images/jid{job}.npy" for job in jobs]})
    index["x"], index["y"] = random.uniform(0, SIDE - 1, (2, SAMPLES))
    for name in CHANNELS:
        index[f"zscale_low_{name}"], index[f"zscale_high_{name}"] = -2.5, 2.5
    return SimpleNamespace(path=folder, index=index, meta={})


def naive(source: Any, row: int) -> Any:
    """Load the frame, cut one square: what reading per sample costs."""
    record = source.index.iloc[row]
    frame = np.load(source.path / record["image"])
    y, x = (int(np.clip(record[axis], 32, SIDE - 33)) for axis in ("y", "x"))
    return frame[y - 32 : y + 32, x - 32 : x + 32].copy()


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        source = make_source(Path(name))
        store = FrameStore(source)
        modules = {
            s: FrameDataModule(FrameChannels(scaling=s), features=[]) for s in ("none", "zscale", "asinh", "sigma")
        }
        everything = np.arange(SAMPLES, dtype=np.int64)
        for start in range(0, SAMPLES, BATCH):  # touch all pages once
            store.cutouts(everything[start : start + BATCH], 64)
        times: dict[str, list[float]] = {"loading the frame": [], "cutouts": [], **{s: [] for s in modules}}
        for _ in range(REPEATS):
            rows = np.sort(random.choice(SAMPLES, (4, BATCH), replace=False).astype(np.int64), axis=1)
            times["loading the frame"].append(seconds(lambda: naive(source, int(rows[0, 0]))))  # noqa: B023
            times["cutouts"].append(seconds(lambda: [store.cutouts(some, 64) for some in rows]) / rows.size)  # noqa: B023
            for scaling, module in modules.items():
                spent = seconds(lambda: [module.make_batch(source, some, None, False) for some in rows])  # noqa: B023
                times[scaling].append(spent / rows.size)
    middle = {what: statistics.median(values) for what, values in times.items()}
    print(f"{'loading the frame for each sample':<36} {1e3 * middle['loading the frame']:8.1f} ms a sample")
    print(f"{'cutouts of 64 x 64 x 4':<36} {1 / middle['cutouts']:8,.0f} a second (at least 20,000)")
    print(f"{'ratio':<36} {middle['loading the frame'] / middle['cutouts']:8,.0f} (at least 500)")
    for scaling in modules:
        print(f"{'whole batches, scaling ' + scaling:<36} {1 / middle[scaling]:8,.0f} a second")


if __name__ == "__main__":
    main()
