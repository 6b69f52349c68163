"""Simulated pairs of the sky: every source is rendered in each image's own grid, never by resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from astropy.wcs import WCS
from scipy.optimize import nnls

from preprocessing.differencing.image import Image

Array = npt.NDArray[np.float64]
_PRE = 1.2  # px; Gaussian pre-blur that makes galaxy profiles safe to sample before the PSF is applied
_SIGMAS = np.geomspace(0.03, 4.0, 12)  # widths of the Gaussians of a Sersic profile, in half-light radii


@dataclass(frozen=True)
class SkyConfig:
    """A pair's sky and detectors. Counts are per Mpx; sizes in pixels; fluxes and sky in e- of the science image.

    ``flux_ratio`` is science / reference; ``snr`` the range of ``snr_opt`` of the transients (log-uniform).
    """

    shape: tuple[int, int] = (1024, 1024)
    fwhm: tuple[float, float] = (3.4, 2.6)
    beta: float = 3.5
    flux_ratio: float = 1.25
    shift: tuple[float, float] = (0.37, -0.21)
    rotation: float = 0.02
    pixel_scale: float = 1.0
    stars: float = 1500.0
    galaxies: float = 120.0
    transients: float = 60.0
    in_galaxies: float = 0.5
    snr: tuple[float, float] = (4.0, 40.0)
    star_flux: tuple[float, float] = (200.0, 3e5)
    sky: tuple[float, float] = (200.0, 200.0)
    read_noise: tuple[float, float] = (5.0, 5.0)
    saturation: float = 1e5


@dataclass(frozen=True)
class SkyPair:
    """A simulated pair with its truth. PSFs are (k, k), sum 1; true variances (H, W) in e-^2."""

    science: Image
    reference: Image
    truth: pd.DataFrame
    psfs: tuple[torch.Tensor, torch.Tensor]
    variances: tuple[torch.Tensor, torch.Tensor]


def moffat(dx: Array, dy: Array, fwhm: float, beta: float) -> Array:
    """Moffat profile of unit flux per px^2 at offsets in pixels (Moffat 1969); the pixel's response included."""
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    return (beta - 1) / (np.pi * alpha2) * (1 + (dx**2 + dy**2) / alpha2) ** -beta


