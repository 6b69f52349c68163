"""Point sources in stamps: sub-pixel shifts of a PSF, flux and position fits, and frames of many sources."""

from __future__ import annotations

import torch
from torch import Tensor


def stamps_at(image: Tensor, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Stamps (n, size, size) of (H, W) around the nearest pixel of each position, and where they lie inside (bool)."""
    half, (h, w) = size // 2, image.shape[-2:]
    t = torch.arange(-half, half + 1)
    rows = torch.floor(y.double() + 0.5).long()[:, None] + t
    columns = torch.floor(x.double() + 0.5).long()[:, None] + t
    inside = ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[:, None, :]
    return image[rows.clamp(0, h - 1)[:, :, None], columns.clamp(0, w - 1)[:, None, :]], inside


def shifted(stamp: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """(n, k, k): a (k, k) stamp, or one of each of (n, k, k), moved by (dx, dy) px (n,), by phases in Fourier space."""
    k = stamp.shape[-1]
    if len(dx) == 0:
        return stamp.new_zeros((0, k, k))
    size = k + 12  # what wraps around lands in the margin
    f_y, f_x = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    spectrum = torch.fft.rfft2(stamp, s=(size, size))
    angle = -2 * torch.pi * (dy.float()[:, None, None] * f_y[None, :, None] + dx.float()[:, None, None] * f_x)
    moved: Tensor = torch.fft.irfft2(spectrum * torch.polar(torch.ones_like(angle), angle), s=(size, size))
    return moved[..., :k, :k]


def fractions(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets (px, -0.5 ... 0.5) of positions from the pixels that ``stamps_at`` centres on."""
    return (x.double() - torch.floor(x.double() + 0.5)).float(), (y.double() - torch.floor(y.double() + 0.5)).float()


def fit_sources(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, steps: int = 3, move: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Flux and position of isolated point sources by weighted least squares.

    Args:
        image, variance, mask: (H, W). psf: (k, k), sum 1. x, y: (n,) first positions, px.
        steps: Gauss-Newton steps. move: fit the positions too.

    Returns:
        flux, its error, x, y, and the error of a position per axis (px), (n,) each; NaN where the stamp is masked.
    """
    x, y = x.clone().double(), y.clone().double()
    flux = error = spread = torch.zeros(len(x))
    for _ in range(steps if move else 1):
        data, inside = stamps_at(image, x, y, psf.shape[-1])
        good = inside & ~stamps_at(mask, x, y, psf.shape[-1])[0]
        weight = good / stamps_at(variance, x, y, psf.shape[-1])[0].clamp_min(1e-20)
        model = shifted(psf, *fractions(x, y))
        # a masked core leaves nothing that can be measured
        enough = (model * good).sum((1, 2)) > 0.5
        if not move:
            norm = (weight * model.square()).sum((1, 2))
            flux, error = (weight * model * data).sum((1, 2)) / norm, norm.rsqrt()
            spread = torch.full_like(flux, torch.nan)
        else:
            flux, error, step, spread = _newton(data, weight, model)
            step = torch.where(enough[:, None], step, torch.zeros_like(step)).clamp(-0.5, 0.5)
            x, y = x + step[:, 0], y + step[:, 1]
        flux, error = (torch.where(enough, t, torch.full_like(t, torch.nan)) for t in (flux, error))
    return flux, error, x, y, spread


def misfit(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, flux: Tensor, radius: float
) -> Tensor:
    """How unlike the PSF sources are: rms of data - model within ``radius`` px, noise taken away, over the model's rms.

    About 0.05 for stars, near 1 for galaxies.
    """
    size = psf.shape[-1]
    data, inside = stamps_at(image, x, y, size)
    model = flux[:, None, None] * shifted(psf, *fractions(x, y))
    t = (torch.arange(size) - size // 2).float()
    near = (t[:, None] ** 2 + t[None, :] ** 2 <= radius**2) & inside & ~stamps_at(mask, x, y, size)[0]
    excess = ((data - model).square() - stamps_at(variance, x, y, size)[0]) * near
    return (excess.sum((1, 2)).clamp_min(0) / (model.square() * near).sum((1, 2)).clamp_min(1e-30)).sqrt()


def _newton(data: Tensor, weight: Tensor, model: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g_y, g_x = torch.gradient(model, dim=(1, 2))
    basis = torch.stack([model, -g_x, -g_y], 1).flatten(2).double()
    w = weight.flatten(1).double()
    normal = torch.einsum("nip,np,njp->nij", basis, w, basis)
    normal = normal + 1e-12 * torch.diag_embed(normal.diagonal(dim1=1, dim2=2).clamp_min(1e-30))
    inverse = torch.linalg.inv(normal)
    solution = torch.einsum("nij,njp,np->ni", inverse, basis, w * data.flatten(1).double())
    flux = solution[:, 0]
    safe = torch.where(flux.abs() > 0, flux, torch.ones_like(flux))
    spread = (inverse[:, 1, 1] + inverse[:, 2, 2]).clamp_min(0).div(2).sqrt() / safe.abs()
    return flux.float(), inverse[:, 0, 0].sqrt().float(), solution[:, 1:] / safe[:, None], spread.float()


def render_sources(shape: tuple[int, int], psf: Tensor, x: Tensor, y: Tensor, flux: Tensor) -> Tensor:
    """(H, W) frame of point sources."""
    frame = torch.zeros(shape[0] * shape[1])
    if len(x) == 0:
        return frame.view(shape)
    half = psf.shape[-1] // 2
    t = torch.arange(-half, half + 1)
    for part in torch.split(torch.arange(len(x)), 4096):
        stamp = flux[part][:, None, None] * shifted(psf, *fractions(x[part], y[part]))
        rows = torch.floor(y[part].double() + 0.5).long()[:, None] + t
        columns = torch.floor(x[part].double() + 0.5).long()[:, None] + t
        inside = ((rows >= 0) & (rows < shape[0]))[:, :, None] & ((columns >= 0) & (columns < shape[1]))[:, None, :]
        index = rows[:, :, None] * shape[1] + columns[:, None, :]
        frame.index_add_(0, index[inside], stamp[inside])
    return frame.view(shape)
