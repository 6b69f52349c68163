"""A thousand job folders: discovery, and the joins of catalogues and truth as a share of preparing.

Claims: the minutes are printed; the joins take less than 5 % of the total. The truth has OpenUniverse's size (25,000
rows a file), the catalogues have 2,500 detections. Images are measured on one real-sized job (float32) and multiplied.
Run: ``python benchmarks/roman_jobs.py``. Needs 2 GB on the temporary disk.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits

from astrid_ml.preprocessing.roman.job import frames
from astrid_ml.preprocessing.roman.job.catalogues import inside, join, read_table
from astrid_ml.preprocessing.roman.job.header import Science
from astrid_ml.preprocessing.roman.job.match import Match, label
from astrid_ml.preprocessing.roman.job.truth import RomanTruth, on_detector
from astrid_ml.preprocessing.roman.pipeline import RomanPipeline
from astrid_ml.preprocessing.roman.simulate.files import index_text, injection_text

JOBS, DETECTIONS, ROWS, INJECTIONS, SIDE, SAMPLE = 1000, 2500, 25_000, 200, 4089, 25


def tables(rng: np.random.Generator) -> dict[str, str]:
    """One job's text files."""
    n = DETECTIONS
    psfcat = pd.DataFrame({"id": np.arange(1, n + 1)})
    names = (
        "group_id group_size local_bkg x_init y_init flux_init x_fit y_fit flux_fit x_err y_err flux_err npixfit qfit"
    )
    for name in [*names.split(), "cfit", "flags", "ra", "dec"]:
        psfcat[name] = rng.uniform(0, SIDE - 1, n).round(4)
    finder = pd.DataFrame({"id": np.arange(1, n + 1)[::-1]})
    for name in "xcentroid ycentroid sharpness roundness1 roundness2 npix peak flux mag daofind_mag".split():
        finder[name] = rng.normal(size=n)
    kinds = rng.choice(["galaxy", "star", "transient"], ROWS, p=[0.9, 0.096, 0.004])
    index = pd.DataFrame({"object_id": np.arange(ROWS), "flux": rng.uniform(1, 1e4, ROWS), "obj_type": kinds})
    for name in ("ra", "dec", "x", "y"):
        index[name] = rng.uniform(-512, 4600, ROWS)
    added = pd.DataFrame(rng.uniform(1, SIDE - 1, (INJECTIONS, 3)), columns=["x", "y", "flux"])
    return {
        "diffimage_masked_psfcat.txt": psfcat.to_csv(sep=" ", index=False),
        "diffimage_masked_psfcat_finder.txt": finder.to_csv(sep=" ", index=False),
        "Roman_TDS_index_Y106_1_1.txt": index_text(index, "Y106", rng),
        "Roman_TDS_simple_model_Y106_1_1_lite_inject.txt": injection_text(added),
    }


def joins(folder: Path) -> int:
    """Read, join, match and label one job."""
    drop = _Dropped()
    psfcat, finder = (read_table(folder / f"diffimage_masked_{name}.txt") for name in ("psfcat", "psfcat_finder"))
    detections = inside(join(psfcat, finder, drop)[0], (SIDE, SIDE), drop)
    detections["sample"] = detections["id"].astype("string")
    science = Science("Y106", 17.638, 62000.0, 1, None, False, None)
    lists = [[next(folder.glob(pattern))] for pattern in ("*_inject.txt", "*_index_*")]
    truth = on_detector(RomanTruth().read(lists[0], lists[1], [], "jid1", science), (SIDE, SIDE))
    return int((label(detections, truth, Match(), 26.0)[0]["label"] == 1).sum())


class _Dropped:
    def __call__(self, name: str, reason: str) -> None:
        """Nothing is dropped here."""


def images(folder: Path) -> float:
    """Seconds of one job's images, in warm cache: the least that preparing can take."""
    rng = np.random.default_rng(1)
    data = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    planes: dict[str, Any] = {}
    for name in frames.CHANNELS:
        fits.PrimaryHDU(data).writeto(folder / f"{name}.fits")
    started = time.perf_counter()
    planes = {name: frames.open_plane(folder / f"{name}.fits") for name in frames.CHANNELS}
    frames.limits_of(planes)
    out = np.lib.format.open_memmap(folder / "out.npy", mode="w+", dtype=np.float32, shape=(SIDE, SIDE, 4))
    frames.stack(planes, out)
    out.flush()
    return time.perf_counter() - started


def main() -> None:
    """Print minutes and shares."""
    with tempfile.TemporaryDirectory() as name:
        root, rng = Path(name), np.random.default_rng(0)
        empty = ["bkg_subbed_science_image.fits", "diffimage_masked.fits", "scorrimage_masked.fits"]
        empty += ["awaicgen_output_mosaic_image_resampled_gainmatched.fits", *tables(rng)]
        for number in range(JOBS):
            folder = root / "jobs" / str(20250601 + number // 100) / f"jid{number}"
            folder.mkdir(parents=True)
            for file in empty:
                (folder / file).touch()
        started = time.perf_counter()
        units = RomanPipeline().plan([root / "jobs"])
        discovery = time.perf_counter() - started
        assert len(units) == JOBS and not any(unit.missing for unit in units)
        folder = root / "one"
        folder.mkdir()
        for file, text in tables(rng).items():
            (folder / file).write_text(text)
        started = time.perf_counter()
        for _ in range(SAMPLE):
            joins(folder)
        joined = (time.perf_counter() - started) / SAMPLE * JOBS
        pixels = images(folder) * JOBS
        total = discovery + joined + pixels
        print(f"discovery of {JOBS} jobs: {discovery:.2f} s")
        print(f"catalogues and truth of {JOBS} jobs: {joined / 60:.2f} min; images {pixels / 60:.1f} min")
        print(f"joins: {joined / total:.1%} of the total (claim: < 5 %)")


if __name__ == "__main__":
    main()
