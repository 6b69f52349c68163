"""Pairs of frames in many situations, drawn by a simulator of its own, and how subtraction does.

Galaxies are clouds of points on exponential discs, so that each image shows them through its own PSF exactly. The S/N
of a transient is that of the best filter for both images with the noise at its place.

Run: ``python benchmarks/differencing_situations.py [pairs] [situation;...] [WAY]``. One line of a table a
situation, in which a way (zogy, kernel, auto; poisson, of detecting) takes the place of the situation's own: found of
S/N > 7 and of 5 to 7, false candidates of each sign per Mpx (4 px and more from every transient, those that are not
flagged in brackets), standard deviation of blank sky after the rescaling, slope of forced fluxes and its error, scatter
of their pulls, FLUXERR in blank sky over the optimum, processor seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.io import fits
from astropy.wcs import WCS, Sip

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.differencing.detect.measure import forced
from astrid_ml.preprocessing.differencing.detect.poisson import PoissonPeaks
from astrid_ml.preprocessing.differencing.difference import Difference
from astrid_ml.preprocessing.differencing.frame.load import Frame
from astrid_ml.preprocessing.differencing.pipeline import DifferencingPipeline
from astrid_ml.preprocessing.differencing.stars.psf import EmpiricalPsf
from astrid_ml.preprocessing.differencing.subtract.auto import Auto
from astrid_ml.preprocessing.differencing.subtract.kernel import Kernel
from astrid_ml.preprocessing.differencing.subtract.steps import Zogy
from astrid_ml.types import Array, Floats, Mask

_EDGE, _NEAR, _FAR = 32, 2.5, 4.0  # px
_CLOUD = 160  # points of a galaxy


@dataclass(frozen=True)
class Situation:
    """What a pair is like; sizes in science pixels, fluxes in electrons of the science exposure."""

    size: tuple[int, int] = (704, 704)
    fwhm: tuple[float, float] = (3.4, 2.6)
    beta: tuple[float, float] = (3.5, 3.0)
    sky: tuple[float, float] = (220.0, 180.0)
    read: float = 6.0
    ratio: float = 1.25  # science over reference
    exposures: float = 3.0  # of the reference
    stars: int = 1500  # per 2^20 px, as galaxies
    galaxies: int = 120
    faintest: float = 380.0
    brightest: float = 4e5
    fine: float = 1.0  # pixels of the reference along one of the science image
    turn: float = 0.02
    mirror: bool = False
    distortion: tuple[float, float] = (0.0, 0.0)  # px at the corners, reference and science
    shift: tuple[float, float] = (0.37, -0.21)
    header_off: tuple[float, float] = (0.0, 0.0)
    border: int = 0  # px that the reference is larger on each side
    giant: float = 0.0  # surface brightness of a giant galaxy's centre, in skies
    slope: tuple[float, float] = (0.05, -0.03)  # of the science sky
    varies: float = 0.0  # the science PSF's width, from one side to the other
    elongated: float = 0.0
    full: float = 0.0  # electrons at which pixels saturate
    holes: int = 0  # px, of squares without data
    flagged: float = 0.0  # share of single bad pixels
    gain: bool = True
    pipeline: DifferencingPipeline = field(default_factory=DifferencingPipeline)


@dataclass(frozen=True)
class Drawn:
    """A pair, as it is written, its truth (x, y, flux, snr of transients), and the least flux error (H, W)."""

    images: tuple[Floats, Floats]
    grids: tuple[WCS, WCS]
    truth: Floats
    scene: Mask
    flagged: Mask
    optimum: Floats


def profile(y: Array, x: Array, width: Floats, beta: float, ratio: Floats, sub: int) -> Floats:
    """Moffat of flux 1 over pixels: FWHM ``width``, elongated by 1 - ``ratio`` along a diagonal."""
    points, weights = np.polynomial.legendre.leggauss(sub)
    alpha2 = (width / 2) ** 2 / (2 ** (1 / beta) - 1)
    total: Floats = np.zeros(np.broadcast_shapes(y.shape, x.shape, width.shape))
    for dy, wy in zip(points / 2, weights / 2, strict=True):
        for dx, wx in zip(points / 2, weights / 2, strict=True):
            u, v = (x + dx + y + dy) / np.sqrt(2), (y + dy - x - dx) / np.sqrt(2)
            r2 = u**2 * (1 - ratio) + v**2 / (1 - ratio)
            total += wy * wx * (1 + r2 / alpha2) ** -beta
    return np.asarray(total * (beta - 1) / (np.pi * alpha2))


def paint(plane: Floats, at: Floats, flux: Floats, width: Floats, beta: float, ratio: Floats) -> None:
    """Add points (n, 2) to a plane, the brighter the wider their stamps, many at once."""
    h, w = plane.shape
    sub = 5 if float(width.min()) < 2.2 else 3 if float(width.min()) < 5 else 2
    steps = [0, 3e2, 3e4, 1e6, np.inf]
    for (low, high), reach in zip(pairwise(steps), (4.0, 7.0, 13.0, 24.0), strict=True):
        rows = np.flatnonzero((flux > low) & (flux <= high))
        half = int(np.ceil(reach * float(np.median(width))))
        t = np.arange(-half, half + 1)
        for part in np.array_split(rows, max(1, len(rows) * len(t) ** 2 // 1_000_000)):
            centre = np.rint(at[part]).astype(int)
            x, y = (t[None] + (centre[:, i] - at[part, i])[:, None] for i in (0, 1))
            shape = (len(part), 1, 1)
            stamps = profile(
                y[:, :, None], x[:, None, :], width[part].reshape(shape), beta, ratio[part].reshape(shape), sub
            )
            rows_, columns = np.broadcast_arrays((t + centre[:, 1:])[:, :, None], (t + centre[:, :1])[:, None, :])
            inside = (rows_ >= 0) & (rows_ < h) & (columns >= 0) & (columns < w)
            light = stamps * flux[part].reshape(shape)
            plane += np.bincount(rows_[inside] * w + columns[inside], light[inside], h * w).reshape(h, w)


def grid(
    size: tuple[int, int], scale: float, turn: float, mirror: bool, bend: float, shift: tuple[float, float]
) -> WCS:
    """A tangential grid of pixels of ``scale`` arcsec, turned (degrees), mirrored, distorted by ``bend`` px (SIP)."""
    wcs = WCS(naxis=2)
    a, half = np.radians(turn), max(size) / 2
    wcs.wcs.crval = [210.0, -12.0]
    wcs.wcs.crpix = [size[1] / 2 + 0.5 + shift[0], size[0] / 2 + 0.5 + shift[1]]
    wcs.wcs.cd = (
        scale
        / 3600
        * np.array([[1.0 if mirror else -1.0, 0], [0, 1]])
        @ [
            [np.cos(a), -np.sin(a)],
            [np.sin(a), np.cos(a)],
        ]
    )
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if bend else ["RA---TAN", "DEC--TAN"]
    if bend:
        first, second = np.zeros((4, 4)), np.zeros((4, 4))
        first[0, 2], first[3, 0], second[2, 0], second[1, 1] = (
            bend * s / half**n for s, n in ((0.8, 2), (0.3, 3), (-0.9, 2), (0.4, 2))
        )
        wcs.sip = Sip(first, second, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def sources(s: Situation, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Places (n, 2) and fluxes of stars and of the points of galaxies; the galaxies' middles and radii (m, 3)."""
    h, w = s.size
    share = h * w / 2**20
    n, m = int(s.stars * share), int(s.galaxies * share)
    at = rng.uniform((-25, -25), (w + 25, h + 25), (n, 2))
    flux = np.minimum(s.faintest * (1 - rng.uniform(size=n)) ** -1.3, s.brightest)
    middles = np.column_stack([rng.uniform((12, 12), (w - 12, h - 12), (m, 2)), rng.uniform(0.8, 3.0, m)])
    light = np.minimum(4000 * (1 - rng.uniform(size=m)) ** -0.9, 3e5)
    radius = rng.gamma(2.0, middles[:, 2:], (m, _CLOUD))
    angle, flat = rng.uniform(0, 2 * np.pi, (m, _CLOUD)), rng.uniform(0.4, 1, (m, 1))
    lean = rng.uniform(0, np.pi, (m, 1))
    u, v = radius * np.cos(angle), radius * np.sin(angle) * flat
    cloud = middles[:, None, :2] + np.stack(
        [u * np.cos(lean) - v * np.sin(lean), u * np.sin(lean) + v * np.cos(lean)], -1
    )
    every = np.concatenate([at, cloud.reshape(-1, 2)])
    return every, np.concatenate([flux, np.repeat(light / _CLOUD, _CLOUD)]), middles


