"""Fourier planes of stamps and frames."""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor

_FLOOR = 1e-3  # a measured power spectrum is kept above this fraction of its mean, so that no mode is divided by zero


def transform(stamp: Tensor, shape: tuple[int, int]) -> Tensor:
    """rfft2 of a centred (k, k) stamp on a larger periodic grid, its centre at pixel (0, 0).

    Only the k rows that hold data are transformed along x. Returns (H, W // 2 + 1), complex.
    """
    h, w = shape
    k_y, k_x = stamp.shape[-2:]
    if k_y > h or k_x > w:
        raise ValueError(f"a stamp of {k_y} x {k_x} does not fit into {h} x {w} pixels")
    rows = torch.zeros((*stamp.shape[:-1], w), dtype=stamp.dtype, device=stamp.device)
    rows[..., :k_x] = stamp
    rows = torch.fft.rfft(torch.roll(rows, -(k_x // 2), -1))
    full = torch.zeros((*stamp.shape[:-2], h, rows.shape[-1]), dtype=rows.dtype, device=stamp.device)
    full[..., : k_y - k_y // 2, :] = rows[..., k_y // 2 :, :]
    if k_y > 1:
        full[..., h - k_y // 2 :, :] = rows[..., : k_y // 2, :]
    columns: Tensor = torch.fft.fft(full, dim=-2)
    return columns


def stamp_of(spectrum: Tensor, shape: tuple[int, int], size: int) -> Tensor:
    """The central (size, size) of the inverse transform, centred: the opposite of ``transform``."""
    image = torch.fft.irfft2(spectrum, s=shape)
    half = size // 2
    return torch.roll(image, (half, half), (-2, -1))[..., :size, :size]


def power(noise: Tensor | float, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Noise power spectrum of an autocovariance: a scalar tensor, or (H, W // 2 + 1), positive."""
    value = torch.as_tensor(noise, dtype=like.dtype, device=like.device)
    if value.ndim < 2:
        return value
    if value.shape[-2:] == (1, 1):  # white: the same at all frequencies
        return value if value.ndim > 2 else value[0, 0]
    spectrum = transform(value, shape).real
    return torch.maximum(spectrum, _FLOOR * value[..., value.shape[-2] // 2, value.shape[-1] // 2])


def padded_shape(shape: tuple[int, int], margin: int) -> tuple[int, int]:
    """The next sizes that transform fast and keep ``margin`` pixels between one edge and its periodic neighbour."""
    return (int(next_fast_len(shape[0] + margin, True)), int(next_fast_len(shape[1] + margin, True)))
