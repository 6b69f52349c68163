"""What a matching kernel is made of: basis functions, their roughness, and polynomials over the field."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def delta_basis(half: int) -> Tensor:
    """(k^2, k, k) float64, k = 2 half + 1: one pixel each (Bramich 2008, MNRAS 386, L77)."""
    k = 2 * half + 1
    return torch.eye(k * k, dtype=torch.float64).view(-1, k, k)


def gaussian_basis(sigmas: Sequence[float], degrees: Sequence[int], half: int) -> Tensor:
    """(n, k, k) float64: a delta, then Gaussians times x^i y^j with i + j <= degree (Alard & Lupton 1998, ApJ 503, 325).

    All but the delta sum to 0, so that the delta's coefficient alone is the kernel's sum. The delta lets the kernel of a
    pair of equal PSFs be no convolution at all.

    Args:
        sigmas: widths of the Gaussians, px. degrees: of the polynomial on each. half: half-size of the kernel, px.
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
    """(k^2, k^2) penalty matrix: the squared Laplacian of a kernel, taken to be 0 outside (Becker et al. 2012, 425, 1341).

    ``kernel.flatten() @ roughness @ kernel.flatten()`` is 20 for one lone pixel away from the rim.
    """
    k = 2 * half + 1
    second = torch.diag(torch.full((k,), -2.0, dtype=torch.float64))
    second = second + torch.diag(torch.ones(k - 1, dtype=torch.float64), 1)
    second = second + torch.diag(torch.ones(k - 1, dtype=torch.float64), -1)
    eye = torch.eye(k, dtype=torch.float64)
    laplacian = torch.kron(second, eye) + torch.kron(eye, second)
    return laplacian.T @ laplacian


def polynomials(x: Tensor, y: Tensor, shape: tuple[int, int], order: int) -> Tensor:
    """(..., m) terms x^i y^j, i + j <= order, constant first, of positions (px) scaled to -1 ... 1 over the frame."""
    u, v = 2 * x.double() / max(shape[1] - 1, 1) - 1, 2 * y.double() / max(shape[0] - 1, 1) - 1
    return torch.stack([u**i * v ** (n - i) for n in range(order + 1) for i in range(n, -1, -1)], -1)


def n_terms(order: int) -> int:
    """Number of terms of a polynomial of two variables."""
    return (order + 1) * (order + 2) // 2