def best(power: tuple[Floats, Floats], variances: tuple[Floats, Floats]) -> Floats:
    """S/N (n,) of flux 1 by the best filter for both images: powers (k, k) of the PSFs, variances (n,) a pixel."""
    p, q = power
    return np.array([float(np.mean(p * q / (v * q + u * p))) ** 0.5 for v, u in zip(*variances, strict=True)])


def _around(plane: Floats, at: Floats, width: float) -> Floats:
    """Mean of a plane at places (n, 2), weighted by a PSF squared."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    return np.asarray(
        map_coordinates(gaussian_filter(plane, width / 2.355 / np.sqrt(2)), at.T[::-1], order=1, mode="nearest")
    )


def draw(s: Situation, seed: int) -> Drawn:
    """One pair."""
    rng = np.random.default_rng([seed, 77])
    (h, w), k = s.size, s.fine
    sides = tuple(int(n * k) + 2 * s.border for n in s.size)
    sides = sides[::-1] if abs(s.turn % 180 - 90) < 20 else sides
    grids = (
        grid(s.size, 0.4, 0.0, False, s.distortion[1], s.shift),
        grid((sides[0], sides[1]), 0.4 / k, s.turn, s.mirror, s.distortion[0], (0, 0)),
    )

    def there(at: Floats) -> Floats:
        return np.column_stack(grids[1].all_world2pix(*grids[0].all_pix2world(at[:, 0], at[:, 1], 0), 0, quiet=True))

    at, flux, middles = sources(s, rng)
    planes = (np.zeros(s.size), np.zeros(sides))
    widths = s.fwhm[0] * (1 + s.varies * (2 * at[:, 0] / w - 1))
    paint(planes[0], at, flux, widths, s.beta[0], s.elongated * np.clip(at[:, 1] / h, 0, 1))
    paint(planes[1], there(at), flux / s.ratio, np.full(len(at), s.fwhm[1] * k), s.beta[1], np.zeros(len(at)))
    if s.giant:
        for i, plane in enumerate(planes):
            y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
            place = np.column_stack([x.ravel(), y.ravel()]).astype(float)
            if i:
                place = np.column_stack(grids[0].all_world2pix(*grids[1].all_pix2world(*place.T, 0), 0, quiet=True))
            r = np.hypot((place[:, 0] - 0.42 * w) / 110, (place[:, 1] - 0.52 * h) / 85)
            plane += (s.giant * s.sky[0] * np.exp(-1.7 * (r + 0.05) ** 0.7)).reshape(plane.shape) / (
                s.ratio * k**2 if i else 1
            )
    t = np.arange(192) - 96.0
    power = [
        np.abs(np.fft.fft2(profile(t[:, None], t[None], np.array(f), b, np.array(0.0), 5))) ** 2
        for f, b in zip(s.fwhm, s.beta, strict=True)
    ]
    spread = (s.sky[0] + s.read**2, (s.sky[1] + s.read**2) / s.exposures * k**2 * s.ratio**2)
    one = float(best((power[0], power[1]), (np.array([spread[0]]), np.array([spread[1]])))[0])
    new = _places(s, rng, at, flux, middles)
    clean = planes[0].copy()
    fluxes = np.exp(rng.uniform(np.log(4), np.log(40), len(new))) / one
    local = _around(clean, new, s.fwhm[0]), _around(planes[1], there(new), s.fwhm[1] * k)
    snr = fluxes * best(
        (power[0], power[1]), (spread[0] + local[0], spread[1] + local[1] / s.exposures * k**2 * s.ratio**2)
    )
    wide = s.fwhm[0] * (1 + s.varies * (2 * new[:, 0] / w - 1))
    paint(planes[0], new, fluxes, wide, s.beta[0], s.elongated * np.clip(new[:, 1] / h, 0, 1))
    y, x = np.mgrid[:h, :w]
    sky = s.sky[0] * (1 + s.slope[0] * x / w + s.slope[1] * y / h)
    levels = np.linspace(0.7, 1.5, 9) * s.sky[0]
    least = 1 / best((power[0], power[1]), (levels + s.read**2, np.full(9, spread[1])))
    images = [rng.poisson(planes[0] + sky) + rng.normal(0, s.read, s.size)]
    images.append(
        (rng.poisson((planes[1] + s.sky[1]) * s.exposures) + rng.normal(0, s.read * s.exposures**0.5, sides))
        / s.exposures
    )
    if s.full:
        images = [np.minimum(image, s.full) for image in images]
    for _ in range(5 if s.holes else 0):
        top, left = rng.integers(0, (h - s.holes, w - s.holes))
        images[0][top : top + s.holes, left : left + s.holes] = np.nan
    flagged = rng.uniform(size=s.size) < s.flagged
    images[0][flagged] = 5e4
    grids[0].wcs.crpix = grids[0].wcs.crpix + np.array(s.header_off)
    if grids[0].sip is not None:
        grids[0].sip = Sip(grids[0].sip.a, grids[0].sip.b, None, None, grids[0].wcs.crpix)
    truth = np.column_stack([new, fluxes, snr])
    return Drawn((images[0], images[1]), grids, truth, clean > 5.0, flagged, np.interp(sky, levels, least))


def _places(s: Situation, rng: np.random.Generator, at: Floats, flux: Floats, middles: Floats) -> Floats:
    """Places of transients, half of them in galaxies, apart from each other and from bright stars."""
    (h, w), found = s.size, [np.zeros((1, 2))]
    bright = np.concatenate([np.full((1, 2), -99.0), at[flux > 2.5e4]])
    wanted = int(110 * h * w / 2**20)
    for i in range(40 * wanted):
        if len(found) > wanted:
            break
        place = rng.uniform(30, (w - 30, h - 30))
        if i % 2 and len(middles):
            chosen = middles[rng.integers(len(middles))]
            place = chosen[:2] + rng.normal(0, 1.5 * chosen[2], 2)
        inside = 30 < place[0] < w - 30 and 30 < place[1] < h - 30
        alone = np.hypot(*(np.concatenate(found) - place).T).min() > 14 and np.hypot(*(bright - place).T).min() > 15
        if inside and alone:
            found.append(place[None])
    return np.concatenate(found)[1:]


def write(pair: Drawn, s: Situation, folder: Path) -> tuple[Frame, Frame]:
    """The two files, as an observatory would write them."""
    frames = []
    for name, image, wcs, n in zip(("science", "reference"), pair.images, pair.grids, (1.0, s.exposures), strict=True):
        header = wcs.to_header(relax=True)
        header.update({"FILTER": "r", "EXPTIME": 30.0, "MJD-OBS": 60100.0 if name == "science" else 60000.0})
        header["MAGZP"] = 27.0 if name == "science" else 27.0 - 2.5 * np.log10(s.ratio)
        if s.gain:
            header.update({"GAIN": n, "RDNOISE": s.read * n**0.5})
        if s.full:
            header["SATURATE"] = 0.98 * s.full
        fits.writeto(folder / f"{name}.fits", image.astype(np.float32), fits.Header(header), overwrite=True)
        frames.append(Frame(str(folder / f"{name}.fits")))
    if s.flagged:
        fits.writeto(folder / "mask.fits", pair.flagged.astype(np.uint8), overwrite=True)
        frames[0] = replace(frames[0], mask=str(folder / "mask.fits"))
    return frames[0], frames[1]


def score(done: Difference, pair: Drawn) -> dict[str, float]:
    """Sums and lists of one pair."""
    from scipy.ndimage import binary_dilation

    mask, (h, w) = done.result.mask.numpy(), done.science.shape
    at, flux, snr = pair.truth[:, :2], pair.truth[:, 2], pair.truth[:, 3]
    inner = np.all((at > _EDGE) & (at < np.array([w, h]) - _EDGE), axis=1)
    column, row = np.rint(at).astype(int).T
    inner &= ~mask[row.clip(0, h - 1), column.clip(0, w - 1)]
    table = done.candidates
    places = table[["x", "y"]].to_numpy(dtype=float).reshape(-1, 2)
    positive, plain = table["snr"].to_numpy() > 0, (table["flags"].to_numpy(dtype=int) & 15) == 0
    away = np.hypot(*(places[:, None] - at[None]).transpose(2, 0, 1)) if len(places) else np.full((1, len(at)), 1e9)
    hit = away[positive if len(places) else slice(None)].min(0, initial=1e9) < _NEAR
    false = np.all((places > _EDGE) & (places < np.array([w, h]) - _EDGE), axis=1) & (
        away.min(1)[: len(places)] >= _FAR
    )
    out = {"area": float((~mask[_EDGE:-_EDGE, _EDGE:-_EDGE]).sum() / 1e6)}
    for name, chosen in (("7", snr > 7), ("5", (snr > 5) & (snr <= 7))):
        out |= {f"n{name}": float((inner & chosen).sum()), f"hit{name}": float((inner & chosen & hit).sum())}
    for name, sign in (("plus", positive), ("minus", ~positive)):
        out |= {name: float((false & sign).sum()), f"{name}_plain": float((false & sign & plain).sum())}
    marks = np.zeros((h, w), dtype=bool)
    marks[row.clip(0, h - 1), column.clip(0, w - 1)] = True
    blank = ~pair.scene & ~mask & ~binary_dilation(marks, iterations=10)
    blank[:_EDGE], blank[-_EDGE:], blank[:, :_EDGE], blank[:, -_EDGE:] = False, False, False, False
    out["blank"] = float(blank.sum())
    out["square"] = float((done.result.significance.numpy()[blank] ** 2).sum())
    error = done.result.flux_error.numpy()
    out["error"] = float(np.median(error[blank] / pair.optimum[blank])) if blank.any() else np.nan
    x, y = (torch.from_numpy(at[:, i].copy()) for i in (0, 1))
    measured, errors, _ = (t.double().numpy() for t in forced(done.result, x, y))
    sound = inner & np.isfinite(measured) & np.isfinite(errors)
    strong = sound & (snr > 10)
    out["weight"] = float(np.sum(snr[strong] ** 2))
    out["slope"] = float(np.sum((snr**2 * measured / flux)[strong]))
    pulls = ((measured - flux) / errors)[sound]
    out |= {"pulls": float(len(pulls)), "pull2": float(np.sum(pulls**2)), "pull": float(np.sum(pulls))}
    return out


def main(pairs: int, names: list[str], way: str = "") -> None:
    """The table."""
    print("| situation | found > 7 | 5-7 | false + | false - | blank std | slope | pull std | FLUXERR / optimum | s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in names or list(SITUATIONS):
        s, total, refused, seconds = SITUATIONS[name], dict[str, float](), "", 0.0
        s = replace(s, pipeline=replace(s.pipeline, **WAYS[way])) if way else s
        kernels = 0
        for seed in range(pairs):
            pair = draw(s, seed)
            with tempfile.TemporaryDirectory() as folder:
                frames = write(pair, s, Path(folder))
                start = time.process_time()
                try:
                    done = s.pipeline.difference(*frames)
                except UserError as refusal:
                    refused = f"refused: {refusal}".splitlines()[0][:140]
                    continue
                seconds += (time.process_time() - start) / pairs
            kernels += done.quality.chosen.get("subtract") == "kernel"
            for key, value in score(done, pair).items():
                total[key] = total.get(key, 0.0) + value
        taken = f"; kernel {kernels} of {pairs}" if way == "auto" else ""
        print(f"| {name} | {_row(total, pairs, seconds) if total else ''}{taken} {refused} |", flush=True)


def _row(t: dict[str, Any], pairs: int, seconds: float) -> str:
    weight, n = max(t["weight"], 1e-9), max(t["pulls"], 1)
    false = " | ".join(f"{t[k] / t['area']:.1f} ({t[k + '_plain'] / t['area']:.1f})" for k in ("plus", "minus"))
    scatter = np.sqrt(max(t["pull2"] / n - (t["pull"] / n) ** 2, 0))
    std = f"{np.sqrt(t['square'] / t['blank']):.3f}" if t["blank"] > 200 else "-"
    return (
        f"{t['hit7']:.0f}/{t['n7']:.0f} | {t['hit5']:.0f}/{t['n5']:.0f} | {false} | {std} | "
        f"{t['slope'] / weight:.4f} ± {weight**-0.5:.4f} | {scatter:.2f} | {t['error'] / pairs:.3f} | {seconds:.1f}"
    )


WAYS: dict[str, dict[str, Any]] = {
    "zogy": {"subtract": Zogy()},
    "kernel": {"subtract": Kernel()},
    "auto": {"subtract": Auto()},
    "poisson": {"detect": PoissonPeaks()},
}
PLAIN = Situation()
SITUATIONS: dict[str, Situation] = {
    "plain": PLAIN,
    "ten times as many stars": replace(PLAIN, stars=15000, galaxies=60),
    "undersampled, 1.6 px": replace(PLAIN, fwhm=(1.6, 1.6)),
    "undersampled, 2.0 and 1.6 px": replace(PLAIN, fwhm=(2.0, 1.6)),
    "sky of 2 e-": replace(PLAIN, sky=(2.0, 2.0), read=0.0, faintest=75.0, brightest=4e4),
    "sky of 1 e-": replace(PLAIN, sky=(1.0, 1.0), read=0.0, faintest=55.0, brightest=4e4),
    "sky of 0.2 e-": replace(PLAIN, sky=(0.2, 0.2), read=0.0, faintest=38.0, brightest=4e4),
    "sky of 0.05 e-": replace(PLAIN, sky=(0.05, 0.05), read=0.0, faintest=25.0, brightest=4e4),
    "giant galaxy, 0.15 skies": replace(PLAIN, giant=0.15, slope=(0.15, -0.1)),
    "giant galaxy, 3 skies": replace(PLAIN, giant=3.0, slope=(0.15, -0.1)),
    "science image sharper": replace(PLAIN, fwhm=(2.4, 3.6)),
    "flux ratio 0.3": replace(PLAIN, ratio=0.3, faintest=90.0),
    "flux ratio 20": replace(PLAIN, ratio=20.0, faintest=600.0),
    "header off by 1.3 px": replace(PLAIN, header_off=(1.0, -0.8)),
    "header off by 3 px": replace(PLAIN, header_off=(3.0, 0.0)),
    "shifted by 4 px": replace(PLAIN, shift=(3.2, -2.6), border=10),
    "turned by 90": replace(PLAIN, turn=90.0),
    "turned by 180": replace(PLAIN, turn=180.0),
    "turned by 37": replace(PLAIN, turn=37.0, border=170),
    "mirrored": replace(PLAIN, mirror=True),
    "mirrored, turned by 90": replace(PLAIN, mirror=True, turn=90.0),
    "distorted by 4 px": replace(PLAIN, distortion=(4.0, -3.0), border=8),
    "reference pixels 2x coarser": replace(PLAIN, fine=0.5),
    "reference pixels 2x finer": replace(PLAIN, fine=2.0),
    "reference pixels 4x finer": replace(PLAIN, fine=4.0, size=(512, 512)),
    "holes, 0.5 % flagged": replace(PLAIN, holes=40, flagged=0.005),
    "400 x 1500": replace(PLAIN, size=(400, 1500)),
    "saturated": replace(PLAIN, full=12000.0, brightest=4e6),
    "PSF varies by 10 %": replace(PLAIN, varies=0.1),
    "the same, tiles=3": replace(PLAIN, varies=0.1, pipeline=DifferencingPipeline(psf=EmpiricalPsf(tiles=3))),
    "PSF varies by 20 %, elongated": replace(PLAIN, varies=0.2, elongated=0.2),
    "the same, kernel": replace(PLAIN, varies=0.2, elongated=0.2, pipeline=DifferencingPipeline(subtract=Kernel())),
    "no gain in the header": replace(PLAIN, gain=False),
    "few stars, few galaxies": replace(PLAIN, stars=15, galaxies=15),
    "no stars": replace(PLAIN, stars=0, galaxies=60),
    "reference half as deep": replace(PLAIN, exposures=0.5),
    "galaxies outnumber stars": replace(PLAIN, stars=150, galaxies=1200),
}


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    chosen = sys.argv[2].split(";") if len(sys.argv) > 2 and sys.argv[2] else []
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2, chosen, sys.argv[3] if len(sys.argv) > 3 else "")
