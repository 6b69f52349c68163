"""The difference of a pair of which one was convolved: its noise made white, and the optimal filter's significance.

The post-filter is that of Reiss & Lupton (2016, DMTN-021) and Zackay, Ofek & Gal-Yam (2016), with the noise's power
spectra of both images: DIFF is divided by the root of its noise power, and the score is the matched filter for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, power, stamp_of, transform

Kernels = tuple[Tensor, Tensor]
Noise = Tensor | float


@dataclass(frozen=True)
class Whitened:
    """A whitened difference and its score.

    Args:
        diff: (H, W), white.
        score: (H, W), of the matched filter.
        score_variance: (H, W), variance of the score.
        variance: (H, W), of a pixel of ``diff``.
        score_scale: (H, W), F_S: a source of flux f peaks at f F_S in the score.
        psf: (k, k) of ``diff`` in the middle of the field.
    """

    diff: Tensor
    score: Tensor
    score_variance: Tensor
    variance: Tensor
    score_scale: Tensor
    psf: Tensor


@dataclass(frozen=True)
class WhiteningFilters:
    """Filters of one place. Those at the frequencies of a grid have the shape of its transform.

    Args:
        white: post-filter, 1 at frequency 0.
        match: matched filter.
        score_scale: F_S, a scalar.
        psf: (k, k) of the white difference.
        score_kernels: squared kernels of both images, by which their variances become the score's.
        pixel_kernels: the same for a pixel of the white difference.
    """

    white: Tensor
    match: Tensor
    score_scale: Tensor
    psf: Tensor
    score_kernels: Kernels
    pixel_kernels: Kernels


def _zero_lag(noise: Noise, like: Tensor) -> Tensor:
    value = torch.as_tensor(noise, dtype=like.dtype, device=like.device)
    return value if value.ndim < 2 else value[value.shape[-2] // 2, value.shape[-1] // 2]


def _spectrum(kernels: Kernels, noises: tuple[Noise, Noise], shape: tuple[int, int]) -> Tensor:
    """Noise power of a difference."""
    total = torch.zeros((), dtype=kernels[0].dtype, device=kernels[0].device)
    for kernel, noise in zip(kernels, noises, strict=True):
        total = total + power(noise, shape, kernel) * transform(kernel, shape).abs().square()
    return total.clamp_min(1e-6 * float(total.mean()))


def _responses(
    psf: Tensor,
    kernels: Kernels,
    noises: tuple[Noise, Noise],
    whitened: tuple[Noise, Noise],
    shape: tuple[int, int],
) -> tuple[Tensor, ...]:
    """Post-filter, matched filter and F_S / shape at the frequencies of ``shape``; coloured kernels of both images."""
    k_n, k_r = transform(kernels[0], shape), transform(kernels[1], shape)
    q_n, q_r = power(noises[0], shape, psf), power(noises[1], shape, psf)
    p = transform(psf, shape) * k_n
    match = p.conj() / _spectrum(kernels, noises, shape)
    total = _spectrum(kernels, whitened, shape)
    white = (total[..., 0, 0] / total).sqrt()
    coloured = [
        k * (q / _zero_lag(noise, psf)).sqrt() for k, q, noise in zip((k_n, k_r), (q_n, q_r), noises, strict=True)
    ]
    return white, match, p, *coloured


def filters(
    psf: Tensor,
    kernels: Kernels,
    noises: tuple[Noise, Noise],
    whitened: tuple[Noise, Noise],
    shape: tuple[int, int],
) -> WhiteningFilters:
    """WhiteningFilters of one place on a grid of ``shape``.

    Args:
        psf: (k, k) PSF of the science image.
        kernels: (k, k) of science and reference in the difference.
        noises: variance or autocovariance (m, m) of each image.
        whitened: those by which the post-filter whitens.
        shape: (h, w) of the grid whose frequencies are used.
    """
    size = psf.shape[-1]
    white, match, *_ = _responses(psf, kernels, noises, whitened, shape)
    box = padded_shape((4 * size, 4 * size), size)
    small_white, small_match, p, c_n, c_r = _responses(psf, kernels, noises, whitened, box)
    squared = [
        (stamp_of(f * c_n, box, 2 * size - 1).square(), stamp_of(f * c_r, box, 2 * size - 1).square())
        for f in (small_match, small_white)
    ]
    scale = stamp_of(small_match * p, box, 1)[0, 0]
    return WhiteningFilters(white, match, scale, stamp_of(small_white * p, box, size), *squared)


def _hats(length: int, nodes: int) -> Iterator[tuple[slice, Tensor, float]]:
    """Parts of an axis around each node, their weights, which add up to 1 everywhere, and where the node is."""
    at = (torch.arange(nodes) + 0.5) * length / nodes - 0.5
    t = torch.arange(length)
    for i in range(nodes):
        weight = torch.ones(length)
        if i > 0:
            weight = torch.minimum(weight, (t - at[i - 1]) / (at[i] - at[i - 1]))
        if i < nodes - 1:
            weight = torch.minimum(weight, (at[i + 1] - t) / (at[i + 1] - at[i]))
        inside = torch.nonzero(weight > 0)[:, 0]
        part = slice(int(inside[0]), int(inside[-1]) + 1)
        yield part, weight[part], float(at[i])


def _grown(part: slice, margin: int, length: int) -> slice:
    return slice(max(part.start - margin, 0), min(part.stop + margin, length))


def _slope_squared(image: Tensor) -> Tensor:
    """|grad|^2 of (H, W) per px^2."""
    if min(image.shape) < 2:
        return torch.zeros_like(image)
    along_y, along_x = torch.gradient(image)
    return along_y.square() + along_x.square()


def _patch(
    diff: Tensor,
    variances: tuple[Tensor, Tensor],
    f: WhiteningFilters,
    shape: tuple[int, int],
    jitter: tuple[Tensor, float] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    h, w = diff.shape
    d = torch.fft.rfft2(diff, s=shape)
    white, score = (torch.fft.irfft2(d * g, s=shape)[:h, :w] for g in (f.white, f.match))
    levels = [v.mean() for v in variances]
    spectra = [torch.fft.rfft2(v - level, s=shape) for v, level in zip(variances, levels, strict=True)]
    out = []
    for kernels in (f.score_kernels, f.pixel_kernels):
        varying = sum(s * transform(k, shape) for s, k in zip(spectra, kernels, strict=True))
        floor = sum(level * k.sum() for level, k in zip(levels, kernels, strict=True))
        assert isinstance(varying, Tensor) and isinstance(floor, Tensor)
        out.append(torch.maximum(torch.fft.irfft2(varying, s=shape)[:h, :w] + floor, 1e-3 * floor))
    if jitter is not None:
        reference = torch.fft.irfft2(torch.fft.rfft2(jitter[0], s=shape) * f.match, s=shape)[:h, :w]
        # a source in one image alone cannot be misregistered
        out[0] = out[0] + jitter[1] ** 2 * torch.minimum(_slope_squared(reference), _slope_squared(score + reference))
    return white, score, out[0], out[1]


def whiten(
    diff: Tensor,
    variances: tuple[Tensor, Tensor],
    noises: tuple[Noise, Noise],
    psf: Tensor,
    kernels_at: Callable[[float, float], Kernels],
    nodes: int = 1,
    whitened: tuple[Noise, Noise] | None = None,
    jitter: tuple[Tensor, float] | None = None,
) -> Whitened:
    """Whiten a difference whose kernels vary over the field: filters at nodes x nodes places, blended linearly.

    Args:
        diff: (H, W) = k_n * N - k_r * R, science flux units.
        variances: (H, W) of N and R, sources included.
        noises: background noise of N and R.
        psf: (k, k) of N, sum 1.
        kernels_at: (k, k) kernels k_n and k_r at x, y (px).
        nodes: places per axis at which filters are made.
        whitened: what ``diff`` is whitened by, where that is not ``noises``; the score does not depend on it.
        jitter: k_r * R (H, W) and the rms of the registration error, px per axis, which then counts as noise
            (Zackay, Ofek & Gal-Yam 2016, eqs. 30-33).
    """
    h, w = diff.shape
    margin = 2 * psf.shape[-1]
    total = [torch.zeros_like(diff) for _ in range(5)]
    for rows, weight_y, y in _hats(h, nodes):
        for columns, weight_x, x in _hats(w, nodes):
            outer = (_grown(rows, margin, h), _grown(columns, margin, w))
            part = diff[outer]
            shape = padded_shape((part.shape[0], part.shape[1]), margin)
            f = filters(psf, kernels_at(x, y), noises, whitened or noises, shape)
            shaken = (jitter[0][outer], jitter[1]) if jitter is not None else None
            found = _patch(part, (variances[0][outer], variances[1][outer]), f, shape, shaken)
            top, left = rows.start - outer[0].start, columns.start - outer[1].start
            weight = (weight_y[:, None] * weight_x[None, :]).to(diff)
            for sum_, image in zip(total, (*found, f.score_scale.expand(part.shape)), strict=True):
                sum_[rows, columns] += weight * image[top : top + len(weight_y), left : left + len(weight_x)]
    box = padded_shape((4 * psf.shape[-1],) * 2, psf.shape[-1])
    middle = filters(psf, kernels_at((w - 1) / 2, (h - 1) / 2), noises, whitened or noises, box)
    return Whitened(total[0], total[1], total[2], total[3], total[4], middle.psf)
