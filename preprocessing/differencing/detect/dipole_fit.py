"""Is a candidate a point source or two lobes? Both are fitted to the difference, and chi-square says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.stamps import nearest_pixel, shifted, stamps_at
from astrid_ml.preprocessing.differencing.pixels.typical import typical
from astrid_ml.preprocessing.differencing.subtract.pair import SubtractionResult

DIPOLE_FITS = (
    "point_chi2",
    "dipole_chi2",
    "dipole_gain",
    "dipole_flux_positive",
    "dipole_flux_negative",
    "dipole_separation",
    "dipole_separation_err",
    "dipole_angle",
)
_AT_ONCE = 512  # candidates
_STEPS = 25
_BOUND = 2.0  # px; a step moves no lobe further
_SLOW, _FAST, _MOST = 10.0, 0.2, 1e6  # of the damping
_STILL = 1e-4  # px
_GAIN = 25.0  # of chi-square; noise beside a point source makes 16 in a hundred of them


@dataclass(frozen=True)
class Lobes:
    """Point sources fitted to stamps, m of them in each of n.

    Args:
        flux: (n, m).
        x, y: (n, m) px, from the stamp's middle.
        covariance: (n, 3 m, 3 m) of fluxes, then x, then y.
        chi2: (n,).
        pixels: (n,) that count.
    """

    flux: Tensor
    x: Tensor
    y: Tensor
    covariance: Tensor
    chi2: Tensor
    pixels: Tensor


def fit_lobes(data: Tensor, weight: Tensor, psf: Tensor, x: Tensor, y: Tensor) -> Lobes:
    """Fluxes of either sign and places of m point sources in each stamp, by damped least squares (Marquardt 1963).

    Args:
        data, weight: (n, k, k), of a difference, and one over its variance, 0 on bad pixels.
        psf: (k, k), sum 1, of the difference.
        x, y: (n, m) px from the stamp's middle, where the fit begins.
    """
    n, m = x.shape
    limit = data.shape[-1] / 2 - 1
    x, y, damping = x.double(), y.double(), torch.full((n,), 1e-2, dtype=torch.double)
    flux, models, chi2 = _solved(data, weight, psf, x, y)
    for _ in range(_STEPS):
        step, _ = _step(data, weight, models, flux, damping)
        dx, dy = (step[:, part * m : (part + 1) * m].clamp(-_BOUND, _BOUND) for part in (1, 2))
        at = ((x + dx).clamp(-limit, limit), (y + dy).clamp(-limit, limit))
        new = _solved(data, weight, psf, *at)
        better = new[2] < chi2
        wide = better[:, None]
        moved = (torch.hypot(at[0] - x, at[1] - y) * wide).amax()
        x, y, flux = torch.where(wide, at[0], x), torch.where(wide, at[1], y), torch.where(wide, new[0], flux)
        models = torch.where(better[:, None, None, None], new[1], models)
        chi2 = torch.where(better, new[2], chi2)
        damping = torch.where(better, damping * _FAST, damping * _SLOW).clamp(1e-9, _MOST)
        if float(moved) < _STILL and bool((better | (damping > 1e3)).all()):
            break
    covariance = _step(data, weight, models, flux, torch.zeros_like(damping))[1]
    return Lobes(flux, x, y, covariance, chi2, (weight > 0).sum((1, 2)))


def _solved(data: Tensor, weight: Tensor, psf: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Best fluxes (n, m) for given places, the models (n, m, k, k) of unit flux, and chi-square (n,)."""
    n, m = x.shape
    models = shifted(psf, x.flatten().float(), y.flatten().float()).view(n, m, *psf.shape)
    basis = models.flatten(2).double()
    weighted = basis * weight.flatten(1)[:, None].double()
    normal = _stable(weighted @ basis.mT)
    flux = torch.linalg.solve(normal, (weighted @ data.flatten(1)[:, :, None].double()))[:, :, 0]
    left = data.double() - torch.einsum("nm,nmyx->nyx", flux, models.double())
    return flux, models, (left.square() * weight).sum((1, 2))


