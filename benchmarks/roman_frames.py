"""One job's four 4088 x 4088 images read, measured for ZScale, stacked and saved.

Claims: at most 3 times the plain read and write of the same bytes, at least 1.3 times as fast as stacking the results
of astropy's ZScaleInterval in float64, and at most 300 MB of anonymous memory. The files are in the page cache.
Run: ``python benchmarks/roman_frames.py``. Needs 1 GB on the temporary disk.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.visualization import ZScaleInterval

from astrid_ml.preprocessing.roman.job import frames

SIDE, ROUNDS = 4088, 3


def make(folder: Path) -> dict[str, Path]:
    """Noise with NaN where a product is masked; the reference is float64, as a fifth of the real ones are."""
    rng = np.random.default_rng(0)
    paths = {}
    for name in frames.CHANNELS:
        data = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
        if name in ("difference", "scorr"):
            data[:, :40] = np.nan
        paths[name] = folder / f"{name}.fits"
        fits.PrimaryHDU(data.astype("f8" if name == "reference" else "f4")).writeto(paths[name])
    return paths


def ours(paths: dict[str, Path], out: Path) -> None:
    """What preparing does with a job's images."""
    planes = {name: frames.open_plane(path) for name, path in paths.items()}
    frames.limits_of(planes)
    array = np.lib.format.open_memmap(out, mode="w+", dtype=np.float32, shape=(SIDE, SIDE, 4))
    frames.stack(planes, array)
    array.flush()


def plain(paths: dict[str, Path], out: Path) -> None:
    """The same bytes read and written, nothing done with them."""
    for path in paths.values():
        path.read_bytes()
    np.save(out, np.zeros((SIDE, SIDE, 4), np.float32))


def astropys(paths: dict[str, Path], out: Path) -> None:
    """Each image scaled by astropy in float64, stacked and saved as float32."""
    scaled = [ZScaleInterval()(np.nan_to_num(fits.getdata(path).astype(np.float64))) for path in paths.values()]
    np.save(out, np.stack(scaled, axis=-1).astype(np.float32))


def seconds(work: Callable[[dict[str, Path], Path], None], paths: dict[str, Path], out: Path) -> float:
    started = time.perf_counter()
    work(paths, out)
    return time.perf_counter() - started


def anonymous() -> float:
    """MB of anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))


def peak(work: Callable[[], None]) -> float:
    """The most anonymous memory while working, MB."""
    found, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            found.append(anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return max(found)


def main() -> None:
    """Measure in turn; print medians and ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make(folder)
        memory = peak(lambda: ours(paths, folder / "warm.npy"))
        times: dict[str, list[float]] = {"ours": [], "plain": [], "astropy": []}
        for _ in range(ROUNDS):
            for label, work in (("ours", ours), ("plain", plain), ("astropy", astropys)):
                times[label].append(seconds(work, paths, folder / f"{label}.npy"))
        median = {label: statistics.median(values) for label, values in times.items()}
        print("  ".join(f"{label} {value:.2f} s" for label, value in median.items()))
        print(f"times the plain read and write: {median['ours'] / median['plain']:.2f} (claim: <= 3)")
        print(f"astropy's in float64 takes {median['astropy'] / median['ours']:.2f} times as long (claim: >= 1.3)")
        print(f"anonymous memory: {memory:.0f} MB (claim: <= 300)")


if __name__ == "__main__":
    main()
