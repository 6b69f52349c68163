"""Anonymous memory and time of a 2048 x 2048 x 450 exposure (float32, 7.5 GB): simulated, then rules and likelihood.

python benchmarks/ramps_memory.py [groups=450] [size=2048]

Needs about 25 GB of disk at the default size, for the exposure, the processed cube and the ramp's file. The limit is
4 GB of anonymous memory (RssAnon); pages of mapped files do not count, for the system can drop them.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from astrid_ml.preprocessing.ramps.exposure.exposure import Exposure, Processing
from astrid_ml.preprocessing.ramps.exposure.process import process
from astrid_ml.preprocessing.ramps.exposure.processed import Processed
from astrid_ml.preprocessing.ramps.products.write import write_products
from astrid_ml.preprocessing.ramps.readers.auto import read_ramp
from astrid_ml.preprocessing.ramps.simulate.command import SimulateRamps

torch.set_num_threads(1)


def anonymous() -> float:
    """Anonymous memory of this process now, GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e9


def measured(work: Callable[[], Any]) -> tuple[Any, float, float, float]:
    """(Result, seconds, seconds of CPU, peak of anonymous memory in GB, looked at every 20 ms)."""
    peak, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    spent, used = time.perf_counter() - start, time.process_time() - cpu
    done.set()
    thread.join()
    return result, spent, used, peak[0]


def detect(file: Path, folder: Path) -> Processed:
    """Rules and likelihood, and every product."""
    found = process(Exposure(read_ramp(file), Processing()), folder / "cube.npy")
    write_products(folder, found, np.load(folder / "cube.npy", mmap_mode="r"))
    return found


def main() -> None:
    groups = int(sys.argv[1]) if len(sys.argv) > 1 else 450
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 2048
    simulation = SimulateRamps({"held": 1.8}, n=1, image_shape=(size, size), num_frames=groups, exp_time=100.0 * groups)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        _, spent, used, peak = measured(partial(simulation.run, raw, 1))
        file = next(raw.glob("*.fits"))
        print(
            f"{file.stat().st_size / 1e9:.2f} GB simulated: {spent:.0f} s ({used:.0f} s CPU), RssAnon {peak:.2f} GB",
            flush=True,
        )
        found, spent, used, peak = measured(partial(detect, file, raw))
        print(
            f"detected, all products written: {spent:.0f} s ({used:.0f} s CPU, {size * size * groups / 1e6 / used:.1f} "
            f"Mpix-frame/s), RssAnon peak {peak:.2f} GB, limit 4 GB; {len(found.jumps)} jumps, "
            f"{len(found.telegraph)} telegraph pixels, {len(found.snowballs)} snowballs"
        )


if __name__ == "__main__":
    main()
