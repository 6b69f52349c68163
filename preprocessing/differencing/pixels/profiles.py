"""Analytic point-spread functions and their fit to a stamp."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from astrid_ml.preprocessing.differencing.pixels.fourier import padded_shape, transform
from astrid_ml.types import Floats

Model = Literal["moffat", "gaussian"]


def profile(model: Model, size: int, parameters: Floats) -> Floats:
    """(size, size) elliptical profile of sum 1, centred; pixel-centre samples.

    Args:
        model: ``moffat`` or ``gaussian``.
        size: px, side of the stamp, odd.
        parameters: widths of the two axes (px: Moffat's alpha, the Gaussian's sigma), angle (rad), and Moffat's beta.
    """
    a, b, theta = parameters[:3]
    t = np.arange(size) - size // 2
    x, y = t[None, :], t[:, None]
    u, v = np.cos(theta) * x + np.sin(theta) * y, np.cos(theta) * y - np.sin(theta) * x
    r2 = (u / a) ** 2 + (v / b) ** 2
    out = (1 + r2) ** -parameters[3] if model == "moffat" else np.exp(-r2 / 2)
    return np.asarray(out / out.sum())


def fit_profile(model: Model, stamp: Tensor, error: Tensor | None = None) -> tuple[Tensor, Floats]:
    """The profile nearest to a (k, k) stamp, a constant and a scale left free, and its parameters.

    Raises:
        ValueError: a stamp without a positive peak.
    """
    from scipy.optimize import least_squares

    data = stamp.double().numpy()
    if not data.max() > 0:
        raise ValueError("a stamp without a positive peak cannot be fitted")
    weight = 1.0 if error is None else 1 / np.maximum(error.double().numpy(), 1e-12)
    size = data.shape[0]
    start = max(fwhm_of(stamp), 1.2)
    first = [start * 0.9, start * 0.9, 0.1, 3.0] if model == "moffat" else [start / 2.355, start / 2.355, 0.1]
    bounds = ([0.3, 0.3, -np.pi, 1.3][: len(first)], [size, size, np.pi, 12.0][: len(first)])

    w2, target = np.broadcast_to(np.square(weight), data.shape), data * weight
    level, total = np.sum(w2), np.sum(w2 * data)

    def residual(parameters: Floats) -> Floats:
        shape = profile(model, size, parameters)
        # scale and constant of the least squares in closed form
        weighted = shape * w2
        a, b, c = np.sum(weighted * shape), np.sum(weighted), np.sum(weighted * data)
        scale = (c * level - b * total) / (a * level - b * b)
        return np.asarray(target - (scale * shape + (total - scale * b) / level) * weight).ravel()

    best = least_squares(residual, np.clip(first, bounds[0], bounds[1]), bounds=bounds, max_nfev=60).x
    return torch.from_numpy(profile(model, size, best).astype(np.float32)), best


def fwhm_of(stamp: Tensor) -> float:
    """Full width at half maximum (px) of a centred stamp: the diameter of the circle at half its peak.

    The radial profile through pixel centres is crossed linearly; the peak is the central pixel.
    """
    data = stamp.double().numpy()
    half = data.shape[0] // 2
    t = np.arange(data.shape[0]) - half
    radius = np.hypot(t[None, :], t[:, None]).ravel()
    order = np.argsort(radius, kind="stable")
    r, value = radius[order], data.ravel()[order]
    rings, index = np.unique(np.round(r, 6), return_inverse=True)
    mean = np.bincount(index, value) / np.bincount(index)
    below = np.flatnonzero(mean < mean[0] / 2)
    if below.size == 0 or below[0] == 0:
        return float(2 * rings[-1])
    i = int(below[0])
    share = (mean[i - 1] - mean[0] / 2) / max(mean[i - 1] - mean[i], 1e-30)
    return float(2 * (rings[i - 1] + share * (rings[i] - rings[i - 1])))


def gaussian_stamp(sigma: float, size: int) -> Tensor:
    """(size, size) Gaussian, centred, sum 1; a delta for sigma below 0.05 px."""
    t = torch.arange(size) - size // 2
    stamp = torch.exp(-(t[:, None] ** 2 + t[None, :] ** 2) / (2 * max(sigma, 0.05) ** 2))
    return stamp / stamp.sum()


def matching_sigma(wide: Tensor, narrow: Tensor) -> float:
    """The sigma (px) of the Gaussian that brings ``narrow`` nearest to ``wide``; 0 where none helps."""
    size = wide.shape[-1]
    box = padded_shape((2 * size, 2 * size), size)
    target, source = transform(wide, box), transform(narrow, box)
    low, high = 0.0, size / 6
    for _ in range(6):  # each round narrows the bracket fivefold
        trial = torch.linspace(low, high, 11)
        kernels = torch.stack([transform(gaussian_stamp(float(s), size), box) for s in trial])
        best = int((source * kernels - target).abs().square().sum((-2, -1)).argmin())
        low, high = float(trial[max(best - 1, 0)]), float(trial[min(best + 1, 10)])
    sigma = (low + high) / 2
    return sigma if sigma > 0.06 else 0.0
