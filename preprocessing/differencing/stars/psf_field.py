"""A PSF that varies over the field: a polynomial in each of its pixels, of the order that held-out stars ask for."""

from __future__ import annotations

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.frame.image import Image
from astrid_ml.preprocessing.differencing.pixels.stamps import deposit, fit_sources, fractions, shifted, taken, windows

_FOLDS = 5
_SURE = 2.5  # standard errors by which held-out stars must be better off
_WORTH = 0.005  # of their chi-square, at least: each further tile costs time
_STARS_PER_TERM = 8
_MOST = 150  # stars
_CLIP, _FLAT = 4.0, 0.1  # sigma, with a share of the star's own light: what is farther off is another source
_MODEL = 0.01  # of a star's peak, which no model of the PSF reaches: bright stars must not rule alone
_GRID = 2  # tiles along each axis for a polynomial of the first order; one more for each further


def terms(x: Tensor, y: Tensor, shape: tuple[int, int], order: int) -> Tensor:
    """Monomials (n, m) of positions in px, scaled to -1 ... 1 over the frame; the constant first."""
    u, v = 2 * x.float() / (shape[1] - 1) - 1, 2 * y.float() / (shape[0] - 1) - 1
    powers = [(i - j, j) for i in range(order + 1) for j in range(i + 1)]
    return torch.stack([u**i * v**j for i, j in powers], 1)


def psf_grid(image: Image, psf: Tensor, at: Tensor, orders: tuple[int, ...] = (1, 2)) -> Tensor | None:
    """The PSF on a grid (t, t, k, k) of tiles of the frame, None where held-out stars are no worse off with one.

    Args:
        image: background-free, its stars' neighbours subtracted.
        psf: (k, k), of the whole field.
        at: (n, 2) x, y of its stars, px, the brightest first.
        orders: of the polynomials that are tried, the lowest first.
    """
    off, weight, at = _residuals(image, psf, at[:_MOST])
    chosen, loss = 0, _held_out(off, weight, terms(at[:, 0], at[:, 1], image.shape, 0))
    for order in orders:
        basis = terms(at[:, 0], at[:, 1], image.shape, order)
        if len(at) < _STARS_PER_TERM * basis.shape[1]:
            break
        found = _held_out(off, weight, basis)
        gain = loss - found
        sure = _SURE * float(gain.std()) / len(gain) ** 0.5
        if not float(gain.mean()) > max(sure, _WORTH * float(loss.mean())):
            continue
        chosen, loss = order, found
    if not chosen:
        return None
    change, error = _fitted(off, weight, terms(at[:, 0], at[:, 1], image.shape, chosen))
    change = torch.stack([_smooth(c, e) for c, e in zip(change, error, strict=True)])
    tiles = _GRID + chosen - 1
    h, w = image.shape
    places = (torch.arange(tiles) + 0.5) / tiles
    y, x = torch.meshgrid(places * (h - 1), places * (w - 1), indexing="ij")
    grid = psf + torch.einsum("nm,mij->nij", terms(x.flatten(), y.flatten(), image.shape, chosen), change)
    return (grid / grid.sum((1, 2), keepdim=True)).view(tiles, tiles, *psf.shape)


def _residuals(image: Image, psf: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What stars are off the PSF (n, k, k), of flux 1 and centred, its weights, and their places."""
    k = psf.shape[-1]
    flux, _, x, y, _ = fit_sources(image.data, image.variance, image.mask, psf, at[:, 0], at[:, 1], 2)
    good = torch.isfinite(flux) & (flux > 0) & torch.isfinite(x) & torch.isfinite(y)
    flux, x, y = flux[good], x[good], y[good]
    dx, dy = fractions(x, y)
    own = flux[:, None, None] * shifted(psf, dx, dy)
    left = image.data.clone()
    deposit(left, -own, x, y)
    index, inside = windows(image.shape, x, y, k)
    residual, noise = taken(left, index), taken(image.variance, index)
    seen = inside & ~taken(image.mask, index)
    seen &= residual.abs() < _CLIP * (noise + (_FLAT * own).square()).sqrt()
    scale = flux[:, None, None]
    variance = noise.flatten(1).median(1).values[:, None, None] + (_MODEL * scale * psf.max()).square()
    back = shifted(torch.where(seen, residual, 0.0), -dx, -dy) / scale
    return back, seen * scale.square() / variance.clamp_min(1e-20), torch.stack([x, y], 1)


def _fitted(off: Tensor, weight: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (m, k, k) of the polynomial in each pixel, and their errors."""
    normal = torch.einsum("nij,na,nb->ijab", weight, basis, basis)
    normal = normal + 1e-6 * normal.diagonal(dim1=-2, dim2=-1).amax(-1)[..., None, None] * torch.eye(basis.shape[1])
    normal = normal + 1e-20 * torch.eye(basis.shape[1])
    right = torch.einsum("nij,nij,na->ija", weight, off, basis)
    inverse = torch.linalg.inv(normal.double())
    solved = torch.einsum("ijab,ijb->aij", inverse, right.double()).float()
    return solved, inverse.diagonal(dim1=-2, dim2=-1).permute(2, 0, 1).clamp_min(0).sqrt().float()


def _held_out(off: Tensor, weight: Tensor, basis: Tensor) -> Tensor:
    """Mean chi-square (n,) of each star's pixels against a polynomial fitted to the others."""
    fold = torch.arange(len(off)) % _FOLDS
    out = torch.zeros(len(off))
    for i in range(_FOLDS):
        if not bool((fold == i).any()) or not bool((fold != i).any()):
            continue
        change, error = _fitted(off[fold != i], weight[fold != i], basis[fold != i])
        change = torch.stack([_smooth(c, e) for c, e in zip(change, error, strict=True)])
        model = torch.einsum("nm,mij->nij", basis[fold == i], change)
        out[fold == i] = (weight[fold == i] * (off[fold == i] - model).square()).mean((1, 2))
    return out


def _smooth(change: Tensor, error: Tensor) -> Tensor:
    """A term (k, k) without what is noise, as the stack is shrunk, and nothing towards the rim."""
    power = torch.nn.functional.avg_pool2d(change.square()[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
    kept = (1 - error.square() / power.clamp_min(1e-30)).clamp(0, 1) * change
    half = change.shape[-1] // 2
    t = (torch.arange(change.shape[-1]) - half).float()
    window = ((half - (t[:, None] ** 2 + t[None, :] ** 2).sqrt()) / (0.4 * half)).clamp(0, 1)
    return window * kept
