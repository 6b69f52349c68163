"""What a matching kernel is made of: basis functions, their roughness, and polynomials over the field."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def delta_basis(half: int) -> Tensor:
    """(k^2 + 1, k, k) float64, k = 2 half + 1: one pixel each (Bramich 2008, MNRAS 386, L77), the central once more.

    The last is free of the roughness penalty, so that the kernel of a pair of equal PSFs may be sharp.
    """
    k = 2 * half + 1
    pixels = torch.eye(k * k, dtype=torch.float64)
    return torch.cat([pixels, pixels[k * k // 2, None]]).view(-1, k, k)


def gaussian_basis(sigmas: Sequence[float], degrees: Sequence[int], half: int) -> Tensor:
    """(n, k, k) float64: a delta, then Gaussians times x^i y^j, i + j <= degree (Alard & Lupton 1998, ApJ 503, 325).

    All but the delta sum to 0, so that the delta's coefficient alone is the kernel's sum. The delta lets the kernel of
    a pair of equal PSFs be no convolution at all.

    Args:
        sigmas: widths of the Gaussians, px.
        degrees: of the polynomial on each.
        half: half-size of the kernel, px.
    """
    t = torch.arange(-half, half + 1, dtype=torch.float64)
    delta = torch.zeros(2 * half + 1, 2 * half + 1, dtype=torch.float64)
    delta[half, half] = 1.0
    out = [delta]
    for sigma, degree in zip(sigmas, degrees, strict=True):
        u = t / sigma
        profile = torch.exp(-u.square() / 2)
        for i in range(degree + 1):
            for j in range(degree + 1 - i):
                function = torch.outer(profile * u**j, profile * u**i)
                function = function / function.abs().sum()
                out.append(function - function.sum() * delta)
    return torch.stack(out)


def roughness(half: int) -> Tensor:
    """(k^2 + 1, k^2 + 1) penalty of ``delta_basis``: the squared Laplacian of its pixels, which are 0 outside.

    Becker et al. (2012, MNRAS 425, 1341). One lone pixel away from the rim costs 20, the last function nothing.
    """
    k = 2 * half + 1
    second = torch.diag(torch.full((k,), -2.0, dtype=torch.float64))
    second = second + torch.diag(torch.ones(k - 1, dtype=torch.float64), 1)
    second = second + torch.diag(torch.ones(k - 1, dtype=torch.float64), -1)
    eye = torch.eye(k, dtype=torch.float64)
    laplacian = torch.kron(second, eye) + torch.kron(eye, second)
    return pad(laplacian.T @ laplacian, (0, 1, 0, 1))


def noise_products(basis: Tensor, noise: Tensor | float) -> Tensor:
    """(b, b) covariance that noise of unit variance gains between its convolutions with the (b, k, k) basis.

    Args:
        basis: (b, k, k).
        noise: variance (of which only the whiteness counts) or autocovariance (m, m).
    """
    value = torch.as_tensor(noise, dtype=basis.dtype, device=basis.device)
    spread = basis
    if value.ndim == 2:
        unit = value / value[value.shape[0] // 2, value.shape[1] // 2]
        spread = conv2d(basis[:, None], unit[None, None], padding=value.shape[-1] // 2)[:, 0]
    return spread.flatten(1) @ basis.flatten(1).T


def polynomials(x: Tensor, y: Tensor, shape: tuple[int, int], order: int) -> Tensor:
    """(..., m) terms x^i y^j, i + j <= order, constant first, of positions (px) scaled to -1 ... 1 over the frame."""
    u, v = 2 * x.double() / max(shape[1] - 1, 1) - 1, 2 * y.double() / max(shape[0] - 1, 1) - 1
    return torch.stack([u**i * v ** (n - i) for n in range(order + 1) for i in range(n, -1, -1)], -1)


def n_terms(order: int) -> int:
    """Number of terms of a polynomial of two variables."""
    return (order + 1) * (order + 2) // 2
