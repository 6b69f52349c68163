"""Fourier planes of stamps and frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len
from torch import Tensor

_BAND = 64  # rows that are made at once
_FLOOR = 1e-3  # a measured power spectrum is kept above this fraction of its mean, so that no mode is divided by zero


def transform(stamp: Tensor, shape: tuple[int, int]) -> Tensor:
    """rfft2 of a centred (k, k) stamp on a larger periodic grid, its centre at pixel (0, 0).

    Only the k rows that hold data are transformed along x. Returns (H, W // 2 + 1), complex.
    """
    return _along_y(_along_x(stamp, shape), shape[0])


@dataclass(frozen=True)
class SpectrumColumns:
    """The transform of a stamp, made some columns at a time: a whole plane of it is as large as the frame.

    Args:
        along_x: (k, W // 2 + 1), the stamp's rows transformed along x.
        height: H of the grid.
    """

    along_x: Tensor
    height: int

    def __call__(self, columns: slice) -> Tensor:
        """Columns of ``transform``, (H, columns), complex."""
        return _along_y(self.along_x[..., columns], self.height)


def spectrum_columns(stamp: Tensor, shape: tuple[int, int]) -> SpectrumColumns:
    """``transform`` by columns, for a centred (k, k) stamp on a periodic grid.

    Raises:
        ValueError: a stamp larger than the grid.
    """
    return SpectrumColumns(_along_x(stamp, shape), shape[0])


def _along_x(stamp: Tensor, shape: tuple[int, int]) -> Tensor:
    k_y, k_x = stamp.shape[-2:]
    if k_y > shape[0] or k_x > shape[1]:
        raise ValueError(f"a stamp of {k_y} x {k_x} does not fit into {shape[0]} x {shape[1]} pixels")
    rows = torch.zeros((*stamp.shape[:-1], shape[1]), dtype=stamp.dtype, device=stamp.device)
    rows[..., :k_x] = stamp
    transformed: Tensor = torch.fft.rfft(torch.roll(rows, -(k_x // 2), -1))
    return transformed


def _along_y(rows: Tensor, height: int) -> Tensor:
    k = rows.shape[-2]
    full = torch.zeros((*rows.shape[:-2], height, rows.shape[-1]), dtype=rows.dtype, device=rows.device)
    full[..., : k - k // 2, :] = rows[..., k // 2 :, :]
    if k > 1:
        full[..., height - k // 2 :, :] = rows[..., : k // 2, :]
    columns: Tensor = torch.fft.fft(full, dim=-2)
    return columns


def stamp_of(spectrum: Tensor, shape: tuple[int, int], size: int) -> Tensor:
    """The central (size, size) of the inverse transform, centred: the opposite of ``transform``."""
    image = torch.fft.irfft2(spectrum, s=shape)
    half = size // 2
    return torch.roll(image, (half, half), (-2, -1))[..., :size, :size]


def power(noise: Tensor | float, shape: tuple[int, int], like: Tensor) -> Tensor:
    """Noise power spectrum of an autocovariance: a scalar tensor, or (H, W // 2 + 1), positive."""
    value = _unless_white(noise, like)
    return value if value.ndim < 2 else _positive(transform(value, shape), value)


def power_columns(noise: Tensor | float, shape: tuple[int, int], like: Tensor) -> Callable[[slice], Tensor]:
    """``power`` by columns."""
    value = _unless_white(noise, like)
    if value.ndim < 2:
        return lambda _: value
    columns_of = spectrum_columns(value, shape)
    return lambda columns: _positive(columns_of(columns), value)


def _unless_white(noise: Tensor | float, like: Tensor) -> Tensor:
    """A number where the power is the same at all frequencies."""
    value = torch.as_tensor(noise, dtype=like.dtype, device=like.device)
    return value[0, 0] if value.shape == (1, 1) else value


def _positive(spectrum: Tensor, noise: Tensor) -> Tensor:
    return torch.maximum(spectrum.real, _FLOOR * noise[..., noise.shape[-2] // 2, noise.shape[-1] // 2])


def padded_shape(shape: tuple[int, int], margin: int) -> tuple[int, int]:
    """The next sizes that transform fast and keep ``margin`` pixels between one edge and its periodic neighbour."""
    return (int(next_fast_len(shape[0] + margin, True)), int(next_fast_len(shape[1] + margin, True)))


def inverse(spectrum: list[Tensor], shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The first ``size`` (h, w) of the plane of ``shape`` whose transform is given, as ``irfft2`` makes it.

    The transform (..., H, W // 2 + 1) is taken out of its list, and rows are made band by band: planes are large.
    """
    along = torch.fft.ifft(spectrum.pop(), dim=-2)[..., : size[0], :]
    out = torch.empty((*along.shape[:-2], *size), dtype=along.real.dtype, device=along.device)
    for top in range(0, size[0], _BAND):
        rows = slice(top, top + _BAND)
        out[..., rows, :] = torch.fft.irfft(along[..., rows, :], n=shape[1])[..., : size[1]]
    return out
