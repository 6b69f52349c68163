"""Point sources in stamps: sub-pixel shifts of a PSF, flux and position fits, and frames of many sources."""

from __future__ import annotations

import torch
from torch import Tensor

_AT_ONCE = 4096  # stamps


def windows(shape: tuple[int, int], x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Flat indices (n, size, size) int32 of a (H, W) frame's pixels around positions, and which lie inside (bool).

    Those outside are the nearest inside.
    """
    half, (h, w) = size // 2, shape
    t = torch.arange(-half, half + 1)
    rows = nearest_pixel(y)[:, None] + t
    columns = nearest_pixel(x)[:, None] + t
    inside = ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[:, None, :]
    start = rows.clamp_(0, h - 1).int() * w
    return start[:, :, None] + columns.clamp_(0, w - 1).int()[:, None, :], inside


def taken(image: Tensor, index: Tensor) -> Tensor:
    """Values of (H, W) at flat indices of any shape."""
    return image.reshape(-1).index_select(0, index.flatten()).view(index.shape)


def stamps_at(image: Tensor, x: Tensor, y: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Stamps (n, size, size) of (H, W) around the nearest pixel of each position, and where they lie inside (bool)."""
    index, inside = windows((image.shape[-2], image.shape[-1]), x, y, size)
    return taken(image, index), inside


def nearest_pixel(position: Tensor) -> Tensor:
    """Index of the pixel whose centre is nearest; halves go up."""
    return torch.floor(position.double() + 0.5).long()


def shifted(stamp: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """(n, k, k): a (k, k) stamp, or one of each of (n, k, k), moved by (dx, dy) px (n,), by phases in Fourier space."""
    k = stamp.shape[-1]
    if len(dx) == 0:
        return stamp.new_zeros((0, k, k))
    size = k + 12  # what wraps around lands in the margin
    f_y, f_x = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    spectrum = torch.fft.rfft2(stamp, s=(size, size))
    along_y, along_x = (-2 * torch.pi * d.float()[:, None] * f for d, f in ((dy, f_y), (dx, f_x)))
    phases = [torch.polar(torch.ones_like(a), a) for a in (along_y, along_x)]
    moved: Tensor = torch.fft.irfft2(spectrum * phases[0][:, :, None] * phases[1][:, None, :], s=(size, size))
    return moved[..., :k, :k]


def fractions(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets (px, -0.5 ... 0.5) of positions from the pixels that ``stamps_at`` centres on."""
    return (x.double() - nearest_pixel(x)).float(), (y.double() - nearest_pixel(y)).float()


def fit_sources(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, steps: int = 3
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Flux and position of isolated point sources by weighted least squares.

    Args:
        image, variance, mask: (H, W).
        psf: (k, k), sum 1.
        x, y: (n,) first positions, px.
        steps: Gauss-Newton steps.

    Returns:
        flux, its error, x, y, and the error of a position per axis (px), (n,) each; NaN where the stamp is masked.
    """
    index, inside = windows((image.shape[-2], image.shape[-1]), x, y, psf.shape[-1])
    data, good = taken(image, index), inside & ~taken(mask, index)
    weight = good / taken(variance, index).clamp_min(1e-20)
    column, row = nearest_pixel(x), nearest_pixel(y)
    x, y = x.double(), y.double()
    flux = error = spread = torch.zeros(len(x))
    for _ in range(steps):
        model = shifted(psf, (x - column).float(), (y - row).float())
        # a masked core leaves nothing that can be measured
        enough = (model * good).sum((1, 2)) > 0.5
        flux, error, step, spread = _newton(data, weight, model)
        step = torch.where(enough[:, None], step, torch.zeros_like(step)).clamp(-0.5, 0.5)
        x, y = x + step[:, 0], y + step[:, 1]
        flux, error = (torch.where(enough, t, torch.full_like(t, torch.nan)) for t in (flux, error))
    return flux, error, x, y, spread


def fit_fluxes(image: Tensor, variance: Tensor, mask: Tensor, model: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Fluxes (n,) of sources whose places are known by weighted least squares; NaN where the stamp is masked.

    Args:
        image, variance, mask: (H, W).
        model: (n, k, k) of unit flux.
        x, y: (n,) px.
    """
    index, inside = windows((image.shape[-2], image.shape[-1]), x, y, model.shape[-1])
    good = inside & ~taken(mask, index)
    weighted = model * good / taken(variance, index).clamp_min(1e-20)
    flux = (weighted * taken(image, index)).sum((1, 2)) / (weighted * model).sum((1, 2))
    return torch.where((model * good).sum((1, 2)) > 0.5, flux, torch.nan)


def misfit(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, flux: Tensor, radius: float
) -> Tensor:
    """How unlike the PSF sources are: rms of data - model within ``radius`` px, noise taken away, over the model's rms.

    About 0.05 for stars, near 1 for galaxies.
    """
    left, noise, model, near = _residuals(image, variance, mask, psf, x, y, flux, radius)
    excess = (left.square() - noise) * near
    return (excess.sum((1, 2)).clamp_min(0) / (model.square() * near).sum((1, 2)).clamp_min(1e-30)).sqrt()


def chi_squares(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, flux: Tensor, radius: float
) -> Tensor:
    """Reduced chi-square (n,) of sources against the PSF within ``radius`` px; flux and position count as fitted."""
    left, noise, _, near = _residuals(image, variance, mask, psf, x, y, flux, radius)
    chi2 = (left.square() / noise.clamp_min(1e-20) * near).sum((1, 2))
    return chi2 / (near.sum((1, 2)) - 3).clamp_min(1)


def _residuals(
    image: Tensor, variance: Tensor, mask: Tensor, psf: Tensor, x: Tensor, y: Tensor, flux: Tensor, radius: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Stamps (n, k, k) of data - model, their variance, the model, and which pixels are good and within ``radius``."""
    size = psf.shape[-1]
    data, inside = stamps_at(image, x, y, size)
    model = flux[:, None, None] * shifted(psf, *fractions(x, y))
    t = (torch.arange(size) - size // 2).float()
    near = (t[:, None] ** 2 + t[None, :] ** 2 <= radius**2) & inside & ~stamps_at(mask, x, y, size)[0]
    return data - model, stamps_at(variance, x, y, size)[0], model, near


def _newton(data: Tensor, weight: Tensor, model: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g_y, g_x = torch.gradient(model, dim=(1, 2))
    basis = torch.stack([model, -g_x, -g_y], 1).flatten(2)
    weighted = basis * weight.flatten(1)[:, None]
    normal = torch.bmm(weighted, basis.mT).double()
    normal = normal + 1e-12 * torch.diag_embed(normal.diagonal(dim1=1, dim2=2).clamp_min(1e-30))
    inverse = torch.linalg.inv(normal)
    solution = (inverse @ torch.bmm(weighted, data.flatten(1)[:, :, None]).double())[:, :, 0]
    flux = solution[:, 0]
    safe = torch.where(flux.abs() > 0, flux, torch.ones_like(flux))
    spread = (inverse[:, 1, 1] + inverse[:, 2, 2]).clamp_min(0).div(2).sqrt() / safe.abs()
    return flux.float(), inverse[:, 0, 0].sqrt().float(), solution[:, 1:] / safe[:, None], spread.float()


def deposit(frame: Tensor, stamps: Tensor, x: Tensor, y: Tensor) -> None:
    """Add stamps (n, k, k) to a contiguous frame (H, W) in place, each around its position's nearest pixel."""
    for part in torch.split(torch.arange(len(x)), _AT_ONCE):
        index, inside = windows((frame.shape[0], frame.shape[1]), x[part], y[part], stamps.shape[-1])
        frame.view(-1).index_add_(0, index.flatten(), (stamps[part] * inside).flatten())


def render_sources(shape: tuple[int, int], psf: Tensor, x: Tensor, y: Tensor, flux: Tensor) -> Tensor:
    """(H, W) frame of point sources."""
    frame = torch.zeros(shape)
    for part in torch.split(torch.arange(len(x)), _AT_ONCE):
        stamps = flux[part][:, None, None] * shifted(psf, *fractions(x[part], y[part]))
        deposit(frame, stamps, x[part], y[part])
    return frame