def _step(data: Tensor, weight: Tensor, models: Tensor, flux: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Step (n, 3 m) of fluxes, x and y towards lower chi-square, and the covariance of a step without damping."""
    along_y, along_x = torch.gradient(models, dim=(2, 3))
    scaled = flux.float()[:, :, None, None]
    basis = torch.cat([models, -along_x * scaled, -along_y * scaled], 1).flatten(2).double()
    weighted = basis * weight.flatten(1)[:, None].double()
    left = data - torch.einsum("nm,nmyx->nyx", flux.float(), models)
    normal = weighted @ basis.mT
    damped = _stable(normal + torch.diag_embed(damping[:, None] * normal.diagonal(dim1=1, dim2=2)))
    inverse = torch.linalg.inv(damped)
    return (inverse @ (weighted @ left.flatten(1)[:, :, None].double()))[:, :, 0], inverse


def _stable(normal: Tensor) -> Tensor:
    """Normal equations (n, p, p) that can be solved: lobes on one place, and what no pixel shows, get no step."""
    diagonal = normal.diagonal(dim1=1, dim2=2)
    return normal + torch.diag_embed(1e-9 * diagonal + 1e-12 * diagonal.amax(1, keepdim=True) + 1e-30)


def with_dipole_fits(table: pd.DataFrame, result: SubtractionResult, blank: Tensor, fwhm: float) -> pd.DataFrame:
    """Candidates with the columns ``DIPOLE_FITS``.

    ``point_chi2`` and ``dipole_chi2`` are reduced, with 3 and 6 parameters; ``dipole_gain`` is by how much chi-square
    is lower with two lobes. Fluxes, separation (px), its error and the angle (degrees, from the negative lobe to the
    positive one, from x towards y) are NaN where the two lobes are not of two signs, or gain less than 25. Lobes nearer
    than the PSF's width share their light: what is known then is flux times separation, and the error of the separation
    says so. The variance of a pixel is that of blank sky, larger where the error of a flux is larger; a dipole is
    fitted to DIFF alone, so that it knows nothing of how bright the source is in either image.

    Args:
        table: with x, y, sign; may be empty.
        result: the subtraction.
        blank: (H, W), True on sky without sources.
        fwhm: px; stamps reach 2.5 of it.
    """
    columns = {name: np.full(len(table), np.nan) for name in DIPOLE_FITS}
    half = min(max(4, int(np.ceil(2.5 * fwhm))), result.psf.shape[-1] // 2)
    middle = result.psf.shape[-1] // 2
    psf = result.psf.detach()[middle - half : middle + half + 1, middle - half : middle + half + 1]
    level = typical(result.flux_error, blank & ~result.mask) if bool((blank & ~result.mask).any()) else float("nan")
    growth = (result.flux_error / level).square().clamp_min(1.0) if level > 0 else torch.ones_like(result.diff)
    variance = (result.variance * growth).clamp_min(1e-30)
    x, y, sign = (torch.from_numpy(table[c].to_numpy(dtype=float, copy=True)) for c in ("x", "y", "sign"))
    for rows in torch.split(torch.arange(len(table)), _AT_ONCE) if len(table) else ():
        size = 2 * half + 1
        data, inside = stamps_at(result.diff, x[rows], y[rows], size)
        bad = stamps_at(result.mask, x[rows], y[rows], size)[0] | ~torch.isfinite(data)
        weight = torch.where(inside & ~bad, 1 / stamps_at(variance, x[rows], y[rows], size)[0], 0.0)
        data = torch.where(weight > 0, data, 0.0)
        start = torch.stack([x[rows] - nearest_pixel(x[rows]), y[rows] - nearest_pixel(y[rows])], 1)
        point = fit_lobes(data, weight, psf, start[:, :1], start[:, 1:])
        pair = _pair(data, weight, psf, start, sign[rows], point, fwhm)
        for name, values in _said(point, pair).items():
            columns[name][rows.numpy()] = values.numpy()
    return table.assign(**columns)


def _pair(data: Tensor, weight: Tensor, psf: Tensor, start: Tensor, sign: Tensor, point: Lobes, fwhm: float) -> Lobes:
    """Two lobes, the better of two fits.

    The second lobe begins where the stamp is most of the other sign, or where most is left of the point source.
    """
    away = -data * sign[:, None, None].float()
    left = data - point.flux[:, :1, None].float() * shifted(psf, point.x[:, 0].float(), point.y[:, 0].float())
    fits = []
    for plane in (away, torch.where(weight > 0, left, 0.0).abs()):
        other = _highest(plane, fwhm)
        x, y = (torch.stack([start[:, i], other[i]], 1) for i in (0, 1))
        fits.append(fit_lobes(data, weight, psf, x, y))
    first = fits[0].chi2 <= fits[1].chi2
    chosen = {}
    for name in ("flux", "x", "y", "covariance", "chi2", "pixels"):
        one, two = (getattr(fit, name) for fit in fits)
        chosen[name] = torch.where(first.view(-1, *[1] * (one.ndim - 1)), one, two)
    return Lobes(**chosen)


def _highest(plane: Tensor, fwhm: float) -> tuple[Tensor, Tensor]:
    """Where (px from the middle) smoothed stamps (n, k, k) are highest within 2 FWHM."""
    size = plane.shape[-1]
    smooth = torch.nn.functional.avg_pool2d(plane[:, None], 3, 1, 1)[:, 0]
    t = (torch.arange(size) - size // 2).float()
    far = t[:, None] ** 2 + t[None, :] ** 2 > (2 * fwhm) ** 2
    index = smooth.masked_fill(far, -torch.inf).flatten(1).argmax(1)
    return (index % size - size // 2).double(), (index // size - size // 2).double()


def _said(point: Lobes, pair: Lobes) -> dict[str, Tensor]:
    """The columns."""
    order = torch.argsort(pair.flux, 1, descending=True)
    flux, x, y = (t.gather(1, order) for t in (pair.flux, pair.x, pair.y))
    dx, dy = x[:, 0] - x[:, 1], y[:, 0] - y[:, 1]
    separation = torch.hypot(dx, dy)
    # of the two places: parameters 2, 3 are x, 4, 5 are y; the separation does not know which lobe is which
    along = torch.stack([dx, dy], 1) / separation.clamp_min(1e-9)[:, None]
    turn = torch.cat([along[:, :1], -along[:, :1], along[:, 1:], -along[:, 1:]], 1)
    swapped = order[:, 0] == 1
    turn = torch.where(swapped[:, None], -turn, turn)
    error = torch.einsum("na,nab,nb->n", turn, pair.covariance[:, 2:, 2:], turn).clamp_min(0).sqrt()
    two = (flux[:, 0] > 0) & (flux[:, 1] < 0) & (pair.pixels > 6) & (point.chi2 - pair.chi2 >= _GAIN)
    enough = point.pixels > 6
    nothing = torch.full_like(separation, torch.nan)
    return {
        "point_chi2": torch.where(enough, point.chi2 / (point.pixels - 3).clamp_min(1), nothing),
        "dipole_chi2": torch.where(enough, pair.chi2 / (pair.pixels - 6).clamp_min(1), nothing),
        "dipole_gain": torch.where(enough, point.chi2 - pair.chi2, nothing),
        "dipole_flux_positive": torch.where(two, flux[:, 0], nothing),
        "dipole_flux_negative": torch.where(two, flux[:, 1], nothing),
        "dipole_separation": torch.where(two, separation, nothing),
        "dipole_separation_err": torch.where(two, error, nothing),
        "dipole_angle": torch.where(two, torch.rad2deg(torch.atan2(dy, dx)), nothing),
    }