def moffat_stamp(fwhm: float, beta: float, radius: int = 25) -> Array:
    """Centred (2r+1, 2r+1) Moffat of sum 1."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    stamp = moffat(x, y, fwhm, beta)
    return np.asarray(stamp / stamp.sum())


def add_points(image: Array, x: Array, y: Array, flux: Array, fwhm: float, beta: float) -> None:
    """Add point sources, sampled exactly at their sub-pixel positions; brighter ones reach farther out."""
    for low, high, radius in ((-np.inf, 2e4, 25), (2e4, np.inf, 80)):
        for i in np.flatnonzero((np.abs(flux) > low) & (np.abs(flux) <= high)):
            rows, cols = _window(image.shape, x[i], y[i], radius)
            if rows.size and cols.size:
                profile = moffat(cols[None, :] - x[i], rows[:, None] - y[i], fwhm, beta)
                image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += flux[i] * profile


def _window(shape: tuple[int, ...], x: float, y: float, radius: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    rows = np.arange(max(0, round(y) - radius), min(shape[0], round(y) + radius + 1))
    return rows, np.arange(max(0, round(x) - radius), min(shape[1], round(x) + radius + 1))


def sersic_gaussians(n: float) -> Array:
    """Flux weights (sum 1) of round Gaussians of widths ``_SIGMAS`` that add up to a Sersic profile of index n."""
    r = np.geomspace(0.02, 6.0, 80)
    target = np.exp(-(2 * n - 1 / 3) * (r ** (1 / n) - 1))
    basis = np.exp(-0.5 * (r[:, None] / _SIGMAS) ** 2) / (2 * np.pi * _SIGMAS**2)
    # Weight by radius: what matters is the flux in each ring, not the cusp.
    weights = nnls(basis * r[:, None], target * r)[0]
    return np.asarray(weights / weights.sum())


def galaxy_layer(shape: tuple[int, int], cat: pd.DataFrame, x: Array, y: Array, psf: tuple[float, float]) -> Array:
    """All galaxies, convolved with the PSF through one FFT; flux in e-, positions in this image's pixels."""
    pad, layer = 64, np.zeros((shape[0] + 128, shape[1] + 128))
    for i, row in enumerate(cat.itertuples()):
        flux, r_e, n, q, theta = (float(getattr(row, name)) for name in ("flux", "r_e", "n", "q", "theta"))
        radius = int(min(8 + 6 * r_e, 60))
        rows, cols = _window(layer.shape, x[i] + pad, y[i] + pad, radius)
        if not (rows.size and cols.size):
            continue
        dx, dy = cols[None, :] - x[i] - pad, rows[:, None] - y[i] - pad
        c, s = np.cos(theta), np.sin(theta)
        u2, v2 = (c * dx + s * dy) ** 2, (c * dy - s * dx) ** 2
        total = np.zeros_like(u2)
        for weight, sigma in zip(sersic_gaussians(n), _SIGMAS * r_e, strict=True):
            a2, b2 = sigma**2 + _PRE**2, (sigma * q) ** 2 + _PRE**2
            total += weight / (2 * np.pi * np.sqrt(a2 * b2)) * np.exp(-0.5 * (u2 / a2 + v2 / b2))
        layer[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += flux * total
    ky, kx = np.fft.fftfreq(layer.shape[0])[:, None], np.fft.rfftfreq(layer.shape[1])[None, :]
    kernel = np.zeros_like(layer)
    kernel[:51, :51] = moffat_stamp(*psf)
    kernel = np.roll(kernel, (-25, -25), (0, 1))
    transfer = np.fft.rfft2(kernel) / np.exp(-2 * np.pi**2 * _PRE**2 * (kx**2 + ky**2))
    return np.fft.irfft2(np.fft.rfft2(layer) * transfer, layer.shape)[pad:-pad, pad:-pad]


def _wcs(shape: tuple[int, int], scale: float, shift: tuple[float, float], rotation: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 20.0]
    wcs.wcs.crpix = [(shape[1] + 1) / 2 + shift[0], (shape[0] + 1) / 2 + shift[1]]
    c, s = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    return wcs


def optimal_error(p_s: Array, p_r: Array, v_s: Array, v_r: Array) -> Array:
    """Error of the best linear flux measurement in a pair with locally white noise, in the science image's flux.

    ``v_s`` and ``v_r`` (m,) are local variances, both in science flux units squared. The information is
    sum |P_s P_r|^2 / (v_s |P_r|^2 + v_r |P_s|^2) over frequencies (Zackay, Ofek & Gal-Yam 2016, eq. 12 ff.).
    """
    a, b = np.abs(np.fft.fft2(p_s)) ** 2, np.abs(np.fft.fft2(p_r)) ** 2
    log_q = np.linspace(-8, 8, 65)
    info = np.array([np.mean(a * b / (b + np.exp(q) * a + 1e-30)) for q in log_q])
    q = np.clip(np.log(v_r / v_s), -8, 8)
    return np.asarray(np.sqrt(v_s / np.exp(np.interp(q, log_q, np.log(info)))))


def _local(variance: Array, x: Array, y: Array, psf: Array) -> Array:
    """Mean of the variance under the squared PSF, at each position."""
    r, weight = psf.shape[0] // 2, psf**2 / np.sum(psf**2)
    padded = np.pad(variance, r, mode="edge")
    rows, cols = np.rint(y).astype(int), np.rint(x).astype(int)
    k = 2 * r + 1
    return np.array([np.sum(weight * padded[j : j + k, i : i + k]) for j, i in zip(rows, cols, strict=True)])


def _galaxies(config: SkyConfig, rng: np.random.Generator) -> pd.DataFrame:
    h, w = config.shape
    m = rng.poisson(config.galaxies * h * w / 1e6)
    return pd.DataFrame(
        {
            "x": rng.uniform(0, w - 1, m),
            "y": rng.uniform(0, h - 1, m),
            "flux": 10 ** rng.uniform(3.3, 4.8, m),
            "r_e": rng.uniform(1.5, 7.0, m),
            "n": rng.choice([1.0, 1.5, 2.5, 4.0], m),
            "q": rng.uniform(0.4, 1.0, m),
            "theta": rng.uniform(0, np.pi, m),
        }
    )


def _transients(config: SkyConfig, galaxies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    h, w = config.shape
    m = round(config.transients * h * w / 1e6)
    x, y = rng.uniform(32, w - 33, m), rng.uniform(32, h - 33, m)
    distance, kind = np.full(m, np.nan), np.full(m, "isolated", dtype=object)
    inside = galaxies[galaxies.x.between(32, w - 33) & galaxies.y.between(32, h - 33)]
    for i in range(round(m * config.in_galaxies) if len(inside) else 0):
        host = inside.iloc[rng.integers(len(inside))]
        nucleus = rng.uniform() < 0.2
        distance[i] = 0.0 if nucleus else host.r_e * rng.uniform(0.3, 2.0)
        angle = rng.uniform(0, 2 * np.pi)
        x[i], y[i] = host.x + distance[i] * np.cos(angle), host.y + distance[i] * np.sin(angle)
        kind[i] = "nucleus" if nucleus else "galaxy"
    return pd.DataFrame({"x": x, "y": y, "kind": kind, "host_distance": distance})


def _stars(config: SkyConfig, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    h, w = config.shape
    m = rng.poisson(config.stars * h * w / 1e6)
    low, high = np.array(config.star_flux) ** -0.8  # dN/dF ~ F^-1.8, a Galactic field's counts
    flux = rng.uniform(float(high), float(low), m) ** (-1 / 0.8)
    return rng.uniform(-20, w + 20, m), rng.uniform(-20, h + 20, m), flux


def _frame(mean: Array, config: SkyConfig, i: int, wcs: WCS, rng: np.random.Generator) -> tuple[Image, torch.Tensor]:
    noise = config.read_noise[i]
    data = rng.poisson(mean) + rng.normal(0, noise, mean.shape)
    mask = data >= config.saturation
    variance = torch.from_numpy((mean + noise**2).astype(np.float32))
    image = Image(
        data=torch.from_numpy(np.minimum(data, config.saturation).astype(np.float32)),
        variance=torch.from_numpy((np.maximum(data, 0) + noise**2).astype(np.float32)),
        mask=torch.from_numpy(mask),
        wcs=wcs,
        read_noise=noise,
        zero_point=25.0 if i == 0 else float(25.0 - 2.5 * np.log10(config.flux_ratio)),
        name=("science", "reference")[i],
    )
    return image, variance


def simulate_pair(config: SkyConfig, seed: int) -> SkyPair:
    """Simulate one pair.

    Returns:
        science and reference as Images in e- (background not subtracted), the truth (``x, y, ra, dec, flux, mag,
        snr_opt, kind, host_distance``; pixels and e- of the science image), true PSFs and true variances.
        ``snr_opt`` counts the Poisson noise of sky, host, neighbours and the transient itself.
    """
    rng = np.random.default_rng(seed)
    galaxies, (x, y, flux) = _galaxies(config, rng), _stars(config, rng)
    truth = _transients(config, galaxies, rng)
    frames = (
        _wcs(config.shape, config.pixel_scale, (0.0, 0.0), 0.0),
        _wcs(config.shape, config.pixel_scale, config.shift, config.rotation),
    )

    def to_frame(i: int, px: Any, py: Any) -> tuple[Array, Array]:
        ox, oy = frames[i].all_world2pix(*frames[0].all_pix2world(px, py, 0), 0)
        return np.asarray(ox), np.asarray(oy)

    psfs = [moffat_stamp(fwhm, config.beta) for fwhm in config.fwhm]
    means, local = [], []
    for i, scale in enumerate((1.0, 1 / config.flux_ratio)):
        mean = np.full(config.shape, config.sky[i])
        gx, gy = to_frame(i, galaxies.x.to_numpy(), galaxies.y.to_numpy())
        mean += scale * galaxy_layer(config.shape, galaxies, gx, gy, (config.fwhm[i], config.beta))
        add_points(mean, *to_frame(i, x, y), flux * scale, config.fwhm[i], config.beta)
        means.append(np.maximum(mean, 0.0))
        tx, ty = to_frame(i, truth.x.to_numpy(), truth.y.to_numpy())
        local.append(_local(means[i] + config.read_noise[i] ** 2, tx, ty, psfs[i]) / scale**2)
    truth["snr_opt"] = np.exp(rng.uniform(np.log(config.snr[0]), np.log(config.snr[1]), len(truth)))
    cube = np.sum(psfs[0] ** 3) / np.sum(psfs[0] ** 2)  # own Poisson noise under the squared PSF, per e-
    new = np.zeros(len(truth))
    for _ in range(30):
        new = truth.snr_opt.to_numpy() * optimal_error(psfs[0], psfs[1], local[0] + new * cube, local[1])
    truth["flux"], truth["mag"] = new, 25.0 - 2.5 * np.log10(new)
    truth["ra"], truth["dec"] = frames[0].all_pix2world(truth.x, truth.y, 0)
    add_points(means[0], truth.x.to_numpy(), truth.y.to_numpy(), new, config.fwhm[0], config.beta)
    science, reference = (_frame(means[i], config, i, frames[i], rng) for i in (0, 1))
    stamps = tuple(torch.from_numpy(p.astype(np.float32)) for p in psfs)
    return SkyPair(science[0], reference[0], truth, (stamps[0], stamps[1]), (science[1], reference[1]))
