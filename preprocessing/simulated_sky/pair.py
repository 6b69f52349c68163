"""Simulated pairs of the sky: every source is rendered in each image's own grid, never by resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from astropy.wcs import WCS

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.simulated_sky.artefacts import (
    add_trail,
    bad_mask,
    cosmic_rays,
    saturate,
    sky_plane,
)
from astrid_ml.preprocessing.simulated_sky.config import SkyConfig
from astrid_ml.preprocessing.simulated_sky.galaxies import galaxy_layer
from astrid_ml.preprocessing.simulated_sky.psf import Psf, add_points, add_sources, moffat_stamp
from astrid_ml.preprocessing.simulated_sky.sources import draw_changes, draw_galaxies, draw_stars
from astrid_ml.types import Floats, Ints

__all__ = ["SkyConfig", "SkyPair", "add_points", "moffat_stamp", "optimal_error", "simulate_pair"]

ARTEFACT_COLUMNS = ("x", "y", "radius", "kind", "instance")
TRUTH_COLUMNS = ("object_id", "x", "y", "ra", "dec", "flux", "mag", "snr_opt", "kind", "host_distance")


@dataclass(frozen=True)
class SkyPair:
    """A simulated pair with its truth.

    Args:
        science, reference: the images, in e-.
        truth: what changed, one row a source.
        psfs: (k, k) of both at the centre of the field, sum 1.
        variances: true ones, (H, W) of both, e-^2.
        artefacts: what may show as a candidate though nothing changed (``ARTEFACT_COLUMNS``, px of the science image):
            ``cosmic ray``, ``hot pixel``, ``trail`` by their pixels, ``star`` and ``galaxy`` by their light.
    """

    science: Image
    reference: Image
    truth: pd.DataFrame
    psfs: tuple[torch.Tensor, torch.Tensor]
    variances: tuple[torch.Tensor, torch.Tensor]
    artefacts: pd.DataFrame


def _wcs(
    shape: tuple[int, int],
    scale: float,
    shift: tuple[float, float],
    rotation: float,
    centre: tuple[float, float] = (150.0, 20.0),
) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], list(centre)
    wcs.wcs.crpix = [(shape[1] + 1) / 2 + shift[0], (shape[0] + 1) / 2 + shift[1]]
    c, s = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    return wcs


def optimal_error(p_s: Floats, p_r: Floats, v_s: Floats, v_r: Floats) -> Floats:
    """Error of the best linear flux measurement in a pair with locally white noise, in the science image's flux.

    ``v_s`` and ``v_r`` (m,) are local variances, both in science flux units squared. The information is
    sum |P_s P_r|^2 / (v_s |P_r|^2 + v_r |P_s|^2) over frequencies (Zackay, Ofek & Gal-Yam 2016, eq. 12 ff.).
    """
    a, b = np.abs(np.fft.fft2(p_s)) ** 2, np.abs(np.fft.fft2(p_r)) ** 2
    log_q = np.linspace(-8, 8, 65)
    info = np.array([np.mean(a * b / (b + np.exp(q) * a + 1e-30)) for q in log_q])
    q = np.clip(np.log(v_r / v_s), -8, 8)
    return np.asarray(np.sqrt(v_s / np.exp(np.interp(q, log_q, np.log(info)))))


def _local(variance: Floats, x: Floats, y: Floats, psf: Floats) -> Floats:
    """Mean of the variance under the squared PSF, at each position."""
    r, weight = psf.shape[0] // 2, psf**2 / np.sum(psf**2)
    padded = np.pad(variance, r, mode="edge")
    h, w = variance.shape
    rows, cols = np.clip(np.rint(y).astype(int), 0, h - 1), np.clip(np.rint(x).astype(int), 0, w - 1)
    k = 2 * r + 1
    return np.array([np.sum(weight * padded[j : j + k, i : i + k]) for j, i in zip(rows, cols, strict=True)])


@dataclass(frozen=True)
class _Grids:
    """Where a position of the science image falls in each image."""

    config: SkyConfig
    wcs: tuple[WCS, WCS]
    waves: Floats  # (4,): phases of the distortion

    def to(self, i: int, x: Any, y: Any) -> tuple[Floats, Floats]:
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if i == 0 or len(x) == 0:
            return x, y
        ox, oy = (np.asarray(c) for c in self.wcs[1].all_world2pix(*self.wcs[0].all_pix2world(x, y, 0), 0))
        a, (h, w), p = self.config.distortion, self.config.shape, self.waves
        dx = a * np.sin(2 * np.pi * (0.6 * ox / w + 0.4 * oy / h) + p[0]) * np.cos(np.pi * oy / h + p[1])
        dy = a * np.sin(2 * np.pi * (0.6 * oy / h - 0.4 * ox / w) + p[2]) * np.cos(np.pi * ox / w + p[3])
        return ox + dx, oy + dy


def _psfs(config: SkyConfig, rng: np.random.Generator) -> tuple[Psf, Psf]:
    angles = rng.uniform(0, np.pi, 2)
    made = (
        Psf(config.fwhm[i], config.beta, config.ellipticity[i], float(angles[i]), config.variation[i]) for i in (0, 1)
    )
    return next(made), next(made)


def _frame(
    mean: Floats, config: SkyConfig, i: int, wcs: WCS, rng: np.random.Generator, extra: np.random.Generator
) -> tuple[Image, torch.Tensor, pd.DataFrame]:
    """An image, its true variance, and what its detector and its sky added."""
    noise, art = config.read_noise[i], config.artefacts
    sigma = float(np.sqrt(config.sky[i] + noise**2))
    seen = []
    if i == 0:
        for number in range(int(extra.poisson(art.trails))):
            points = add_trail(mean, config.fwhm[0], sigma * extra.uniform(*art.trail_snr), extra)
            seen.append(_seen("trail", points, config, of=np.full(len(points), number)))
    data = rng.poisson(mean) + rng.normal(0, noise, mean.shape)
    if i == 0:
        charge, places, tracks = cosmic_rays(config.shape, art.cosmic_rays, art.cosmic_charge, extra)
        data += charge
        seen.append(_seen("cosmic ray", places, config, of=tracks))
        hot = []
        for _ in range(int(extra.poisson(art.hot_pixels * mean.size / 1e6))):
            row, column = extra.integers(config.shape[0]), extra.integers(config.shape[1])
            data[row, column] += sigma * extra.uniform(10, 60)
            hot.append((column, row))
        seen.append(_seen("hot pixel", np.array(hot, dtype=np.float64).reshape(-1, 2), config))
    data, mask = saturate(data, config.full_well(i), art.bleed)
    bad = bad_mask(config.shape, art.bad_pixels, art.bad_columns, extra)
    data[bad] = 0.0
    variance = torch.from_numpy((mean + noise**2).astype(np.float32))
    image = Image(
        data=torch.from_numpy(data.astype(np.float32)),
        variance=torch.from_numpy((np.maximum(data, 0.25 * config.sky[i]) + noise**2).astype(np.float32)),
        mask=torch.from_numpy(mask | bad),
        wcs=wcs,
        read_noise=noise,
        zero_point=config.zero_point - (2.5 * float(np.log10(config.flux_ratio)) if i else 0.0),
        name=("science", "reference")[i],
        saturated=torch.from_numpy(mask),
    )
    return image, variance, pd.concat(seen or [_seen("", np.zeros((0, 2)), config)], ignore_index=True)


def _seen(
    kind: str, places: Floats, config: SkyConfig, radius: float | Floats | None = None, of: Ints | None = None
) -> pd.DataFrame:
    """Rows of ``ARTEFACT_COLUMNS``; how far from it (px) a candidate may lie is the PSF's width where not given.

    ``of`` says which trail or track of the frame each place belongs to; without it each is an artefact of its own.
    """
    near = config.fwhm[0] if radius is None else radius
    instance = [f"{kind} {number}" for number in (np.arange(len(places)) if of is None else of)]
    made = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "radius": near, "kind": kind})
    return made.assign(instance=pd.array(instance, dtype="string"))[list(ARTEFACT_COLUMNS)]


def _static(stars: pd.DataFrame, galaxies: pd.DataFrame, config: SkyConfig) -> pd.DataFrame:
    """Stars that stand 10 sigma out of the sky, and galaxies, in the science image; bright ones reach farther."""
    noise = float(np.sqrt(config.sky[0] + config.read_noise[0] ** 2)) * config.fwhm[0]
    out = []
    for kind, table, size in (("star", stars, 0.0), ("galaxy", galaxies, galaxies["r_e"].to_numpy(dtype=np.float64))):
        snr = table["flux"].to_numpy(dtype=np.float64) / noise
        near = config.fwhm[0] * np.sqrt(1 + np.log10(np.maximum(snr, 10.0) / 10)) + size
        shown = snr >= 10
        out.append(_seen(kind, table[["x", "y"]].to_numpy(dtype=np.float64)[shown], config, near[shown]))
    return pd.concat(out, ignore_index=True)


def _set_fluxes(
    truth: pd.DataFrame, stars: pd.DataFrame, local: list[Floats], psfs: tuple[Psf, Psf], config: SkyConfig
) -> None:
    """Set ``flux`` (e- of the science image, signed) so that each row has its ``snr_opt``.

    A star that fades cannot lose more than 0.9 of its flux: its ``snr_opt`` is then the lower one that it has.
    """
    scale = config.scale
    p_s, p_r = psfs[0].stamp(), psfs[1].scaled(scale).stamp()  # both on the science image's pixels
    cube_s, cube_r = (float(np.sum(p**3) / np.sum(p**2)) for p in (p_s, psfs[1].stamp()))
    sign, star = truth["sign"].to_numpy(), truth["star"].to_numpy()
    fading, gone = (sign < 0) & (star >= 0), (sign < 0) & (star < 0)
    limit = np.full(len(truth), np.inf)
    limit[fading] = 0.9 * stars["flux"].to_numpy()[star[fading]]
    new, error = np.zeros(len(truth)), np.ones(len(truth))
    for _ in range(30):  # the source's own Poisson noise lies in the image where it shines
        v_s = local[0] + new * cube_s * np.where(fading, -1.0, np.where(gone, 0.0, 1.0))
        v_r = local[1] + np.where(gone, new * cube_r * config.flux_ratio / scale**2, 0.0)
        error = optimal_error(p_s, p_r, v_s, v_r)
        new = np.minimum(truth["snr_opt"].to_numpy() * error, limit)
    truth["flux"], truth["snr_opt"] = sign * new, new / error


def simulate_pair(config: SkyConfig, seed: int, night: int | None = None) -> SkyPair:
    """Simulate one pair.

    Args:
        config: of the sky; several nights of one field differ in PSFs, depths and S/N alone.
        seed: of the field and what changes in it.
        night: of several pairs of one field: noise, artefacts and PSF angles of its own. None: of the seed.

    Returns:
        science and reference as Images in e- (background not subtracted), the truth (``TRUTH_COLUMNS``; pixels and
        e- of the science image; negative fluxes for what faded, ``mag`` of the absolute flux; ``kind`` one of
        ``KINDS``), true PSFs and true variances. ``snr_opt`` (of the absolute flux) counts the Poisson noise of sky,
        host, neighbours and the source itself. What else may be detected stands in ``artefacts``.
    """
    rng = np.random.default_rng(seed)
    extra = np.random.default_rng([seed, 1] if night is None else [seed, 1, night])
    galaxies, stars = draw_galaxies(config, rng), draw_stars(config, rng)
    truth = draw_changes(config, galaxies, stars, rng)
    truth["snr_opt"] = np.exp(rng.uniform(np.log(config.snr[0]), np.log(config.snr[1]), len(truth)))
    psfs = _psfs(config, extra)
    wcs = (
        _wcs(config.shape, config.pixel_scale, (0.0, 0.0), 0.0, config.centre),
        _wcs(config.shape, config.pixel_scale * config.scale, config.shift, config.rotation, config.centre),
    )
    grids = _Grids(config, wcs, extra.uniform(0, 2 * np.pi, 4))
    scales, means, local = (1.0, 1 / config.flux_ratio), [], []
    for i, scale in enumerate(scales):
        mean = sky_plane(config.shape, config.sky[i], config.artefacts.gradient, extra)
        gx, gy = grids.to(i, galaxies["x"], galaxies["y"])
        layer = galaxies if i == 0 else galaxies.assign(r_e=galaxies["r_e"] / config.scale)
        mean += scale * galaxy_layer(config.shape, layer, gx, gy, psfs[i])
        add_sources(mean, *grids.to(i, stars["x"], stars["y"]), stars["flux"].to_numpy() * scale, psfs[i])
        means.append(np.maximum(mean, 0.0))
        place = grids.to(i, truth["x"], truth["y"])
        area = 1.0 if i == 0 else config.scale**2
        local.append(_local(means[i] + config.read_noise[i] ** 2, *place, psfs[i].stamp()) / scale**2 / area)
    _set_fluxes(truth, stars, local, psfs, config)
    _add_changes(means, truth, stars, grids, psfs, scales)
    truth["mag"] = config.zero_point - 2.5 * np.log10(truth["flux"].abs())
    truth["ra"], truth["dec"] = wcs[0].all_pix2world(truth["x"], truth["y"], 0) if len(truth) else (0.0, 0.0)
    truth["object_id"] = truth["object"].astype(str)
    shot = rng if night is None else np.random.default_rng([seed, 2, night])
    science, reference = (_frame(means[i], config, i, wcs[i], shot, extra) for i in (0, 1))
    stamps = tuple(torch.from_numpy(p.stamp().astype(np.float32)) for p in psfs)
    table = truth[list(TRUTH_COLUMNS)].copy()
    seen = pd.concat([science[2], _static(stars, galaxies, config)], ignore_index=True)
    return SkyPair(science[0], reference[0], table, (stamps[0], stamps[1]), (science[1], reference[1]), seen)


def _add_changes(
    means: list[Floats],
    truth: pd.DataFrame,
    stars: pd.DataFrame,
    grids: _Grids,
    psfs: tuple[Psf, Psf],
    scales: tuple[float, float],
) -> None:
    """Put the changes into the images: a fading star loses science flux, a vanished source is in the reference only."""
    flux, star = truth["flux"].to_numpy(), truth["star"].to_numpy()
    in_science = (flux > 0) | (star >= 0)
    for i, chosen, value in ((0, in_science, flux), (1, ~in_science, -flux)):
        x, y = grids.to(i, truth["x"][chosen], truth["y"][chosen])
        add_sources(means[i], x, y, value[chosen] * scales[i], psfs[i])
        np.maximum(means[i], 0.0, out=means[i])
