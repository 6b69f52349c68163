"""Photometry and shapes of candidates."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from astrid_ml.preprocessing.differencing.detect.errors import aperture_growth
from astrid_ml.preprocessing.differencing.detect.sharp import SHARP, sharper
from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.lanczos import lanczos_weights
from astrid_ml.preprocessing.differencing.pixels.stamps import stamps_at
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult
from astrid_ml.types import Floats

MEASURED = (
    "flux",
    "flux_err",
    "flux_sys",
    "aperture_flux",
    "aperture_flux_err",
    "mag",
    "sharpness",
    "roundness",
    "ellipticity",
    "fwhm",
    "reference_distance",
    "ra",
    "dec",
)


def bilinear(plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Values of (H, W) at positions in px; beyond the border the nearest."""
    h, w = plane.shape
    x, y = x.double().clamp(0, w - 1), y.double().clamp(0, h - 1)
    i, j = x.long().clamp(max=max(w - 2, 0)), y.long().clamp(max=max(h - 2, 0))
    a, b = x - i, y - j
    top = (1 - a) * plane[j, i] + a * plane[j, (i + 1).clamp(max=w - 1)]
    low = (j + 1).clamp(max=h - 1)
    return (1 - b) * top + b * ((1 - a) * plane[low, i] + a * plane[low, (i + 1).clamp(max=w - 1)])


