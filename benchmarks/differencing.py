"""A whole pair (align to candidates, PSFs estimated) against the same stages made of well-known parts, on one thread.

The peer: reproject_interp (bicubic), photutils Background2D (64 px) of both images, Gaussian PSF matching by the stars'
widths (astropy's FFT convolution), difference over its propagated noise, photutils DAOStarFinder at 5 sigma.

Run: ``python benchmarks/differencing.py [size] [repeats]``. Prints processor times, the median of the interleaved
ratios (the bound is 4), what each finds of the transients above S/N 7 and its false positives per Mpx, alignment alone
(bound 8), and the peak memory (bound 1 GB at 2048 px) of a process of its own that loads a pair from a file and
subtracts it. ``python benchmarks/differencing.py simulate FILE [size]`` writes such a file, ``... memory FILE`` is that
process: for frames of 8192 px run one after the other (bound 8 GB). ``... ffts FILE`` compares a whole pair with four
transforms of its frames (bound 15 at 4096 px).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from astropy.io import fits
from astropy.wcs import WCS
from scipy.spatial import cKDTree

from astrid_ml.preprocessing.differencing.difference import Subtraction
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.grid.align import Align
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.pair import SkyPair, simulate_pair
from astrid_ml.types import Floats


def _background(data: Floats) -> tuple[Floats, Floats]:
    from photutils.background import Background2D

    sky = Background2D(data, 64, filter_size=3)
    return data - sky.background, np.asarray(sky.background_rms)


def _sigma(data: Floats, rms: Floats) -> float:
    """Median Gaussian sigma of bright stars (px), by photutils."""
    from photutils.detection import DAOStarFinder
    from photutils.psf import fit_fwhm

    stars = DAOStarFinder(50 * float(np.median(rms)), 3.0)(data)
    stars = stars[np.argsort(-np.asarray(stars["flux"]))][20:80]
    names = ("x_centroid", "y_centroid") if "x_centroid" in stars.colnames else ("xcentroid", "ycentroid")
    xy = np.column_stack([stars[n] for n in names])
    return float(np.median(fit_fwhm(data, xypos=xy, fit_shape=9))) / 2.3548


def peer(pair: SkyPair) -> Floats:
    """Positions (n, 2) of the peer's detections at 5 sigma, positive ones."""
    from astropy.convolution import Gaussian2DKernel, convolve_fft
    from photutils.detection import DAOStarFinder
    from reproject import reproject_interp

    science = pair.science.data.double().numpy()
    source = (pair.reference.data.double().numpy(), pair.reference.wcs)
    aligned = reproject_interp(source, pair.science.wcs, science.shape, order="bicubic", return_footprint=False)
    aligned = np.nan_to_num(aligned, nan=float(np.nanmedian(aligned)))
    (n, n_rms), (r, r_rms) = _background(science), _background(aligned)
    s_n, s_r = _sigma(n, n_rms), _sigma(r, r_rms)
    kernel = Gaussian2DKernel(float(np.sqrt(max(s_n**2 - s_r**2, 0.05))))
    matched = convolve_fft(r, kernel, allow_huge=True)
    bright = np.argsort(-n.ravel())[: n.size // 2000]
    ratio = float(np.median(n.ravel()[bright] / np.maximum(matched.ravel()[bright], 1.0)))
    noise = np.sqrt(n_rms**2 + np.maximum(n, 0) + ratio**2 * (r_rms**2 + np.maximum(matched, 0)) * 0.1)
    found = DAOStarFinder(5.0 * 0.45, s_n * 2.3548)((n - ratio * matched) / noise)
    if found is None:
        return np.zeros((0, 2))
    names = ("x_centroid", "y_centroid") if "x_centroid" in found.colnames else ("xcentroid", "ycentroid")
    positions: Floats = np.column_stack([np.asarray(found[c], dtype=float) for c in names])
    return positions


def score(found: Floats, truth: pd.DataFrame, size: int) -> tuple[float, float]:
    """Share of the transients above S/N 7 found, and false positives per Mpx 32 px from the edge."""
    at = truth[["x", "y"]].to_numpy()
    strong = at[truth["snr_opt"].to_numpy() > 7]
    inner = found[np.all((found > 32) & (found < size - 33), axis=1)]
    hit = cKDTree(found).query(strong)[0] < 4 if len(found) else np.zeros(len(strong))
    false = np.sum(np.asarray(cKDTree(at).query(inner)[0]) >= 4) if len(inner) else 0
    return float(np.mean(hit)), float(false / size**2 * 1e6)


def _ours(science: Image, reference: Image) -> Floats:
    table = Subtraction()(science, reference).candidates
    table = table[(table["sign"] > 0) & ((table["flags"].to_numpy() & 3) == 0)]
    positions: Floats = table[["x", "y"]].to_numpy(dtype=float)
    return positions


def _align(pair: SkyPair) -> float:
    """Time of reproject_interp on the same three planes (data, variance, mask) over ours."""
    from reproject import reproject_interp

    planes = [t.double().numpy() for t in (pair.reference.data, pair.reference.variance, pair.reference.mask)]
    start = time.process_time()
    for plane, order in zip(planes, ("bicubic", "bilinear", "bilinear"), strict=True):
        reproject_interp(
            (plane, pair.reference.wcs), pair.science.wcs, plane.shape, order=order, return_footprint=False
        )
    middle = time.process_time()
    Align()(pair.science, pair.reference)
    return (middle - start) / (time.process_time() - middle)


def write(path: Path, pair: SkyPair) -> None:
    """Both images of a pair as arrays in one file."""
    planes: dict[str, Any] = {}
    for i, image in enumerate((pair.science, pair.reference)):
        assert image.wcs is not None
        named = {
            "data": image.data,
            "variance": image.variance,
            "mask": image.mask,
            "saturated": image.saturated,
        }
        planes |= {f"{name}{i}": plane.numpy() for name, plane in named.items() if plane is not None}
        planes[f"wcs{i}"] = image.wcs.to_header_string()
    np.savez(path, **planes)


def _read(path: Path) -> list[Image]:
    with np.load(path) as planes:
        return [
            Image(
                data=torch.from_numpy(planes[f"data{i}"]),
                variance=torch.from_numpy(planes[f"variance{i}"]),
                mask=torch.from_numpy(planes[f"mask{i}"]),
                wcs=WCS(fits.Header.fromstring(str(planes[f"wcs{i}"]))),
                saturated=torch.from_numpy(planes[f"saturated{i}"]),
            )
            for i in (0, 1)
        ]


def ffts(path: Path, repeats: int = 5) -> float:
    """Time of a whole pair over that of two forward and two inverse transforms of it, interleaved; the median."""
    images, ratios = _read(path), []
    for repeat in range(repeats + 1):
        start = time.process_time()
        for image in images:
            torch.fft.irfft2(torch.fft.rfft2(image.data), s=image.shape)
        middle = time.process_time()
        Subtraction()(images[0], images[1])
        if repeat:  # the first pays for imports
            ratios.append((time.process_time() - middle) / (middle - start))
    ratio = statistics.median(ratios)
    print(f"{images[0].shape}: {ratio:.1f} ({min(ratios):.1f} to {max(ratios):.1f}) times four transforms")
    return ratio


def memory(path: Path) -> float:
    """Peak resident memory (GB) of this process, which loads a pair and subtracts it; all that it holds counts."""
    images = _read(path)
    start = time.process_time()
    found = len(Subtraction()(images[0], images[1]).candidates)
    spent = time.process_time() - start
    # not getrusage: what it counts begins with the parent's memory
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9
    print(f"{images[0].shape}: {found} candidates, {spent:.1f} s, peak resident memory {peak:.3f} GB")
    return peak


def _memory_apart(pair: SkyPair) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.npz"
        write(path, pair)
        subprocess.run([sys.executable, __file__, "memory", str(path)], check=True)


def main(size: int, repeats: int) -> float:
    """Median ratio of the peer's time to ours."""
    rows: list[dict[str, Any]] = []
    for seed in range(repeats + 1):
        pair = simulate_pair(SkyConfig(shape=(size, size)), 900 + seed)
        t0 = time.process_time()
        ours = _ours(pair.science, pair.reference)
        t1 = time.process_time()
        t2 = time.process_time()
        theirs = peer(pair)
        t3 = time.process_time()
        if seed:  # the first pays for imports
            a, b = score(ours, pair.truth, size), score(theirs, pair.truth, size)
            rows.append({"ours": t1 - t0, "peer": t3 - t2, "a": a, "b": b, "align": _align(pair)})
    ratio = float(statistics.median(r["peer"] / r["ours"] for r in rows))
    print(
        f"{size} x {size}: ours {statistics.median(r['ours'] for r in rows):.2f} s, "
        f"peer {statistics.median(r['peer'] for r in rows):.2f} s, median ratio {ratio:.2f} (bound 4)"
    )
    for name, key in (("ours", "a"), ("peer", "b")):
        print(
            f"{name}: found {np.mean([r[key][0] for r in rows]):.3f} of S/N > 7, "
            f"{np.mean([r[key][1] for r in rows]):.2f} false positives per Mpx"
        )
    print(f"alignment alone, reproject_interp over ours: {statistics.median(r['align'] for r in rows):.2f} (bound 8)")
    print("in a process of its own, bound 1 GB:", flush=True)
    _memory_apart(simulate_pair(SkyConfig(shape=(size, size)), 901))
    return ratio


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    match sys.argv[1:]:
        case ["simulate", file, *rest]:
            side = int(rest[0]) if rest else 2048
            write(Path(file), simulate_pair(SkyConfig(shape=(side, side)), 901))
        case ["ffts", file]:
            ffts(Path(file))
        case ["memory", file]:
            memory(Path(file))
        case numbers:
            main(*[int(n) for n in numbers], *(2048, 5)[len(numbers) :])