def forced(result: SubtractionResult, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flux, its error (science units) and significance (n,) of point sources at given positions.

    The flux (significance times its error) is interpolated between pixels by a Lanczos kernel of 5 taps on each side:
    it is as smooth as the images, while the significance is flattened where the source's own noise peaks.
    """
    order = 5
    stamps, inside = stamps_at(
        result.significance * result.flux_error, x.double().floor(), y.double().floor(), 4 * order + 1
    )
    stamps = torch.where(inside, stamps, torch.zeros_like(stamps))[
        :, order + 1 : 3 * order + 1, order + 1 : 3 * order + 1
    ]
    wx, wy = (lanczos_weights((t.double() - t.double().floor()).float(), order) for t in (x, y))
    flux = torch.einsum("nyx,yn,xn->n", stamps, wy, wx).double()
    error = bilinear(result.flux_error, x, y)
    return flux, error, flux / error


def measure(
    table: pd.DataFrame,
    result: SubtractionResult,
    science: Image,
    sources: Floats,
    fwhm: float,
    width_error: float = 0.0,
    correlation: Tensor | None = None,
) -> pd.DataFrame:
    """Adds the columns ``MEASURED`` to a table with x, y, snr, sign.

    Args:
        table: of detections; may be empty.
        result: the subtraction.
        science: gives WCS and zero point.
        sources: (m, 2) x, y of the reference's sources.
        fwhm: px; sets the aperture's radius (1 FWHM) and the window of the shapes.
        width_error: relative, of the PSF's width. A matched filter of width p gives a source of width w
            2 p^2 / (p^2 + w^2) of its flux, so that fluxes are off by the same share, all of a frame together:
            ``flux_sys``, which ``flux_err`` does not hold.
        correlation: (m, m), odd, centred, of the difference's noise over its variance, by which the errors of apertures
            grow; None: they do not.
    """
    out = table.copy()
    x, y = (torch.from_numpy(table[c].to_numpy(dtype=float, copy=True)) for c in ("x", "y"))
    error = bilinear(result.flux_error, x, y).numpy()
    out["flux"], out["flux_err"] = table["snr"].to_numpy() * error, error
    out["flux_sys"] = width_error * np.abs(out["flux"].to_numpy())
    out["aperture_flux"], out["aperture_flux_err"] = _aperture(result, x.numpy(), y.numpy(), fwhm)
    out["aperture_flux_err"] *= 1.0 if correlation is None else aperture_growth(correlation, fwhm)
    with np.errstate(invalid="ignore", divide="ignore"):
        point = np.nan if science.zero_point is None else science.zero_point
        out["mag"] = point - 2.5 * np.log10(np.abs(out["flux"].to_numpy()))
    sign = torch.from_numpy(table["sign"].to_numpy(dtype=np.float32, copy=True))
    for name, values in shapes(result.diff, x, y, sign, fwhm).items():
        out[name] = values.numpy().astype(float)
    out["flags"] = out["flags"].to_numpy() | np.where(sharper(out, result.psf), SHARP, 0)
    out["reference_distance"] = _nearest(sources, x.numpy(), y.numpy())
    out["ra"], out["dec"] = _sky(science, x.numpy(), y.numpy())
    return out


def _aperture(result: SubtractionResult, x: Floats, y: Floats, radius: float) -> tuple[Floats, Floats]:
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    import sep

    plane, error = (np.ascontiguousarray(t.numpy()) for t in (result.diff, result.variance.sqrt()))
    total, spread, _ = sep.sum_circle(plane, x, y, radius, err=error, subpix=0)
    return np.asarray(total, float), np.asarray(spread, float)


def shapes(diff: Tensor, x: Tensor, y: Tensor, sign: Tensor, fwhm: float) -> dict[str, Tensor]:
    """Sharpness and roundness as Stetson's (1987, PASP 99, 191), ellipticity and FWHM from Gaussian-weighted moments.

    Sharpness: the central pixel above the mean of its 8 neighbours, over the peak; near 0 for flat, 1 for a hot pixel.
    Roundness: twice the difference over the sum of the marginal heights along x and y; 0 for round.
    """
    half = max(3, int(np.ceil(1.5 * fwhm)))
    stamps, inside = stamps_at(diff, x, y, 2 * half + 1)
    stamps = torch.where(inside, stamps, torch.zeros_like(stamps)) * sign[:, None, None]
    t = (torch.arange(2 * half + 1) - half).float()
    centre = stamps[:, half, half]
    ring = (stamps[:, half - 1 : half + 2, half - 1 : half + 2].sum((1, 2)) - centre) / 8
    safe = torch.where(centre.abs() > 0, centre, torch.ones_like(centre))
    kernel = torch.exp(-(t**2) / (2 * (fwhm / 2.355) ** 2))
    kernel = kernel - kernel.mean()  # lowered to sum 0: the level does not count
    band = torch.exp(-(t**2) / (2 * (fwhm / 2.355) ** 2))
    h_x, h_y = torch.einsum("nyx,y,x->n", stamps, band, kernel), torch.einsum("nyx,y,x->n", stamps, kernel, band)
    total = torch.where((h_x + h_y).abs() > 0, h_x + h_y, torch.ones_like(h_x))
    window = torch.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * (fwhm / 2.355) ** 2))
    weighted = (stamps * window).clamp_min(0)
    norm = weighted.sum((1, 2)).clamp_min(1e-30)
    xx, yy, xy = (
        torch.einsum("nyx,yx->n", weighted, m) / norm for m in (_grid(t, 0, 2), _grid(t, 2, 0), _grid(t, 1, 1))
    )
    spread = ((xx - yy) ** 2 / 4 + xy**2).sqrt()
    major, minor = (xx + yy) / 2 + spread, ((xx + yy) / 2 - spread).clamp_min(1e-6)
    s2 = (fwhm / 2.355) ** 2
    # a Gaussian window shrinks a Gaussian's moments m to (1 / m + 1 / s2)^-1; this undoes it
    major, minor = (1 / (1 / m - 1 / s2).clamp_min(1e-3) for m in (major, minor))
    return {
        "sharpness": (centre - ring) / safe,
        "roundness": 2 * (h_x - h_y) / total,
        "ellipticity": 1 - (minor / major.clamp_min(1e-6)).sqrt(),
        "fwhm": (major * minor) ** 0.25 * 2.355,
    }


def _grid(t: Tensor, p: int, q: int) -> Tensor:
    return t[:, None] ** p * t[None, :] ** q


def _nearest(sources: Floats, x: Floats, y: Floats) -> Floats:
    if len(sources) == 0 or len(x) == 0:
        return np.full(len(x), np.nan)
    return np.asarray(cKDTree(sources).query(np.column_stack([x, y]))[0], float)


def _sky(science: Image, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if science.wcs is None or len(x) == 0:
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ra, dec = science.wcs.all_pix2world(x, y, 0)
    return np.asarray(ra, float), np.asarray(dec, float)
